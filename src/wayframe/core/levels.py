"""The levels of a record held against each other: planned against applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.plan import Plan, SegmentPlan, Step

APPLIED_DIFFERS = rule(
    "applied-differs",
    Severity.CRITICAL,
    title="The engine did something else than was planned",
    why="What was read back from the model at a step is not what the plan says: the picture is not what was asked for.",
    action="Look at the step in the record, and report the engine's fault with the plan.",
)
STEP_NOT_REPORTED = rule(
    "step-not-reported",
    Severity.CRITICAL,
    title="A planned step was not reported by the engine",
    why="An engine that denoises reports every step; a missing one was skipped or not read back.",
    action="Report the engine's fault with the plan.",
)
COMPARED = ("timestep", "expert", "guidance", "forwards")


def applied_against_planned(plan: Plan, applied: Mapping[int, Sequence[Mapping[str, Any]]]) -> Iterator[Finding]:
    """Findings where the applied steps of a denoising engine (by segment) are not those of the plan."""
    for segment in plan.segments:
        reported = {int(step["index"]): step for step in applied.get(segment.index, ())}
        for step in segment.steps:
            where = f"segments[{segment.index}].steps[{step.index}]"
            if step.index not in reported:
                message = f"segment {segment.index}: step {step.index} was not reported"
                yield finding(STEP_NOT_REPORTED, message, where=where)
            else:
                yield from _difference(segment, step, reported[step.index], where=where)


def _difference(segment: SegmentPlan, step: Step, applied: Mapping[str, Any], *, where: str) -> Iterator[Finding]:
    planned = {name: getattr(step, name) for name in COMPARED} | {"loras": {n: w for n, w in step.loras.items() if w}}
    seen = {name: applied.get(name) for name in COMPARED}
    seen["loras"] = {name: weight for name, weight in applied.get("loras", {}).items() if weight}
    for name, wanted in planned.items():
        if seen[name] != wanted:
            message = f"segment {segment.index}, step {step.index}: {name} {wanted} was planned, {seen[name]} applied"
            yield finding(APPLIED_DIFFERS, message, where=where, evidence={"planned": wanted, "applied": seen[name]})
