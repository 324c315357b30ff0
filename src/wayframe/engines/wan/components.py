"""The parts of a Wan model: each read when it is first needed, and on the device while it is in use.

What `offload` means: with `none` a part stays on the device until it is freed. With `model` the large parts (text
encoder and experts) exclude each other there; the autoencoder (0.5 GB) and CLIP (2.5 GB) go beside them. With `blocks`
the large parts stay in main memory and their forward streams them. A part that leaves is dropped, and read again when
it is needed: the system's page cache holds the files as far as there is memory. With `keep` it is held in main memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import cast

import torch

from wayframe.core.catalogue import Model
from wayframe.engines.wan.latents import Vae
from wayframe.engines.wan.layout import ExpertName, Kind, Layout, read_layout
from wayframe.engines.wan.loading import (
    load_image_encoder,
    load_image_processor,
    load_text,
    load_tokenizer,
    load_transformer,
    load_vae,
    torch_dtype,
)
from wayframe.engines.wan.memory import free_memory
from wayframe.engines.wan.options import TRAINED_TEXT, GgufFiles, WanOptions
from wayframe.engines.wan.placing import pick_device, stream_blocks, stream_layers, weight_bytes
from wayframe.engines.wan.tally import Tally
from wayframe.engines.wan.text import TextEncoder, Tokenizer
from wayframe.engines.wan.vision import ImageEncoder, ImageProcessor
from wayframe.errors import SpecError

TEXT_ENCODER, IMAGE_ENCODER, VAE = "text_encoder", "image_encoder", "vae"


class Components:
    """The model in `folder`, which must be what the catalogue says of `model`.

    Making it reads JSON only. `device` and `dtype` are what transformers and text encoder work on and in; `layout` has
    the configs. Nothing may be kept of a part that was freed, or its memory stays taken. Raises `EngineError` for a
    folder that does not fit, `SpecError` for options that model or device cannot do.
    """

    def __init__(self, folder: Path, *, model: Model, options: WanOptions, tally: Tally | None = None) -> None:
        self.layout = read_layout(folder, model=model)
        self.options = options
        self.device, self.dtype = pick_device(options), torch_dtype(options)
        self.tally = tally or Tally(self.device)
        self._held: dict[str, torch.nn.Module] = {}
        self._placed: set[str] = set()
        _check_files(options, layout=self.layout)
        _check_text(options, layout=self.layout)

    @property
    def kind(self) -> Kind:
        """What the catalogue calls the model."""
        return self.layout.model.kind

    @property
    def experts(self) -> tuple[ExpertName, ...]:
        """`("high", "low")` or `("only",)`."""
        return tuple(self.layout.transformers)

    @property
    def expand_timesteps(self) -> bool:
        """Each token has its own time (the 5B)."""
        return self.layout.index.expand_timesteps

    @property
    def boundary(self) -> float | None:
        """The pipeline's own border between the experts, a time from 0 to 1; a plan decides by step instead."""
        return self.layout.index.boundary_ratio

    def expert(self, name: ExpertName) -> torch.nn.Module:
        """A transformer, ready to run on the device.

        It is the same object as before while it is held, and a new one (without LoRAs) after it was dropped.
        """
        return self._ready(name, partial(load_transformer, self.layout, expert=name, options=self.options))

    def text(self) -> tuple[Tokenizer, TextEncoder]:
        """Tokenizer and text encoder, which is on the device."""
        encoder = self._ready(TEXT_ENCODER, partial(load_text, self.layout, options=self.options))
        return self._tokenizer, cast("TextEncoder", encoder)

    def image_encoder(self) -> tuple[ImageProcessor, ImageEncoder]:
        """CLIP's image processor and encoder, which is on the device; only for `layout.transformer.clip_pictures`."""
        encoder = self._ready(IMAGE_ENCODER, partial(load_image_encoder, self.layout))
        return self._image_processor, cast("ImageEncoder", encoder)

    def vae(self) -> Vae:
        """The autoencoder (`AutoencoderKLWan`), on the device in float32."""
        return cast("Vae", self._ready(VAE, partial(load_vae, self.layout, options=self.options)))

    def free(self, name: str) -> None:
        """Take a part (`text_encoder`, `image_encoder`, `vae`, or an expert) off the device, if it is there."""
        if name in self._placed:
            self._leave(name)
            free_memory(self.device)

    def close(self) -> None:
        """Drop all parts; they are read again when they are needed."""
        self._placed.clear()
        self._held.clear()
        free_memory(self.device)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.layout)

    @cached_property
    def _image_processor(self) -> ImageProcessor:
        return load_image_processor(self.layout)

    def _ready(self, name: str, load: Callable[[], torch.nn.Module]) -> torch.nn.Module:
        if name in self._placed:
            return self._held[name]
        self._make_room(name)
        read = name not in self._held
        module = load() if read else self._held[name]
        if not self._streams(name):
            module.to(self.device)
        elif read:
            stream = stream_layers if name == TEXT_ENCODER else stream_blocks
            stream(module, device=self.device, tally=self.tally)
        if read or not self._streams(name):
            self.tally.add("bytes_moved", weight_bytes(module))
            self.tally.add("expert_loads", int(name in self.experts))
        self._held[name] = module
        self._placed.add(name)
        return module

    def _is_large(self, name: str) -> bool:
        return name == TEXT_ENCODER or name in self.experts

    def _streams(self, name: str) -> bool:
        return self.options.offload == "blocks" and self._is_large(name)

    def _make_room(self, name: str) -> None:
        """For a large part all others leave but the autoencoder, which is needed between the experts' turns."""
        if self.options.offload == "none" or not self._is_large(name):
            return
        leaving = self._placed - {VAE}
        for other in leaving:
            self._leave(other)
        if leaving:
            free_memory(self.device)

    def _leave(self, name: str) -> None:
        self._placed.remove(name)
        if not self.options.keep:
            del self._held[name]
        elif not self._streams(name):
            self._held[name].to("cpu")


def _check_files(options: WanOptions, *, layout: Layout) -> None:
    if isinstance(options.weights, GgufFiles) and set(options.weights.paths) != set(layout.transformers):
        one = len(layout.transformers) == 1
        number, form = ("1 transformer", "PATH.gguf") if one else ("2 transformers", "high=PATH.gguf,low=PATH.gguf")
        raise SpecError("option weights", f"{layout.model.name} has {number}", fix=f"give {form}")


def _check_text(options: WanOptions, *, layout: Layout) -> None:
    """Where CLIP follows the text, diffusers' attention takes all from behind the 512th token for the pictures."""
    if layout.transformer.clip_pictures and options.text_length != TRAINED_TEXT:
        problem = f"{layout.model.name} finds its pictures behind {TRAINED_TEXT} tokens of text"
        raise SpecError("option text_length", problem, options.text_length, fix="leave it out")
