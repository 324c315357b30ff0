"""What is known of a segment's frames before it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from wayframe.engines.base import Frame, SegmentJob
from wayframe.engines.wan.canvas import Canvas, Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The pictures that a segment starts from and those that it ends with, on a canvas of the model's.

    `start` holds the given frames or, without any, the first keyframe, `end` those given for the end, or the last
    keyframe. They are known from frame `end_at` on; frames after the last one shown, which the canvas may have, show it
    too. One of the two may be empty. `steering` are the frames of guide videos, one entry per frame shown, or nothing.
    """

    canvas: Canvas
    start: tuple[Frame, ...]
    end: tuple[Frame, ...]
    steering: tuple[Frame | None, ...] = ()

    @classmethod
    def of(cls, job: SegmentJob, *, grid: Grid, takes_end: bool) -> Self:
        """The guide of a job; `takes_end`: the model looks at an end keyframe at all."""
        canvas = canvas_of(job, grid=grid)
        return cls(
            canvas=canvas,
            start=tuple(map(canvas.fill, job.start)),
            end=tuple(map(canvas.fill, job.end)) if takes_end else (),
            steering=tuple(None if picture is None else canvas.fill(picture) for picture in job.guide),
        )

    @property
    def end_at(self) -> int:
        """The first frame that shows what the segment ends with."""
        return self.canvas.shown_frames - len(self.end)

    def pictures(self) -> list[Frame | None]:
        """One entry per frame of the canvas, None where nothing is known."""
        rested = self.end[-1:] * (self.canvas.frames - self.canvas.shown_frames)
        unknown = self.canvas.frames - len(self.start) - len(self.end) - len(rested)
        return [*self.start, *[None] * unknown, *self.end, *rested]

    def to_change(self) -> list[Frame | None]:
        """One entry per frame of the canvas: what steers it, None where nothing does or its picture is known."""
        rested = self.steering[-1:] * (self.canvas.frames - len(self.steering))
        shown = [*self.steering, *rested]
        return [one if known is None else None for one, known in zip(shown, self.pictures(), strict=True)]

    def known(self) -> Tensor:
        """One number per frame of the canvas: 1 where its picture is known, else 0."""
        return torch.tensor([0.0 if picture is None else 1.0 for picture in self.pictures()])

    def key(self) -> Hashable:
        """Equal for guides that hold the same pictures at the same frames of the same canvas."""
        size = self.canvas.width, self.canvas.height, self.canvas.frames
        return size, tuple(map(picture_digest, self.start)), tuple(map(picture_digest, self.end)), self.end_at


def canvas_of(job: SegmentJob, *, grid: Grid) -> Canvas:
    """The canvas that a job is made on."""
    return Canvas.around(width=job.width, height=job.height, frames=job.segment.frames, grid=grid)


def picture_digest(picture: Frame) -> str:
    """The sha256 of a picture's size and pixels."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
