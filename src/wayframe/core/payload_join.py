"""Upstream's `join_clips_orchestrator` as a join of ours.

What it says of denoising is read as in a travel's payload, under the same names; clips and their frames are read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from wayframe.core.catalogue import Catalogue
from wayframe.core.findings import Finding, finding
from wayframe.core.frames import grid_neighbours
from wayframe.core.payload import names_a_key, parts_of_payload, without_secrets
from wayframe.core.payload_like import Like
from wayframe.core.payload_models import upstream_model
from wayframe.core.payload_rules import PAYLOAD_FRAMES, PAYLOAD_SECRET, PAYLOAD_UNSUPPORTED
from wayframe.core.payload_spec import Imported, import_payload
from wayframe.core.spec import field_path, parse_spec, spec_json
from wayframe.core.spec_recipe import RecipeSpec
from wayframe.errors import PayloadError

Said = dict[str, Any]
JOIN_TASK = "join_clips_orchestrator"
DEFAULT_MODEL, DEFAULT_CONTEXT, DEFAULT_GAP = "wan_2_2_vace_lightning_baseline_2_2_2", 8, 53
"""Upstream's."""
_ANY_SIZE, _ANY_LENGTH = "16x16", 5
_OWN = frozenset(
    (
        *(
            "clip_list",
            "context_frame_count",
            "gap_frame_count",
            "replace_mode",
            "per_join_settings",
            "model",
            "prompt",
        ),
        *("negative_prompt", "seed", "resolution", "fps", "use_input_video_fps", "use_input_video_resolution"),
        *("loop_first_clip", "enhance_prompt", "keep_bridging_images", "regenerate_anchors", "blend_frames"),
        *("num_joins", "parsed_resolution_wh", "output_base_dir"),
    )
)
"""Keys that are read here, and not with those of a travel."""
_UNSUPPORTED: Mapping[str, tuple[str, str]] = {
    "loop_first_clip": (
        "joins the first clip to itself, played backwards, and leaves the others out",
        "make a video of it that runs backwards, and join the two",
    ),
    "enhance_prompt": (
        "lets a model write the prompt of each bridge from the frames around it",
        "say what happens there in prompt, or for each bridge in join.bridges",
    ),
    "regenerate_anchors": ("renders the frames beside the gap anew", "take them out: a larger replace and gap"),
}
"""What upstream does, and what to do here."""
_OF_A_BRIDGE = ("prompt", "negative_prompt", "seed")
_KEPT = (*RecipeSpec.model_fields, "model", "seed", "bundles")


class _Clip(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str = Field(min_length=1)


Count = Annotated[int, Field(ge=1)]


class _Wire(BaseModel):
    """What is read of the clips; a key that is null has its default."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    clip_list: tuple[_Clip, ...] = Field(min_length=2)
    context_frame_count: Count = DEFAULT_CONTEXT
    gap_frame_count: Count = DEFAULT_GAP
    replace_mode: bool = False
    per_join_settings: tuple[dict[str, JsonValue], ...] = ()
    model: Annotated[str, BeforeValidator(lambda value: value or DEFAULT_MODEL)] = DEFAULT_MODEL
    fps: int | None = None
    audio_url: str = ""
    use_input_video_fps: bool = False
    use_input_video_resolution: bool = False


def is_join(data: object) -> bool:
    """Whether a payload joins clips, and is no travel that names the clips of a later join."""
    if isinstance(data, list) and len(data) == 1:
        return is_join(data[0])
    if not isinstance(data, Mapping):
        return False
    try:
        task, params, details = parts_of_payload(data)
    except PayloadError:
        return False
    kind = task.get("task_type", params.get("task_type", details.get("task_type")))
    bare = kind is None and "clip_list" in details and "num_new_segments_to_generate" not in details
    return kind == JOIN_TASK or bare


def import_join(
    data: object,
    *,
    catalogue: Catalogue,
    like: Like = Like.PLAIN,
    strict: bool = False,
    is_secret: Callable[[str], bool] = names_a_key,
) -> Imported:
    """Read a payload that joins clips and say it in a spec of ours. Raises as `import_payload` does."""
    one = data[0] if isinstance(data, list) else data
    if not isinstance(one, Mapping):
        raise PayloadError("payload", "expected a mapping", one)
    clean, secrets = without_secrets(one, is_secret=is_secret)
    _, _, details = parts_of_payload(clean)
    wire = _read(details)
    unsupported = [*_unsupported(details), *_unread(wire.per_join_settings)]
    if strict and unsupported:
        raise PayloadError(unsupported[0].where, "has an effect upstream and none here", fix="leave out --strict")
    inner = import_payload(
        _denoising(details, wire=wire), catalogue=catalogue, like=like, strict=strict, is_secret=is_secret
    )
    step = catalogue.model(upstream_model(wire.model).model).frame_step
    join, snapped = _join(wire, step=step)
    words = {name: value for name, value in spec_json(inner.spec).items() if name in _KEPT}
    own = inner.spec.keyframes[0].model_dump(mode="json", by_alias=True, exclude_unset=True)
    prompts = {name: own[name] for name in ("prompt", "negative_prompt") if own.get(name)}
    spec = parse_spec({**words, **prompts, **_form(details, wire=wire), "join": join})
    hidden = [finding(PAYLOAD_SECRET, f"{path} was removed", where=path) for path in secrets]
    return replace(
        inner,
        spec=spec,
        findings=(*snapped, *inner.findings, *unsupported, *hidden),
        origins={path: origin for path, origin in inner.origins.items() if path.split(".")[0] in _KEPT},
        requested=clean,
    )


def _read(details: Mapping[str, JsonValue]) -> _Wire:
    try:
        return _Wire.model_validate({key: value for key, value in details.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        value = None if first["type"] == "missing" else first["input"]
        raise PayloadError(field_path(first["loc"]), first["msg"][:1].lower() + first["msg"][1:], value) from error


def _denoising(details: Mapping[str, JsonValue], *, wire: _Wire) -> Said:
    """A travel of one segment that says what this payload says of denoising."""
    rest = {key: value for key, value in details.items() if key not in _OWN}
    return {
        **rest,
        "model_name": wire.model,
        "parsed_resolution_wh": _ANY_SIZE,
        "num_new_segments_to_generate": 1,
        "segment_frames_expanded": [_ANY_LENGTH],
        "frame_overlap_expanded": [],
        "base_prompts_expanded": [details.get("prompt") or ""],
        "negative_prompts_expanded": [details.get("negative_prompt") or ""],
        "input_image_paths_resolved": ["left", "right"],
        "seed_base": details.get("seed"),
        "chain_segments": False,
    }


def _join(wire: _Wire, *, step: int) -> tuple[Said, list[Finding]]:
    """The clips and the frames of their bridges; as upstream, a bridge goes down to a length of the model."""
    context = wire.context_frame_count
    gap, found = bridge_gap(context=context, asked=wire.gap_frame_count, step=step)
    join: Said = {"clips": [clip.url for clip in wire.clip_list], "context": context, "gap": gap}
    if wire.replace_mode:
        join["replace"] = [gap // 2, gap - gap // 2]
    if wire.per_join_settings:
        gaps = len(wire.clip_list) - 1
        settings = [*wire.per_join_settings, *({} for _ in range(gaps))][:gaps]
        join["bridges"] = [{name: one[name] for name in _OF_A_BRIDGE if one.get(name) is not None} for one in settings]
    return join, found


def bridge_gap(*, context: int, asked: int, step: int, where: str = "") -> tuple[int, list[Finding]]:
    """The frames of a gap that put its bridge on the model's grid, as upstream takes them; `where` goes before its key.

    Raises `PayloadError` when nothing would be left to render.
    """
    gap, field = grid_neighbours(2 * context + asked, step=step)[0] - 2 * context, f"{where}gap_frame_count"
    if gap < 1:
        raise PayloadError(field, "leaves nothing to render", asked, fix=f"use {gap + step} or more")
    if gap == asked:
        return gap, []
    message = f"a gap of {asked} frames was asked for and has {gap}: with its context a bridge has {step}n+1"
    return gap, [finding(PAYLOAD_FRAMES, message, where=field, evidence={"asked": asked, "planned": gap})]


def _form(details: Mapping[str, JsonValue], *, wire: _Wire) -> Said:
    """Size and rate, where these are not those of the clips."""
    words: Said = {}
    size = details.get("resolution") or details.get("parsed_resolution_wh")
    if size is not None and not wire.use_input_video_resolution:
        sides = size.lower().split("x") if isinstance(size, str) else size
        if not isinstance(sides, list) or [str(side).isdigit() for side in sides] != [True, True]:
            raise PayloadError("resolution", "expected 902x508 or [902, 508]", size)
        width, height = (max(int(str(side)) // 16 * 16, 16) for side in sides)
        words["resolution"] = f"{width}x{height}"
    if wire.fps is not None and not wire.use_input_video_fps:
        words["fps"] = wire.fps
    if "://" in wire.audio_url:
        words["after"] = {"audio": {"file": wire.audio_url}}
    return words


def _unsupported(details: Mapping[str, JsonValue]) -> Iterator[Finding]:
    for key, (effect, instead) in _UNSUPPORTED.items():
        if details.get(key):
            message = f"{key}: upstream {effect}; that is not done here ({instead})"
            yield finding(PAYLOAD_UNSUPPORTED, message, where=key, evidence={"value": str(details[key])})


def _unread(settings: Sequence[Mapping[str, JsonValue]]) -> Iterator[Finding]:
    for index, one in enumerate(settings):
        for key in one.keys() - {*_OF_A_BRIDGE}:
            message = f"per_join_settings[{index}].{key} is not read: prompt, negative_prompt and seed are"
            yield finding(PAYLOAD_UNSUPPORTED, message, where=f"per_join_settings[{index}].{key}")
