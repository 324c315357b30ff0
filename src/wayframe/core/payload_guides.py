"""Upstream's four ways to name guide videos, as far as they mean what guides mean here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from wayframe.core.guide_spec import GuideSpec
from wayframe.core.payload import Payload, Shape

Said = dict[str, Any]
_PARTS = ("details", "params", "task")
_KINDS = {"flow": "flow", "canny": "canny", "depth": "depth", "raw": "raw", "none": "raw"}
_WORDS = {"path": "video", "start_frame": "at", "end_frame": "until", "treatment": "fit"}
_OLD = {
    "structure_video_path": "path",
    "structure_video_treatment": "treatment",
    "structure_type": "structure_type",
    "structure_video_type": "structure_type",
    "structure_video_motion_strength": "motion_strength",
    "structure_depth_contrast": "depth_contrast",
    "structure_canny_intensity": "canny_intensity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadGuides:
    """The words of a spec's `guides`, and the key of the payload that they were read from (None: none was)."""

    words: list[Said] = field(default_factory=list)
    key: str | None = None


def payload_guides(payload: Payload) -> PayloadGuides:
    """The guides of a payload for a whole travel.

    Nothing for what is not done here: Uni3C, edges of another intensity, videos that are addresses, settings that are
    not known.
    """
    return PayloadGuides() if payload.shape is Shape.SEGMENT else read_guides(payload.rest)


def read_guides(parts: Mapping[str, Mapping[str, object]]) -> PayloadGuides:
    """The guides that the parts of a payload for a whole travel speak of."""
    said: Said = {}
    for part in reversed(_PARTS):
        said.update(parts.get(part, {}))
    if said.get("use_uni3c"):
        return PayloadGuides()
    for key, videos, shared in _forms(said):
        words = [_words(video, shared=shared) for video in videos if isinstance(video, Mapping)]
        if words and len(words) == len(videos) and all(map(_is_valid, words)):
            return PayloadGuides(words=words, key=key)
        if words:
            break
    return PayloadGuides()


def _forms(said: Said) -> list[tuple[str, Sequence[object], Said]]:
    """Each form that is there: its key, its videos, and what holds for all of them."""
    unified, old = said.get("structure_guidance"), {word: said[key] for key, word in _OLD.items() if key in said}
    forms: list[tuple[str, Sequence[object], Said]] = []
    travel = said.get("travel_guidance")
    if isinstance(travel, Mapping) and isinstance(travel.get("videos"), list):
        both = {"target": travel.get("kind"), "preprocessing": travel.get("mode") or "unsaid"}
        forms.append(("travel_guidance", travel["videos"], {**travel, "videos": None, **both}))
    if isinstance(unified, Mapping) and isinstance(unified.get("videos"), list):
        forms.append(("structure_guidance", unified["videos"], {**unified, "videos": None}))
    if isinstance(said.get("structure_videos"), list):
        forms.append(("structure_videos", said["structure_videos"], old))
    if old.get("path"):
        forms.append(("structure_video_path", [old], {}))
    return forms


def _words(video: Mapping[str, object], *, shared: Mapping[str, object]) -> Said:
    """One video as a guide; what has no word here goes in under its own name, and makes it invalid."""
    both = {**shared, **{key: value for key, value in video.items() if value is not None}}
    kind = both.get("preprocessing") or both.get("structure_type") or both.get("structure_video_type") or "flow"
    if both.get("target", "vace") != "vace":
        kind = both["target"]
    strength = both.get("strength", both.get("motion_strength"))
    words = {word: both[key] for key, word in _WORDS.items() if both.get(key) is not None}
    words["kind"] = _KINDS.get(str(kind), kind)
    odd = {key: video[key] for key in ("source_start_frame", "source_end_frame") if video.get(key)}
    if words["kind"] == "depth" and both.get("depth_contrast", 1) != 1:
        words["contrast"] = both["depth_contrast"]
    if words["kind"] == "canny" and both.get("canny_intensity", 1) != 1:
        odd["canny_intensity"] = both["canny_intensity"]
    return {**words, **({} if strength is None else {"strength": strength}), **odd}


def _is_valid(words: Said) -> bool:
    try:
        return "://" not in GuideSpec.model_validate(words).video
    except ValidationError:
        return False
