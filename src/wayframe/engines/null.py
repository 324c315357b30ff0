"""The engine `null`: flat frames with their number drawn on them, for tests and for timing everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from wayframe.engines.base import EngineEvent, EngineReport, EngineSetup, Frame, SegmentJob, no_options, painted

_FONT, _THINNEST = cv2.FONT_HERSHEY_SIMPLEX, 1
_DARKEST, _SHADES = 48, 160  # colours are neither so dark nor so light that the number gets lost
_FILLED = 0.6  # of the width or height that the number takes
_INK = (255, 255, 255)


class NullEngine:
    """Paints every segment in a colour of its own (by seed and content key) and numbers its frames.

    Keyframes are not looked at; given frames are handed over as they are.
    """

    name = "null"
    denoises = False
    shows_keyframes = False
    identity = "null/1"

    def __init__(self, setup: EngineSetup | None = None) -> None:
        no_options(setup or EngineSetup(), engine=self.name)

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Yield all frames of one segment after the other; one job is held at a time."""
        return painted(jobs, frames=_frames, cancelled=cancelled)

    def report(self) -> EngineReport:
        """The processor is all that is used."""
        return EngineReport()

    def close(self) -> None:
        """Nothing is held."""


def _frames(job: SegmentJob) -> Iterator[Frame]:
    colour = _colour(job.segment.seed, key=job.segment.key)
    for number in range(job.segment.frames):
        kept = job.kept(number)
        yield _numbered(number, width=job.width, height=job.height, colour=colour) if kept is None else kept


def _colour(seed: int, *, key: str) -> tuple[int, int, int]:
    red, green, blue = hashlib.sha256(f"{seed} {key}".encode()).digest()[:3]
    return _DARKEST + red % _SHADES, _DARKEST + green % _SHADES, _DARKEST + blue % _SHADES


def _numbered(number: int, *, width: int, height: int, colour: tuple[int, int, int]) -> Frame:
    frame = np.full((height, width, 3), colour, np.uint8)
    text = str(number)
    (unit_width, unit_height), _ = cv2.getTextSize(text, _FONT, 1.0, _THINNEST)
    scale = _FILLED * min(width / unit_width, height / unit_height)
    thickness = max(_THINNEST, round(scale * 2))
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    corner = ((width - text_width) // 2, (height + text_height) // 2)
    cv2.putText(frame, text, corner, _FONT, scale, _INK, thickness, cv2.LINE_AA)
    return frame
