"""Rules over all runs of a log, beyond the two that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayframe.core.comparison import Comparison, Topic
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.subject import Level, Subject

KIND_MISSING = rule(
    "run-kind-missing",
    Severity.INFO,
    title="The log holds no run of the kind that is missing",
    why="It was asked for, or lies between what the two requests ask for: it would tell which phase does what.",
    action="Look for the run in another log, or make one; the nearest run here is named.",
)
KINDS = (1, 2, 3)
"""Numbers of phases that WanGP knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedKind:
    """A run of the log: how it ended, and how many phases the engine was sent (None where the log does not tell)."""

    name: str
    status: str
    phases: int | None


def missing_kinds(kinds: Sequence[LoggedKind], comparison: Comparison) -> Iterator[Finding]:
    """One finding for each number of phases that the pair asks about and no run was sent, with the nearest run.

    Earned only where the two requests differ in their phases: they ask about the numbers that they name, and about
    those between them, a request without phases being of one.
    """
    sent = [kind for kind in kinds if kind.phases is not None]
    if not sent or not _phases_differ(comparison):
        return
    for wanted in _in_question(comparison):
        distance = {kind.name: abs((kind.phases or 0) - wanted) for kind in sent}
        if 0 in distance.values():
            continue
        nearest = min(reversed(sent), key=lambda kind: distance[kind.name])
        yield finding(
            KIND_MISSING,
            f"no {wanted}-phase run in this log; nearest: {nearest.name} ({nearest.phases} phases, {nearest.status})",
            where="log",
            evidence={"wanted": wanted, "nearest": nearest.name, "phases": nearest.phases, "runs": len(kinds)},
        )


def _in_question(comparison: Comparison) -> list[int]:
    asked = [_asked(subject) for subject in (comparison.a, comparison.b)]
    ends = [1 if phases is None else phases for phases in asked]
    return [kind for kind in KINDS if kind in asked or min(ends) < kind < max(ends)]


def _asked(subject: Subject) -> int | None:
    """The most phases that a request asks for, for the run or for a segment; None where it does not name any."""
    levels = [subject.values, *(segment.values for segment in subject.segments)]
    requests = [values.get(Level.REQUESTED, {}) for values in levels]
    configs = [config for request in requests if isinstance(config := request.get("phase_config"), Mapping)]
    named = [*(config.get("num_phases") for config in configs), *(each.get("guidance_phases") for each in requests)]
    return max((phases for phases in named if isinstance(phases, int)), default=None)


def _phases_differ(comparison: Comparison) -> bool:
    guidance = (cause for cause in comparison.causes if cause.topic is Topic.GUIDANCE)
    return any(item.level is Level.REQUESTED for cause in guidance for item in cause.differences)
