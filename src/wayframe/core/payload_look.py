"""Upstream's keys for colours after rendering, and the looks that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayframe.core.payload import Payload, Shape
from wayframe.core.payload_keys import LOOKS
from wayframe.errors import PayloadError

Said = dict[str, Any]
_TONES = {
    "saturation": "after_first_post_generation_saturation",
    "brightness": "after_first_post_generation_brightness",
}
_MATCH = "colour_match_videos"


def look_words(payload: Payload, *, segments: int) -> list[Said]:
    """For each segment the words of a spec's `look`: tones hold for all segments of a trip but the first."""
    wire = payload.wire
    all_of_them: Said = {"colour_match": 1.0} if wire.colour_match_videos else {}
    tones = {word: getattr(wire, key) for word, key in _TONES.items()}
    later = {word: value for word, value in tones.items() if value is not None and value != LOOKS[_TONES[word]]}
    before = payload.parts.get("params", {}).get("segment_index", 0) if payload.shape is Shape.SEGMENT else 0
    is_later = [bool(before) or index > 0 for index in range(segments)]
    return [{**all_of_them, **(later if late else {})} for late in is_later]


def look_keys(looks: Sequence[Mapping[str, Any] | None], *, segment_index: int, carried: Mapping[str, Any]) -> Said:
    """The keys that stand for `looks`, one a segment, as far as they are not yet in `carried`.

    Raises `PayloadError` for looks that upstream cannot be told: a match in part or of some segments, tones of the
    first segment or of single ones, a banner.
    """
    found = [_as_keys(look or {}) for look in looks]
    later = found if segment_index else found[1:]
    tones = later[0] if later else dict(LOOKS)
    for index, keys in enumerate(found):
        first = not segment_index and index == 0
        expected = {**LOOKS, _MATCH: found[0][_MATCH]} if first else {**tones, _MATCH: found[0][_MATCH]}
        if keys != expected:
            fix = "give all segments but the first the same saturation and brightness, and the first none"
            raise PayloadError("look", f"upstream cannot be told that of segment {index}", fix=fix)
    wanted = {**tones, _MATCH: found[0][_MATCH]}
    return {key: value for key, value in wanted.items() if _said(carried, key) != value}


def _as_keys(look: Mapping[str, Any]) -> Said:
    match = look.get("colour_match", 0)
    if match not in (0, 1) or look.get("banner"):
        raise PayloadError("look", "upstream matches colours wholly or not at all, and has no banner", dict(look))
    return {**{key: look.get(word, LOOKS[key]) for word, key in _TONES.items()}, _MATCH: bool(match)}


def _said(carried: Mapping[str, Any], key: str) -> object:
    value = carried.get(key)
    return LOOKS[key] if value is None or value == "" else value
