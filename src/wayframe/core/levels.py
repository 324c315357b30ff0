"""The levels of a record held against each other: planned against applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
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
STEP_OUT_OF_ORDER = rule(
    "step-out-of-order",
    Severity.CRITICAL,
    title="The engine ran a step at another place than was planned, or twice",
    why="Each step starts from the latents that the step before it left: in another order it makes another picture.",
    action="Report the engine's fault with the plan.",
)
LORA_IN_PART = rule(
    "lora-in-part",
    Severity.WARNING,
    title="A LoRA was used in part",
    why="The spec allows it (`partial: true`): what of the file does not fit the model had no effect on the picture.",
    action="Look at what was left out; a LoRA made for this model has all of its effect.",
)
RELATIVE = 2e-6
"""A transformer is given its timestep as a float32, which holds seven digits; UniPC takes 1 - 1e-6 for a sigma of 1."""
NAMED, MOST_MODULES = 3, 40
COMPARED = ("timestep", "sigma", "sigma_next", "expert", "guidance", "forwards")
UNSAID = ("sigma", "sigma_next")
"""Not every engine reads them back, and records from before they were kept do not hold them."""


def applied_against_planned(plan: Plan, applied: Mapping[int, Sequence[Mapping[str, Any]]]) -> Iterator[Finding]:
    """Findings where the applied steps of a denoising engine (by segment) are not those of the plan."""
    for segment in plan.segments:
        yield from segment_differences(segment, applied.get(segment.index, ()))


def segment_differences(segment: SegmentPlan, applied: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Findings about all the steps of one segment, in the order in which they were applied."""
    for position, step in enumerate(applied):
        yield from step_differences(segment, step, before=applied[:position])
    yield from missing_steps(segment, applied)


def step_differences(
    segment: SegmentPlan, applied: Mapping[str, Any], *, before: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Findings about one applied step; `before` are the steps of its segment that were applied until then."""
    index, reached = int(applied["index"]), _reached(before)
    where = f"segments[{segment.index}].steps[{index}]"
    if any(step["index"] == index for step in before):
        yield finding(STEP_OUT_OF_ORDER, f"segment {segment.index}: step {index} was applied twice", where=where)
    elif index < reached:
        message = f"segment {segment.index}: step {index} was applied after step {reached - 1}"
        yield finding(STEP_OUT_OF_ORDER, message, where=where)
    elif not 0 <= index < len(segment.steps):
        message = f"segment {segment.index}: step {index} was applied, {len(segment.steps)} steps were planned"
        yield finding(STEP_OUT_OF_ORDER, message, where=where)
    yield from _missing(segment, range(reached, index))
    if 0 <= index < len(segment.steps):
        yield from _difference(segment, segment.steps[index], applied, where=where)


def missing_steps(segment: SegmentPlan, applied: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """A finding for each planned step after the last applied one; `step_differences` tells of those before it."""
    yield from _missing(segment, range(_reached(applied), len(segment.steps)))


def used_in_part(lora: str, modules: Sequence[str]) -> Finding:
    """The finding about a LoRA of which `modules` (keys of the file, or modules of the model) were left out."""
    some = f"{', '.join(modules[:NAMED])}{f' and {len(modules) - NAMED} more' if len(modules) > NAMED else ''}"
    evidence = {"count": len(modules), "modules": list(modules[:MOST_MODULES])}
    return finding(LORA_IN_PART, f"{lora} was used without {some}", where=f"applied.loras[{lora}]", evidence=evidence)


def _reached(applied: Sequence[Mapping[str, Any]]) -> int:
    """The step that comes after all of these."""
    return max((int(step["index"]) for step in applied), default=-1) + 1


def _missing(segment: SegmentPlan, numbers: range) -> Iterator[Finding]:
    for step in segment.steps[numbers.start : numbers.stop]:
        message = f"segment {segment.index}: step {step.index} was not reported"
        yield finding(STEP_NOT_REPORTED, message, where=f"segments[{segment.index}].steps[{step.index}]")


def _difference(segment: SegmentPlan, step: Step, applied: Mapping[str, Any], *, where: str) -> Iterator[Finding]:
    planned: dict[str, Any] = {name: getattr(step, name) for name in COMPARED}
    seen: dict[str, Any] = {name: applied.get(name) for name in COMPARED}
    planned["loras"] = {name: weight for name, weight in step.loras.items() if weight}
    seen["loras"] = {name: weight for name, weight in applied.get("loras", {}).items() if weight}
    for name, wanted in planned.items():
        if not (_agree(seen[name], wanted) or (name in UNSAID and seen[name] is None)):
            message = f"segment {segment.index}, step {step.index}: {name} {wanted} was planned, {seen[name]} applied"
            yield finding(APPLIED_DIFFERS, message, where=where, evidence={"planned": wanted, "applied": seen[name]})
    for name, (held, attached) in applied.get("modules", {}).items():
        if held != attached or (not attached and step.loras.get(name)):
            message = (
                f"segment {segment.index}, step {step.index}: the weight of {name} is held by {held} of the "
                f"{attached} modules that it is attached to"
            )
            yield finding(APPLIED_DIFFERS, message, where=where, evidence={"planned": attached, "applied": held})


def _agree(applied: object, planned: object) -> bool:
    """Equal, numbers as far as a float32 can tell."""
    if isinstance(applied, Mapping) and isinstance(planned, Mapping):
        return applied.keys() == planned.keys() and all(_agree(applied[key], planned[key]) for key in planned)
    if isinstance(applied, float) and isinstance(planned, int | float):
        return isclose(applied, planned, rel_tol=RELATIVE)
    return bool(applied == planned)
