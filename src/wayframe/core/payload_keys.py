"""Every key of upstream's payloads that is known: read, carried along, or not supported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

REQUIRED = (
    "model_name",
    "parsed_resolution_wh",
    "num_new_segments_to_generate",
    "segment_frames_expanded",
    "frame_overlap_expanded",
    "base_prompts_expanded",
    "negative_prompts_expanded",
    "input_image_paths_resolved",
)
OPTIONAL = (
    *("seed_base", "steps", "num_inference_steps", "guidance_phases", "guidance_scale", "guidance2_scale"),
    *("guidance3_scale", "switch_threshold", "switch_threshold2", "flow_shift", "sample_solver", "model_switch_phase"),
    *("phase_config", "phase_configs_expanded", "loras_per_segment_expanded", "additional_loras", "loras"),
    *("lora_names", "lora_multipliers", "generation_mode", "chain_segments", "independent_segments", "fps_helpers"),
    *("amount_of_motion", "enhanced_prompts_expanded", "text_before_prompts", "text_after_prompts"),
    *("motion_settings_expanded", "continue_from_video_resolved_path"),
)
"""Read when they are there, and written again by an export as far as they still say something."""
CONSULTED = (
    *("advanced_mode", "enhance_prompt", "model", "model_type", "selected_phase_preset_id"),
    *("base_prompt", "negative_prompt", "continuation_config"),
)
"""Read where other keys leave something open or contradict each other, and carried along as they are."""
Switch = Literal["use_causvid_lora", "apply_causvid", "use_lighti2x_lora", "apply_reward_lora", "use_styleboost_loras"]
"""Keys that turn a bundle on."""
SWITCHES: tuple[Switch, ...] = get_args(Switch)
CFG = ("cfg_star_switch", "cfg_zero_step")
LOOKS: Mapping[str, object] = {
    "after_first_post_generation_saturation": 1,
    "after_first_post_generation_brightness": 0,
    "colour_match_videos": False,
}
"""Keys that change colours after rendering, and the values at which they change none."""
UPSCALE = "upscale_factor"
STITCH, AUDIO = "stitch_config", "audio_url"
SWITCHED = (*SWITCHES, *CFG, *LOOKS, UPSCALE)
"""Read when they are on; carried along as they are, and set anew by an export."""
SEGMENT = (
    *("num_frames", "segment_frames_target", "enhanced_prompt", "seed_to_use", "start_image_url", "end_image_url"),
    *("segment_loras", "segment_index"),
)
"""Read in a segment's payload only."""
READ = frozenset((*REQUIRED, *OPTIONAL, *CONSULTED, *SWITCHED))

CARRIED = frozenset(
    (
        # identities
        *("run_id", "shot_id", "project_id", "orchestrator_task_id", "orchestrator_task_id_ref", "orchestrator_run_id"),
        *("parent_generation_id", "child_generation_id", "based_on", "generation_name", "input_image_generation_ids"),
        *("pair_shot_generation_id", "pair_shot_generation_ids", "start_image_generation_id"),
        *("end_image_generation_id", "user_id", "task_id"),
        # the task's row and upstream's page
        *("id", "status", "task_type", "tool_type", "description", "created_at", "output_location", "priority"),
        *("generation_source", "dimension_source", "motion_mode", "turbo_mode", "random_seed", "thumbnail_url"),
        *("create_as_generation", "make_primary_variant", "child_order", "is_single_item", "is_first_segment"),
        *("is_last_segment", "generation_started_at", "worker_id", "attempts", "dependant_on", "error_message"),
        # where it runs, and how it reports
        *("main_output_dir_for_run", "current_run_base_output_dir", "segment_image_download_dir"),
        *("debug_mode_enabled", "skip_cleanup_enabled", "poll_interval", "poll_timeout", "poll_timeout_upscale"),
        *("model_family", "original_task_args", "original_common_args", "vlm_device", "upscale_model_name"),
        *("seed_for_upscale", "frame_overlap_with_next", "stitched_start_frame"),
        *("guidance_start_frame", "seed", "prompt", "orchestrator_details_version", "full_orchestrator_payload"),
        *("orchestrator_payload", "consolidated_end_anchor_idx", "_consolidated_end_anchors"),
        *("_consolidated_keyframe_positions",),
        # settings of a guide video, which mean nothing without one
        *("structure_type", "structure_video_type", "structure_video_treatment", "structure_video_motion_strength"),
        *("structure_canny_intensity", "structure_depth_contrast", "structure_guidance_frame_offset"),
        *("structure_motion_frame_offset", "structure_original_video_url", "structure_trimmed_video_url"),
        *("guide_preprocessing", "uni3c_strength", "uni3c_start_percent", "uni3c_end_percent", "uni3c_frame_policy"),
        *("uni3c_zero_empty_frames", "uni3c_keep_on_gpu", "uni3c_guidance_frame_offset"),
        # what a later task that joins the segments is told
        *("clip_list", "num_joins", "gap_frame_count", "context_frame_count", "replace_mode", "resolution"),
        *("keep_bridging_images", "use_input_video_fps", "use_input_video_resolution"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """What upstream does because of a key, the values at which it does nothing, and what to do here instead."""

    effect: str
    neutral: tuple[object, ...] = (False, "")
    entries: int = 0
    """A list of so many entries, or of fewer, does nothing."""
    instead: str = ""


_GUIDE = Unsupported(
    effect="lets a guide video steer the motion",
    neutral=(False, "", {}),
    instead="say in guides what a VACE model shall follow",
)
_NO_FADE = '{"low_point":0.0,"high_point":1.0,"curve_type":"ease_in_out","duration_factor":0.0}'
_FADE = Unsupported(effect="fades the keyframes of the guide video in and out", neutral=("", "{}", _NO_FADE))
_STARTING = Unsupported(
    effect="changes the first frames of later segments",
    neutral=(0,),
    instead="look changes the colours of whole segments",
)
_REFERENCES = Unsupported(effect="shows reference pictures to the model")
UNSUPPORTED: Mapping[str, Unsupported] = {
    **dict.fromkeys(
        (
            *("structure_guidance", "travel_guidance", "structure_videos", "structure_video_path"),
            *("structure_guidance_video_url", "structure_motion_video_url", "use_uni3c", "uni3c_guide_video"),
        ),
        _GUIDE,
    ),
    **dict.fromkeys(
        (
            "subsequent_starting_strength_adjustment",
            "desaturate_subsequent_starting_frames",
            "adjust_brightness_subsequent_starting_frames",
        ),
        _STARTING,
    ),
    "use_svi": Unsupported(
        effect="chains segments by latents (SVI)", instead="chaining: chained goes on from the last frames"
    ),
    "svi_predecessor_video_url": Unsupported(
        effect="chains segments by latents (SVI)", instead="continue_from goes on from the last frames of a video"
    ),
    "frame_overlap_from_previous": Unsupported(
        effect="starts the segment from the last frames of the one before",
        neutral=(0,),
        instead="import the whole travel, or name that segment's video in continue_from",
    ),
    "continue_from_video_resolved_path_for_guide": Unsupported(
        effect="continues another video", instead="import the whole travel, or name the video in continue_from"
    ),
    "show_input_images": Unsupported(
        effect="shows the pictures above the video", instead="look: {banner: true} shows them in its corners"
    ),
    "crossfade_sharp_amt": Unsupported(
        effect="sharpens blended frames", neutral=(0,), instead="curve: upstream does it, too"
    ),
    "stitch_config": Unsupported(
        effect="joins the segments by rendered transitions", neutral=({}, ""), instead="import the whole travel"
    ),
    AUDIO: Unsupported(effect="adds sound", instead="name a file in after.audio"),
    "params_json_str_override": Unsupported(
        effect="overrides settings of the engine", instead="say them in the words of a spec"
    ),
    "vace_image_refs_to_prepare_by_worker": _REFERENCES,
    "vace_image_refs_to_prepare_by_headless": _REFERENCES,
    "regenerate_anchors": Unsupported(effect="renders the keyframes anew"),
    "consolidated_keyframe_positions": Unsupported(
        effect="renders several segments as one", entries=2, instead="import the whole travel, segment by segment"
    ),
    "fade_in_params_json_str": _FADE,
    "fade_out_params_json_str": _FADE,
    "debug_mode": Unsupported(effect="keeps files for debugging", instead="every run keeps its segments and debug.log"),
}


def not_done(key: str) -> str:
    """What is said of a key that is not supported: what upstream does, and what to do here."""
    known = UNSUPPORTED[key]
    return f"{key}: upstream {known.effect}; that is not done here{f' ({known.instead})' if known.instead else ''}"


def is_neutral(key: str, value: object) -> bool:
    """Whether a key that is not supported has a value at which upstream does nothing anyway; null is one for all."""
    known = UNSUPPORTED[key]
    if isinstance(value, list):
        return len(value) <= known.entries
    if isinstance(value, Mapping) and value.get("kind") == "none":
        return True
    return value is None or any(value == neutral for neutral in known.neutral)


def is_done_later(key: str, carried: Mapping[str, Any]) -> bool:
    """Whether a key of a whole travel is made words of the spec after all others: transitions, and sound by address."""
    whole, address = carried.get("shape") != "segment", carried.get("details", {}).get(AUDIO)
    sound = key == AUDIO and whole and isinstance(address, str) and "://" in address
    return sound or (key == STITCH and is_stitched(carried))


def is_stitched(carried: Mapping[str, Any] | None) -> bool:
    """Whether what an import carries along holds a `stitch_config`, and is not that of a single segment."""
    parts = carried or {}
    config = parts.get("details", {}).get(STITCH)
    return parts.get("shape") != "segment" and isinstance(config, Mapping) and bool(config)


def short(value: object) -> object:
    """A value for evidence; of large ones only the kind is told."""
    return value if isinstance(value, int | float | str | None) else type(value).__name__
