"""The rule about looks on frames that a segment goes on from."""

from __future__ import annotations

from collections.abc import Iterator

from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.plan import Plan, SegmentPlan

LOOK_ADDS_UP = rule(
    "look-adds-up",
    Severity.INFO,
    title="Saturation or brightness is changed behind frames that stay as they are",
    why="Frames that a segment goes on from are not changed again, and what the engine makes of them is: the tones "
    "step there. From one chained segment to the next the factors multiply, so that 0.5 is grey after a few.",
    action="Values near neutral, such as 0.97, counter the drift of a model; leave both out otherwise.",
)


def look_findings(plan: Plan) -> Iterator[Finding]:
    """A finding for each segment whose tones step behind the frames that it was given."""
    for segment in plan.segments:
        look, kept = segment.look, _kept(plan, segment)
        if look is None or not kept or (look.saturation, look.brightness) == (1, 0):
            continue
        tones = f"saturation {look.saturation:g} and brightness {look.brightness:g}"
        message = f"segment {segment.index} goes on from {kept} frame{'' if kept == 1 else 's'} as they are; "
        evidence: dict[str, object] = {"saturation": look.saturation, "brightness": look.brightness, "kept": kept}
        yield finding(
            LOOK_ADDS_UP, f"{message}the others get {tones}", where=f"segments[{segment.index}].look", evidence=evidence
        )


def _kept(plan: Plan, segment: SegmentPlan) -> int:
    """How many frames a segment was given, of a video or of the segment before it."""
    given = [span.frames for span in (segment.given, segment.given_after) if span is not None]
    return sum(given) + (segment.overlap_before if plan.starts_from_before(segment) else 0)
