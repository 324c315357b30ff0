"""Payloads out: what came in comes back, said once and without contradictions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.payloads import (
    GONE,
    STYLE,
    THREE,
    TWO,
    Data,
    Planned,
    details,
    lora,
    phases,
    planned,
    planned_data,
    planned_spec,
    segment,
    task,
)
from core.trips import HIGH, LOW
from wayframe.core.payload_like import Like
from wayframe.errors import PayloadError

VACE = "wan2.2-vace-a14b"
PICTURES: list[Data] = [{"image": "a.png"}, {"image": "b.png"}]


def core_of(plan: Planned) -> list[Any]:
    """Everything that decides the pictures of a plan."""
    return [(one.key, one.frames, one.overlap_before, one.prompt, one.seed) for one in plan.plan.segments]


@pytest.mark.parametrize(
    "data",
    [
        details(),
        details(generation_mode="timeline", chain_segments=False, amount_of_motion=0.25, fps_helpers=24),
        details(phase_config=TWO, model_name="lightning_baseline_2_2_2"),
        details(phase_configs_expanded=[None, TWO]),
        details(1, input_image_paths_resolved=["a.png"]),
        details(phase_config=GONE, num_inference_steps=6, guidance_scale=2.5, additional_loras={STYLE: 0.5}),
        details(3, frame_overlap_expanded=[6, 2], base_prompts_expanded=["a", "", "c"]),
        details(use_causvid_lora=True, phase_config=GONE),
        details(apply_reward_lora=True, use_lighti2x_lora=False, cfg_star_switch=1, cfg_zero_step=0),
        segment({"use_lighti2x_lora": True}, phase_config=GONE),
        task(details(shot_id="s", use_svi=True), parent_generation_id="g"),
        segment(),
        segment({"seed_to_use": 3, "num_frames": 37}, child_order=1),
    ],
)
def test_a_payload_comes_back_with_the_same_plan_and_its_own_shape(data: Data):
    first = planned(data)
    back = first.payload()
    again = planned(back)
    assert core_of(again) == core_of(first)
    assert again.spec.carried == first.spec.carried
    assert again.payload() == back


def test_keys_that_are_mapped_come_back_as_they_were():
    data = details(
        generation_mode="timeline",
        chain_segments=True,
        fps_helpers=24,
        amount_of_motion=0.5,
        steps=6,
        num_inference_steps=6,
        guidance_phases=3,
        guidance_scale=3,
        guidance2_scale=1,
        guidance3_scale=1,
        flow_shift=5,
        sample_solver="euler",
        model_switch_phase=2,
        switch_threshold=917.4817575573454,
        switch_threshold2=663.2310443522647,
        lora_names=[HIGH, LOW],
        lora_multipliers=["0.75;1.0;0", "0;0;1.0"],
        shot_id="s",
        audio_url="a.mp3",
        mood="calm",
    )
    assert planned(data).payload() == data


def test_what_was_repaired_comes_back_repaired_and_says_so_no_more():
    data = details(
        parsed_resolution_wh="902x508",
        segment_frames_expanded=[60, 45],
        frame_overlap_expanded=[7, 7],
        guidance_scale=1,
        steps=20,
        text_before_prompts="old film",
        openai_api_key="sk-made-up-0123456789",
    )
    back = planned(data).payload()
    assert back["parsed_resolution_wh"] == "896x496"
    assert (back["segment_frames_expanded"], back["frame_overlap_expanded"]) == ([61, 45], [6])
    assert (back["guidance_scale"], back["steps"]) == (3, 6)
    assert back["base_prompts_expanded"][0] == "old film the boat passes buoy 0"
    assert not {"text_before_prompts", "openai_api_key"} & back.keys()
    assert [code for code in planned(back).codes if code.startswith("payload-")] == []


def test_prompts_that_upstream_would_write_stay_open_to_it():
    data = details(enhance_prompt=True, enhanced_prompts_expanded=["e", ""], base_prompts_expanded=["a", ""])
    back = planned(data).payload()
    assert (back["enhance_prompt"], back["enhanced_prompts_expanded"]) == (True, ["e", ""])


def test_in_advanced_mode_steps_and_motion_stay_out():
    back = planned(details(advanced_mode=True)).payload()
    assert not {"steps", "amount_of_motion"} & back.keys()
    assert back["advanced_mode"] is True


def test_what_upstream_added_is_written_out_so_that_plain_reading_gives_it_too():
    data = details(phase_config=GONE, model_name="lightning_baseline_2_2_2", steps=6, amount_of_motion=0.5)
    first = planned(data, like=Like.UPSTREAM_2025_10)
    again = planned(first.payload())
    assert again.weights(HIGH) == [0.75, 0.75, 1, 1, 0, 0]
    assert core_of(again) == core_of(first)


def spec(**said: object) -> Data:
    return {
        "keyframes": [{"image": "a.png"}, {"image": "b.png", "prompt": "on"}, {"image": "c.png"}],
        "model": VACE,
        **said,
    }


def test_a_spec_of_ours_becomes_a_payload():
    back = planned_data(spec(preset="lightning_baseline_2_2_2", chaining="chained")).payload()
    assert back["model_name"] == "wan_2_2_vace_lightning_baseline_2_2_2"
    assert back["phase_config"] == THREE
    assert back["input_image_paths_resolved"] == ["a.png", "b.png", "c.png"]
    assert (back["segment_frames_expanded"], back["frame_overlap_expanded"]) == ([61, 61], [6])
    assert "amount_of_motion" not in back


def test_a_lora_over_the_whole_run_is_written_for_each_phase():
    back = planned_data(
        spec(
            phases=[{"steps": 2, "expert": "high"}, {"steps": 4, "expert": "low"}],
            loras=[{"file": STYLE, "multiplier": "0.5,1"}],
        )
    ).payload()
    assert back["lora_multipliers"] == ["0.5;0.5,1,1,1"]
    assert planned(back).weights(STYLE) == [0.5, 0.5, 0.5, 1, 1, 1]


def test_a_lora_that_is_idle_everywhere_is_not_lost():
    idle = phases(3, 1, 1, steps=[2, 2, 2], loras=[[lora(HIGH)], [lora(STYLE, "0")], []])
    assert planned(planned(details(phase_config=idle)).payload()).weights(STYLE) == [0] * 6


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"model": None}, "model", "is required for an upstream payload"),
        ({"phases": [{"steps": 1}] * 4}, "phases", "4 of them; upstream has two or three"),
        ({"fps": "24000/1001"}, "fps", "upstream takes whole numbers only"),
        ({"seed_policy": "increment"}, "seed", "upstream has one for all segments"),
        ({"preset": "lightning_3_3"}, "sample_solver", "upstream has no such grid"),
        ({"phases": [{"steps": 2, "expert": "low"}] * 2}, "phases[0].expert", "upstream begins with the high expert"),
        ({"phases": [{"steps": 2, "expert": "high"}]}, "phases", "1 of them; upstream has two or three"),
    ],
)
def test_what_upstream_cannot_be_told_is_refused(said: Data, field: str, problem: str):
    data = {key: value for key, value in spec(**said).items() if value is not None}
    with pytest.raises(PayloadError) as caught:
        planned_data(data).payload()
    assert (caught.value.field, caught.value.problem) == (field, problem)


WEIGHTS = st.sampled_from(["0", "0.5", "1.0", "0.75", "-0.25", "1e-3", "2.5"])


@st.composite
def configs(draw: st.DrawFn) -> Data:
    count = draw(st.sampled_from([2, 3]))
    steps = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    return phases(
        *draw(st.lists(st.sampled_from([0, 1, 1.5, 3, 7]), min_size=count, max_size=count)),
        steps=steps,
        loras=[
            [
                lora(url, ",".join(draw(st.lists(WEIGHTS, min_size=size, max_size=size))))
                for url in draw(st.lists(st.sampled_from([HIGH, LOW, STYLE]), unique=True))
                for size in [draw(st.sampled_from([1, count_of]))]
            ]
            for count_of in steps
        ],
        flow_shift=draw(st.sampled_from([1, 3, 5, 12.5])),
        sample_solver=draw(st.sampled_from(["euler", "unipc", "dpm++"])),
        model_switch_phase=draw(st.integers(1, count)),
    )


@st.composite
def payloads(draw: st.DrawFn) -> Data:
    count = draw(st.integers(1, 4))
    frames = draw(st.lists(st.integers(40, 90), min_size=count, max_size=count))
    said: Data = {
        "segment_frames_expanded": frames,
        "frame_overlap_expanded": draw(st.lists(st.integers(0, 16), min_size=count - 1, max_size=count)),
        "generation_mode": draw(st.sampled_from(["batch", "timeline"])),
        "chain_segments": draw(st.booleans()),
        "base_prompts_expanded": draw(st.lists(st.text(max_size=8), min_size=count, max_size=count)),
        "phase_config": draw(st.one_of(configs(), st.just(GONE))),
        "seed_base": draw(st.integers(-1, 10**6)),
        "parsed_resolution_wh": f"{draw(st.integers(64, 1000))}x{draw(st.integers(64, 1000))}",
        "amount_of_motion": draw(st.one_of(st.just(GONE), st.floats(0, 1))),
        "shot_id": draw(st.text(max_size=4)),
    }
    if said["chain_segments"] and 0 < sum(one < 2 for one in said["frame_overlap_expanded"][: count - 1]) < count - 1:
        said["chain_segments"] = False
    return details(count, **said)


@given(data=payloads())
def test_any_payload_comes_back_with_the_same_plan(data: Data):
    first = planned(data)
    back = first.payload()
    assert core_of(planned(back)) == core_of(first)
    assert planned(back).payload() == back


def test_a_bundle_becomes_its_switch_and_its_lora_is_not_named_twice():
    got = planned_data({"keyframes": PICTURES, "model": VACE, "bundles": ["causvid"], "loras": [{"file": STYLE}]})
    back = got.payload()
    assert (back["use_causvid_lora"], back["lora_names"], back["steps"]) == (True, [STYLE], 9)
    again = planned(back)
    assert again.resolved.segments[0].recipe == got.resolved.segments[0].recipe


def test_a_bundle_in_phases_becomes_its_switch_too():
    got = planned(details(use_causvid_lora=True))
    assert len(got.plan.loras) == 3
    back = got.payload()
    assert back["use_causvid_lora"] is True
    assert {one["url"] for phase in back["phase_config"]["phases"] for one in phase["loras"]} == {HIGH, LOW}


def test_a_bundle_without_a_switch_is_written_out():
    said = {"preset": "lightning_baseline_2_2_2", "bundles": ["motion"], "amount_of_motion": 1}
    back = planned_data({"keyframes": PICTURES, **said}).payload()
    assert back["phase_config"]["phases"][0]["loras"] == [{"url": HIGH, "multiplier": "1.00"}]


def test_a_switch_that_the_spec_no_longer_asks_for_is_off():
    imported = planned(details(use_causvid_lora=True, cfg_star_switch=1, phase_config=GONE)).imported
    assert imported is not None
    spec = imported.spec.model_copy(update={"bundles": None, "cfg_star": None})
    back = planned_spec(spec).payload()
    assert (back["use_causvid_lora"], back["cfg_star_switch"]) == (False, 0)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"cfg_zero": 1}, "cfg_zero"),
        ({"keyframes": [{**PICTURES[0], "cfg_star": True}, *PICTURES[1:], *PICTURES[:1]]}, "bundles"),
        ({"keyframes": [{**PICTURES[0], "bundles": ["reward"]}, *PICTURES[1:], *PICTURES[:1]]}, "bundles"),
    ],
)
def test_what_upstream_has_only_for_all_or_only_together_is_refused(said: Data, field: str):
    with pytest.raises(PayloadError) as caught:
        planned_data({"keyframes": PICTURES, "preset": "lightning_baseline_2_2_2", **said}).payload()
    assert caught.value.field == field
