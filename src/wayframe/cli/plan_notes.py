"""What a plan says of few segments only, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from wayframe.core.clips import ClipSpan
from wayframe.core.look import Look
from wayframe.core.plan import Plan, SegmentPlan


def notes(plan: Plan) -> Iterator[str]:
    """One line for each segment that is given frames of a video, and for neighbours that have one look."""
    for segment in plan.segments:
        ways = (("starts from", segment.given), ("leads to", segment.given_after))
        given = [f"{way} {_span(span)}" for way, span in ways if span is not None]
        if given:
            yield f"segment {segment.index} {' and '.join(given)}"
    for look, group in groupby(plan.segments, key=lambda segment: segment.look):
        if look is not None:
            yield f"look of {_numbers(list(group))}: {_words(look)}"


def _span(span: ClipSpan) -> str:
    return f"frames {span.start} to {span.stop - 1} of video {span.clip}"


def _numbers(group: list[SegmentPlan]) -> str:
    first, last = group[0].index, group[-1].index
    return f"segment {first}" if first == last else f"segments {first} to {last}"


def _words(look: Look) -> str:
    """What is not neutral in a look, by the words of a spec."""
    told = {
        "colour_match": look.colour_match or None,
        "saturation": None if look.saturation == 1 else look.saturation,
        "brightness": look.brightness or None,
    }
    words = [f"{name} {value:g}" for name, value in told.items() if value is not None]
    return ", ".join([*words, *(["banner"] if look.banner else [])])
