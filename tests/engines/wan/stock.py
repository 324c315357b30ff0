"""diffusers' own pipelines over the tiny models, and our conditions over the same parts, to compare the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from diffusers import DiffusionPipeline, WanImageToVideoPipeline, WanPipeline, WanVACEPipeline
from PIL import Image
from torch import Tensor

from contract.jobs import job, picture, segment
from engines.wan.tiny import TinyKind, TinyModels, catalogue_kind
from wayframe.engines.base import Frame, SegmentJob
from wayframe.engines.wan.conditions import Condition, Conditions, Traits
from wayframe.engines.wan.latents import LatentSpace, VideoCodec, noise
from wayframe.engines.wan.layout import Layout, read_layout
from wayframe.engines.wan.vision import PictureEmbeddings

Forward: TypeAlias = Mapping[str, Tensor]
"""What a transformer was given at a forward, by argument."""

WIDTH, HEIGHT, FRAMES, SEED = 64, 32, 17, 789
CPU = torch.device("cpu")
PIPELINES: dict[str, type[DiffusionPipeline]] = {
    "t2v": WanPipeline,
    "i2v": WanImageToVideoPipeline,
    "flf2v": WanImageToVideoPipeline,
    "vace": WanVACEPipeline,
}


@dataclass(frozen=True, kw_only=True)
class Stock:
    """A stock pipeline of a kind, and our classes over its parts."""

    pipeline: DiffusionPipeline
    layout: Layout
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, tiny: TinyModels, kind: TinyKind, *, takes_end: bool = True, text: bool = False) -> Stock:
        """`text`: a model of pictures (the 5B) used as one that knows text alone."""
        told = "t2v" if text else catalogue_kind(kind)
        made = PIPELINES[told].from_pretrained(tiny.folder(kind))
        made.set_progress_bar_config(disable=True)
        model = tiny.model(kind).model_copy(update={"kind": told, "takes_end": takes_end})
        return cls(pipeline=made, layout=read_layout(tiny.folder(kind), model=model))

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def space(self) -> LatentSpace:
        return LatentSpace.of(self.layout.vae, patch=self.layout.transformer.patch_size[1])

    def codec(self) -> VideoCodec:
        return VideoCodec(vae=lambda: self.pipeline.vae, space=self.space(), device=CPU, count=self.count)

    def conditions(self, *, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Conditions:
        """Our conditions over the pipeline's parts."""
        pipe = self.pipeline
        eyes = PictureEmbeddings(load=lambda: (pipe.image_processor, pipe.image_encoder), device=CPU, count=self.count)
        return Conditions(
            traits=Traits.of(self.layout),
            codec=self.codec(),
            embeddings=eyes,
            device=CPU,
            dtype=dtype,
            scale=scale,
        )

    def first_forward(self, **call: object) -> Forward:
        """What the pipeline gives its transformer at the first forward, called with all that the tests share."""
        seen: list[Forward] = []

        def note(_module: torch.nn.Module, _args: object, given: dict[str, Tensor]) -> None:
            seen.append({name: value for name, value in given.items() if isinstance(value, Tensor)})

        hook = self.pipeline.transformer.register_forward_pre_hook(note, with_kwargs=True)
        try:
            self.pipeline(**self.shared(), **call, output_type="latent")
        finally:
            hook.remove()
        return seen[0]

    def shared(self) -> dict[str, object]:
        return {
            "prompt": "a fish swims",
            "negative_prompt": "blurry",
            "width": WIDTH,
            "height": HEIGHT,
            "num_frames": FRAMES,
            "num_inference_steps": 1,
            "guidance_scale": 1.0,
            "generator": torch.Generator().manual_seed(SEED),
            "max_sequence_length": 32,
        }


def frame(seed: int) -> Frame:
    return picture(seed, width=WIDTH, height=HEIGHT)


def pil(seed: int) -> Image.Image:
    return Image.fromarray(frame(seed))


def trip(*, last: int | None = None, given: Sequence[int] = (), frames: int = FRAMES) -> SegmentJob:
    """A job that starts at picture 1 or from the pictures `given`; all are named by their seeds."""
    return job(
        segment(frames=frames, seed=SEED),
        first=frame(1),
        last=None if last is None else frame(last),
        given=tuple(map(frame, given)),
    )


def bridge(before: Sequence[int], after: Sequence[int], *, frames: int = FRAMES) -> SegmentJob:
    """A job without keyframes, from pictures to pictures; all are named by their seeds."""
    given, given_after = tuple(map(frame, before)), tuple(map(frame, after))
    return job(segment(frames=frames, seed=SEED), first=None, last=None, given=given, given_after=given_after)


def forward_of(condition: Condition) -> Forward:
    """What a sampler gives to the transformer at its first step, but for text and time."""
    latents = noise(seed=SEED, shape=condition.latents_shape)
    if condition.first is not None:
        latents = condition.first.put_into(latents)
    if condition.channels is not None:
        latents = torch.cat([latents, condition.channels], dim=1)
    return {"hidden_states": latents, **condition.extra}


def control_video(pictures: Mapping[int, int]) -> dict[str, object]:
    """VACE's arguments: pictures (by seed) at the frames that are kept, exact mid-gray and a white mask elsewhere."""
    video = np.full((FRAMES, HEIGHT, WIDTH, 3), 0.5, np.float32)
    mask = np.ones_like(video)
    for at, seed in pictures.items():
        video[at], mask[at] = frame(seed).astype(np.float32) / 255.0, 0
    return {"video": [video], "mask": [mask]}


def furthest(ours: Forward, theirs: Forward) -> float:
    """The largest difference of what both give beside text and time."""
    assert ours.keys() == theirs.keys() - {"timestep", "encoder_hidden_states"}
    assert all(ours[name].shape == theirs[name].shape for name in ours)
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
