"""The same motion at another frame rate: frames between two others by optical flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise

from wayframe.flow import FlowPair
from wayframe.media.pixels import Frame

_HALF = 0.5


def retimed_count(frames: int, *, fps: Fraction, target: Fraction) -> int:
    """How many frames `retimed` gives: those whose time is not after the last frame's."""
    return int((frames - 1) / fps * target) + 1


def retimed(frames: Iterable[Frame], *, fps: Fraction, target: Fraction) -> Iterator[Frame]:
    """Frames at `target` a second out of frames at `fps`: frame k shows the time k / target; two are held at a time.

    A frame that stands at such a time is handed over as it is. Where two frames have no motion in common, as at a cut,
    the nearer one is shown: a cut stays a cut.
    """
    step, place, number = fps / target, Fraction(0), 0
    stream = iter(frames)
    begin = next(stream, None)
    if begin is None:
        return
    last = begin
    for first, last in pairwise(chain((begin,), stream)):
        pair: FlowPair | None = None
        while place < number + 1:
            t = float(place - number)
            if t and pair is None:
                pair = FlowPair.of(first=first, last=last)
            yield _between(pair, t) if pair and t else first
            place += step
        number += 1
    if place == number:
        yield last


def _between(pair: FlowPair, t: float) -> Frame:
    if pair.warp:
        return pair.frame(t)
    return pair.first if t < _HALF else pair.last
