"""Upstream's payloads as they come: a task's row, its orchestrator_details alone, or the payload of one segment.

`read_payload` takes the shapes apart; what they say is read by `payload_wire` and made into a spec by `payload_spec`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from wayframe.core.digest import canonical_json
from wayframe.core.payload_keys import CONSULTED, READ, REQUIRED, SEGMENT, SWITCHED
from wayframe.core.payload_wire import PAIR, Data, Wire, read_wire, said
from wayframe.errors import PayloadError

DETAILS, PARAMS, INDIVIDUAL = "orchestrator_details", "params", "individual_segment_params"
OLD_DETAILS = "full_orchestrator_payload"
_FOLDED = (PARAMS, DETAILS, OLD_DETAILS, INDIVIDUAL)
WHOLE_TRAVEL, SEGMENT_TASKS = "travel_orchestrator", ("travel_segment", "individual_travel_segment")
SEGMENT_GONE = frozenset(
    {"text_before_prompts", "text_after_prompts", "enhanced_prompts_expanded", "base_prompt", "negative_prompt"}
)
"""Of the whole travel, and already part of a segment's own prompt."""


class Shape(StrEnum):
    """How a payload came."""

    TASK = "task"
    DETAILS = "details"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A payload taken apart: what is read (`wire`), what stays around it, and secrets that it held (their paths).

    `parts` are the task's row, its params, the orchestrator_details and a segment's own params; `rest` holds the keys
    of each that are not read. `given` are the names of the keys that say something (are there and not null).
    """

    shape: Shape
    wire: Wire
    parts: Mapping[str, Data]
    rest: Mapping[str, Data]
    given: frozenset[str]
    clean: Data
    secrets: tuple[str, ...] = field(default=())


def names_a_key(name: str) -> bool:
    """The least that counts as a secret's name; a caller that knows better gives its own rule."""
    return name.lower().endswith(("api_key", "token", "password", "secret"))


def is_payload(data: object) -> bool:
    """Whether data is (or tries to be) an upstream payload, or a list of such, and not a spec of ours.

    What has keyframes is a spec, unless more than one key speaks for a payload: a stray one may have any name.
    """
    if isinstance(data, list):
        return any(isinstance(item, Mapping) and is_payload(item) for item in data)
    if not isinstance(data, Mapping):
        return False
    inner = _unfolded(data.get(PARAMS))
    wraps = bool({DETAILS, OLD_DETAILS, INDIVIDUAL} & data.keys()) or (isinstance(inner, Mapping) and is_payload(inner))
    return wraps or len({"task_type", "clip_list", *REQUIRED} & data.keys()) > ("keyframes" in data)


def read_payload(data: object, *, is_secret: Callable[[str], bool] = names_a_key) -> Payload:
    """Take a payload apart and check every key that is read.

    A list of one task is that task. A database gives params and orchestrator_details as JSON text: read too. Raises
    `PayloadError` that names the missing keys, or the first wrong one with its place, its value and what was
    expected.
    """
    clean, secrets = without_secrets(_one_task(data), is_secret=is_secret)
    _check_text(clean)
    task, params, details = _parts(clean)
    kind = task.get("task_type", params.get("task_type", WHOLE_TRAVEL))
    if kind != WHOLE_TRAVEL and kind not in SEGMENT_TASKS:
        raise PayloadError("task_type", "is not a travel between images", kind, fix=f"expected {WHOLE_TRAVEL}")
    if _is_segment(task, params):
        individual = params.get(INDIVIDUAL)
        own = individual if isinstance(individual, dict) else {}
        parts = {"task": task, "params": params, "details": details, "individual": own}
        return _payload(Shape.SEGMENT, _of_segment(parts), parts=parts, clean=clean, secrets=secrets)
    shape = Shape.TASK if task or params else Shape.DETAILS
    parts = {"task": task, "params": params, "details": details}
    return _payload(shape, details, parts=parts, clean=clean, secrets=secrets)


def parts_of_payload(data: Mapping[str, Any]) -> tuple[Data, Data, Data]:
    """The task's row, its params and its details, each without the one inside it. Raises `PayloadError`."""
    return _parts(dict(_one_task(data)))


def _one_task(data: object) -> Mapping[str, Any]:
    """The only task of a list, or the payload itself, with mappings in the place of those that came as text."""
    if isinstance(data, list) and len(data) > 1:
        raise PayloadError("payload", f"holds {len(data)} tasks", fix="give each of them a file of its own")
    one = data[0] if isinstance(data, list) and data else data
    if not isinstance(one, Mapping):
        raise PayloadError("payload", "expected a mapping", one)
    task = {str(key): _unfolded(value) if key in _FOLDED else value for key, value in one.items()}
    params = task.get(PARAMS)
    if isinstance(params, Mapping):
        task[PARAMS] = {key: _unfolded(value) if key in _FOLDED else value for key, value in params.items()}
    return task


def _unfolded(value: object) -> object:
    """The mapping that a text holds as JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _check_text(data: Data) -> None:
    """Raise `PayloadError` for what no file can hold: half a surrogate pair, or numbers that are none."""
    try:
        canonical_json(data).encode()
    except UnicodeEncodeError as error:
        raise PayloadError(
            "payload", "holds characters that are no text", error.object[error.start : error.end]
        ) from error
    except ValueError as error:
        raise PayloadError("payload", "holds a number that is not finite") from error


def without_secrets(data: Mapping[str, Any], *, is_secret: Callable[[str], bool]) -> tuple[Data, list[str]]:
    """A copy without what has a secret's name, at any depth, and the paths of what is left out."""
    found: list[str] = []
    return _kept(data, is_secret=is_secret, found=found), found


def _kept(data: Mapping[str, Any], *, is_secret: Callable[[str], bool], found: list[str], inside: str = "") -> Data:
    kept: Data = {}
    for key, value in data.items():
        path = f"{inside}{key}"
        if is_secret(str(key)):
            found.append(path)
        else:
            kept[str(key)] = _kept_value(value, is_secret=is_secret, found=found, path=path)
    return kept


def _kept_value(value: JsonValue, *, is_secret: Callable[[str], bool], found: list[str], path: str) -> JsonValue:
    if isinstance(value, Mapping):
        return _kept(value, is_secret=is_secret, found=found, inside=f"{path}.")
    if isinstance(value, list):
        places = ((f"{path}[{index}]", item) for index, item in enumerate(value))
        return [_kept_value(item, is_secret=is_secret, found=found, path=place) for place, item in places]
    return value


def _parts(data: Data) -> tuple[Data, Data, Data]:
    """The task's row, its params and the orchestrator_details, each without the one inside it."""
    task, params = (data, data[PARAMS]) if PARAMS in data else ({}, data)
    if not isinstance(params, dict):
        raise PayloadError(PARAMS, "expected a mapping", params)
    around = {key: value for key, value in task.items() if key != PARAMS}
    name = DETAILS if DETAILS in params or OLD_DETAILS not in params else OLD_DETAILS
    if name in params:
        details = params[name]
        if not isinstance(details, dict):
            raise PayloadError(name, "expected a mapping", details)
        return around, {key: value for key, value in params.items() if key != name}, details
    if _is_segment(task, params):
        return around, params, {}
    return around, {}, {key: value for key, value in params.items() if key != "task_type"}


def _is_segment(task: Data, params: Data) -> bool:
    kind = task.get("task_type", params.get("task_type"))
    return kind in SEGMENT_TASKS or "segment_index" in params or INDIVIDUAL in params


def _of_segment(parts: Mapping[str, Data]) -> Data:
    """One segment's payload in the form of a whole travel of one segment.

    Upstream looks into individual_segment_params first, then into params, then into orchestrator_details.
    """
    details, near = said(parts["details"]), {**said(parts["params"]), **said(parts["individual"])}
    merged = {**details, **near}
    index = merged.get("segment_index", 0)
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise PayloadError("segment_index", "expected a whole number of 0 or more", index)
    frames = near.get("num_frames") or near.get("segment_frames_target")
    prompt = near.get("enhanced_prompt") or near.get("base_prompt")
    needed: Data = {
        "model_name": merged.get("model_name"),
        "parsed_resolution_wh": merged.get("parsed_resolution_wh"),
        "num_frames": frames or _entry(details.get("segment_frames_expanded"), index),
        "base_prompt": _entry(details.get("base_prompts_expanded"), index) if prompt is None else prompt,
        "input_image_paths_resolved": _segment_images(parts, index=index),
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise PayloadError("payload", f"lacks {', '.join(missing)}", fix=f"segment {index} needs them")
    own_loras, motion = parts["individual"].get("segment_loras"), _entry(details.get("motion_settings_expanded"), index)
    return {
        **{key: value for key, value in merged.items() if key in READ and key not in SEGMENT_GONE},
        "model_name": needed["model_name"],
        "parsed_resolution_wh": needed["parsed_resolution_wh"],
        "num_new_segments_to_generate": 1,
        "segment_frames_expanded": [needed["num_frames"]],
        "frame_overlap_expanded": [],
        "base_prompts_expanded": [needed["base_prompt"]],
        "negative_prompts_expanded": [near.get("negative_prompt", "")],
        "input_image_paths_resolved": needed["input_image_paths_resolved"],
        "seed_base": merged.get("seed_to_use", merged.get("seed_base")),
        "generation_mode": "batch",
        "enhance_prompt": False,
        "phase_configs_expanded": [],
        "loras_per_segment_expanded": [own_loras] if own_loras else [],
        "motion_settings_expanded": [motion] if motion and "amount_of_motion" not in near else [],
        "continue_from_video_resolved_path": None,
    }


def _segment_images(parts: Mapping[str, Data], *, index: int) -> JsonValue:
    """The pictures at both ends of a segment, or None: upstream looks for them in this order."""
    own, params, details = parts["individual"], parts["params"], parts["details"]
    for near in (own, params):
        ends = [near.get("start_image_url"), near.get("end_image_url")]
        if ends[0]:
            return [end for end in ends if end]
        images = near.get("input_image_paths_resolved")
        if isinstance(images, list) and images:
            return images[:PAIR]
    images = details.get("input_image_paths_resolved")
    return images[index : index + PAIR] or None if isinstance(images, list) else None


def _entry(values: JsonValue, index: int) -> JsonValue:
    """Entry `index` of a list, or None."""
    return values[index] if isinstance(values, list) and index < len(values) else None


def _payload(shape: Shape, details: Data, *, parts: Mapping[str, Data], clean: Data, secrets: Sequence[str]) -> Payload:
    return Payload(
        shape=shape,
        wire=read_wire(details),
        parts=parts,
        rest={name: _rest(part, shape=shape, name=name) for name, part in parts.items()},
        given=frozenset(said(details)),
        clean=clean,
        secrets=tuple(secrets),
    )


def _rest(part: Data, *, shape: Shape, name: str) -> Data:
    """What an export gives back as it is: keys that are not read, and all that surrounds a single segment."""
    if shape is Shape.SEGMENT and name == "details":
        return dict(part)
    read = READ | {*SEGMENT} if shape is Shape.SEGMENT else READ
    own = SEGMENT_GONE if shape is Shape.SEGMENT else frozenset[str]()
    also = {*CONSULTED, *SWITCHED} - own
    kept = {key: value for key, value in part.items() if key not in read or key in also}
    return {key: value for key, value in kept.items() if not (name == "params" and key == INDIVIDUAL)}
