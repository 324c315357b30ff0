"""The seam between a run and whatever makes its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wayframe.core.plan import SegmentPlan
from wayframe.errors import CancelledError

Frame: TypeAlias = NDArray[np.uint8]
"""One picture: (height, width, 3), RGB, 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJob:
    """A segment to render. `first` and `last` are its keyframes at output size; `last` is None for a lone keyframe.

    `given` holds the frames that a chained segment starts from (the last `overlap_before` frames of the segment
    before, as decoded from its published file); its first frames must show them. Empty when independent.
    """

    segment: SegmentPlan
    width: int
    height: int
    first: Frame
    last: Frame | None
    given: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStep:
    """What the engine did at one step, read back from the model itself. Units as in `core.plan.Step`."""

    index: int
    timestep: float
    expert: str
    guidance: float
    loras: Mapping[str, float]
    forwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One denoising step of a segment was applied."""

    segment: int
    step: AppliedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDone:
    """Frame `index` of a segment is ready; the frames of one segment come in order."""

    segment: int
    index: int
    pixels: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDone:
    """All frames of a segment were handed over."""

    segment: int


EngineEvent: TypeAlias = StepDone | FrameDone | SegmentDone


class Engine(Protocol):
    """Renders segments.

    `denoises` tells whether steps are run at all (preview and null do not: no `StepDone` is ever sent).
    `shows_keyframes` tells whether a segment with two keyframes begins and ends with exactly these pictures.
    `identity` names engine and version: it enters the content key, and changes whenever the pixels may. So nothing
    that is not in the content key may decide a pixel: not the segment's index, not what was rendered before.
    """

    name: str
    denoises: bool
    shows_keyframes: bool
    identity: str

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Yield the events of all `jobs`, in any order between jobs; `jobs` may make its items on demand.

        Raises `CancelledError` before the next event once `cancelled()` is true.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds; calling it again does nothing."""
        ...


def until_cancelled(events: Iterator[EngineEvent], *, cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
    """The same events; CancelledError instead of the next one, before it is made, once `cancelled()` is true."""
    while True:
        if cancelled():
            raise CancelledError("rendering was cancelled")
        event = next(events, None)
        if event is None:
            return
        yield event


def painted(
    jobs: Sequence[SegmentJob], *, frames: Callable[[SegmentJob], Iterator[Frame]], cancelled: Callable[[], bool]
) -> Iterator[EngineEvent]:
    """The events of an engine that paints the `frames` of one segment after the other; one job is held at a time."""

    def events(job: SegmentJob) -> Iterator[EngineEvent]:
        for index, pixels in enumerate(frames(job)):
            yield FrameDone(segment=job.segment.index, index=index, pixels=pixels)
        yield SegmentDone(segment=job.segment.index)

    for number in range(len(jobs)):
        yield from until_cancelled(events(jobs[number]), cancelled=cancelled)
