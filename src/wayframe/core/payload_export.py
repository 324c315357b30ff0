"""A resolved spec of ours as an upstream payload again.

Everything is said once and agrees: the phases in a phase_config, and upstream's top-level values as they follow from
it. What an import carried along is given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayframe.core.loras import ABSENT, multiplier_text, parse_multiplier
from wayframe.core.payload_features import after_keys, bridge_words, guide_words, without_guides
from wayframe.core.payload_keys import AUDIO, STITCH, SWITCHES
from wayframe.core.payload_look import look_keys
from wayframe.core.payload_models import MODELS, UPSTREAM_NAMES
from wayframe.core.payload_values import Exportable, ResolvedLora, ResolvedSegment, ResolvedValues
from wayframe.core.payload_wire import said
from wayframe.core.recipe import BY_BOUNDARY
from wayframe.core.schedule import Solver, thresholds, timesteps
from wayframe.core.spec import TravelSpec
from wayframe.errors import PayloadError

Said = dict[str, Any]
UPSTREAM_PHASES = (2, 3)
_GUIDANCE_KEYS = ("guidance_scale", "guidance2_scale", "guidance3_scale")
_CONTINUATION = "continuation_config"
_SHAPES = ("task", "details", "segment")


def export_payload(source: Exportable) -> Said:
    """The payload in the shape in which it was imported, else bare orchestrator_details.

    Raises `PayloadError` for what upstream cannot be told: no model, one of four or more phases, segments with seeds of
    their own, a frame rate that is not whole, and what it has no key for.
    """
    carried = source.carried
    shape = carried.get("shape", "details")
    if shape not in _SHAPES:
        raise PayloadError("carried.shape", f"expected {', '.join(_SHAPES)}", shape)
    parts = {name: dict(carried.get(name) or {}) for name in ("task", "params", "details", "individual")}
    if shape == "segment":
        return _segment_payload(source, parts)
    trip, kept = source.without_bridges, _kept(source, parts)
    details = {**_advanced(kept["details"], _travel(trip)), **kept["details"]}
    details |= _switched(source.values, carried=details)
    details |= look_keys([one.look for one in trip.values.segments], segment_index=0, carried=details)
    details |= after_keys(source.spec, carried=details)
    details |= _transitions(source, carried=details)
    if details.get("enhance_prompt"):
        details["enhanced_prompts_expanded"] = details["base_prompts_expanded"]
    if shape == "details":
        return details
    if not kept["task"]:
        return {**kept["params"], "orchestrator_details": details}
    return {**kept["task"], "params": {**kept["params"], "orchestrator_details": details}}


def _kept(source: Exportable, parts: Mapping[str, Said]) -> dict[str, Said]:
    """What was carried along, as far as it still says what the spec says: guides, transitions and chaining are anew."""
    kept, guides = dict(parts), guide_words(source.spec, fps=source.values.fps, carried=parts)
    if guides is not None:
        kept = {name: without_guides(part) for name, part in parts.items()}
        kept["details"] |= guides
    gone = () if source.spec.bridges else (STITCH,)
    strategy = said(kept["details"]).get(_CONTINUATION)
    if strategy is not None and _chains(strategy) is not (source.values.chaining == "chained"):
        gone = (*gone, _CONTINUATION)
    kept["details"] = {key: value for key, value in kept["details"].items() if key not in gone}
    return kept


def _chains(config: object) -> bool | None:
    """Whether a continuation_config chains segments; None where its strategy is not one of ours."""
    strategy = config.get("strategy") or "none" if isinstance(config, Mapping) else None
    return {"none": False, "guide_overlap_masked": True}.get(str(strategy))


def _transitions(source: Exportable, *, carried: Mapping[str, Any]) -> Said:
    """The stitch_config that stands for the bridges."""
    words = bridge_words(source)
    if words is None:
        return {}
    first, bridge = (next(one for one in source.values.segments if one.is_bridge is kind) for kind in (False, True))
    own = {"phase_config": _phase_config(bridge)} if bridge.recipe != first.recipe else {}
    config = carried.get(STITCH)
    before = config if isinstance(config, Mapping) else {}
    kept = {key: value for key, value in before.items() if key not in ("phase_config", "loras")}
    return {STITCH: {**kept, **words, **own}}


def _advanced(carried: Mapping[str, Any], details: Said) -> Said:
    """In advanced mode the page leaves out what the phases decide."""
    dropped = ("steps", "amount_of_motion") if carried.get("advanced_mode") else ()
    return {key: value for key, value in details.items() if key not in dropped}


def _travel(source: Exportable) -> Said:
    values, first = source.values, source.values.segments[0]
    _check_shape(source)
    details: Said = {
        "model_name": _model_name(source),
        "parsed_resolution_wh": values.resolution,
        "num_new_segments_to_generate": len(values.segments),
        "segment_frames_expanded": list(values.segment_frames),
        "frame_overlap_expanded": _overlaps(source),
        "base_prompts_expanded": [segment.prompt for segment in values.segments],
        "negative_prompts_expanded": [segment.negative_prompt for segment in values.segments],
        "input_image_paths_resolved": list(source.images),
        "generation_mode": values.mode,
        "chain_segments": values.chaining == "chained",
        "fps_helpers": _fps(values.fps),
        "seed_base": _shared("seed", [segment.seed for segment in values.segments]),
        **_denoising(first),
    }
    if source.spec.continue_from:
        details["continue_from_video_resolved_path"] = source.spec.continue_from
    if source.said("amount_of_motion"):
        motions = [segment.amount_of_motion for segment in values.segments]
        details["amount_of_motion"] = motions[0]
        own = [{"amount_of_motion": motion} for motion in motions] if len({*motions}) > 1 else []
        details |= {"motion_settings_expanded": own} if own else {}
    if any(segment.recipe != first.recipe for segment in values.segments):
        details["phase_configs_expanded"] = [_phase_config(segment) for segment in values.segments]
    return details


def _check_shape(source: Exportable) -> None:
    """Raise `PayloadError` for a segment that does not lie between two pictures: upstream cannot be told of it."""
    segments, continues = source.values.segments, bool(source.continued)
    for index, segment in enumerate(segments):
        first = index - continues
        usual = (None if first < 0 else first, first + 1)
        given = segment.given and not (continues and index == 0)
        if segment.hold or given or (segment.ends and segment.ends != usual):
            problem = "is a hold, lead or trail; upstream has none of these"
            raise PayloadError(f"segments[{index}]", problem, fix="leave it out of the spec")
    if len(segments) != max(len(source.images) - (not continues), 1):
        problem = f"{len(segments)} of them for {len(source.images)} pictures; upstream has one less than pictures"
        raise PayloadError("segments", problem, fix="use one segment for a lone keyframe")


def _overlaps(source: Exportable) -> list[int]:
    """The frames that neighbours share, with those of a continued video first."""
    values, frames = source.values, source.continued
    if not frames:
        return list(values.overlap)
    if values.chaining == "chained":
        return [frames, *values.overlap]
    if frames > 1:
        fix = "say chaining: chained, or overlap 1 with the video"
        raise PayloadError("overlap", "upstream starts unchained segments from one frame of a video", frames, fix=fix)
    return [0, *values.overlap]


def _segment_payload(source: Exportable, parts: Mapping[str, Said]) -> Said:
    """One segment's payload; where it stands in its travel is told by what was carried."""
    values, segment = source.values, source.values.segments[0]
    if len(values.segments) > 1:
        raise PayloadError("carried.shape", f"a segment's payload holds one segment, not {len(values.segments)}")
    _check_alone(source.spec)
    params = {
        "model_name": _model_name(source),
        "parsed_resolution_wh": values.resolution,
        "num_frames": values.segment_frames[0],
        "chain_segments": values.chaining == "chained",
        "base_prompt": segment.prompt,
        "negative_prompt": segment.negative_prompt,
        "seed_to_use": segment.seed,
        "fps_helpers": _fps(values.fps),
        **({"amount_of_motion": segment.amount_of_motion} if source.said("amount_of_motion") else {}),
        **_denoising(segment),
        **parts["params"],
        "input_image_paths_resolved": list(source.images),
    }
    carried = parts["details"] | parts["params"] | parts["individual"]
    looks, at = [one.look for one in values.segments], int(carried.get("segment_index") or 0)
    switched = {**_switched(values, carried=carried), **look_keys(looks, segment_index=at, carried=carried)}
    switched |= after_keys(source.spec, carried={**carried, AUDIO: ""})
    params = _advanced(carried, params | switched)
    params.setdefault("segment_index", 0)
    if parts["individual"]:
        own = {key: value for key, value in parts["individual"].items() if key not in switched}
        params["individual_segment_params"] = own
    params["orchestrator_details"] = parts["details"]
    return {**parts["task"], "params": params} if parts["task"] else params


def _check_alone(spec: TravelSpec) -> None:
    """Raise `PayloadError` for what only the payload of a whole travel is read to say."""
    alone = {
        "guides": spec.guides,
        "continue_from": spec.continue_from,
        "after.audio": spec.after and spec.after.audio,
    }
    for word, said_of_it in alone.items():
        if said_of_it:
            raise PayloadError(word, "has no place in a segment's payload", fix="leave it out of the spec")


def _switched(values: ResolvedValues, *, carried: Mapping[str, Any]) -> Said:
    """The switches of bundles and of CFG-Zero* as far as they are not yet what they have to be in `carried`."""
    first = values.segments[0]
    if any((one.bundles, one.cfg_star, one.cfg_zero) != (first.bundles, *_cfg(first)) for one in values.segments):
        raise PayloadError("bundles", "upstream has one set for all segments", fix="say bundles and cfg_* for all")
    if first.cfg_zero and not first.cfg_star:
        fix = "say cfg_star: true, or leave cfg_zero out"
        raise PayloadError("cfg_zero", "upstream has it together with cfg_star only", first.cfg_zero, fix=fix)
    on: Said = {switch: True for switch in first.bundles.values() if switch}
    on |= {"cfg_star_switch": 1} if first.cfg_star else {}
    on |= {"cfg_zero_step": first.cfg_zero - 1} if first.cfg_zero else {}
    off: Said = {**dict[str, bool].fromkeys(SWITCHES, False), "cfg_star_switch": 0, "cfg_zero_step": -1}
    turned = {key: off[key] for key in off if key not in on and _is_on(carried.get(key), off=off[key])}
    return {**turned, **{key: value for key, value in on.items() if carried.get(key) != value}}


def _cfg(segment: ResolvedSegment) -> tuple[bool, int]:
    return segment.cfg_star, segment.cfg_zero


def _is_on(value: object, *, off: object) -> bool:
    """Whether a carried switch says that it is on."""
    return value not in (None, "", off)


def _model_name(source: Exportable) -> str:
    """The name under which the payload came, while it still means this model, else upstream's usual one."""
    model, name = source.values.model, source.carried.get("model_name")
    if model is None:
        raise PayloadError("model", "is required for an upstream payload", fix="name a model in the spec")
    if isinstance(name, str) and name in MODELS and MODELS[name].model == model:
        return name
    if model not in UPSTREAM_NAMES:
        raise PayloadError("model", "has no name upstream", model, fix=f"known are {', '.join(UPSTREAM_NAMES)}")
    return UPSTREAM_NAMES[model]


def _fps(fps: int | str) -> int:
    if not isinstance(fps, int):
        raise PayloadError("fps", "upstream takes whole numbers only", fps)
    return fps


def _shared(word: str, values: Sequence[float]) -> float:
    if len(set(values)) > 1:
        raise PayloadError(word, "upstream has one for all segments", list(values), fix="give all segments the same")
    return values[0]


def _denoising(segment: ResolvedSegment) -> Said:
    """Phases as a phase_config with the top-level values that follow from it; one phase as top-level values alone."""
    if not segment.phases:
        return {}
    total = sum(segment.steps)
    shared: Said = {
        "steps": total,
        "num_inference_steps": total,
        "flow_shift": segment.flow_shift,
        "sample_solver": segment.sample_solver.value,
        **{key: phase.guidance for key, phase in zip(_GUIDANCE_KEYS, segment.phases, strict=False)},
    }
    _known_solver(segment)
    if len(segment.phases) == 1 and segment.phases[0].expert in (BY_BOUNDARY, "only"):
        names = [lora.file for lora in segment.named]
        texts = [lora.multiplier for lora in segment.named]
        return {**shared, **({"lora_names": names, "lora_multipliers": texts} if names else {})}
    config = _phase_config(segment)
    levels = thresholds(timesteps(segment.sample_solver, steps=total, shift=segment.flow_shift), segment.steps)
    return {
        **shared,
        "guidance_phases": len(segment.phases),
        "model_switch_phase": config["model_switch_phase"],
        **dict(zip(("switch_threshold", "switch_threshold2"), levels, strict=False)),
        "phase_config": config,
        "lora_names": [lora.file for lora in segment.named],
        "lora_multipliers": [";".join(_parts(lora, segment.steps)) for lora in segment.named],
    }


def _known_solver(segment: ResolvedSegment) -> None:
    if segment.sample_solver is Solver.TRAILING:
        fix = "use euler, unipc or dpm++"
        raise PayloadError("sample_solver", "upstream has no such grid", segment.sample_solver.value, fix=fix)


def _phase_config(segment: ResolvedSegment) -> Said:
    count = len(segment.phases)
    if count not in UPSTREAM_PHASES:
        raise PayloadError("phases", f"{count} of them; upstream has two or three", fix="write two or three phases")
    _known_solver(segment)
    experts = [phase.expert for phase in segment.phases]
    if experts[0] == "low":
        raise PayloadError("phases[0].expert", "upstream begins with the high expert", "low")
    parts = {lora.file: _parts(lora, segment.steps) for lora in segment.named}
    return {
        "phases": [
            {
                "phase": index + 1,
                "guidance_scale": phase.guidance,
                "loras": [
                    {"url": file, "multiplier": texts[index]}
                    for file, texts in parts.items()
                    if texts[index] != ABSENT or (index == 0 and set(texts) == {ABSENT})
                ],
            }
            for index, phase in enumerate(segment.phases)
        ],
        "num_phases": count,
        "steps_per_phase": list(segment.steps),
        "flow_shift": segment.flow_shift,
        "sample_solver": segment.sample_solver.value,
        "model_switch_phase": experts.index("low") if "low" in experts else count,
    }


def _parts(lora: ResolvedLora, steps: Sequence[int]) -> list[str]:
    """The strengths of a LoRA by phase, with one value or one a step in each, as upstream wants it."""
    multiplier = parse_multiplier(lora.multiplier, field=f"loras[{lora.file}]")
    written = lora.multiplier.split(";")
    good = [len(values) in (1, count) for values, count in zip(multiplier.phases, steps, strict=False)]
    if len(multiplier.phases) == len(steps) and all(good):
        return written
    if len(multiplier.phases) == 1 and len(multiplier.phases[0]) == 1:
        return written * len(steps)
    weights = iter(multiplier.per_step(steps, field=f"loras[{lora.file}]"))
    return [multiplier_text([next(weights) for _ in range(count)]) for count in steps]
