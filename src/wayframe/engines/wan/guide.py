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
    """The pictures that a segment starts from and the one that it ends with, on a canvas of the model's.

    `start` holds the given frames or, without any, the first keyframe. `end` is known from frame `end_at` on: the last
    frame that is shown and those after it, which the canvas may have. What is given goes before what it ends with.
    """

    canvas: Canvas
    start: tuple[Frame, ...]
    end: Frame | None

    @classmethod
    def of(cls, job: SegmentJob, *, grid: Grid, takes_end: bool) -> Self:
        """The guide of a job; `takes_end`: the model looks at an end keyframe at all."""
        canvas = canvas_of(job, grid=grid)
        start = (job.given or (job.first,))[: job.segment.frames]
        has_end = takes_end and job.last is not None and len(start) < job.segment.frames
        end = job.last if has_end else None
        return cls(
            canvas=canvas,
            start=tuple(map(canvas.fill, start)),
            end=None if end is None else canvas.fill(end),
        )

    @property
    def end_at(self) -> int:
        """The first frame that shows the end keyframe."""
        return self.canvas.shown_frames - 1

    def pictures(self) -> list[Frame | None]:
        """One entry per frame of the canvas, None where nothing is known."""
        tail = self.canvas.frames - self.end_at if self.end is not None else 0
        unknown = self.canvas.frames - len(self.start) - tail
        return [*self.start, *[None] * unknown, *[self.end] * tail]

    def known(self) -> Tensor:
        """One number per frame of the canvas: 1 where its picture is known, else 0."""
        return torch.tensor([0.0 if picture is None else 1.0 for picture in self.pictures()])

    def key(self) -> Hashable:
        """Equal for guides that hold the same pictures at the same frames of the same canvas."""
        ends = None if self.end is None else (picture_digest(self.end), self.end_at)
        size = self.canvas.width, self.canvas.height, self.canvas.frames
        return size, tuple(map(picture_digest, self.start)), ends


def canvas_of(job: SegmentJob, *, grid: Grid) -> Canvas:
    """The canvas that a job is made on."""
    return Canvas.around(width=job.width, height=job.height, frames=job.segment.frames, grid=grid)


def picture_digest(picture: Frame) -> str:
    """The sha256 of a picture's size and pixels."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
