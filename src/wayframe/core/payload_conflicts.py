"""Where a payload says one thing in two ways: which of them counts. In real payloads this is the rule."""

from __future__ import annotations

from collections.abc import Iterator

from wayframe.core.catalogue import Model
from wayframe.core.findings import Finding, finding
from wayframe.core.loras import merge_phase_loras
from wayframe.core.payload import Payload, Shape
from wayframe.core.payload_keys import OPTIONAL
from wayframe.core.payload_models import phases_in_name
from wayframe.core.payload_phases import without_phase
from wayframe.core.payload_rules import (
    PAYLOAD_ADVANCED,
    PAYLOAD_LORA_IN_NO_PHASE,
    PAYLOAD_MODEL_PHASES,
    PAYLOAD_MODEL_PRESET,
    PAYLOAD_OVERRULED,
    PAYLOAD_SURPLUS,
)
from wayframe.core.payload_wire import Wire, WirePhases, said
from wayframe.core.schedule import wire_thresholds
from wayframe.core.wording import counted

THRESHOLD_TOLERANCE = 0.01
"""Timesteps by which a threshold may differ: upstream's have been through float32 now and then."""
_OF_KIND = ("vace", "i2v", "t2v", "flf2v")
_LEVELS = ("individual", "params", "details")
_ONE_A_SEGMENT = (
    *("segment_frames_expanded", "base_prompts_expanded", "negative_prompts_expanded", "enhanced_prompts_expanded"),
    *("phase_configs_expanded", "loras_per_segment_expanded", "motion_settings_expanded"),
)
_LISTS_OF_ALL = frozenset(
    {"phase_configs_expanded", "loras_per_segment_expanded", "enhanced_prompts_expanded", "base_prompt"}
    | {"negative_prompt", "text_before_prompts", "text_after_prompts", "motion_settings_expanded"}
    | {"continue_from_video_resolved_path"}
)


def conflicts(payload: Payload, *, model: Model) -> Iterator[Finding]:
    """All contradictions of a payload, each with the winner in its evidence."""
    wire = payload.wire
    yield from _model(wire, model=model)
    yield from _advanced(payload)
    yield from _surplus(wire)
    if wire.cfg_zero_step >= 0 and not wire.cfg_star_switch:
        yield _loser("cfg_zero_step", wire.cfg_zero_step, winner="cfg_star_switch", value="off")
    if any(wire.enhanced_prompts_expanded) and not wire.enhance_prompt:
        message = "enhanced_prompts_expanded is given and enhance_prompt is off: base_prompts_expanded wins"
        evidence = {"winner": "base_prompts_expanded"}
        yield finding(PAYLOAD_OVERRULED, message, where="enhanced_prompts_expanded", evidence=evidence)
    if wire.phase_config is not None:
        yield from _overruled(wire, wire.phase_config)
        yield from _in_no_phase(wire, wire.phase_config)
        yield from without_phase(wire, phases=len(wire.phase_config.phases), winner="phase_config")
    elif wire.steps is not None and wire.num_inference_steps not in (None, wire.steps) and not wire.advanced_mode:
        yield _loser("steps", wire.steps, winner="num_inference_steps", value=wire.num_inference_steps)
    if payload.shape is Shape.SEGMENT:
        yield from _levels(payload)


def _surplus(wire: Wire) -> Iterator[Finding]:
    count = wire.num_new_segments_to_generate
    for key in _ONE_A_SEGMENT:
        given = len(getattr(wire, key))
        if given > count:
            message = f"{key} has {given} values for {count} segment{'' if count == 1 else 's'}"
            yield finding(PAYLOAD_SURPLUS, message, where=key, evidence={"values": given, "segments": count})
    texts, names = wire.given_multipliers, wire.lora_names
    if len(texts) > len(names):
        message = f"lora_multipliers has {counted(len(texts), 'value')} for {counted(len(names), 'name')} in lora_names"
        evidence = {"values": len(texts), "names": len(names)}
        yield finding(PAYLOAD_SURPLUS, message, where="lora_multipliers", evidence=evidence)


def _loser(key: str, said: object, *, winner: str, value: object) -> Finding:
    message = f"{key} says {_shown(said)}, {winner} {_shown(value)}: {winner} wins"
    return finding(PAYLOAD_OVERRULED, message, where=key, evidence={"winner": winner, "said": said, "used": value})


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{str(file).rsplit('/', 1)[-1]} {said}" for file, said in value.items()) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _model(wire: Wire, *, model: Model) -> Iterator[Finding]:
    name = wire.model_name
    if wire.model not in (None, name):
        yield _loser("model", wire.model, winner="model_name", value=name)
    promised = phases_in_name(name)
    config = wire.phase_config
    if config is not None and promised not in (None, config.steps_per_phase):
        message = (
            f"{name} is named after phases {list(promised or ())}, phase_config has {list(config.steps_per_phase)}"
        )
        evidence = {"winner": "phase_config", "named": list(promised or ()), "used": list(config.steps_per_phase)}
        yield finding(PAYLOAD_MODEL_PHASES, f"{message}: phase_config wins", where="phases", evidence=evidence)
    said_kinds = {
        "model_type": wire.model_type or "",
        "phase_config.mode": config.mode if config else "",
        "selected_phase_preset_id": _kind(wire.selected_phase_preset_id),
    }
    for key, kind in said_kinds.items():
        if kind in _OF_KIND and kind != model.kind:
            message = f"{key} is of {kind}, {name} of {model.kind}: model_name wins"
            evidence = {"winner": "model_name", "said": kind, "used": model.kind}
            yield finding(PAYLOAD_MODEL_PRESET, message, where=key, evidence=evidence)


def _kind(preset: str) -> str:
    """The kind of model that the name of one of upstream's built-in presets speaks of, or an empty text."""
    words = preset.strip("_").split("_") if preset.startswith("__builtin") else []
    return next((word for word in words if word in _OF_KIND), "")


def _advanced(payload: Payload) -> Iterator[Finding]:
    dropped = [key for key in ("steps", "amount_of_motion") if key in payload.given]
    if payload.wire.advanced_mode and dropped:
        message = f"advanced_mode drops {' and '.join(dropped)}"
        yield finding(PAYLOAD_ADVANCED, message, where=dropped[0], evidence={"dropped": dropped})


def _overruled(wire: Wire, config: WirePhases) -> Iterator[Finding]:
    for key, value in _of_config(config):
        said_value = getattr(wire, key)
        dropped = key == "steps" and wire.advanced_mode
        if said_value is not None and not dropped and not _same(key, said_value, value):
            yield _loser(key, said_value, winner="phase_config", value=value)
    names, texts = merge_phase_loras([[(lora.url, lora.multiplier) for lora in phase.loras] for phase in config.phases])
    ours, theirs = dict(zip(names, texts, strict=True)), _named(wire)
    if theirs and theirs != ours:
        yield _loser("lora_multipliers", theirs, winner="phase_config", value=ours)


def _of_config(config: WirePhases) -> Iterator[tuple[str, object]]:
    """What upstream's top-level values would be if they followed from the phase_config."""
    yield from (("steps", config.steps), ("num_inference_steps", config.steps), ("guidance_phases", len(config.phases)))
    yield from zip(("guidance_scale", "guidance2_scale", "guidance3_scale"), config.guidance, strict=False)
    yield from (("flow_shift", config.flow_shift), ("sample_solver", config.sample_solver))
    yield "model_switch_phase", config.model_switch_phase
    levels = wire_thresholds(config.sample_solver, steps_per_phase=config.steps_per_phase, shift=config.flow_shift)
    yield from zip(("switch_threshold", "switch_threshold2"), levels, strict=False)


def _same(key: str, mine: object, other: object) -> bool:
    if key.startswith("switch_threshold") and isinstance(mine, int | float) and isinstance(other, int | float):
        return abs(mine - other) <= THRESHOLD_TOLERANCE
    return mine == other


def _named(wire: Wire) -> dict[str, str]:
    """lora_names with their lora_multipliers, as far as both are given."""
    given = [str(text) for text in wire.given_multipliers if text is not None]
    return dict(zip(wire.lora_names, given, strict=False))


def _in_no_phase(wire: Wire, config: WirePhases) -> Iterator[Finding]:
    used: dict[str, list[str]] = {}
    for one in (lora for phase in config.phases for lora in phase.loras):
        used.setdefault(one.url, []).append(one.multiplier)
    for lora in wire.more_loras:
        strengths = used.get(lora.url, [])
        if strengths and not any(_same_strength(lora.multiplier, strength) for strength in strengths):
            yield _loser(
                "additional_loras",
                {lora.url: lora.multiplier},
                winner="phase_config",
                value={lora.url: ";".join(strengths)},
            )
        if not strengths:
            message = (
                f"{lora.url.rsplit('/', 1)[-1]} is asked for at {lora.multiplier} and is in no phase: it does not run"
            )
            evidence = {"winner": "phase_config", "file": lora.url, "said": lora.multiplier}
            yield finding(PAYLOAD_LORA_IN_NO_PHASE, message, where="additional_loras", evidence=evidence)


def _same_strength(mine: str, other: str) -> bool:
    """Whether two strengths are the same number (``0.6`` and ``0.60``), or the same list."""
    return [float(number) for number in mine.split(",")] == [float(number) for number in other.split(",")]


def _levels(payload: Payload) -> Iterator[Finding]:
    """Keys that a segment's payload says at several levels: the innermost counts."""
    parts = [(name, said(payload.parts[name])) for name in _LEVELS]
    for key in ("model_name", "parsed_resolution_wh", *OPTIONAL):
        values = [(f"{name}.{key}", part[key]) for name, part in parts if key in part and key not in _LISTS_OF_ALL]
        for other, value in values[1:]:
            if value != values[0][1] and value not in ([], {}):
                yield _loser(other, value, winner=values[0][0], value=values[0][1])
