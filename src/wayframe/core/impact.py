"""How much a difference matters: which names change the workflow, the picture, nothing that is seen, or are noise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Impact(StrEnum):
    """What a difference does."""

    WORKFLOW = "workflow"
    PICTURE = "picture"
    COSMETIC = "cosmetic"
    NOISE = "noise"


IMPACT_RANK: Mapping[Impact, int] = {Impact.WORKFLOW: 3, Impact.PICTURE: 2, Impact.COSMETIC: 1, Impact.NOISE: 0}

NOISE_NAME = re.compile(
    r"""(?x)^(?:
      id | .*_ids? | .*_id_ref | .*_uuid | .*_at | created | started | finished | times? | timestamp | seconds | bytes
    | attempts | pid | host | machine | platform | state | send_cmd | status | tasks | worker.* | credits | priority
    | .*_paths? | .*_dir | .*_dir_.* | .*_directory | .*_url | .*_location | .*filename | files? | folder | output.*
    | thumbnail.* | .*debug.* | dimension_source | generation_source | schema | key | plan_digest | .*_token
    | .*_api_key
    | _?consolidated_.* | depends_on | video_guide | video_mask | client_settings | settings_version
    | queue.* | callback.* | poll_.* | skip_cleanup_enabled | task | task_type | tool_type
    | segment_index | is_first_segment | is_last_segment
    )$"""
)
NOT_NOISE = re.compile(
    r"input_image_paths_resolved|model_filename|continue_from_video_resolved_path|svi_predecessor_video_url"
    r"|audio_url|structure_(?!original_|trimmed_).*|uni3c_.*"
)
LORA_ADDRESS = ("file", "url")
"""LoRAs are matched by these: what differs in them is a folder or a query."""

_GUIDES = {"guide", "guides"}
GUIDE_EFFECT = 75
"""Of what steers the structure."""
WRITER_EFFECT = 15
"""Of a step more in the workflow: what it does to the picture shows in the prompts."""
# Name of the last key of a path -> what it does, and how strongly it moves the picture (0 to 100).
NAMES: tuple[tuple[re.Pattern[str], Impact, int], ...] = tuple(
    (re.compile(pattern), impact, effect)
    for pattern, impact, effect in (
        (r"model|model_name|model_type|model_filename|kind|checkpoint", Impact.WORKFLOW, 100),
        (r"engine|engine_identity", Impact.WORKFLOW, 95),
        (r"experts?|model_switch_phase|model_switch_phase2", Impact.WORKFLOW, 90),
        (r"phase_config|phases|num_phases|guidance_phases|phase_configs_expanded", Impact.WORKFLOW, 88),
        (r"(activated_)?loras|lora_names|additional_loras|loras_per_segment_expanded", Impact.WORKFLOW, 85),
        (
            r"use_causvid_lora|use_lighti2x_lora|apply_reward_lora|use_styleboost_loras|apply_causvid|bundles?",
            Impact.WORKFLOW,
            80,
        ),
        (r"segments|keyframes|num_new_segments_to_generate", Impact.WORKFLOW, 84),
        (r"steps|num_inference_steps|steps_per_phase", Impact.WORKFLOW, 78),
        (r"loop|lead|trail|hold|still|ends|given|given_after|clips?|continue_from", Impact.WORKFLOW, 77),
        (r"bridges|replaced", Impact.WORKFLOW, 77),
        (r"chaining|chain_segments|independent_segments|use_svi", Impact.WORKFLOW, 76),
        (r"preset|mode|generation_mode|advanced_mode|motion_mode|solver|sample_solver", Impact.WORKFLOW, 60),
        (
            r"structure_.*|travel_guidance|use_uni3c|uni3c_.*|video_prompt_type|image_prompt_type|control_net.*"
            r"|continue_from_video.*|continuation_config|svi_predecessor.*|stitch_config",
            Impact.WORKFLOW,
            GUIDE_EFFECT,
        ),
        (r"input_image_paths_resolved|keyframe|image|image_start|image_end", Impact.PICTURE, 82),
        (r"seed|seed_base|seed_to_use|seed_policy", Impact.PICTURE, 80),
        (r"lora_multipliers|loras_multipliers|multiplier|weights?", Impact.PICTURE, 74),
        (r"guidance|guidance_scale|guidance[23]_scale", Impact.PICTURE, 72),
        (r"flow_shift|timesteps?|sigmas?|sigma_next", Impact.PICTURE, 66),
        (
            r"((base|enhanced)_)?prompts?|(base|enhanced)_prompts_expanded|text_(before|after)(_prompts)?",
            Impact.PICTURE,
            64,
        ),
        (r"amount_of_motion|cfg_star|cfg_zero|cfg_star_switch|cfg_zero_step|.*NAG.*", Impact.PICTURE, 50),
        (r"negative_prompts?|negative_prompts_expanded", Impact.PICTURE, 40),
        (r"resolution|parsed_resolution_wh|width|height", Impact.PICTURE, 70),
        (r".*frames.*|video_length|positions|at", Impact.PICTURE, 58),
        (r"overlap.*|frame_overlap.*", Impact.PICTURE, 45),
        (
            r"fit|matte|curve|crossfade.*|colour_match.*|saturation|brightness|banner|after_first_post.*"
            r"|after|upscale|upscale_factor|rife",
            Impact.PICTURE,
            35,
        ),
        (r"switch_threshold2?|thresholds?|planned_thresholds", Impact.PICTURE, 30),
        (r"digest", Impact.PICTURE, 20),
        (r"enhance_prompt|written", Impact.WORKFLOW, WRITER_EFFECT),
        (r"show_input_images", Impact.COSMETIC, 15),
        (r"fps|fps_helpers|force_fps|profile|audio_url|partial", Impact.COSMETIC, 10),
    )
)
UNKNOWN_EFFECT, WEIGHTS_EFFECT = 25, 100


def parts_of(path: str) -> list[str]:
    """The parts of a path: ``a.loras[x.y].z`` gives a, loras[x.y] and z."""
    return re.findall(r"(?:\[[^\]]*\]|[^.\[])+", path)


def names_of(path: str) -> list[str]:
    """The names on a path, without their indices."""
    return [part.split("[")[0] for part in parts_of(path)]


def impact_of(path: str) -> tuple[Impact, int]:
    """The impact and the effect (0 to 100) of a difference at a path; the innermost name that a rule knows decides.

    What is inside noise is noise too, and so is the way to a LoRA that is the same.
    """
    names = names_of(path)
    if names[0] == "segments" and len(names) > 1:  # whose it is says nothing about what it is
        names = names[1:]
    placed = _by_place(names)
    if placed is not None:
        return placed
    for name in reversed(names):
        for pattern, impact, effect in NAMES:
            if pattern.fullmatch(name):
                return impact, effect
    return (Impact.COSMETIC, 5) if names[0] in ("environment", "outcome") else (Impact.PICTURE, UNKNOWN_EFFECT)


def _by_place(names: list[str]) -> tuple[Impact, int] | None:
    """What the place of a value decides, whatever its own name says elsewhere."""
    if names[:2] == ["outcome", "engine"]:  # what the work cost, not what was asked of which engine
        return Impact.COSMETIC, 5
    if names in (["planned", "weights"], ["applied", "weights"]):  # those of the model; elsewhere they are a LoRA's
        return Impact.WORKFLOW, WEIGHTS_EFFECT
    if "prompts" in names[:-1]:  # who writes them, and how
        return Impact.WORKFLOW, WRITER_EFFECT
    if _GUIDES.intersection(names):  # what a guide's model or kind is says nothing about the trip's
        return Impact.WORKFLOW, GUIDE_EFFECT
    if any(_is_noise(name) for name in names) or (names[-1] in LORA_ADDRESS and "loras" in names):
        return Impact.NOISE, 0
    return None


def _is_noise(name: str) -> bool:
    return bool(NOISE_NAME.match(name)) and not NOT_NOISE.fullmatch(name)
