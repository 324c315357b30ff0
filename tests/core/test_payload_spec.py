"""Payloads into specs: lengths, overlaps, prompts and seeds as upstream has them, and every oddity named."""

from __future__ import annotations

import pytest

from core.payloads import GONE, STYLE, THREE, TWO, Data, details, lora, phases, planned, planned_spec, segment, task
from core.trips import CATALOGUE, HIGH, LOW
from wayframe.core import payload_rules
from wayframe.core.findings import Rule, Severity
from wayframe.core.lint import SWITCH_NEVER
from wayframe.core.payload_like import Like
from wayframe.core.payload_spec import import_payload
from wayframe.core.prompting import wanted
from wayframe.core.spec import parse_spec, spec_json
from wayframe.errors import PayloadError, SpecError

I2V = "wan_2_2_i2v_lightning_baseline_2_2_2"
LOOSE: Data = {"phase_config": GONE, "model_name": "lightning_baseline_2_2_2", "num_inference_steps": 6}

Case = tuple[Data, Data, Like]


def case(raising: Data, quiet: Data | None = None, like: Like = Like.PLAIN) -> Case:
    return raising, details() if quiet is None else quiet, like


MOTION = "motion_settings_expanded[0].amount_of_motion"
CASES: dict[str, list[Case]] = {
    "payload-overruled": [
        case(details(guidance_scale=1), details(guidance_scale=3)),
        case(details(guidance2_scale=3), details(guidance2_scale=1)),
        case(details(steps=20), details(steps=6)),
        case(details(steps=20, **LOOSE), details(steps=6, **LOOSE)),
        case(details(num_inference_steps=20), details(num_inference_steps=6)),
        case(details(guidance_phases=2), details(guidance_phases=3)),
        case(details(flow_shift=8), details(flow_shift=5)),
        case(details(sample_solver="unipc"), details(sample_solver="euler")),
        case(details(model_switch_phase=1), details(model_switch_phase=2)),
        case(details(switch_threshold=883), details(switch_threshold=917.4817504882812)),
        case(
            details(lora_names=[HIGH, LOW], lora_multipliers=["1.0;0;0", "0;0;1.0"]),
            details(lora_names=[LOW, HIGH], lora_multipliers=["0;0;1.0", "0.75;1.0;0"]),
        ),
        case(details(guidance3_scale=2, phase_config=TWO), details(switch_threshold2=0, phase_config=TWO)),
        case(details(guidance2_scale=3, **LOOSE), details(model_switch_phase=1, **LOOSE)),
        case(
            details(additional_loras={STYLE: 0.9}, phase_config=TWO),
            details(additional_loras={STYLE: "0.450"}, phase_config=TWO),
        ),
        case(details(model="other"), details(model="wan_2_2_vace_lightning_baseline_2_2_2")),
        case(details(chain_segments=True, independent_segments=True), details(chain_segments=True)),
        case(details(enhanced_prompts_expanded=["a", "b"]), details(enhanced_prompts_expanded=["", ""])),
        case(segment({"seed_to_use": 1, "guidance_scale": 3}, guidance_scale=1), segment(guidance_scale=1)),
    ],
    "payload-model-phases": [
        case(details(phase_config=TWO)),
        case(details(phase_config=phases(3, 1, 1, steps=[2, 2, 5]))),
    ],
    "payload-model-preset": [
        case(
            details(model_name=I2V, phase_config={**THREE, "mode": "vace"}),
            details(phase_config={**THREE, "mode": "vace"}),
        ),
        case(details(selected_phase_preset_id="__builtin_default_i2v__")),
        case(details(model_type="i2v"), details(model_type="vace")),
    ],
    "payload-lora-in-no-phase": [
        case(details(additional_loras={STYLE: 0.5}), details(additional_loras={HIGH: 0.75})),
        case(details(additional_loras={STYLE: 0.5}, **LOOSE), details(**LOOSE), Like.UPSTREAM_2026),
    ],
    "payload-lora-twice": [
        case(details(phase_config=phases(3, 1, 1, steps=[2, 2, 2], loras=[[lora(HIGH, 1), lora(HIGH, 2)], [], []])))
    ],
    "payload-advanced-mode": [
        case(details(advanced_mode=True, steps=20), details(advanced_mode=True)),
        case(details(advanced_mode=True, amount_of_motion=0.5), details(amount_of_motion=0.5)),
    ],
    "payload-frames-snapped": [
        case(details(segment_frames_expanded=[60, 61]), details(segment_frames_expanded=[61, 61]))
    ],
    "payload-overlap-changed": [
        case(details(frame_overlap_expanded=[7]), details(frame_overlap_expanded=[6])),
        case(details(frame_overlap_expanded=[80]), details(frame_overlap_expanded=[44])),
    ],
    "payload-overlap-surplus": [
        case(details(frame_overlap_expanded=[6, 6]), details(frame_overlap_expanded=[6])),
        case(details(1, frame_overlap_expanded=[10]), details(1, frame_overlap_expanded=10)),
    ],
    "payload-surplus": [
        case(details(base_prompts_expanded=["a", "b", "c"]), details(base_prompts_expanded=["a"])),
        case(details(segment_frames_expanded=[53, 45, 41])),
        case(details(lora_multipliers=["1.0"]), details(lora_multipliers=[])),
        case(
            details(lora_names=[STYLE], lora_multipliers="0.5 1.0", **LOOSE),
            details(lora_names=[STYLE], lora_multipliers="0.5", **LOOSE),
        ),
    ],
    "payload-chained-without-overlap": [case(details(frame_overlap_expanded=0), details(frame_overlap_expanded=2))],
    "payload-size-snapped": [case(details(parsed_resolution_wh="902x508"), details(parsed_resolution_wh=[896, 496]))],
    "payload-lone-keyframe": [
        case(
            details(1, input_image_paths_resolved=["a.png"], generation_mode="timeline"),
            details(1, input_image_paths_resolved=["a.png"]),
        )
    ],
    "payload-images-unused": [case(details(input_image_paths_resolved=["a.png", "b.png", "c.png", "d.png"]))],
    "payload-continued-apart": [
        case(
            details(1, continue_from_video_resolved_path="a.mp4", frame_overlap_expanded=[6]),
            details(1, continue_from_video_resolved_path=""),
        )
    ],
    "payload-not-stitched": [
        case(details(chain_segments=False)),
        case(details(independent_segments=True), details(1, independent_segments=True)),
    ],
    "payload-chaining-ignored": [
        case(details(model_type="i2v", model_name=I2V), details(model_type="i2v", model_name=I2V, chain_segments=False))
    ],
    "payload-context-frames": [case(details(), details(chain_segments=False), Like.UPSTREAM_2026)],
    "payload-solver-read": [
        case(details(phase_config={**THREE, "sample_solver": ""})),
        case(details(sample_solver="lcm", **LOOSE), details(sample_solver="unipc", **LOOSE)),
    ],
    "payload-multiplier-read": [
        case(details(lora_names=[STYLE], **LOOSE), details(lora_names=[STYLE], lora_multipliers=["0.5"], **LOOSE)),
        case(details(additional_loras={STYLE: None}, **LOOSE), details(additional_loras={STYLE: 1}, **LOOSE)),
        case(details(phase_config=phases(1, steps=[6], loras=[[{"url": STYLE, "multiplier": None}]]))),
        case(details(loras_per_segment_expanded=[[{"path": STYLE, "strength": None}]])),
    ],
    "payload-lora-summed": [
        case(details(lora_names=[STYLE, STYLE], lora_multipliers="0.5 0.25", **LOOSE)),
        case(details(lora_names=[STYLE, STYLE], lora_multipliers="0.5;1 0.25", guidance_phases=2, **LOOSE)),
        case(
            details(loras_per_segment_expanded=[[lora(STYLE), lora(STYLE)]], **LOOSE),
            details(loras_per_segment_expanded=[[lora(STYLE)]], **LOOSE),
        ),
    ],
    "payload-lora-unnamed": [
        case(details(lora_names=[""], lora_multipliers=["1.0"], **LOOSE)),
        case(details(additional_loras=[lora(" ")], **LOOSE)),
        case(details(loras_per_segment_expanded=[[lora("")]], **LOOSE)),
        case(details(loras_per_segment_expanded=[[lora("")]])),
        case(details(phase_config=phases(1, 1, steps=[3, 3], loras=[[lora("")], []]))),
    ],
    "payload-phase-numbers": [
        case(
            details(phase_config={**TWO, "phases": [{**one, "phase": 3 - one["phase"]} for one in TWO["phases"]]}),
            details(phase_config={**TWO, "phases": [{**one, "phase": str(one["phase"])} for one in TWO["phases"]]}),
        )
    ],
    "payload-phase-empty": [
        case(details(guidance_phases=2, **LOOSE), details(guidance_phases=2, switch_threshold=900, **LOOSE))
    ],
    "payload-added": [
        (details(**LOOSE), details(), Like.UPSTREAM_2025_10),
        (details(**LOOSE), details(), Like.UPSTREAM_2026),
    ],
    "payload-seed-random": [case(details(seed_base=-1))],
    "payload-prompt-not-enhanced": [
        case(details(enhance_prompt=True), details(enhance_prompt=True, enhanced_prompts_expanded=["a", "b"]))
    ],
    "payload-secret-removed": [case(details(openai_api_key=""))],
    "payload-key-unsupported": [
        case(details(crossfade_sharp_amt=0.3), details(crossfade_sharp_amt=0)),
        case(
            details(structure_guidance={"target": "uni3c", "videos": [{"path": "v"}]}), details(structure_guidance=None)
        ),
        case(details(use_svi=True), details(use_svi=False)),
        case(details(travel_guidance={"kind": "uni3c"}), details(travel_guidance={"kind": "none", "videos": []})),
        case(
            details(continuation_config={"strategy": "svi_latent_chaining"}),
            details(continuation_config={"strategy": "guide_overlap_masked"}),
        ),
        case(segment(use_uni3c=True), segment(use_uni3c=False)),
        case(segment(frame_overlap_from_previous=6), segment(frame_overlap_from_previous=0)),
        case(segment(consolidated_keyframe_positions=[0, 24, 48]), segment(consolidated_keyframe_positions=[0, 48])),
        case(
            details(structure_videos=[{"path": "https://example.invalid/v.mp4"}]),
            details(structure_videos=[], fade_in_params_json_str="{}"),
        ),
    ],
    "payload-key-unknown": [
        case(details(num_frame=3)),
        case(
            details(motion_settings_expanded=[{"amount": 1}, None]),
            details(motion_settings_expanded=[{"amount_of_motion": 1}, None]),
        ),
        case(task(details(), new_key=1), task(details())),
        case(details(phase_config={**THREE, "flow_shfit": 5}), details(phase_config=THREE)),
        case(segment(phase_config={**THREE, "flow_shfit": 5}), segment(phase_config=THREE)),
    ],
    "payload-keys-carried": [case(details(shot_id="s")), case(task(details()))],
}


@pytest.mark.parametrize(
    ("code", "raising", "quiet", "like"),
    [(code, *one) for code, cases in CASES.items() for one in cases],
)
def test_each_rule_speaks_where_it_should_and_is_silent_where_not(code: str, raising: Data, quiet: Data, like: Like):
    assert code in planned(raising, like=like).codes
    assert code not in planned(quiet, like=like).codes


def test_no_rule_is_without_a_case():
    rules = {rule.code for rule in vars(payload_rules).values() if isinstance(rule, Rule)}
    assert rules - {"keyframe-remote", "lora-by-name"} == set(CASES)


def test_a_payload_without_oddities_has_no_finding_of_its_own():
    assert [code for code in planned(details()).codes if code.startswith("payload-")] == []


@pytest.mark.parametrize("code", ["payload-overruled", "payload-model-phases", "payload-model-preset"])
def test_a_contradiction_names_its_winner(code: str):
    for raising, _, like in CASES[code]:
        finding = planned(raising, like=like).found(code)[0]
        assert f"{finding.evidence['winner']} wins" in finding.message


@pytest.mark.parametrize(
    ("asked", "worker_2025", "worker_2026"),
    [(60, 61, 57), (61, 61, 61), (62, 61, 61), (63, 61, 61), (64, 65, 61), (5, 5, 5), (57, 57, 57), (81, 81, 81)],
)
def test_lengths_go_to_the_grid_as_the_workers_of_each_year_move_them(asked: int, worker_2025: int, worker_2026: int):
    data = details(1, segment_frames_expanded=[asked])
    got = {like: planned(data, like=like).plan.segments[0].frames for like in Like}
    assert got == {
        Like.PLAIN: worker_2025,
        Like.UPSTREAM_2025_10: worker_2025,
        Like.UPSTREAM_2026: worker_2026,
    }


@pytest.mark.parametrize(
    ("given", "frames", "overlaps"),
    [
        ([8, 7, 6, 5], [37, 41, 45, 33, 49], [8, 6, 6, 4]),
        (10, [37, 41, 45], [10, 10]),
        ([10], [37, 41, 45], [10, 10]),
        ([10, 4, 2], [37, 41, 45], [10, 4]),
        ([90], [37, 41], [36]),
        ([90], [41, 37], [36]),
        ([1], [37, 41], [0]),
    ],
)
def test_overlaps_are_made_even_and_fit(given: int | list[int], frames: list[int], overlaps: list[int]):
    data = details(len(frames), segment_frames_expanded=frames, frame_overlap_expanded=given)
    assert list(planned(data).resolved.layout.overlaps) == overlaps


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"frame_overlap_expanded": [6, 6]}, "frame_overlap_expanded", "2 values for 3 joins"),
        ({"frame_overlap_expanded": []}, "frame_overlap_expanded", "0 values for 3 joins"),
        ({"frame_overlap_expanded": [6, -2, 6]}, "frame_overlap_expanded[1]", "must be 0 or more"),
        ({"frame_overlap_expanded": [6, None, 6]}, "frame_overlap_expanded[1]", "expected a whole number"),
        ({"frame_overlap_expanded": -2}, "frame_overlap_expanded", "must be 0 or more"),
        ({"segment_frames_expanded": [53, 53]}, "segment_frames_expanded", "2 values for 4 segments"),
        ({"segment_frames_expanded": []}, "segment_frames_expanded", "0 values for 4 segments"),
        ({"base_prompts_expanded": ["a", "b", "c"]}, "base_prompts_expanded", "3 values for 4 segments"),
        ({"negative_prompts_expanded": ["a", "b"]}, "negative_prompts_expanded", "2 values for 4 segments"),
        ({"enhanced_prompts_expanded": ["a", "b"]}, "enhanced_prompts_expanded", "2 values for 4 segments"),
        ({"phase_configs_expanded": [None, THREE]}, "phase_configs_expanded", "2 values for 4 segments"),
        ({"loras_per_segment_expanded": [None, []]}, "loras_per_segment_expanded", "2 values for 4 segments"),
        ({"input_image_paths_resolved": ["a", "b"]}, "input_image_paths_resolved", "2 pictures for 4 segments"),
        ({"motion_settings_expanded": [None, None]}, "motion_settings_expanded", "2 values for 4 segments"),
        ({"motion_settings_expanded": [{"amount_of_motion": 2}]}, MOTION, "must be 1 or less"),
        ({"generation_mode": "spiral"}, "generation_mode", "expected batch or timeline"),
        ({"fps_helpers": 23.976}, "fps_helpers", "expected a whole number"),
        ({"parsed_resolution_wh": "8x576"}, "parsed_resolution_wh", "sides must be 16 or more"),
    ],
)
def test_lists_that_are_too_short_and_values_out_of_range_are_refused(said: Data, field: str, problem: str):
    with pytest.raises(PayloadError) as caught:
        planned(details(4, **said))
    assert (caught.value.field, caught.value.problem) == (field, problem)


def test_an_unknown_model_is_refused_with_the_names_that_are_known():
    with pytest.raises(
        PayloadError, match=r"model_name: is not known \(got 'vace_99B'\); known are lightning_baseline"
    ):
        planned(details(model_name="vace_99B"))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("lightning_baseline_2_2_2", "wan2.2-vace-a14b"),
        ("wan_2_2_vace_lightning_baseline_2_2_2", "wan2.2-vace-a14b"),
        (I2V, "wan2.2-i2v-a14b"),
        ("t2v_2_2", "wan2.2-t2v-a14b"),
        ("vace_14B", "wan2.1-vace-14b"),
    ],
)
def test_upstreams_names_mean_models_of_the_catalogue(name: str, model: str):
    assert planned(details(model_name=name)).plan.model == model


def test_timeline_positions_follow_from_lengths_and_overlaps():
    plan = planned(details(generation_mode="timeline")).plan
    assert (plan.mode, [one.at for one in plan.keyframes], plan.frames) == ("timeline", [0, 52, 91], 92)
    assert [one.frames for one in plan.segments] == [53, 45]


@pytest.mark.parametrize(
    ("said", "chaining"),
    [
        ({}, "chained"),
        ({"chain_segments": True}, "chained"),
        ({"chain_segments": False}, "independent"),
        ({"independent_segments": True}, "independent"),
        ({"independent_segments": False}, "chained"),
        ({"chain_segments": True, "independent_segments": True}, "chained"),
        ({"chain_segments": None, "independent_segments": None}, "chained"),
    ],
)
def test_segments_are_chained_unless_the_payload_says_otherwise(said: Data, chaining: str):
    assert planned(details(**said)).plan.chaining == chaining


def test_upstream_never_chains_i2v_segments_and_plain_reading_does_as_it_is_told():
    data = details(model_name=I2V, model_type="i2v", chain_segments=True)
    assert planned(data).plan.chaining == "chained"
    assert planned(data, like=Like.UPSTREAM_2025_10).plan.chaining == "independent"


@pytest.mark.parametrize(
    ("said", "prompts"),
    [
        ({"base_prompts_expanded": ["x"]}, ["x", "x"]),
        ({"base_prompts_expanded": ["", "b"], "base_prompt": "all"}, ["all", "b"]),
        ({"base_prompts_expanded": ["", ""]}, ["", ""]),
        ({"enhanced_prompts_expanded": ["e", " "], "enhance_prompt": True}, ["e", "the boat passes buoy 1"]),
        ({"enhanced_prompts_expanded": ["e", "f"]}, ["the boat passes buoy 0", "the boat passes buoy 1"]),
        ({"base_prompts_expanded": ["a", "b"], "text_before_prompts": "old film, "}, ["old film, a", "old film, b"]),
        ({"base_prompts_expanded": ["a", ""], "text_after_prompts": "at dusk"}, ["a at dusk", "at dusk"]),
    ],
)
def test_prompts_are_put_together_as_upstream_does_it(said: Data, prompts: list[str]):
    assert [one.prompt for one in planned(details(**said)).plan.segments] == prompts


def test_a_model_writes_the_prompts_that_a_payload_leaves_open():
    data = details(enhance_prompt=True, base_prompts_expanded=["", "b"], base_prompt="all", text_before_prompts=" old ")
    got = planned(data)
    assert got.spec.prompts is not None
    assert got.spec.prompts.write == "missing"
    assert wanted(got.spec) == (0,)
    assert [keyframe.prompt for keyframe in got.spec.keyframes] == [None, "b", None]
    assert (got.spec.prompt, got.spec.text_before, got.spec.text_after) == ("all", "old", None)
    assert [one.prompt for one in got.plan.segments] == ["old all", "old b"]
    origins = got.resolved.origins
    assert origins["segments[0].prompt"] == "payload:base_prompt"
    assert origins["segments[1].prompt"] == "payload:base_prompts_expanded"
    assert [item.evidence["segments"] for item in got.found("payload-prompt-not-enhanced")] == [[1]]


def test_a_payload_whose_prompts_are_all_there_asks_no_model():
    said = {"base_prompts_expanded": ["", "b"]}
    assert wanted(planned(details(enhance_prompt=True, enhanced_prompts_expanded=["e", "f"], **said)).spec) == ()
    assert planned(details(**said)).spec.prompts is None


def test_an_empty_negative_prompt_falls_back_to_the_one_for_all():
    data = details(negative_prompts_expanded=["", "snow"], negative_prompt="rain")
    assert [one.negative_prompt for one in planned(data).plan.segments] == ["rain", "snow"]


def test_all_segments_have_the_seed_of_the_payload():
    assert [one.seed for one in planned(details(seed_base=789)).plan.segments] == [789, 789]
    assert [one.seed for one in planned(details(seed_base=-1)).plan.segments] == [0, 0]
    assert planned(segment()).plan.segments[0].seed == 42


def test_frames_a_second_are_upstreams_sixteen_unless_given():
    assert planned(details()).plan.fps == 16
    assert planned(details(fps_helpers=24)).plan.fps == 24


def test_strict_refuses_what_is_not_done_here_and_what_is_not_known():
    with pytest.raises(
        PayloadError,
        match=r"audio_url: upstream adds sound; that is not done here \(name a file .*\) \(and 1 more: mood\)",
    ):
        planned(details(audio_url="a.mp3", mood="calm"), strict=True)
    with pytest.raises(PayloadError, match="mood: is not a known key"):
        planned(details(mood="calm"), strict=True)
    assert planned(details(use_svi=False, shot_id="s"), strict=True).plan.frames == 92


def test_a_strange_key_inside_a_phase_config_is_named_with_its_place():
    phases = [{**THREE["phases"][0], "loras": [{**lora(HIGH), "weight": 2}], "guidance": 4}, *THREE["phases"][1:]]
    found = planned(details(phase_config={**THREE, "phases": phases})).found("payload-key-unknown")
    assert [one.where for one in found] == ["phase_config.phases[0].loras[0].weight", "phase_config.phases[0].guidance"]
    with pytest.raises(PayloadError, match=r"phases\[0\].guidance"):
        planned(details(phase_config={**THREE, "phases": phases}), strict=True)


def test_what_is_carried_is_named_once_and_kept():
    got = planned(task(details(shot_id="s", run_id="r", use_causvid_lora=False), parent_generation_id="g"))
    (finding,) = got.found("payload-keys-carried")
    assert finding.evidence["keys"] == [
        "shot_id",
        "run_id",
        "use_causvid_lora",
        "tool_type",
        "parent_generation_id",
        "id",
        "task_type",
    ]
    assert got.spec.carried == {
        "shape": "task",
        "model_name": "wan_2_2_vace_lightning_baseline_2_2_2",
        "task": {"id": "task-1", "task_type": "travel_orchestrator"},
        "params": {"tool_type": "travel-between-images", "parent_generation_id": "g"},
        "details": {"shot_id": "s", "run_id": "r", "use_causvid_lora": False},
    }


def test_the_spec_of_a_payload_reads_back_from_its_file_form_and_gives_the_same_keys():
    imported = planned(details(generation_mode="timeline", shot_id="s"))
    again = planned_spec(parse_spec(spec_json(imported.spec)))
    assert again.plan.segments == imported.plan.segments


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("model", "payload:model_name"),
        ("chaining", "default"),
        ("overlap", "payload:frame_overlap_expanded"),
        ("segment_frames", "payload:segment_frames_expanded"),
        ("resolution", "payload:parsed_resolution_wh"),
        ("fps", "default"),
        ("phases[0].guidance", "payload:phase_config"),
        ("flow_shift", "payload:phase_config"),
        ("loras[0].multiplier", "payload:phase_config"),
        ("segments[0].prompt", "payload:enhanced_prompts_expanded"),
        ("segments[1].prompt", "payload:base_prompts_expanded"),
        ("segments[1].seed", "payload:seed_base"),
        ("segments[0].amount_of_motion", "payload:amount_of_motion"),
    ],
)
def test_origins_name_the_payloads_keys(path: str, origin: str):
    data = details(amount_of_motion=0.5, enhance_prompt=True, enhanced_prompts_expanded=["e", ""])
    assert planned(data).resolved.origins[path] == origin


def test_advanced_mode_leaves_the_motion_to_the_default():
    got = planned(details(advanced_mode=True, amount_of_motion=0.9, steps=20))
    assert got.plan.segments[0].amount_of_motion == 0.3
    assert got.resolved.origins["segments[0].amount_of_motion"] == "default"


def test_the_payload_is_the_requested_level_without_its_secrets():
    imported = planned(details(openai_api_key="sk-made-up-0123456789")).imported
    assert imported is not None
    assert imported.requested == details()


def test_a_switch_that_never_comes_is_planned_as_upstream_runs_it_and_critical():
    got = planned(details(phase_config={**THREE, "model_switch_phase": 3}))
    assert got.experts() == "HHHHHH"
    assert [item.severity for item in got.found(SWITCH_NEVER.code)] == [Severity.CRITICAL]
    assert SWITCH_NEVER.code not in planned(details()).codes


def test_our_own_phase_config_still_refuses_such_a_switch():
    spec = {"keyframes": [{"image": "a"}, {"image": "b"}], "model": "wan2.2-vace-a14b", "phase_config": THREE}
    said: dict[str, object] = {**spec, "phase_config": {**THREE, "model_switch_phase": 3}}
    with pytest.raises(SpecError, match="the low expert never runs"):
        planned_spec(parse_spec(said))


def test_another_rule_for_secrets_can_be_given():
    got = import_payload(details(shot_id="s"), catalogue=CATALOGUE, is_secret=lambda name: name == "shot_id")
    assert got.requested == details()


@pytest.mark.parametrize(
    ("keys", "bundles", "origin"),
    [
        ({"use_causvid_lora": True}, ("causvid",), "payload:use_causvid_lora"),
        ({"apply_causvid": True, "use_causvid_lora": False}, ("causvid",), "payload:apply_causvid"),
        ({"apply_reward_lora": 1, "use_lighti2x_lora": True}, ("lightx2v", "reward"), "payload:use_lighti2x_lora"),
        ({"use_styleboost_loras": True}, ("styleboost",), "payload:use_styleboost_loras"),
    ],
)
def test_a_switch_is_a_bundle(keys: Data, bundles: tuple[str, ...], origin: str):
    got = planned(details(**keys))
    assert (got.spec.bundles, got.resolved.origins["bundles"]) == (bundles, origin)
    assert not {"payload-key-unsupported", "payload-key-unknown"} & got.codes
    carried = got.found("payload-keys-carried")
    assert not any(key in item.evidence["keys"] for item in carried for key, value in keys.items() if value)
    assert ("bundle-adds-nothing" in got.codes) == (bundles == ("styleboost",))


def test_a_bundles_settings_count_where_the_payload_says_none():
    bare = planned(details(use_lighti2x_lora=True, phase_config=GONE)).plan.segments[0]
    assert ([len(bare.steps), bare.solver, bare.steps[0].guidance], bare.forwards) == ([6, "unipc", 1], 6)
    said = planned(details(use_lighti2x_lora=True, **LOOSE, guidance_scale=3, sample_solver="euler")).plan.segments[0]
    assert (said.solver, said.steps[0].guidance) == ("euler", 3)


def test_phases_that_thresholds_make_are_those_of_the_bundles_grid():
    keys = {"guidance_phases": 2, "switch_threshold": 900, "guidance2_scale": 1}
    got = planned(details(use_causvid_lora=True, phase_config=GONE, **keys))
    assert len(got.plan.segments[0].steps) == 9
    assert {step.phase for step in got.plan.segments[0].steps if step.timestep > 900} == {1}


def test_cfg_zero_step_counts_from_0_and_only_while_the_star_is_on():
    got = planned(details(cfg_star_switch=1, cfg_zero_step=1))
    assert (got.spec.cfg_star, got.spec.cfg_zero) == (True, 2)
    assert [step.forwards for step in got.plan.segments[0].steps] == [0, 0, 1, 1, 1, 1]
    assert got.resolved.origins["cfg_zero"] == "payload:cfg_zero_step"
    off = planned(details(cfg_star_switch=0, cfg_zero_step=1))
    assert (off.spec.cfg_star, off.spec.cfg_zero) == (None, None)
    (lost,) = [item for item in off.found("payload-overruled") if item.where == "cfg_zero_step"]
    assert lost.message == "cfg_zero_step says 1, cfg_star_switch off: cfg_star_switch wins"
    plain = planned(details(cfg_star_switch=0, cfg_zero_step=-1))
    assert (plain.spec.cfg_star, "payload-overruled" in plain.codes) == (None, False)


@pytest.mark.parametrize(
    ("key", "value"), [("use_causvid_lora", "maybe"), ("cfg_zero_step", -2), ("cfg_zero_step", 0.5)]
)
def test_a_switch_that_says_neither_on_nor_off_is_refused(key: str, value: object):
    with pytest.raises(PayloadError) as caught:
        planned(details(**{key: value}))
    assert caught.value.field == key
