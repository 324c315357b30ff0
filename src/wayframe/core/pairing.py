"""Segments of two subjects that belong together, and what kind of way each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from wayframe.core.subject import Level, Subject, SubjectSegment

WAY = "way"
"""Names, in a difference, what kind of way a segment is that one side alone has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Segments of the first and of the second that belong together; None where one has no partner."""

    a: int | None
    b: int | None


def match_segments(a: Sequence[SubjectSegment], b: Sequence[SubjectSegment]) -> tuple[Pairing, ...]:
    """Pair segments by their keyframes, so that one put in between does not shift all the others.

    Where no keyframes are known, or none agree, the order counts. The order of the two sides makes no difference.
    """
    left, right = [_pictures(segment) for segment in a], [_pictures(segment) for segment in b]
    if not {*left} & {*right} - {NO_PICTURES}:
        return _by_order(len(a), len(b))
    if right < left:  # the search below prefers what comes first in its first argument
        return tuple(Pairing(a=pair.b, b=pair.a) for pair in _by_pictures(right, left))
    return _by_pictures(left, right)


def _by_pictures(left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]) -> tuple[Pairing, ...]:
    pairs: list[Pairing] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and a1 - a0 == b1 - b0):
            pairs += [Pairing(a=a0 + at, b=b0 + at) for at in range(a1 - a0)]
        else:
            pairs += [Pairing(a=at, b=None) for at in range(a0, a1)]
            pairs += [Pairing(a=None, b=at) for at in range(b0, b1)]
    return tuple(pairs)


NO_PICTURES = ("", "")


def _pictures(segment: SubjectSegment) -> tuple[str, str]:
    start, end = segment.keyframes
    return (start or "", end or "")


def _by_order(left: int, right: int) -> tuple[Pairing, ...]:
    return tuple(Pairing(a=at if at < left else None, b=at if at < right else None) for at in range(max(left, right)))


def way_of(subject: Subject, index: int) -> str:
    """What kind of way a planned segment is, with its article; empty for one from a keyframe to the next.

    It is empty, too, where no plan is known.
    """
    segment = subject.segments[index]
    planned = segment.values.get(Level.PLANNED, {})
    if Level.PLANNED not in segment.whole:
        return ""
    if planned.get("still"):
        return "a keyframe that is held"
    if planned.get("piece"):
        return "a piece of a video"
    if planned.get("given"):
        return "a bridge" if planned.get("given_after") else "a way on from the frames of a video"
    return _open_way(subject, segment)


def _open_way(subject: Subject, segment: SubjectSegment) -> str:
    first, last = segment.keyframes
    if last is None:
        return "a trail away from the last keyframe"
    if first is None:
        return "a lead to the first keyframe"
    back = subject.loops and segment.index == len(subject.segments) - 1
    return "the way back to the first keyframe" if back else ""
