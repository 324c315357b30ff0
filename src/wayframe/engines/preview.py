"""The engine `preview`: moving pictures from the keyframes alone, on any CPU, by optical flow and a drifting camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wayframe.camera import View, look
from wayframe.engines.base import EngineEvent, EngineReport, EngineSetup, Frame, SegmentJob, no_options, painted
from wayframe.flow import FlowPair, smooth

Vector: TypeAlias = tuple[float, float]

_ZOOM = 0.15  # how much the camera comes nearer at amount_of_motion 1
_PAN = 0.6  # of the room that the zoom makes, so that the border is never seen
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))  # neighbouring seeds drift far apart
_CARRY_FRAMES = 12  # over which the motion of the given frames comes to rest
_FASTEST_CARRY = 0.02  # of the picture's width in one frame
_FASTEST_PACE = 3.0  # above it the eased time would overshoot and come back
_CRUISE = 0.6  # pace at a keyframe, in parts of the mean: slow enough to dwell there, too fast to seem to stop
_TURN = 1.5  # power of the sine by which the camera goes and returns: at 1 it would bounce at a keyframe, at 2 rest


class PreviewEngine:
    """Shows the way between two keyframes as their motion tells it, slower near them but without a stop.

    The camera drifts by `amount_of_motion` in a direction that follows from the seed, and is back at both keyframes; a
    lone keyframe has only this drift and does not come back, and before a keyframe that nothing leads to the drift ends
    there. Given frames are handed over as they are, and the motion of those at the start goes on after the last of
    them. Pictures that do not belong together dissolve, and each is held for a moment.
    """

    name = "preview"
    denoises = False
    shows_keyframes = True
    identity = "preview/1"

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
    start, end = job.start, job.end
    free = job.segment.frames - len(start) - len(end)
    yield from start
    if start and end:
        yield from _between(job, first=start[-1], last=end[0], free=free)
    elif start:
        camera = _camera(job, rest=free, carry=_carried(start[-2:]))
        yield from (look(start[-1], view=camera.view(number)) for number in range(1, free + 1))
    else:
        camera = _camera(job, rest=free, carry=(0.0, 0.0))
        yield from (look(end[0], view=camera.view(number)) for number in range(free, 0, -1))
    yield from end


def _between(job: SegmentJob, *, first: Frame, last: Frame, free: int) -> Iterator[Frame]:
    """The `free` frames between two pictures; the last one stands a frame behind them."""
    motion, rest = _carried(job.start[-2:]), free + 1
    pair = FlowPair.of(first=first, last=last)
    cruise = _CRUISE * pair.warp  # pictures that dissolve are held for a moment
    start, left_over = _shared(motion, way=pair.way, rest=rest) if job.given else (cruise, motion)
    camera = _camera(job, rest=rest, carry=left_over)
    for number in range(1, rest):
        yield pair.frame(_eased(number / rest, start=start, end=cruise), view=camera.view(number))


def _eased(t: float, *, start: float, end: float) -> float:
    """The cubic from 0 to 1 over t in [0, 1] that has the speed `start` at 0 and `end` at 1 (Hermite form)."""
    return start * t * (1 - t) ** 2 + smooth(t) - end * t**2 * (1 - t)


def _shared(motion: Vector, *, way: Vector, rest: int) -> tuple[float, Vector]:
    """Split the motion that the given frames end with: the pace at which the way goes on from it, and what is left."""
    length = way[0] ** 2 + way[1] ** 2
    if length < 1:
        return 0.0, motion
    pace = min(max(rest * (motion[0] * way[0] + motion[1] * way[1]) / length, 0.0), _FASTEST_PACE)
    return pace, (motion[0] - way[0] * pace / rest, motion[1] - way[1] * pace / rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Camera:
    """Where the camera stands `number` frames after the last picture that is given, out of `rest`.

    `carry` is the motion (right, down) per frame with which the given frames ended, in pixels.
    """

    width: int
    height: int
    amount: float
    angle: float
    returns: bool
    rest: int
    carry: Vector

    def view(self, number: int) -> View:
        """The camera of one frame: the whole picture where a keyframe stands, exactly."""
        if self.returns and number == self.rest:
            return View()
        t = number / self.rest
        away = math.sin(math.pi * t) ** _TURN if self.returns else _eased(t, start=_CRUISE, end=_CRUISE)
        scale = 1 / (1 + _ZOOM * self.amount * away)
        room = (1 - scale) / 2
        coasting = self._coasting(number)
        return View(
            scale=scale,
            left=self.width * room * (1 + _PAN * math.cos(self.angle)) - self.carry[0] * coasting,
            top=self.height * room * (1 + _PAN * math.sin(self.angle)) - self.carry[1] * coasting,
        )

    def _coasting(self, number: int) -> float:
        """Frames' worth of carried motion: starts at full speed, ends at rest where it began (a Hermite curve)."""
        frames = min(self.rest, _CARRY_FRAMES)
        t = min(number / frames, 1.0)
        return frames * t * (1 - t) ** 2


def _camera(job: SegmentJob, *, rest: int, carry: Vector) -> _Camera:
    return _Camera(
        width=job.width,
        height=job.height,
        amount=job.segment.amount_of_motion,
        angle=job.segment.seed * _GOLDEN_ANGLE % math.tau,
        returns=bool(job.start and job.end),
        rest=rest,
        carry=carry,
    )


def _carried(ending: tuple[Frame, ...]) -> Vector:
    """The motion per frame at the end of the frames that are given, as far as it can be carried on."""
    if len(ending) <= 1:
        return 0.0, 0.0
    right, down = FlowPair.of(first=ending[0], last=ending[1]).way
    limit = _FASTEST_CARRY * ending[0].shape[1]
    return min(max(right, -limit), limit), min(max(down, -limit), limit)
