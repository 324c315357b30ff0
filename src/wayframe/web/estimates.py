"""What a plan will cost: forwards, and seconds by what past runs on this machine took."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from itertools import islice
from statistics import median

from pydantic import BaseModel

from wayframe.core.plan import Plan, SegmentPlan
from wayframe.store.home import Home
from wayframe.web.index import Known
from wayframe.web.listing import Entry

NEWEST = 20


class Estimate(BaseModel):
    """`forwards` of the transformer for segments that are not rendered yet, `found` of which are there already.

    `seconds` of rendering is None when no run of this engine and model was completed here; `runs` is of how many.
    """

    forwards: int
    segments: int
    found: int
    seconds: float | None
    runs: int
    says: str


def estimate(plan: Plan, *, known: Known, home: Home) -> Estimate:
    """The cost of a plan. Seconds are the median rate of the newest runs of this engine, model and machine."""
    missing = [part for part in plan.segments if not _is_rendered(part, home=home)]
    rates = list(islice(_rates(plan, entries=(known.entries[name] for _, name in known.order)), NEWEST))
    seconds = None if not rates else round(median(rates) * sum(_work(part, plan=plan) for part in missing), 3)
    named = plan.engine if plan.model is None else f"{plan.engine} with {plan.model}"
    says = f"from {len(rates)} runs of {named} here" if rates else f"unknown: no run of {named} was completed here"
    return Estimate(
        forwards=sum(step.forwards for part in missing for step in part.steps),
        segments=len(plan.segments),
        found=len(plan.segments) - len(missing),
        seconds=seconds,
        runs=len(rates),
        says=says,
    )


def _rates(plan: Plan, *, entries: Iterable[Entry]) -> Iterable[float]:
    """Seconds for each forward and pixel (for each pixel of an engine without forwards) of past runs."""
    here = platform.platform()
    for entry in entries:
        same = (entry.row.engine, entry.row.model) == (plan.engine, plan.model) and entry.row.status == "completed"
        if same and entry.work and entry.seconds and entry.machine.startswith(here):
            yield entry.seconds / entry.work


def _work(part: SegmentPlan, *, plan: Plan) -> float:
    width, height = (int(side) for side in plan.resolution.split("x"))
    return float(max(sum(step.forwards for step in part.steps), 1)) * width * height * part.frames


def _is_rendered(part: SegmentPlan, *, home: Home) -> bool:
    return (home.artifacts / part.key[:2] / part.key).is_dir()
