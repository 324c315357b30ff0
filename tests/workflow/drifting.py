"""An engine whose colours drift, as those of real models do: what a colour match is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from wayframe.engines.base import EngineEvent, EngineSetup, Frame, FrameDone, SegmentJob
from wayframe.engines.preview import PreviewEngine

GAIN = np.array([0.6, 0.7, 0.95], np.float32)  # of red, green and blue at the end of a segment
LIFT = 6.0


class Drifting(PreviewEngine):
    """The preview's frames, colder and flatter from frame to frame; given frames stay as they are."""

    name = "drifting"
    identity = "drifting/1"
    shows_keyframes = False

    def __init__(self, setup: EngineSetup | None = None) -> None:
        super().__init__(setup)
        self.made: dict[tuple[int, int], Frame] = {}

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        by_number = {jobs[place].segment.index: jobs[place] for place in range(len(jobs))}
        for event in super().render(jobs, cancelled=cancelled):
            if not isinstance(event, FrameDone) or by_number[event.segment].kept(event.index) is not None:
                yield event
                continue
            pixels = drifted(event.pixels, t=event.index / (by_number[event.segment].segment.frames - 1))
            self.made[event.segment, event.index] = pixels
            yield replace(event, pixels=pixels)


def drifted(pixels: Frame, *, t: float) -> Frame:
    """A frame `t` of the way through a segment."""
    values = pixels.astype(np.float32) * (1 + t * (GAIN - 1)) + t * LIFT
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
