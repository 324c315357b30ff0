"""The frames of a segment as WanGP's decoder left them: raw RGB bytes in a file, frame after frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from wayframe.engines.base import Frame
from wayframe.engines.wan.canvas import Canvas
from wayframe.errors import EngineError

_COLOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFrames:
    """A file of frames; `shape` is what WanGP says of it: frames, height, width, colours. None: it gave no frames."""

    path: Path
    shape: Sequence[int] | None
    canvas: Canvas

    def check(self, where: str) -> None:
        """Raise `EngineError`, beginning with `where`, unless the frames are those that were asked for."""
        canvas = self.canvas
        if self.shape is None:
            fix = "a WanGP whose API knows return_media is needed"
            raise EngineError(f"{where}: WanGP made no frames that it hands over; {fix}")
        wanted = [canvas.frames, canvas.height, canvas.width, _COLOURS]
        if list(self.shape) != wanted:
            raise EngineError(f"{where}: WanGP made {_size(self.shape)}, {_size(wanted)} were asked for")
        if self.path.stat().st_size != prod(wanted):
            raise EngineError(f"{where}: WanGP's frames are cut off")

    def __iter__(self) -> Iterator[Frame]:
        """The frames that were asked for, one held at a time: (height, width, 3) RGB."""
        canvas = self.canvas
        size = canvas.height * canvas.width * _COLOURS
        for index in range(canvas.shown_frames):
            whole = np.fromfile(self.path, np.uint8, count=size, offset=index * size)
            picture = whole.reshape(canvas.height, canvas.width, _COLOURS)
            yield np.ascontiguousarray(picture[: canvas.shown_height, : canvas.shown_width])


def _size(shape: Sequence[int]) -> str:
    if len(shape) != 1 + _COLOURS or shape[-1] != _COLOURS:
        return f"data of the shape {list(shape)}"
    return f"{shape[0]} frames of {shape[2]}x{shape[1]}"
