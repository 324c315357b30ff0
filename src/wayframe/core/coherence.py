"""Whether the parts of a plan agree with each other; a plan that was edited by hand may have lost that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from wayframe.core.clips import ClipSpan
from wayframe.core.frames import Layout, check_overlaps
from wayframe.core.plan import Plan, SegmentPlan, forwards_of
from wayframe.core.spec import parse_spec
from wayframe.errors import SpecError

_CHOICES = ("mode", "chaining", "fps", "resolution", "fit", "matte", "profile", "curve")
_Facts = Iterator[tuple[str, object, object]]


def check_plan(plan: Plan) -> None:
    """Raise `SpecError` for the first field that contradicts another one, or that a spec could not say either."""
    if not plan.keyframes and not any(segment.piece for segment in plan.segments):
        raise SpecError("keyframes", "needs at least 1", [])
    pictures = [{"image": "first"}, {"image": "last"}]
    parse_spec({"keyframes": pictures, **{name: getattr(plan, name) for name in _CHOICES}})
    for field, got, wanted in _facts(plan):
        if got != wanted:
            raise SpecError(field, f"expected {wanted}, as the rest of the plan has it", got)
    layout = Layout(
        positions=tuple(keyframe.at for keyframe in plan.keyframes),
        frames=tuple(segment.frames for segment in plan.segments),
        overlaps=tuple(segment.overlap_after for segment in plan.segments[:-1]),
    )
    check_overlaps(layout)


def _facts(plan: Plan) -> _Facts:
    """Fields with the value that they have, and the value that follows from others."""
    places = _places(plan)
    untouched = [index for index in range(len(plan.keyframes)) if index not in places]
    yield "segments", untouched, []
    yield "clips", tuple(clip.index for clip in plan.clips), tuple(range(len(plan.clips)))
    for index, segment in enumerate(plan.segments):
        yield from _segment_facts(plan, segment, index=index)
        yield from _end_facts(plan, segment)
    for index, keyframe in enumerate(plan.keyframes):
        yield f"keyframes[{index}].index", keyframe.index, index
        yield f"keyframes[{index}].at", keyframe.at, places.get(index)
    for left, right in pairwise(plan.segments):
        yield f"segments[{right.index}].overlap_before", right.overlap_before, left.overlap_after
        yield f"segments[{right.index}].start", right.start, left.end - left.overlap_after
    first, last = plan.segments[0], plan.segments[-1]
    yield "segments[0].start", first.start, 0
    yield "segments[0].overlap_before", first.overlap_before, 0
    yield f"segments[{last.index}].overlap_after", last.overlap_after, 0
    yield "frames", plan.frames, last.end
    yield "forwards", plan.forwards, sum(segment.forwards for segment in plan.segments)


def _places(plan: Plan) -> dict[int, int]:
    """Where the keyframes stand: at the end of the segment that leads to it, else where its own one begins."""
    places: dict[int, int] = {}
    for segment in plan.segments:
        first, last = plan.ends(segment)
        if first is not None:
            places.setdefault(first, segment.start)
        if last is not None:
            places.setdefault(last, segment.end - 1)
    return places


def _end_facts(plan: Plan, segment: SegmentPlan) -> _Facts:
    where, ends = f"segments[{segment.index}]", [number for number in plan.ends(segment) if number is not None]
    yield f"{where}.ends", [number for number in ends if not 0 <= number < len(plan.keyframes)], []
    if segment.still:
        yield f"{where}.ends", segment.ends, (ends[0], ends[0]) if ends else None
        yield f"{where}.steps", len(segment.steps), 0
    elif not ends:
        known = plan.starts_from_before(segment) or bool(segment.given or segment.given_after or segment.piece)
        yield f"{where}.ends, with nothing that it starts from", known, True
    yield from _span_facts(plan, segment, where=where)


def _span_facts(plan: Plan, segment: SegmentPlan, *, where: str) -> _Facts:
    spans = {"given": segment.given, "given_after": segment.given_after, "piece": segment.piece}
    for name, span in spans.items():
        if span is not None:
            if span.segment:
                yield from _segment_span_facts(plan, span, where=f"{where}.{name}", beside=segment)
                continue
            yield f"{where}.{name}.clip", span.clip, min(max(span.clip, 0), len(plan.clips) - 1)
            yield f"{where}.{name}.frames, behind the end of the video", span.stop > plan.clips[span.clip].frames, False
    if segment.piece is not None:
        yield f"{where}.frames", segment.frames, segment.piece.frames
        yield f"{where}.steps", len(segment.steps), 0


def _segment_span_facts(plan: Plan, span: ClipSpan, *, where: str, beside: SegmentPlan) -> _Facts:
    """Frames of a neighbour: those that it shares with the bridge, less those that are taken out."""
    before = where.endswith(".given")
    number = beside.index - 1 if before else beside.index + 1
    inside = 0 <= number < len(plan.segments)
    yield f"{where}.clip", span.clip, number if inside else None
    neighbour = plan.segments[number] if inside else beside
    shared, out = (beside.overlap_before, 1) if before else (beside.overlap_after, 0)
    taken = (neighbour.replaced or (0, 0))[out]
    yield f"{where}.frames", span.frames, shared - taken
    yield f"{where}.start", span.start, neighbour.frames - shared if before else taken


def _segment_facts(plan: Plan, segment: SegmentPlan, *, index: int) -> _Facts:
    where = f"segments[{index}]"
    yield f"{where}.index", segment.index, index
    yield f"{where}.end", segment.end, segment.start + segment.frames
    yield f"{where}.forwards", segment.forwards, sum(step.forwards for step in segment.steps)
    yield f"{where}.timesteps", segment.timesteps, tuple(step.timestep for step in segment.steps)
    yield f"{where}.cfg_zero", segment.cfg_zero, max(segment.cfg_zero, 0)
    forwards = forwards_of([step.guidance for step in segment.steps], cfg_zero=segment.cfg_zero)
    for number, step in enumerate(segment.steps):
        yield f"{where}.steps[{number}].index", step.index, number
        yield f"{where}.steps[{number}].forwards", step.forwards, forwards[number]
        unknown = sorted(set(step.loras) - set(plan.loras))
        yield f"{where}.steps[{number}].loras", unknown, []
