"""What a transformer is given beside noise and text: how it learns of the pictures that a segment passes through.

Known are the given frames that a segment starts from (else its first keyframe) and, where the model looks at an end,
those that it leads to (else its last keyframe). Each kind of model is told in its own way, with the numbers of
diffusers' pipelines where these know the case:

* t2v: not at all.
* i2v, flf2v: further channels with the latents of a video that shows what is known and is gray elsewhere, and a mask;
  Wan 2.1 is given CLIP embeddings too.
* vace: the latents of this video and a mask (black keeps, white generates), through a branch of its own.
* the 5B (`expand_timesteps`): known latent frames in the place of noise, and a mask that holds their tokens at time 0.

Masks are tensors from the start and never go through a compressed video.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

from wayframe.engines.base import Frame, SegmentJob
from wayframe.engines.wan.cache import TensorCache
from wayframe.engines.wan.guide import Guide, canvas_of, picture_digest
from wayframe.engines.wan.latents import Shape, VideoCodec, as_video
from wayframe.engines.wan.layout import Kind, Layout
from wayframe.engines.wan.vision import PictureEmbeddings
from wayframe.errors import EngineError

_CACHE_BYTES = 2**30  # 16 channels of 81 frames at 832x480 are 8.4 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How a model is told of pictures.

    `kind` and `takes_end` are the catalogue's, `expand_timesteps` the pipeline's; `clip_pictures` is the number of
    pictures that the transformer sees by CLIP, `vace_layers` that of its layers to which VACE's branch leads.
    """

    kind: Kind
    takes_end: bool
    expand_timesteps: bool = False
    clip_pictures: int = 0
    vace_layers: int = 0

    @classmethod
    def of(cls, layout: Layout) -> Self:
        """The traits of the model in a folder."""
        return cls(
            kind=layout.model.kind,
            takes_end=layout.model.takes_end,
            expand_timesteps=layout.index.expand_timesteps,
            clip_pictures=layout.transformer.clip_pictures,
            vace_layers=len(layout.transformer.vace_layers),
        )


class FirstLatents(NamedTuple):
    """Latent frames that are known: `mask` [1, 1, T, h, w] is 0 where they stand, and 1 elsewhere.

    `latents` [1, C, T, h, w] are 0 elsewhere. The timestep of a token is the step's times its mask.
    """

    mask: Tensor
    latents: Tensor

    def put_into(self, latents: Tensor) -> Tensor:
        """The latents, with the known frames in their place."""
        return (1 - self.mask) * self.latents + self.mask * latents


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One segment's condition, on the device.

    `channels` (float32) are concatenated to the latents on dimension 1; `extra` are further arguments of the forward,
    in the transformer's dtype; `first` (float32) is put into the latents before each forward and after the last step.
    """

    latents_shape: Shape
    channels: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    first: FirstLatents | None = None


class Conditions:
    """Makes conditions, and frames of finished latents.

    What was encoded is held in the main memory by its content, so that asking again for a condition encodes nothing.
    `embeddings` is needed by models with `clip_pictures`; `dtype` is the transformer's; `scale` weighs VACE's branch.
    """

    def __init__(
        self,
        *,
        traits: Traits,
        codec: VideoCodec,
        embeddings: PictureEmbeddings | None = None,
        device: torch.device,
        dtype: torch.dtype,
        scale: float = 1.0,
    ) -> None:
        if traits.clip_pictures and embeddings is None:
            raise EngineError(
                "the transformer reads CLIP embeddings, but its model has no image encoder; pull it again"
            )
        self._traits, self._codec, self._embeddings = traits, codec, embeddings
        self._device, self._dtype, self._scale = device, dtype, scale
        self._cache = TensorCache(limit=_CACHE_BYTES)

    def condition(self, job: SegmentJob) -> Condition:
        """The condition of a job; a size or length off the model's grid is made on a larger canvas."""
        guide = Guide.of(job, grid=self._codec.space.grid, takes_end=self._traits.takes_end)
        if self._traits.expand_timesteps:
            return Condition(latents_shape=self._shape(guide), first=self._first(guide))
        if self._traits.kind == "t2v":
            return Condition(latents_shape=self._shape(guide))
        if self._traits.kind == "vace":
            steered = job.segment.guide
            extra = self._control(guide, strength=steered.strength if steered else 1.0)
            return Condition(latents_shape=self._shape(guide), extra=extra)
        return Condition(
            latents_shape=self._shape(guide), channels=self._channels(guide), extra=self._seen_by_clip(guide)
        )

    def takes(self, job: SegmentJob) -> bool:
        """Whether the model can do with what is known: one of pictures needs one that it looks at."""
        needs = self._traits.kind in ("i2v", "flf2v") and not self._traits.expand_timesteps
        return not needs or bool(job.start) or (self._traits.takes_end and bool(job.end))

    def decode(self, latents: Tensor, *, job: SegmentJob) -> Iterator[Frame]:
        """The frames of a job's latents, one by one, at the size and in the number that the job asks for."""
        return self._codec.decode(latents, canvas=canvas_of(job, grid=self._codec.space.grid))

    def _shape(self, guide: Guide) -> Shape:
        canvas = guide.canvas
        return self._codec.space.shape(width=canvas.width, height=canvas.height, frames=canvas.frames)

    def _encoded(self, guide: Guide) -> Tensor:
        """The latents of the known pictures, gray between them."""
        return self._cache.get(guide.key(), lambda: self._codec.encode(as_video(guide.pictures()))).to(self._device)

    def _channels(self, guide: Guide) -> Tensor:
        """[1, step + C, T, h, w]: the mask of the frames that each latent frame stands for, and the latents."""
        shape, step = self._shape(guide), self._codec.space.temporal
        mask = folded_mask(guide.known(), step=step).view(1, step, -1, 1, 1).expand(-1, -1, -1, *shape[3:])
        return torch.cat([mask.to(self._device), self._encoded(guide)], dim=1)

    def _seen_by_clip(self, guide: Guide) -> Mapping[str, Tensor]:
        """CLIP of the picture that the segment begins with, and for first-last-frame models of the one it ends with.

        Such a model cannot do without a second picture: without an end the first stands for it, and the reverse.
        """
        if self._embeddings is None or not self._traits.clip_pictures:
            return {}
        known = [*guide.start, *guide.end]
        if not known:
            return {}
        pictures = [known[0], guide.end[-1] if guide.end else known[0]][: self._traits.clip_pictures]
        return {"encoder_hidden_states_image": self._embeddings.get(pictures).to(self._dtype)}

    def _control(self, guide: Guide, *, strength: float) -> Mapping[str, Tensor]:
        """What is kept, what is to be changed, and the mask: [1, 2C + spatial ** 2, T, h, w].

        What is to be changed is a gray video, but for the frames that a guide video steers: their guide frames.
        """
        shape, space = self._shape(guide), self._codec.space
        kept, changed = self._encoded(guide), self._changed(guide)
        mask = thinned_mask(1 - guide.known(), count=shape[2]).view(1, 1, -1, 1, 1)
        mask = mask.expand(-1, space.spatial**2, -1, *shape[3:]).to(self._device)
        return {
            "control_hidden_states": torch.cat([kept, changed, mask], dim=1).to(self._dtype),
            "control_hidden_states_scale": torch.full(
                (self._traits.vace_layers,), self._scale * strength, dtype=self._dtype, device=self._device
            ),
        }

    def _changed(self, guide: Guide) -> Tensor:
        """The latents of what is to be changed."""
        pictures = guide.to_change() if guide.steering else []
        if not any(picture is not None for picture in pictures):
            return self._gray(guide)
        digests = tuple(None if picture is None else picture_digest(picture) for picture in pictures)
        return self._cache.get(("steered", digests), lambda: self._codec.encode(as_video(pictures))).to(self._device)

    def _gray(self, guide: Guide) -> Tensor:
        size = 1, 3, guide.canvas.frames, guide.canvas.height, guide.canvas.width
        return self._cache.get(("gray", size), lambda: self._codec.encode(torch.zeros(size))).to(self._device)

    def _first(self, guide: Guide) -> FirstLatents:
        """As many whole latent frames as the pictures at the start fill; a text-to-video model knows none."""
        shape, step = self._shape(guide), self._codec.space.temporal
        mask = torch.ones(1, 1, *shape[2:], device=self._device)
        latents = torch.zeros(shape, device=self._device)
        if self._traits.kind == "t2v" or not guide.start:
            return FirstLatents(mask=mask, latents=latents)
        whole = (len(guide.start) - 1) // step + 1
        pictures = guide.start[: (whole - 1) * step + 1]
        mask[:, :, :whole] = 0
        latents[:, :, :whole] = self._cache.get(
            ("first", guide.key()), lambda: self._codec.encode(as_video(pictures))
        ).to(self._device)
        return FirstLatents(mask=mask, latents=latents)


def folded_mask(known: Tensor, *, step: int) -> Tensor:
    """[step, T] from one number per frame: those of the frames that each latent frame stands for.

    The first latent frame stands for the first frame alone, whose number is repeated.
    """
    return torch.cat([known[:1].repeat(step), known[1:]]).view(-1, step).T


def thinned_mask(mask: Tensor, *, count: int) -> Tensor:
    """[count] of one number per frame: each latent frame takes that of the frame nearest to its middle.

    That is how VACE was trained. So the last latent frame may not be told to keep a last keyframe, nor the first one to
    keep a first: what they show is told by the latents.
    """
    return functional.interpolate(mask[None, None], size=(count,), mode="nearest-exact")[0, 0]
