"""Pictures as Wan 2.1's image-to-video transformers see them beside the latents: embeddings by CLIP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from wayframe.engines.base import Frame
from wayframe.engines.wan.cache import TensorCache
from wayframe.engines.wan.guide import picture_digest

_CACHE_BYTES = 256 * 2**20  # CLIP ViT-H: 257 x 1280 numbers per picture, 1.3 MB


class ImageProcessor(Protocol):
    """The part of a transformers image processor that is used."""

    def __call__(self, *, images: Image.Image, return_tensors: str) -> Mapping[str, Tensor]:
        """`pixel_values`, [1, 3, height, width], at the size that the encoder takes."""
        ...


class HiddenStates(Protocol):
    """What an image encoder returns."""

    hidden_states: Sequence[Tensor]


class ImageEncoder(Protocol):
    """The part of a transformers CLIP vision model that is used."""

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        ...

    def __call__(self, pixel_values: Tensor, *, output_hidden_states: bool) -> HiddenStates:
        """The states after each layer."""
        ...


class PictureEmbeddings:
    """Embeddings of pictures, with the numbers of `WanImageToVideoPipeline.encode_image`.

    `load` gives processor and encoder, which is on `device` then; `count` hears `image_encodes`.
    """

    def __init__(
        self,
        *,
        load: Callable[[], tuple[ImageProcessor, ImageEncoder]],
        device: torch.device,
        count: Callable[[str], None],
    ) -> None:
        self._load, self._device, self._count = load, device, count
        self._cache = TensorCache(limit=_CACHE_BYTES)

    def get(self, pictures: Sequence[Frame]) -> Tensor:
        """[pictures, tokens, width] on the device: the states of the layer before the last."""
        held = [self._cache.get(picture_digest(one), partial(self._embedded, one)) for one in pictures]
        return torch.cat(held).to(self._device)

    @torch.no_grad()
    def _embedded(self, picture: Frame) -> Tensor:
        self._count("image_encodes")
        processor, encoder = self._load()
        pixels = processor(images=Image.fromarray(picture), return_tensors="pt")["pixel_values"]
        return encoder(pixels.to(self._device, encoder.dtype), output_hidden_states=True).hidden_states[-2]
