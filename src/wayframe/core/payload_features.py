"""What a spec adds to a trip in the keys of upstream's payloads: guide videos, transitions, and a final file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from wayframe.core.after import AfterSpec
from wayframe.core.guide_spec import GuideSpec, frame_of
from wayframe.core.payload_guides import read_guides
from wayframe.core.payload_keys import AUDIO, UPSCALE
from wayframe.core.payload_values import Exportable, ResolvedSegment
from wayframe.core.spec import TravelSpec
from wayframe.errors import PayloadError

Said = dict[str, Any]
_GUIDES = ("structure_guidance", "travel_guidance", "structure_videos", "structure_video_path", "use_uni3c")
_ONLY_OURS = ("trim", "fps", "rife", "profile")
_OF_A_BRIDGE = ("prompt", "negative_prompt", "seed", "recipe")


def after_keys(spec: TravelSpec, *, carried: Mapping[str, Any]) -> Said:
    """The keys for a final file, as far as they are not yet in `carried`.

    Raises `PayloadError` for what upstream has no key for: everything but enlarging by Lanczos, and sound by address.
    """
    after = spec.after or AfterSpec.model_validate({})
    for word in _ONLY_OURS:
        if getattr(after, word) is not None:
            raise PayloadError(f"after.{word}", "has no key upstream", fix="leave it out of the spec")
    keys = {UPSCALE: _factor(after), AUDIO: _sound(after)}
    before = {UPSCALE: _number(carried.get(UPSCALE)), AUDIO: _address(carried.get(AUDIO))}
    return {key: value for key, value in keys.items() if value != before[key]}


def _factor(after: AfterSpec) -> float:
    if after.upscale is None:
        return 0
    if after.upscale.file:
        fix = "leave it out of the spec, and upstream's own model is taken"
        raise PayloadError("after.upscale.file", "upstream is not told of a file", after.upscale.file, fix=fix)
    return after.upscale.factor


def _number(value: object) -> float:
    """The factor that a key says; nothing is enlarged by 1 or less."""
    factor = float(value) if isinstance(value, int | float | str) and value != "" else 0
    return factor if factor > 1 else 0


def _sound(after: AfterSpec) -> str:
    if after.audio is None:
        return ""
    if "://" not in after.audio.file:
        raise PayloadError("after.audio.file", "upstream takes an address only", after.audio.file)
    words = sorted(after.audio.model_fields_set - {"file"})
    said = [word for word in words if getattr(after.audio, word)]
    if said:
        raise PayloadError(f"after.audio.{said[0]}", "has no key upstream", fix="leave it out of the spec")
    return after.audio.file


def _address(value: object) -> str:
    """The address of a sound; any other name is none here."""
    return value if isinstance(value, str) and "://" in value else ""


def guide_words(spec: TravelSpec, *, fps: int | str, carried: Mapping[str, Mapping[str, Any]]) -> Said | None:
    """The keys for guide videos, in the place of all that `carried` has of them; None: these say the same already.

    Raises `PayloadError` for guides that upstream cannot be told.
    """
    guides, rate = spec.guides or (), Fraction(fps)
    before = [GuideSpec.model_validate(words) for words in read_guides(carried).words]
    if before == list(guides):
        return None
    if not guides:
        return {}
    first = guides[0]
    _check_guides(guides)
    depth = {"depth_contrast": first.contrast} if first.contrast != 1 else {}
    return {
        "structure_guidance": {
            "target": "vace",
            "preprocessing": "none" if first.kind == "raw" else first.kind,
            "strength": first.strength,
            **depth,
            "videos": [_video(guide, fps=rate) for guide in guides],
        }
    }


def without_guides(part: Mapping[str, Any]) -> Said:
    """A part of a payload without the keys of guide videos."""
    return {key: value for key, value in part.items() if key not in _GUIDES}


def _check_guides(guides: tuple[GuideSpec, ...]) -> None:
    first = guides[0]
    for index, guide in enumerate(guides):
        if guide.model:
            raise PayloadError(f"guides[{index}].model", "has no key upstream", fix="leave it out of the spec")
        if (guide.kind, guide.strength, guide.contrast) != (first.kind, first.strength, first.contrast):
            problem = "upstream has one kind, strength and contrast for all guides"
            raise PayloadError(f"guides[{index}]", problem, fix="give all guides the same")


def _video(guide: GuideSpec, *, fps: Fraction) -> Said:
    places = {"start_frame": frame_of(guide.at, fps=fps), "end_frame": frame_of(guide.until, fps=fps)}
    said = {key: place for key, place in places.items() if place is not None}
    return {"path": guide.video, **said, "treatment": guide.fit}


def bridge_words(source: Exportable) -> Said | None:
    """The stitch_config that stands for a trip's bridges, without their phases; None where it has none.

    Raises `PayloadError` for bridges that upstream cannot be told: each with words of its own, or taking out other
    frames than half of the gap on each side.
    """
    values = source.values
    places = [index for index, segment in enumerate(values.segments) if segment.is_bridge]
    if source.spec.bridges is None or not places:
        return None
    bridges = [values.segments[index] for index in places]
    bridge, given = bridges[0], bridges[0].given or {}
    _check_bridges(bridges, trip=values.segments[0])
    gap = values.segment_frames[places[0]] - 2 * given["frames"]
    return {
        "context_frame_count": given["frames"],
        "gap_frame_count": gap,
        "replace_mode": _replaces(source.spec, gap=gap),
        "prompt": bridge.prompt,
        "negative_prompt": bridge.negative_prompt,
        "seed": bridge.seed,
        "random_seed": False,
    }


def _check_bridges(bridges: list[ResolvedSegment], *, trip: ResolvedSegment) -> None:
    for word in _OF_A_BRIDGE:
        if any(getattr(bridge, word) != getattr(bridges[0], word) for bridge in bridges):
            problem = f"upstream has one {word} for all transitions"
            raise PayloadError("bridges.each", problem, fix="give all bridges the same words")
    for word, usual in (("look", None), ("amount_of_motion", trip.amount_of_motion)):
        if any(getattr(bridge, word) not in (usual, {}) for bridge in bridges):
            raise PayloadError(f"bridges.{word}", "has no key upstream", fix="leave it out of the spec")


def _replaces(spec: TravelSpec, *, gap: int) -> bool:
    said = spec.bridges.replace if spec.bridges else None
    out = said if isinstance(said, tuple) else (said or 0, said or 0)
    halves = (gap // 2, gap - gap // 2)
    if out not in ((0, 0), halves):
        problem = f"upstream takes out nothing, or the whole gap: {list(halves)}"
        raise PayloadError("bridges.replace", problem, list(out), fix="use one of these")
    return out != (0, 0)
