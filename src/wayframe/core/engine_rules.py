"""The rules behind findings about the engine that a plan is for."""

from __future__ import annotations

from collections.abc import Iterator

from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.plan import Plan

WANGP = "wangp"
"""The engine that hands its work to a WanGP installation."""

APPLIED_FROM_SETTINGS = rule(
    "applied-from-settings",
    Severity.INFO,
    title="Applied steps are read from settings, not from the model",
    why="WanGP does not say what its modules did. After each segment it tells the settings that it ran with; the "
    "applied steps follow from these by WanGP's own rules, and no module is counted. What it did otherwise than it "
    "says would go unnoticed.",
    action="Nothing; the engine `wan` reads every step back from the model's modules.",
)
WANGP_USED = rule(
    "wangp-used",
    Severity.INFO,
    title="This video is made with WanGP",
    why="WanGP (github.com/deepbeepmeep/Wan2GP) renders the segments. Its terms apply, and they ask every product that "
    "uses it to say so.",
    action="Say so where you show the video, as WanGP's terms want it.",
)

ENGINE_REFUSES = rule(
    "engine-refuses",
    Severity.CRITICAL,
    title="The engine cannot do this plan",
    why="A plan can say more than every engine can do. A run of this one ends before it begins, with the same reason.",
    action="Change what the message names, or take another engine.",
)


def engine_findings(plan: Plan) -> Iterator[Finding]:
    """What is to be known of a plan's engine before it runs."""
    if plan.engine != WANGP:
        return
    yield finding(WANGP_USED, "segments are rendered by WanGP, whose terms apply", where="engine")
    if plan.forwards:
        message = "WanGP tells the settings that it ran with: applied steps follow from them, no module is read back"
        yield finding(APPLIED_FROM_SETTINGS, message, where="engine")
