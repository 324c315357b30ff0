"""What was applied, held against what was planned."""

from __future__ import annotations

import struct

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
        ({"sigma": 0.9}, "segment 0, step 1: sigma 0.9524376343861677 was planned, 0.9 applied"),
        ({"sigma_next": 0.8}, "segment 0, step 1: sigma_next 0.8825258807285231 was planned, 0.8 applied"),
        (
            {"modules": {"high_noise_model": (399, 400)}},
            "segment 0, step 1: the weight of high_noise_model is held by "
            "399 of the 400 modules that it is attached to",
        ),
        (
            {"modules": {"high_noise_model": (0, 0)}},
            "segment 0, step 1: the weight of high_noise_model is held by 0 of the 0 modules that it is attached to",
        ),
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


def reported(*order: int) -> list[str]:
    """Messages about a run that reported the planned steps in this order."""
    steps = plan_json(PLAN)["segments"][0]["steps"]
    return [item.message for item in applied_against_planned(PLAN, {0: [steps[index] for index in order]})]


def test_steps_at_another_place_and_twice_are_told_once_each() -> None:
    assert reported(0, 1, 1, 2, 3, 4, 5) == ["segment 0: step 1 was applied twice"]
    assert reported(0, 2, 1, 3, 4, 5) == [
        "segment 0: step 1 was not reported",
        "segment 0: step 1 was applied after step 2",
    ]
    extra = {**plan_json(PLAN)["segments"][0]["steps"][5], "index": 6}
    steps = [*plan_json(PLAN)["segments"][0]["steps"], extra]
    [found] = applied_against_planned(PLAN, {0: steps})
    assert found.message == "segment 0: step 6 was applied, 6 steps were planned"


def test_numbers_agree_as_far_as_a_float32_tells() -> None:
    near = struct.unpack("f", struct.pack("f", 952.4376343861677))[0]
    assert near != 952.4376343861677
    assert applied({"index": 1, "timestep": near}) == []
    assert applied({"index": 1, "timestep": 952.4376343861677 * (1 + 3e-6)}) != []
    assert applied({"index": 1, "loras": {"high_noise_model": struct.unpack("f", struct.pack("f", 0.75))[0]}}) == []


def test_what_an_engine_does_not_read_back_is_no_difference() -> None:
    assert applied({"index": 1, "sigma": None, "sigma_next": None, "modules": {}}) == []
    assert applied({"index": 1, "modules": {"high_noise_model": (400, 400)}}) == []
