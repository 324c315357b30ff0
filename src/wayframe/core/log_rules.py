"""Rules over all runs of a log, beyond the two that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wayframe.core.comparison import Comparison, Topic
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.subject import Level

KIND_MISSING = rule(
    "run-kind-missing",
    Severity.INFO,
    title="The log holds no run of the kind that is missing",
    why="The requests differ in their phases, yet the runs of this log were sent other numbers of phases than that.",
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
    """One finding for each number of phases that no run was sent, with the nearest run there is.

    Earned only where the two requests differ in their phases: whoever compares runs by their phases must know which
    kinds the log does not hold.
    """
    sent = [kind for kind in kinds if kind.phases is not None]
    if not sent or not _phases_differ(comparison):
        return
    for wanted in KINDS:
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


def _phases_differ(comparison: Comparison) -> bool:
    guidance = (cause for cause in comparison.causes if cause.topic is Topic.GUIDANCE)
    return any(item.level is Level.REQUESTED for cause in guidance for item in cause.differences)
