"""How payloads denoise: phase_config, loose values read plainly or as upstream reads them, and what upstream adds."""

from __future__ import annotations

import pytest

from core.payloads import GONE, STYLE, THREE, TWO, Data, details, lora, phases, planned, segment
from core.trips import HIGH, LOW
from wayframe.core.payload_like import Like
from wayframe.core.payload_models import MODELS, definition_for, phases_in_name, upstream_model
from wayframe.errors import PayloadError

OLD, LATE = Like.UPSTREAM_2025_10, Like.UPSTREAM_2026


def loose(**said: object) -> Data:
    """A payload without a phase_config, of the model that upstream used in 2025."""
    return details(phase_config=GONE, **{"model_name": "lightning_baseline_2_2_2", **said})


def test_a_phase_config_runs_as_the_seed_of_the_project_did():
    got = planned(details(model_name="lightning_baseline_2_2_2"))
    assert got.experts() == "HHHHLL"
    assert got.guidance() == [3, 3, 1, 1, 1, 1]
    assert got.weights(HIGH) == [0.75, 0.75, 1, 1, 0, 0]
    assert got.weights(LOW) == [0, 0, 0, 0, 1, 1]
    assert got.plan.segments[0].thresholds == (917.4817575573454, 663.2310443522647)
    assert got.plan.segments[0].forwards == 8


@pytest.mark.parametrize("like", list(Like))
def test_a_phase_config_is_all_there_is_whatever_the_year_and_the_motion(like: Like):
    got = planned(details(amount_of_motion=0.5, model_name="lightning_baseline_2_2_2"), like=like)
    assert got.weights(HIGH) == [0.75, 0.75, 1, 1, 0, 0]
    assert got.found("payload-added") == []


def test_what_a_phase_config_leaves_out_is_upstreams_default():
    config = {"phases": [{"loras": [{"url": STYLE}]}, {}, {}]}
    got = planned(details(phase_config=config))
    assert (got.experts(), got.guidance()) == ("HHHHLL", [3, 3, 1, 1, 1, 1])
    assert got.weights(STYLE) == [1, 1, 0, 0, 0, 0]
    assert (got.plan.segments[0].solver, got.resolved.segments[0].recipe.flow_shift) == ("euler", 5.0)


def test_a_default_switch_behind_two_phases_never_comes():
    config = {key: value for key, value in TWO.items() if key != "model_switch_phase"}
    assert planned(details(phase_config=config)).experts() == "HHHHHH"


def test_a_model_with_one_expert_runs_all_phases_on_it():
    assert planned(details(model_name="vace_14B")).experts() == "OOOOOO"


@pytest.mark.parametrize(
    ("solver", "read", "shift", "second"),
    [
        ("euler", "euler", 5.0, 952.4376343861677),
        ("unipc", "unipc", 5.0, 961.5),
        ("", "unipc", 5.0, 961.5),
        ("dpm++", "dpm++", 5.0, 961.5),
        ("dpm++_sde", "dpm++", 5.0, 961.5),
        ("causvid", "euler", 1.0, 800.2),
        ("trailing", "euler", 1.0, 800.2),
    ],
)
def test_solvers_have_the_grid_that_wangp_gives_them(solver: str, read: str, shift: float, second: float):
    got = planned(details(phase_config={**THREE, "sample_solver": solver}))
    assert (got.plan.segments[0].solver, got.resolved.segments[0].recipe.flow_shift) == (read, shift)
    assert got.plan.segments[0].timesteps[1] == pytest.approx(second, abs=0.1)
    assert bool(got.found("payload-solver-read")) == (solver != read)


def test_values_over_the_steps_of_a_phase_need_one_a_step():
    ramp = phases(3, 1, 1, steps=[2, 2, 2], loras=[[lora(HIGH, "0.5,0.75")], [lora(HIGH)], [lora(LOW, "1.0,0.8")]])
    got = planned(details(phase_config=ramp))
    assert got.weights(HIGH) == [0.5, 0.75, 1, 1, 0, 0]
    assert got.weights(LOW) == [0, 0, 0, 0, 1, 0.8]
    wrong = phases(3, 1, steps=[3, 3], loras=[[lora(HIGH, "0.5,0.75")], []])
    with pytest.raises(PayloadError, match=r"phase_config.phases\[0\].loras: 2 values for 3 steps"):
        planned(details(phase_config=wrong))


def test_of_a_lora_that_stands_twice_in_a_phase_the_first_counts_and_an_empty_name_none():
    doubled = phases(3, 1, steps=[3, 3], loras=[[lora(HIGH, "0.4"), lora(" "), lora(HIGH, "9")], []])
    assert planned(details(phase_config=doubled)).weights(HIGH) == [0.4, 0.4, 0.4, 0, 0, 0]


def test_segments_may_have_phases_of_their_own():
    got = planned(details(phase_configs_expanded=[None, TWO]))
    assert (got.experts(0), got.experts(1)) == ("HHHHLL", "HHHLLL")
    assert got.weights(STYLE, index=1) == [0.45] * 6
    assert got.resolved.origins["segments[1].flow_shift"] == "payload:phase_configs_expanded[1]"


@pytest.mark.parametrize("entries", [[None, [{"path": STYLE, "strength": 0.8}]], [[], [lora(STYLE, 0.8)]]])
def test_loras_of_a_segment_replace_those_of_the_phases(entries: list[object]):
    got = planned(details(loras_per_segment_expanded=entries))
    assert got.weights(HIGH, index=0) == [0.75, 0.75, 1, 1, 0, 0]
    assert list(got.plan.segments[1].steps[0].loras) == ["style"]
    assert got.weights(STYLE, index=1) == [0.8] * 6
    assert (got.experts(1), got.guidance(1)) == ("HHHHLL", [3, 3, 1, 1, 1, 1])


def test_a_segments_payload_brings_its_loras_too():
    got = planned(segment({"segment_loras": [{"path": STYLE, "strength": 0.3}]}))
    assert got.weights(STYLE) == [0.3] * 6
    assert [planned.file for planned in got.plan.loras.values()] == [STYLE]


def test_read_plainly_a_payload_without_phases_is_one_phase_without_guidance_and_loras():
    got = planned(loose(steps=6, amount_of_motion=0.5))
    assert (got.guidance(), got.plan.loras) == ([1] * 6, {})
    assert got.resolved.origins["phases[0].guidance"] == "default"
    assert got.resolved.origins["phases[0].steps"] == "payload:steps"


def test_in_october_2025_the_model_and_the_motion_bring_what_nobody_asked_for():
    got = planned(loose(steps=6, amount_of_motion=0.5), like=OLD)
    assert (got.experts(), got.guidance()) == ("HHHHLL", [3, 3, 1, 1, 1, 1])
    assert got.weights(HIGH) == [0.75, 0.75, 1, 1, 0, 0]
    assert got.weights(LOW) == [0, 0, 0, 0, 1, 1]
    assert got.plan.segments[0].timesteps[2] == 882.5258807285231
    assert [item.message for item in got.found("payload-added")] == [
        "the definition of lightning_baseline_2_2_2 brings 3 phases 3/1/1",
        "high_noise_model.safetensors at 0;1.0;0 is added",
        "low_noise_model.safetensors at 0;0;1 is added",
        "high_noise_model.safetensors at 0.75;0.0;0.0 is added",
    ]
    assert got.resolved.origins["loras[0].file"] == "automatic"
    assert got.resolved.origins["phases[1].guidance"] == "automatic"


@pytest.mark.parametrize(("motion", "weight"), [(0, 0.5), (0.5, 0.75), (1, 1.0)])
def test_the_motion_decides_the_strength_in_the_first_phase(motion: float, weight: float):
    assert planned(loose(steps=6, amount_of_motion=motion), like=OLD).weights(HIGH)[:2] == [weight, weight]


@pytest.mark.parametrize(
    ("said", "like"),
    [
        ({"amount_of_motion": 0.5, "advanced_mode": True, "num_inference_steps": 6}, OLD),
        ({"amount_of_motion": 0.5, "num_inference_steps": 6}, LATE),
        ({"num_inference_steps": 6}, OLD),
    ],
)
def test_without_motion_in_2026_and_in_advanced_mode_only_the_definition_counts(said: Data, like: Like):
    assert planned(loose(**said), like=like).weights(HIGH) == [0, 0, 1, 1, 0, 0]


def test_the_thresholds_of_the_definition_part_other_numbers_of_steps_otherwise():
    got = planned(loose(num_inference_steps=10), like=OLD)
    assert [step.phase for step in got.plan.segments[0].steps].count(1) == 4
    assert got.experts() == "HHHHHHHHLL"


def test_the_worker_of_2026_does_not_take_steps_for_denoising_steps():
    assert len(planned(loose(steps=20), like=LATE).plan.segments[0].steps) == 6
    assert len(planned(loose(steps=20), like=OLD).plan.segments[0].steps) == 20
    assert len(planned(loose(steps=20, num_inference_steps=8)).plan.segments[0].steps) == 8


def test_loose_thresholds_part_phases():
    said: Data = {"guidance_phases": 2, "guidance_scale": 4, "guidance2_scale": 1.5, "switch_threshold": 800}
    got = planned(loose(num_inference_steps=6, flow_shift=5, sample_solver="euler", model_switch_phase=1, **said))
    assert (got.experts(), got.guidance()) == ("HHHLLL", [4, 4, 4, 1.5, 1.5, 1.5])


def test_loras_outside_of_phases_run_throughout():
    got = planned(
        loose(num_inference_steps=4, additional_loras={STYLE: 0.5}, lora_names=[HIGH], lora_multipliers="0.9")
    )
    assert (got.weights(HIGH), got.weights(STYLE)) == ([0.9] * 4, [0.5] * 4)
    listed = planned(loose(num_inference_steps=4, loras=[{"path": STYLE, "strength": 0.5}]))
    assert listed.weights(STYLE) == [0.5] * 4


def test_short_strengths_are_filled_in_as_wangp_does_it():
    said: Data = {"lora_names": [STYLE, LOW], "lora_multipliers": ["0.2;0.4"], "num_inference_steps": 6}
    got = planned(loose(**said, model_name="wan_2_2_vace_lightning_baseline_2_2_2"), like=OLD)
    assert got.weights(STYLE) == [0.2, 0.2, 0.2, 0.2, 0.4, 0.4]
    assert got.weights(LOW) == [1.0] * 6
    assert len(got.found("payload-multiplier-read")) == 2


def test_more_parts_than_phases_are_refused_as_wangp_refuses_them():
    with pytest.raises(PayloadError, match=r"^lora_multipliers: 2 parts for 1 phase .*; say which phases there are"):
        planned(loose(num_inference_steps=6, lora_names=[STYLE], lora_multipliers=["1;0"]))
    with pytest.raises(
        PayloadError, match=r"^guidance_phases: high_noise_model.* which upstream adds, is for 3 phases"
    ):
        planned(loose(guidance_phases=2), like=OLD)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("lightning_baseline_2_2_2", (2, 2, 2)),
        ("wan_2_2_i2v_lightning_baseline_3_3", (3, 3)),
        ("i2v_2_2", None),
        ("vace_14B_fake_cocktail_2_2", None),
    ],
)
def test_some_names_promise_phases(name: str, steps: tuple[int, ...] | None):
    assert phases_in_name(name) == steps


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("like", list(Like))
def test_every_model_of_upstream_can_be_planned(name: str, like: Like):
    assert upstream_model(name).model == planned(details(model_name=name), like=like).plan.model
    assert planned(details(model_name=name, phase_config=GONE), like=like).plan.segments[0].steps
    assert (definition_for(name, like) is None) or like is not Like.PLAIN


@pytest.mark.parametrize(
    ("said", "weights"),
    [
        ({"lora_names": [STYLE, STYLE], "lora_multipliers": "0.5 0.25"}, [0.75] * 4),
        ({"lora_names": [STYLE, STYLE], "lora_multipliers": ["0.5"]}, [1.5] * 4),
        ({"lora_names": [STYLE, STYLE], "lora_multipliers": "1,2,3,4 0.5"}, [1.5, 2.5, 3.5, 4.5]),
        ({"loras_per_segment_expanded": [[lora(STYLE, "0.5"), lora(STYLE, "0.25")]]}, [0.75] * 4),
        ({"lora_names": [STYLE], "lora_multipliers": [0.5], "additional_loras": {STYLE: 2}}, [0.5] * 4),
        ({"additional_loras": {STYLE: None}}, [1] * 4),
        ({"additional_loras": {STYLE: 0.5}, "loras": [lora(STYLE, "2")]}, [2] * 4),
    ],
)
def test_a_lora_said_twice_runs_at_the_sum_of_its_entries_and_otherwise_at_the_winners_strength(
    said: Data, weights: list[float]
):
    got = planned(loose(num_inference_steps=4, **said))
    assert got.weights(STYLE) == weights
    codes = {"payload-lora-summed", "payload-overruled", "payload-multiplier-read"} & got.codes
    assert codes, "the reading was not said"


def test_ramps_of_different_lengths_have_no_sum():
    with pytest.raises(PayloadError, match="lora_multipliers: a LoRA is named twice, with strengths for different"):
        planned(loose(num_inference_steps=4, lora_names=[STYLE, STYLE], lora_multipliers="1,2,3,4 1,2"))
