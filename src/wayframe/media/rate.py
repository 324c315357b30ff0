"""The same motion at another frame rate: frames between two others, by optical flow or by a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise
from typing import TypeAlias

from wayframe.flow import FlowPair
from wayframe.media.pixels import Frame

Between: TypeAlias = Callable[[Frame, Frame], Callable[[float], Frame]]
"""Looks at a frame and at the next, and gives the frame at any time from 0 (the first) to 1 (the next)."""
_HALF = 0.5


def by_flow(a: Frame, b: Frame) -> Callable[[float], Frame]:
    """Frames between two by optical flow; where they have no motion in common, as at a cut, the nearer one."""
    pair = FlowPair.of(first=a, last=b)
    return pair.frame if pair.warp else nearer(a, b)


def nearer(a: Frame, b: Frame) -> Callable[[float], Frame]:
    """The frame whose time is nearer."""
    return lambda t: a if t < _HALF else b


def retimed_count(frames: int, *, fps: Fraction, target: Fraction) -> int:
    """How many frames `retimed` gives: those whose time is not after the last frame's."""
    return int((frames - 1) / fps * target) + 1


def retimed(frames: Iterable[Frame], *, fps: Fraction, target: Fraction, between: Between = by_flow) -> Iterator[Frame]:
    """Frames at `target` a second out of frames at `fps`: frame k shows the time k / target; two are held at a time.

    A frame that stands at such a time is handed over as it is; `between` makes the others.
    """
    step, place, number = fps / target, Fraction(0), 0
    stream = iter(frames)
    begin = next(stream, None)
    if begin is None:
        return
    last = begin
    for first, last in pairwise(chain((begin,), stream)):
        drawn: Callable[[float], Frame] | None = None
        while place < number + 1:
            t = float(place - number)
            if t and drawn is None:
                drawn = between(first, last)
            yield drawn(t) if drawn and t else first
            place += step
        number += 1
    if place == number:
        yield last
