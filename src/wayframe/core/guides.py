"""Guide videos: where on the output they steer the structure, and which of their frames each segment is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from wayframe.core.clips import ClipFacts, planned_clip
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.guide_spec import GuideDepth, GuideSpan, GuideSpec, SegmentGuide, frame_of
from wayframe.core.plan_keys import keyed
from wayframe.errors import SpecError

if TYPE_CHECKING:
    from wayframe.core.plan import Plan, SegmentPlan

_HALF = Fraction(1, 2)
_BLIND = ("preview", "null", "wangp")
NO_MODELS: Mapping[int, str] = MappingProxyType({})
GUIDE_UNUSED = rule(
    "guide-unused",
    Severity.WARNING,
    title="Nothing looks at the guide videos",
    why="Guide videos steer models of kind vace in the engine wan. What renders this plan goes without them.",
    action="Name a model of kind vace, or leave the guides out.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A guide on the output: its frames `start` to `stop` (exclusive), and the frame of the video that each shows."""

    number: int
    said: GuideSpec
    start: int
    sources: tuple[int, ...]
    depth: GuideDepth | None

    @property
    def stop(self) -> int:
        return self.start + len(self.sources)


def guided(
    plan: Plan, *, said: Sequence[GuideSpec], videos: Sequence[ClipFacts], models: Mapping[int, str] = NO_MODELS
) -> Plan:
    """The plan with the guide videos in its segments, and their keys; where no guide stands nothing changes.

    `models` identify the models of guides of kind depth, by the guide's number. Raises `SpecError` for guides that
    overlap, that are not on the output, or of which one segment would have two strengths.
    """
    if not said:
        return plan
    placed = sorted(
        (_placed(plan, number, one, video=videos[number], model=models.get(number)) for number, one in enumerate(said)),
        key=lambda one: one.start,
    )
    for left, right in pairwise(placed):
        if right.start < left.stop:
            problem = f"begins at frame {right.start}, before guides[{left.number}] ends at {left.stop}"
            raise SpecError(f"guides[{right.number}].at", problem, fix="end the first one earlier with `until`")
    segments = [replace(segment, guide=_of_segment(segment, placed)) for segment in plan.segments]
    guides = tuple(planned_clip(number, facts) for number, facts in enumerate(videos))
    return keyed(replace(plan, guides=guides, segments=tuple(segments)))


def _placed(plan: Plan, number: int, said: GuideSpec, *, video: ClipFacts, model: str | None) -> _Placed:
    start = frame_of(said.at, fps=plan.rate) or 0
    until = frame_of(said.until, fps=plan.rate)
    stop = plan.frames if until is None else min(until, plan.frames)
    if start >= stop:
        raise SpecError(f"guides[{number}].at", f"is not on the video of {plan.frames} frames", f"{start}:{stop}")
    if said.fit == "adjust":
        last, count = video.frames - 1, stop - start
        sources = tuple(int(Fraction(index * last, max(count - 1, 1)) + _HALF) for index in range(count))
    else:
        pace = Fraction(video.fps) / plan.rate
        shown = (int(index * pace + _HALF) for index in range(stop - start))
        sources = tuple(source for source in shown if source < video.frames)
    depth = GuideDepth(model=model, contrast=said.contrast) if model is not None else None
    return _Placed(number=number, said=said, start=start, sources=sources, depth=depth)


def _of_segment(segment: SegmentPlan, placed: Sequence[_Placed]) -> SegmentGuide | None:
    """What guides a segment; nothing where no engine is asked, or where no guide stands."""
    here = [one for one in placed if one.start < segment.end and one.stop > segment.start]
    if not here or segment.still:
        return None
    strengths = {one.said.strength for one in here}
    if len(strengths) > 1:
        names = ", ".join(f"guides[{one.number}]" for one in here)
        problem = f"segment {segment.index} would have two strengths ({names}), and VACE has one for all its frames"
        raise SpecError(f"guides[{here[1].number}].strength", problem, fix="give them the same strength")
    return SegmentGuide(strength=here[0].said.strength, spans=tuple(_span(segment, one) for one in here))


def _span(segment: SegmentPlan, one: _Placed) -> GuideSpan:
    first, stop = max(one.start, segment.start), min(one.stop, segment.end)
    sources = one.sources[first - one.start : stop - one.start]
    at = first - segment.start
    return GuideSpan(guide=one.number, kind=one.said.kind, at=at, sources=sources, depth=one.depth)


def is_looked_at(plan: Plan) -> bool:
    """Whether what renders a plan may look at guide videos; those of ours that do not are known."""
    return plan.kind == "vace" if plan.engine == "wan" else plan.engine not in _BLIND


def guide_findings(plan: Plan) -> Iterator[Finding]:
    """Says so where a plan has guides that nothing looks at."""
    guided_segments = [segment.index for segment in plan.segments if segment.guide]
    if guided_segments and (plan.engine != "wan" or plan.kind != "vace"):
        what = f"engine {plan.engine}" if plan.engine != "wan" else f"model {plan.model}"
        message = f"{what} does not look at guide videos"
        yield finding(GUIDE_UNUSED, message, where="guides", evidence={"segments": guided_segments})


def check_guides(plan: Plan) -> None:
    """Raise `SpecError` for a plan whose segments are guided behind their end, or by frames that no video has."""
    for segment in plan.segments:
        for number, span in enumerate(segment.guide.spans if segment.guide else ()):
            where = f"segments[{segment.index}].guide.spans[{number}]"
            if span.guide >= len(plan.guides) or max(span.sources) >= plan.guides[span.guide].frames:
                raise SpecError(f"{where}.sources", "names frames that no guide video of the plan has")
            if (span.kind == "depth") != (span.depth is not None):
                raise SpecError(f"{where}.depth", "is there for kind depth, and for no other", span.kind)
            if span.at + len(span.sources) > segment.frames:
                raise SpecError(f"{where}.at", f"goes behind the {segment.frames} frames of the segment", span.at)
