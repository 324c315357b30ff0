"""The size and the length that a model works at, around those that were asked for.

A plan for a model of the catalogue stands on the model's grids, and then nothing is changed. Any other size is rendered
larger and cut: the pictures are continued to the right and below by their last pixels, and the frames after the last
one rest on it. So an engine serves every size and length, as all engines must.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from wayframe.engines.base import Frame
from wayframe.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a model can do: sides that are multiples of `size_step` pixels, and `frame_step` * n + 1 frames."""

    size_step: int
    frame_step: int

    def check(self, *, width: int, height: int, frames: int) -> None:
        """Raise `EngineError` for a number that is off the grid; it names both neighbours."""
        for name, side in (("width", width), ("height", height)):
            if side < 1 or side % self.size_step:
                above = _up(side, step=self.size_step)
                raise _off(name, side, f"a multiple of {self.size_step}", below=above - self.size_step, above=above)
        if frames < 1 or (frames - 1) % self.frame_step:
            above = _up(frames - 1, step=self.frame_step) + 1
            raise _off("frames", frames, f"{self.frame_step}n+1", below=above - self.frame_step, above=above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """`width`, `height` and `frames` stand on the model's grids; the `shown` ones are what was asked for."""

    width: int
    height: int
    frames: int
    shown_width: int
    shown_height: int
    shown_frames: int

    @classmethod
    def around(cls, *, width: int, height: int, frames: int, grid: Grid) -> Self:
        """The smallest canvas of the grid that holds a size and a length; itself where it is on the grid."""
        return cls(
            width=_up(width, step=grid.size_step),
            height=_up(height, step=grid.size_step),
            frames=_up(frames - 1, step=grid.frame_step) + 1,
            shown_width=width,
            shown_height=height,
            shown_frames=frames,
        )

    def fill(self, picture: Frame) -> Frame:
        """The picture at the canvas's size; `EngineError` when it has not the size that was asked for."""
        height, width = picture.shape[:2]
        if (width, height) != (self.shown_width, self.shown_height):
            raise EngineError(
                f"a picture of {width}x{height} came with a segment of {self.shown_width}x{self.shown_height};"
                " fit the keyframes to the output's size first"
            )
        return np.pad(picture, ((0, self.height - height), (0, self.width - width), (0, 0)), mode="edge")


def _up(number: int, *, step: int) -> int:
    return -(-number // step) * step


def _off(name: str, value: int, what: str, *, below: int, above: int) -> EngineError:
    near = f"{below} or {above}" if below > 0 else f"{above}"
    return EngineError(f"{name}: the model makes {what} (got {value}); use {near}")
