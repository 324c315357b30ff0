"""Between frames and latents: shapes, noise, and the autoencoder with its normalisation.

The numbers are those of diffusers' Wan pipelines: pixels in [-1, 1], latents less their mean and over their standard
deviation (`latents_mean` and `latents_std` of the autoencoder's config), the mode of the posterior instead of a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from wayframe.engines.base import Frame
from wayframe.engines.wan.canvas import Canvas, Grid
from wayframe.engines.wan.layout import VaeConfig

Shape: TypeAlias = tuple[int, int, int, int, int]
"""Batch (always 1), channels, latent frames, rows, columns."""


class Posterior(Protocol):
    """What an autoencoder says of a video: a distribution over latents."""

    def mode(self) -> Tensor:
        """Its most likely latents."""
        ...


class EncoderOutput(Protocol):
    """What `encode` returns."""

    latent_dist: Posterior


class DecoderOutput(Protocol):
    """What `decode` returns."""

    sample: Tensor


class Vae(Protocol):
    """The part of diffusers' `AutoencoderKLWan` that is used."""

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        ...

    def encode(self, x: Tensor) -> EncoderOutput:
        """From [1, 3, frames, height, width]."""
        ...

    def decode(self, z: Tensor) -> DecoderOutput:
        """To [1, 3, frames, height, width], in [-1, 1]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSpace:
    """What the latents of a model are like; `patch` is the side of the transformer's square patches, in latents."""

    channels: int
    spatial: int
    temporal: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int

    @classmethod
    def of(cls, config: VaeConfig, *, patch: int) -> Self:
        """From the autoencoder's config and the transformer's patch size."""
        return cls(
            channels=config.z_dim,
            spatial=config.scale_factor_spatial,
            temporal=config.scale_factor_temporal,
            mean=config.latents_mean,
            std=config.latents_std,
            patch=patch,
        )

    @property
    def grid(self) -> Grid:
        """Sizes and lengths that have latents of whole patches."""
        return Grid(size_step=self.spatial * self.patch, frame_step=self.temporal)

    def shape(self, *, width: int, height: int, frames: int) -> Shape:
        """The latents of a video; `EngineError` for a size or length off the grid."""
        self.grid.check(width=width, height=height, frames=frames)
        return 1, self.channels, (frames - 1) // self.temporal + 1, height // self.spatial, width // self.spatial


def noise(*, seed: int, shape: Sequence[int]) -> Tensor:
    """Standard normal float32, drawn on the CPU: a run does not depend on the device that it is made on."""
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def as_video(pictures: Sequence[Frame | None]) -> Tensor:
    """[1, 3, frames, height, width], float32 in [-1, 1]; where no picture is known exactly 0, which is mid-gray.

    The formula is that of diffusers' `VideoProcessor`, so that no bit differs. At least one picture must be known.
    """
    height, width = next(picture.shape[:2] for picture in pictures if picture is not None)
    video = torch.zeros(1, 3, len(pictures), height, width)
    for index, picture in enumerate(pictures):
        if picture is not None:
            video[0, :, index] = 2.0 * torch.from_numpy(picture.astype(np.float32) / 255.0).permute(2, 0, 1) - 1.0
    return video


class VideoCodec:
    """Videos to latents and back. `vae` gives the autoencoder, on `device`; `count` hears `vae_encodes` and
    `vae_decodes`."""

    def __init__(
        self, *, vae: Callable[[], Vae], space: LatentSpace, device: torch.device, count: Callable[[str], None]
    ) -> None:
        self._vae, self._device, self._count = vae, device, count
        self.space = space

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents of a video as `as_video` makes it: float32 [1, C, T, h, w] on the device."""
        self._count("vae_encodes")
        vae = self._vae()
        latents = vae.encode(video.to(self._device, vae.dtype)).latent_dist.mode().to(torch.float32)
        mean, std = self._statistics(latents)
        return (latents - mean) * (1.0 / std)

    def decode(self, latents: Tensor, *, canvas: Canvas) -> Iterator[Frame]:
        """The frames that the canvas shows, one by one, each an array of its own.

        Rounded to the nearest of 256 values as diffusers does for pictures.
        """
        video = self._decoded(latents)[0, :, : canvas.shown_frames, : canvas.shown_height, : canvas.shown_width]
        for index in range(video.shape[1]):
            pixels = (video[:, index] * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float().mul(255).round()
            yield pixels.to(torch.uint8).cpu().contiguous().numpy()

    @torch.no_grad()
    def _decoded(self, latents: Tensor) -> Tensor:
        self._count("vae_decodes")
        vae = self._vae()
        latents = latents.to(self._device, vae.dtype)
        mean, std = self._statistics(latents)
        return vae.decode(latents / (1.0 / std) + mean).sample

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values).view(1, -1, 1, 1, 1) for values in (self.space.mean, self.space.std))
        return mean, std
