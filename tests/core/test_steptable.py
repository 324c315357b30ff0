"""Step tables from plans, from applied steps, and from what WanGP was sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.subjects import Data, of_plan
from core.trips import PREVIEW, T2V, planned, stills
from wayframe.core.steptable import (
    ModelDefaults,
    applied_table,
    logged_table,
    planned_table,
    requested_table,
    same_split,
    sent_table,
)
from wayframe.core.subject import Basis, StepTable

TIMES = [1000.0, 952.4376343861677, 882.5258807285231, 769.6741514473969, 556.7879372571325, 4.9800796812749]
SENT: Data = {
    "activated_loras": ["high_noise_model.safetensors"],
    "flow_shift": 5,
    "guidance_scale": 3,
    "guidance2_scale": 1,
    "guidance3_scale": 1,
    "guidance_phases": 3,
    "loras_multipliers": "0.75;0.0;0.0",
    "model_switch_phase": 2,
    "model_type": "lightning_baseline_2_2_2",
    "num_inference_steps": 6,
    "sample_solver": "euler",
    "switch_threshold": 883,
    "switch_threshold2": 558,
}
RUN_1 = SENT
RUN_2: Data = {
    **SENT,
    "activated_loras": ["high_noise_model.safetensors", "low_noise_model.safetensors"],
    "loras_multipliers": "0.75,0.0",
    "switch_threshold": 917.4817575573454,
    "switch_threshold2": 663.2310443522647,
}
LIGHTNING = ModelDefaults(
    settings={
        **{key: SENT[key] for key in ("flow_shift", "guidance_scale", "guidance2_scale", "guidance3_scale")},
        **{key: SENT[key] for key in ("guidance_phases", "model_switch_phase", "sample_solver", "switch_threshold")},
        "switch_threshold2": 558,
        "num_inference_steps": 6,
    },
    loras=("https://hub.example/high_noise_model.safetensors", "https://hub.example/low_noise_model.safetensors"),
    multipliers=("0;1.0;0", "0;0;1"),
    experts=2,
)


def read(sent: Data, *, defaults: ModelDefaults | None = None) -> StepTable:
    found = sent_table(sent, defaults=defaults)
    assert found is not None
    return found


def weights(table: StepTable) -> dict[str, list[float]]:
    return {name: [row.loras[name] for row in table.rows] for name in table.rows[0].loras}


# What was sent


def test_the_plain_run_had_three_phases_and_a_lora() -> None:
    table = read(RUN_1)
    assert [row.timestep for row in table.rows] == TIMES
    assert [row.phase for row in table.rows] == [1, 1, 2, 2, 3, 3]
    assert [row.expert for row in table.rows] == ["high"] * 4 + ["low"] * 2
    assert [row.guidance for row in table.rows] == [3, 3, 1, 1, 1, 1]
    assert weights(table) == {"high_noise_model": [0.75, 0.75, 0, 0, 0, 0]}
    assert (table.basis, table.thresholds, table.forwards) == (Basis.SENT, (883, 558), 8)


def test_a_comma_list_is_a_ramp_and_a_lora_without_entry_runs_at_one() -> None:
    table = read(RUN_2)
    assert weights(table) == {"high_noise_model": [0.75, 0.75, 0.75, 0, 0, 0], "low_noise_model": [1.0] * 6}
    assert [text.partition(":")[0] for text in table.inferred] == ["two experts", "low_noise_model runs at 1.0"]


def test_other_thresholds_part_the_steps_alike() -> None:
    one, two = read(RUN_1), read(RUN_2)
    assert one.thresholds != two.thresholds
    assert same_split(one, two)
    assert [(r.expert, r.guidance) for r in one.rows] == [(r.expert, r.guidance) for r in two.rows]
    assert not same_split(one, read({**RUN_1, "switch_threshold": 960}))


def test_a_threshold_that_a_timestep_equals_is_reached() -> None:
    assert [row.phase for row in read({**RUN_1, "switch_threshold": TIMES[2]}).rows] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("changes", "phases", "experts"),
    [
        ({"guidance_phases": 2, "model_switch_phase": 1, "loras_multipliers": "1;0"}, [1, 1, 2, 2, 2, 2], "hhllll"),
        ({"guidance_phases": 1, "loras_multipliers": "1"}, [1] * 6, "hhhhhh"),
        ({"model_switch_phase": 1}, [1, 1, 2, 2, 3, 3], "hhllll"),
        ({"model_switch_phase": 3}, [1, 1, 2, 2, 3, 3], "hhhhhh"),
    ],
)
def test_phases_and_experts_follow_thresholds_and_switch(changes: Data, phases: list[int], experts: str) -> None:
    table = read({**SENT, **changes})
    assert [row.phase for row in table.rows] == phases
    assert "".join(row.expert[0] for row in table.rows) == experts


@pytest.mark.parametrize(
    ("model", "two"),
    [
        ("lightning_baseline_2_2_2", True),
        ("vace_14B_2_2", True),
        ("Wan2.2-T2V-A14B", True),
        ("ti2v_2_2", False),
        ("wan2.2_5B", False),
        ("t2v_14B", False),
        ("vace_14B", False),
    ],
)
def test_experts_are_inferred_from_the_models_name_and_said_so(model: str, two: bool) -> None:
    table = read({**SENT, "model_type": model})
    assert {row.expert for row in table.rows} == ({"high", "low"} if two else {"only"})
    assert table.inferred == (f"{'two experts' if two else 'one transformer'}: from the model's name {model!r}",)


def test_a_model_definition_brings_loras_in_front_and_proves_the_experts() -> None:
    table = read({"activated_loras": ["motion.safetensors"], "loras_multipliers": "0.5;0;0"}, defaults=LIGHTNING)
    assert weights(table) == {
        "high_noise_model": [0, 0, 1, 1, 0, 0],
        "low_noise_model": [0, 0, 0, 0, 1, 1],
        "motion": [0.5, 0.5, 0, 0, 0, 0],
    }
    assert [row.guidance for row in table.rows] == [3, 3, 1, 1, 1, 1]
    assert table.inferred == ()


def test_what_was_sent_wins_over_the_definition_and_none_does_not() -> None:
    table = read({**SENT, "guidance_scale": 4, "flow_shift": None}, defaults=LIGHTNING)
    assert [row.guidance for row in table.rows][:2] == [4, 4]
    assert [row.timestep for row in table.rows] == TIMES


def test_a_lora_that_definition_and_request_both_bring_runs_twice() -> None:
    table = read(SENT, defaults=LIGHTNING)
    assert weights(table) == {
        "high_noise_model": [0, 0, 1, 1, 0, 0],
        "low_noise_model": [0, 0, 0, 0, 1, 1],
        "high_noise_model-2": [0.75, 0.75, 0, 0, 0, 0],
    }


def test_a_definition_without_multipliers_gives_its_loras_one() -> None:
    table = read(SENT, defaults=replace(LIGHTNING, multipliers=("0;1;0",)))
    assert weights(table)["low_noise_model"] == [1.0] * 6
    assert weights(table)["high_noise_model-2"] == [0.75, 0.75, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "key",
    ["num_inference_steps", "flow_shift", "guidance_scale", "guidance2_scale", "switch_threshold", "switch_threshold2"],
)
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_setting_gives_no_table(key: str, missing: bool) -> None:
    sent = {name: value for name, value in SENT.items() if name != key}
    assert sent_table(sent if missing else {**sent, key: None}) is None


@pytest.mark.parametrize("key", ["sample_solver", "model_switch_phase", "activated_loras", "loras_multipliers"])
def test_what_wangp_takes_for_a_setting_is_marked(key: str) -> None:
    table = read({name: value for name, value in SENT.items() if name != key})
    assert table.inferred[0].startswith(f"{key}: not given")


@pytest.mark.parametrize(
    "changes",
    [
        {"num_inference_steps": "six"},
        {"num_inference_steps": 0},
        {"num_inference_steps": 10**9},
        {"num_inference_steps": 1e400},
        {"guidance_phases": 0},
        {"guidance_phases": -1},
        {"guidance_phases": 4},
        {"flow_shift": 0},
        {"guidance_scale": []},
        {"loras_multipliers": "1;0;0;1"},
        {"loras_multipliers": "x"},
        {"activated_loras": "['cut"},
        {"activated_loras": "(" * 300},
        {"activated_loras": 3},
    ],
)
def test_settings_that_make_no_sense_give_no_table(changes: Data) -> None:
    assert sent_table({**SENT, **changes}) is None


def test_lists_and_texts_of_loras_are_read_alike() -> None:
    listed = read(RUN_2)
    told = read({**RUN_2, "activated_loras": str(RUN_2["activated_loras"]), "loras_multipliers": ["0.75,0.0"]})
    assert told == listed


@given(
    sent=st.dictionaries(
        st.sampled_from(sorted(SENT)),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.text(max_size=3)),
    )
)
def test_no_setting_makes_it_fail(sent: Data) -> None:
    table = sent_table({**SENT, **sent})
    assert table is None or len(table.rows) >= 1


# What was requested

REQUESTED: Data = {
    **{key: SENT[key] for key in ("flow_shift", "guidance_scale", "guidance2_scale", "guidance3_scale")},
    **{key: SENT[key] for key in ("guidance_phases", "model_switch_phase", "num_inference_steps", "sample_solver")},
    "switch_threshold": 917.4817575573454,
    "switch_threshold2": 663.2310443522647,
    "model_name": "lightning_baseline_2_2_2",
    "lora_names": [
        "https://hub.example/high_noise_model.safetensors?x",
        "https://hub.example/low_noise_model.safetensors",
    ],
    "lora_multipliers": ["0.75;1.0;0", "0;0;1.0"],
}


def test_the_requested_table_shows_what_should_have_come_out() -> None:
    table = requested_table(REQUESTED)
    assert table is not None
    assert (table.basis, table.inferred) == (Basis.REQUESTED, ())
    assert weights(table) == {
        "high_noise_model": [0.75, 0.75, 1, 1, 0, 0],
        "low_noise_model": [0, 0, 0, 0, 1, 1],
    }


def test_a_request_that_leaves_the_steps_open_has_no_table() -> None:
    assert requested_table({key: value for key, value in REQUESTED.items() if key != "num_inference_steps"}) is None
    assert requested_table({}) is None


# Plans, and what was applied

TRIP = stills(2, model=T2V, preset="lightning_baseline_2_2_2", prompt="x")


def test_a_plans_table_is_its_steps() -> None:
    table = of_plan(planned(TRIP)).segments[0].steps
    assert table is not None
    assert table.basis is Basis.PLANNED
    assert [row.timestep for row in table.rows] == TIMES
    assert [row.phase for row in table.rows] == [1, 1, 2, 2, 3, 3]
    assert weights(table) == {"high_noise_model": [0.75, 0.75, 1, 1, 0, 0], "low_noise_model": [0, 0, 0, 0, 1, 1]}
    assert [round(row.sigma_drop, 4) for row in table.rows] == [0.0476, 0.0699, 0.1129, 0.2129, 0.5518, 0.005]
    assert table.forwards == 8


def test_a_plan_that_denoises_nothing_has_no_table() -> None:
    assert of_plan(planned(stills(2), engine=PREVIEW)).segments[0].steps is None
    assert planned_table({"steps": [], "thresholds": []}) is None


def test_applied_steps_are_told_as_they_were_read_back() -> None:
    plan = of_plan(planned(TRIP)).segments[0].steps
    assert plan is not None
    step: Data = {"index": 1, "timestep": 952.4, "expert": "low", "guidance": 2.0, "loras": {"high_noise_model": 0.5}}
    table = applied_table([{**step, "index": 0, "timestep": 1000.0}, step, {**step, "index": 9, "timestep": 1.0}], plan)
    assert table.basis is Basis.APPLIED
    assert [(row.phase, row.expert, row.guidance) for row in table.rows] == [
        (1, "low", 2),
        (1, "low", 2),
        (0, "low", 2),
    ]
    assert [row.loras for row in table.rows] == [{"high_noise_model": 0.5}] * 3
    assert sum(row.sigma_drop for row in table.rows) == pytest.approx(1.0)
    assert (table.forwards, table.thresholds) == (6, plan.thresholds)


def test_the_noise_that_a_step_removed_and_its_forwards_are_those_that_were_told() -> None:
    plan = of_plan(planned(TRIP)).segments[0].steps
    assert plan is not None
    step: Data = {"timestep": 952.4, "expert": "low", "guidance": 2.0, "loras": {}}
    first = {**step, "index": 0, "timestep": 1000.0, "sigma": 1.0, "sigma_next": 0.25, "forwards": 0}
    table = applied_table([first, {**step, "index": 1}], plan)
    assert [row.sigma_drop for row in table.rows] == pytest.approx([0.75, 0.9524])
    assert [row.forwards for row in table.rows] == [0, 2]


def logged(timestep: object, expert: str, guidance: float) -> Data:
    return {"index": 0, "timestep": timestep, "expert": expert, "guidance": guidance, "loras": {"a": 0.5}}


def test_steps_of_a_log_count_a_phase_where_expert_or_guidance_change() -> None:
    steps = [
        logged(1000.0, "high", 3.0),
        logged(900.0, "high", 1.0),
        logged(500.0, "low", 1.0),
        logged(250.0, "low", 1.0),
    ]
    table = logged_table(steps)
    assert table is not None
    assert (table.basis, [row.phase for row in table.rows]) == (Basis.APPLIED, [1, 2, 3, 3])
    assert [row.sigma_drop for row in table.rows] == pytest.approx([0.1, 0.4, 0.25, 0.25])
    assert len(table.inferred) == 1


@pytest.mark.parametrize("steps", [None, 6, "6", [], {}, [6], [{}], [logged("x", "high", 1.0)], [logged(None, "a", 1)]])
def test_what_is_no_list_of_steps_has_no_table(steps: object) -> None:
    assert logged_table(steps) is None
