"""What was applied, held against what was planned."""

from __future__ import annotations

import pytest

from core.subjects import Data
from core.trips import PREVIEW, T2V, planned, stills
from wayframe.core.documents import plan_json
from wayframe.core.levels import applied_against_planned

PLAN = planned(stills(2, model=T2V, preset="lightning_baseline_2_2_2", prompt="x")).plan


def applied(*changes: Data) -> list[str]:
    """Messages about a run that did what was planned, but for these steps (None in the place of one: not reported)."""
    steps = [dict(step) for step in plan_json(PLAN)["segments"][0]["steps"]]
    for change in changes:
        steps[change["index"]] |= change
    reported = [step for step in steps if not step.get("missing")]
    return [item.message for item in applied_against_planned(PLAN, {0: reported})]


def test_what_was_done_as_planned_needs_no_word() -> None:
    assert applied() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert": "low"}, "segment 0, step 1: expert high was planned, low applied"),
        ({"guidance": 1.0}, "segment 0, step 1: guidance 3.0 was planned, 1.0 applied"),
        ({"timestep": 900.0}, "segment 0, step 1: timestep 952.4376343861677 was planned, 900.0 applied"),
        ({"forwards": 1}, "segment 0, step 1: forwards 2 was planned, 1 applied"),
        ({"loras": {}}, "segment 0, step 1: loras {'high_noise_model': 0.75} was planned, {} applied"),
        ({"missing": True}, "segment 0: step 1 was not reported"),
    ],
)
def test_a_step_that_was_done_otherwise_is_told_with_both_values(change: Data, message: str) -> None:
    assert applied({"index": 1, **change}) == [message]


def test_a_lora_of_weight_zero_may_be_left_out() -> None:
    assert applied({"index": 0, "loras": {"high_noise_model": 0.75}}) == []
    assert applied({"index": 0, "loras": {"high_noise_model": 0.75, "low_noise_model": 0.1}}) != []


def test_every_step_of_a_segment_that_was_not_reported_is_told() -> None:
    found = list(applied_against_planned(PLAN, {}))
    assert [item.where for item in found] == [f"segments[0].steps[{step}]" for step in range(6)]
    assert {item.code for item in found} == {"step-not-reported"}


def test_a_plan_without_steps_has_nothing_to_report() -> None:
    assert list(applied_against_planned(planned(stills(2), engine=PREVIEW).plan, {})) == []
