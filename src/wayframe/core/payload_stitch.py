"""Upstream's `stitch_config`: the segments of a travel joined by rendered transitions, as `bridges` of ours.

Defaults are those of upstream's travel orchestrator, which hands them on to a join of the segments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from wayframe.core.catalogue import Catalogue
from wayframe.core.findings import Finding, finding
from wayframe.core.payload import names_a_key, parts_of_payload
from wayframe.core.payload_join import bridge_gap
from wayframe.core.payload_keys import AUDIO, STITCH, is_done_later, is_stitched
from wayframe.core.payload_like import Like
from wayframe.core.payload_models import upstream_model
from wayframe.core.payload_rules import (
    PAYLOAD_CARRIED,
    PAYLOAD_OVERRULED,
    PAYLOAD_SEED,
    PAYLOAD_UNKNOWN,
    PAYLOAD_UNSUPPORTED,
)
from wayframe.core.payload_spec import Imported, import_payload
from wayframe.core.spec import TravelSpec, field_path, parse_spec, spec_json
from wayframe.core.spec_recipe import RecipeSpec
from wayframe.errors import PayloadError

Said = dict[str, Any]
LEAST_PICTURES = 3
"""Of two or more segments: one alone has nothing to be joined to."""
DEFAULT_PROMPT = "smooth seamless transition"
_WITHOUT_EFFECT = frozenset(
    (
        *("keep_bridging_images", "num_inference_steps", "guidance_scale", "motion_mode", "selected_phase_preset_id"),
        *("priority", "use_input_video_resolution", "use_input_video_fps", "vid2vid_init_strength", "loop_first_clip"),
    )
)
"""Keys that upstream's page sends and its orchestrator does not hand on, or that change no frame."""
_PROMPTS = ("prompt", "negative_prompt", "text_before", "text_after")


class _Lora(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str = Field(min_length=1)
    strength: float = 1.0


class _Wire(BaseModel):
    """What is read; a key that is null has its default."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    context_frame_count: int = Field(12, ge=1)
    gap_frame_count: int = Field(19, ge=1)
    replace_mode: bool = True
    prompt: str = DEFAULT_PROMPT
    negative_prompt: str = ""
    enhance_prompt: bool = False
    model: str | None = None
    phase_config: dict[str, JsonValue] | None = None
    loras: tuple[_Lora, ...] | dict[str, float] = ()
    seed: int | None = None
    random_seed: bool = True

    @property
    def strengths(self) -> dict[str, float]:
        """The strength of each LoRA by its address."""
        return self.loras if isinstance(self.loras, dict) else {one.path: one.strength for one in self.loras}


def import_travel(
    data: object,
    *,
    catalogue: Catalogue,
    like: Like = Like.PLAIN,
    strict: bool = False,
    is_secret: Callable[[str], bool] = names_a_key,
) -> Imported:
    """Read a payload as `import_payload` does, with its `stitch_config` as bridges and its sound in a final file.

    Raises as that does.
    """
    imported = import_payload(data, catalogue=catalogue, like=like, strict=strict, is_secret=is_secret)
    _, _, details = parts_of_payload(imported.requested)
    imported = _with_sound(imported, details)
    config, joins = details.get(STITCH), len(imported.spec.keyframes) >= LEAST_PICTURES
    if not (isinstance(config, dict) and is_stitched(imported.spec.carried) and joins):
        return imported
    wire = _read(config)
    found = list(_findings(config, wire=wire, spec=imported.spec))
    if strict and any(item.code in (PAYLOAD_UNSUPPORTED.code, PAYLOAD_UNKNOWN.code) for item in found):
        raise PayloadError(found[0].where, found[0].message, fix="leave --strict out to go on without")
    model = catalogue.model(imported.spec.model or "")
    gap, snapped = bridge_gap(
        context=wire.context_frame_count, asked=wire.gap_frame_count, step=model.frame_step, where=f"{STITCH}."
    )
    words, inner = _denoising(details, wire=wire, model=imported.spec.model, catalogue=catalogue, like=like)
    bridges = {**words, **_words(wire), "context": wire.context_frame_count, "gap": gap}
    if wire.replace_mode:
        bridges["replace"] = [gap // 2, gap - gap // 2]
    return replace(
        imported,
        spec=parse_spec(_batch(imported.spec, bridges=bridges)),
        findings=(*imported.findings, *found, *snapped, *inner),
        origins=_origins(imported.origins, words=bridges.keys(), bridges=len(imported.spec.keyframes) - 2),
    )


def _with_sound(imported: Imported, details: Mapping[str, JsonValue]) -> Imported:
    """Sound by its address, in the final file."""
    if not details.get(AUDIO) or not is_done_later(AUDIO, imported.spec.carried or {}):
        return imported
    words: Said = {**spec_json(imported.spec)}
    spec = parse_spec({**words, "after": {**words.get("after", {}), "audio": {"file": details[AUDIO]}}})
    return replace(imported, spec=spec, origins={**imported.origins, "after.audio": f"payload:{AUDIO}"})


def _origins(origins: Mapping[str, str], *, words: Collection[str], bridges: int) -> dict[str, str]:
    """Origins of a trip whose every second segment is a bridge."""
    moved = {re.sub(r"^segments\[(\d+)\]", lambda at: f"segments[{2 * int(at[1])}]", key): key for key in origins}
    own = (f"segments[{2 * number + 1}].{word}" for number in range(bridges) for word in words)
    return {**{place: origins[key] for place, key in moved.items()}, **dict.fromkeys(own, f"payload:{STITCH}")}


def _read(config: Mapping[str, JsonValue]) -> _Wire:
    try:
        return _Wire.model_validate({key: value for key, value in config.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = f"{STITCH}.{field_path(first['loc'])}"
        raise PayloadError(field, first["msg"][:1].lower() + first["msg"][1:], first["input"]) from error


def _words(wire: _Wire) -> Said:
    """Prompts, which stand alone, and the seed."""
    words: Said = {"prompt": wire.prompt, "negative_prompt": wire.negative_prompt, "text_before": "", "text_after": ""}
    return words if wire.random_seed or (wire.seed or 0) < 0 or wire.seed is None else {**words, "seed": wire.seed}


def _batch(spec: TravelSpec, *, bridges: Said) -> Said:
    """The spec with bridges: segments of fixed lengths that do not depend on each other."""
    words: Said = {name: value for name, value in spec_json(spec).items() if name not in ("overlap", "curve")}
    keyframes = [{name: value for name, value in one.items() if name != "at"} for one in words["keyframes"]]
    return {
        **words,
        "mode": "batch",
        "chaining": "independent",
        "segment_frames": _lengths(spec),
        "keyframes": keyframes,
        "bridges": bridges,
    }


def _lengths(spec: TravelSpec) -> list[int]:
    """Frames of each segment; in mode timeline they follow from positions and overlaps."""
    if isinstance(spec.segment_frames, tuple):
        return list(spec.segment_frames)
    places = [int(keyframe.at or 0) for keyframe in spec.keyframes]
    overlaps = spec.overlap if isinstance(spec.overlap, tuple) else (spec.overlap or 0,) * len(places)
    shared = [1, *overlaps]
    return [end - start + shared[index] for index, (start, end) in enumerate(pairwise(places))]


def _denoising(
    details: Mapping[str, JsonValue], *, wire: _Wire, model: str | None, catalogue: Catalogue, like: Like
) -> tuple[Said, list[Finding]]:
    """Phases and LoRAs of the bridges, where they have others than the trip; nothing where they are another model's."""
    own = wire.phase_config is not None or bool(wire.strengths)
    if not own or _other_model(wire, model=model):
        return {}, []
    travel: Said = {
        "model_name": details["model_name"],
        "parsed_resolution_wh": "16x16",
        "num_new_segments_to_generate": 1,
        "segment_frames_expanded": [5],
        "frame_overlap_expanded": [],
        "base_prompts_expanded": [""],
        "negative_prompts_expanded": [""],
        "input_image_paths_resolved": ["left", "right"],
        "phase_config": wire.phase_config or details.get("phase_config"),
        "additional_loras": wire.strengths,
        "chain_segments": False,
    }
    inner = import_payload(travel, catalogue=catalogue, like=like)
    names = [name for name in RecipeSpec.model_fields if name not in _PROMPTS]
    words = {name: value for name, value in spec_json(inner.spec).items() if name in names}
    found = [item for item in inner.findings if item.code != PAYLOAD_CARRIED.code]
    return words, [replace(item, where=f"{STITCH}.{item.where}") for item in found]


def _other_model(wire: _Wire, *, model: str | None) -> bool:
    return wire.model is not None and upstream_model(wire.model).model != model


def _findings(config: Mapping[str, JsonValue], *, wire: _Wire, spec: TravelSpec) -> Iterator[Finding]:
    for key in sorted(config.keys() - _Wire.model_fields.keys() - _WITHOUT_EFFECT):
        where = f"{STITCH}.{key}"
        yield finding(PAYLOAD_UNKNOWN, f"{where} is not a known key, and is left out", where=where)
    if _other_model(wire, model=spec.model):
        message = f"{STITCH}.model: upstream renders bridges with {wire.model}; here they are made by {spec.model}"
        more = "; its phases and LoRAs are left out" if wire.phase_config or wire.strengths else ""
        yield finding(PAYLOAD_UNSUPPORTED, message + more, where=f"{STITCH}.model", evidence={"value": wire.model})
    if wire.enhance_prompt:
        what = "upstream lets a model write each bridge's prompt; that is not done here (say it in bridges.each)"
        message = f"{STITCH}.enhance_prompt: {what}"
        yield finding(PAYLOAD_UNSUPPORTED, message, where=f"{STITCH}.enhance_prompt", evidence={"value": True})
    if wire.random_seed:
        message = f"{STITCH} asks for a random seed; the trip's is planned"
        yield finding(PAYLOAD_SEED, message, where=f"{STITCH}.random_seed")
    if spec.chaining == "chained":
        message = f"{STITCH} wins over chain_segments: segments between bridges do not start from each other"
        yield finding(PAYLOAD_OVERRULED, message, where="chain_segments", evidence={"winner": STITCH})
