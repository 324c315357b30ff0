"""What a difference does, by the name of what differs."""

from __future__ import annotations

import pytest

from wayframe.core.impact import IMPACT_RANK, Impact, impact_of, names_of, parts_of
from wayframe.core.payload_keys import OPTIONAL, REQUIRED, SWITCHED, UNSUPPORTED
from wayframe.core.spec import TravelSpec
from wayframe.core.spec_stops import Keyframe

WORKFLOW, PICTURE, COSMETIC, NOISE = Impact.WORKFLOW, Impact.PICTURE, Impact.COSMETIC, Impact.NOISE

PAYLOAD = {
    WORKFLOW: """model_name model_type num_new_segments_to_generate steps num_inference_steps guidance_phases
        sample_solver model_switch_phase phase_config phase_configs_expanded loras_per_segment_expanded additional_loras
        lora_names generation_mode advanced_mode motion_mode independent_segments chain_segments use_svi
        structure_guidance structure_type structure_video_path structure_guidance_video_url structure_video_treatment
        structure_video_motion_strength structure_canny_intensity structure_videos use_uni3c uni3c_guide_video
        use_causvid_lora use_lighti2x_lora apply_reward_lora use_styleboost_loras continue_from_video_resolved_path
        stitch_config travel_guidance svi_predecessor_video_url enhance_prompt""",
    PICTURE: """parsed_resolution_wh segment_frames_expanded frame_overlap_expanded base_prompts_expanded
        negative_prompts_expanded input_image_paths_resolved seed_base guidance_scale guidance2_scale guidance3_scale
        switch_threshold switch_threshold2 flow_shift cfg_star_switch cfg_zero_step lora_multipliers amount_of_motion
        base_prompt negative_prompt enhanced_prompts_expanded text_before_prompts text_after_prompts
        after_first_post_generation_saturation after_first_post_generation_brightness colour_match_videos
        crossfade_sharp_amt upscale_factor""",
    COSMETIC: "fps_helpers show_input_images audio_url",
    NOISE: """run_id main_output_dir_for_run orchestrator_task_id orchestrator_task_id_ref orchestrator_run_id shot_id
        project_id user_id task_id parent_generation_id created_at generation_started_at output_location status
        thumbnail_url worker_id attempts openai_api_key state send_cmd task debug_mode poll_interval
        current_run_base_output_dir segment_image_download_dir generation_source dimension_source""",
}
OURS = {
    WORKFLOW: """model engine preset mode chaining steps sample_solver solver phases loras kind engine_identity
        guides guides[0].model guides[0].kind segments[0].guide.strength segments[0].guide.spans[0].sources
        loop lead trail hold still segments given continue_from clips
        keyframes bundles written prompts.write prompts.model prompts.base_url""",
    PICTURE: """image prompt text_before text_after negative_prompt seed at resolution segment_frames overlap guidance
        flow_shift fit matte after.rife after.upscale
        curve multiplier amount_of_motion seed_policy frames thresholds timesteps digest cfg_star cfg_zero""",
    COSMETIC: "fps profile partial",
    NOISE: "key plan_digest created finished tasks",
}


def table(names: dict[Impact, str]) -> list[tuple[str, Impact]]:
    return [(name, impact) for impact, text in names.items() for name in text.split()]


@pytest.mark.parametrize(("name", "impact"), table(PAYLOAD))
def test_upstreams_keys_have_the_impact_that_is_written_here(name: str, impact: Impact) -> None:
    assert impact_of(f"requested.{name}")[0] is impact
    assert impact_of(f"segments[0].requested.{name}")[0] is impact


@pytest.mark.parametrize(("name", "impact"), table(OURS))
def test_our_own_keys_have_the_impact_that_is_written_here(name: str, impact: Impact) -> None:
    assert impact_of(f"planned.{name}")[0] is impact


def test_no_key_that_is_read_or_does_something_is_noise() -> None:
    read = {*REQUIRED, *OPTIONAL, *SWITCHED, *UNSUPPORTED} - {"debug_mode", "params_json_str_override"}
    read -= {name for name in read if name.startswith("consolidated_")}
    ours = {*TravelSpec.model_fields, *Keyframe.model_fields} - {"schema"}
    assert {name for name in read | ours if impact_of(f"requested.{name}")[0] is NOISE} == set()


def test_what_a_guide_is_made_by_weighs_less_than_the_model_of_the_trip() -> None:
    assert impact_of("planned.guides[0].model")[1] < impact_of("planned.model")[1]


def test_what_writes_prompts_anew_weighs_less_than_the_prompts_in_which_it_shows() -> None:
    assert impact_of("requested.enhance_prompt")[1] < impact_of("requested.base_prompts_expanded")[1]


def test_an_unknown_key_is_taken_for_a_change_of_the_picture() -> None:
    assert impact_of("requested.never_seen_before") == (PICTURE, 25)


def test_an_unknown_key_of_outcome_or_environment_is_cosmetic() -> None:
    assert impact_of("environment.versions.numpy") == (COSMETIC, 5)
    assert impact_of("outcome.never_seen_before") == (COSMETIC, 5)


def test_the_innermost_known_name_decides() -> None:
    assert impact_of("requested.phase_config.phases[0].guidance_scale")[0] is PICTURE
    assert impact_of("requested.phase_config.phases[0].loras[high.v2].multiplier")[0] is PICTURE
    assert impact_of("requested.phase_config.something_new")[0] is WORKFLOW


def test_what_is_inside_noise_is_noise() -> None:
    assert impact_of("segments[0].applied.state.loras_count")[0] is NOISE
    assert impact_of("segments[0].applied.task.repeats")[0] is NOISE


def test_the_way_to_a_lora_is_noise_and_the_lora_is_not() -> None:
    assert impact_of("requested.loras[high].url")[0] is NOISE
    assert impact_of("planned.loras.high.file")[0] is NOISE
    assert impact_of("planned.loras.high.digest")[0] is not NOISE
    assert impact_of("requested.loras[high]")[0] is WORKFLOW


def test_stronger_causes_have_more_effect() -> None:
    names = ["model", "model_switch_phase", "seed", "prompt", "negative_prompt", "fps"]
    effects = [impact_of(f"requested.{name}")[1] for name in names]
    assert effects == sorted(effects, reverse=True)
    assert len(set(effects)) == len(names)
    assert [impact for impact, _ in sorted(IMPACT_RANK.items(), key=lambda item: -item[1])] == [
        WORKFLOW,
        PICTURE,
        COSMETIC,
        NOISE,
    ]


def test_a_dot_in_brackets_does_not_part_a_path() -> None:
    path = "segments[1].requested.loras[high.v2.safetensors].multiplier"
    assert parts_of(path) == ["segments[1]", "requested", "loras[high.v2.safetensors]", "multiplier"]
    assert names_of(path) == ["segments", "requested", "loras", "multiplier"]
