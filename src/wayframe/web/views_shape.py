"""What a segment is besides a way from one keyframe to the next: a hold, a bridge, a piece of a video, a lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from wayframe.core.plan import usual_ends
from wayframe.core.wording import counted

SHORT = 12
PLAIN = ""
HOLD, PIECE, BRIDGE, LEAD, TRAIL, BACK = "hold", "piece", "bridge", "lead", "trail", "back"
"""Roles of segments; `PLAIN` leads from a keyframe to the next one."""
_COUNTED = {HOLD: "hold", BRIDGE: "bridge", LEAD: "lead", TRAIL: "trail"}


def is_rendered(segment: Mapping[str, Any]) -> bool:
    """Whether an engine is asked for a planned segment."""
    return not segment.get("still") and not segment.get("piece")


def ends_of(planned: Mapping[str, Any], *, index: int) -> tuple[int | None, int | None]:
    """The numbers of the keyframes that a segment begins and ends with."""
    ends = planned["segments"][index].get("ends")
    if ends is None:
        return usual_ends(index, keyframes=len(planned["keyframes"]))
    start, end = ends
    return start, end


def role_of(planned: Mapping[str, Any], *, index: int) -> str:
    """What a segment of a plan is, as one of the roles of this module."""
    segment = planned["segments"][index]
    if not is_rendered(segment):
        return HOLD if segment.get("still") else PIECE
    if segment.get("given") and segment.get("given_after"):
        return BRIDGE
    start, end = ends_of(planned, index=index)
    if end is None:
        return TRAIL
    if start is None:
        return LEAD
    return BACK if start and _is_again(planned["keyframes"], end) else PLAIN


def words_of(record: Mapping[str, Any], *, index: int) -> str:
    """A segment's role in words for whom it is opened; empty for one that leads from a keyframe to the next."""
    planned = record["planned"]
    segment, role = planned["segments"][index], role_of(planned, index=index)
    start, _ = ends_of(planned, index=index)
    if role == PIECE:
        return f"{_span(record, span=segment['piece'])}, as they are"
    if role == BRIDGE:
        return f"a bridge from {_span(record, span=segment['given'])} to {_span(record, span=segment['given_after'])}"
    if segment.get("given"):
        return f"goes on from {_span(record, span=segment['given'])}"
    texts = {
        HOLD: f"keyframe {start} stands still",
        LEAD: "a lead to the first keyframe",
        TRAIL: "a trail away from the last keyframe",
        BACK: "back to the first keyframe",
    }
    return texts.get(role, "")


def shape_of(planned: Mapping[str, Any]) -> str:
    """What is special about a trip as a whole: ``2 holds, a loop``; empty for most."""
    roles = [role_of(planned, index=index) for index in range(len(planned["segments"]))]
    counts = [counted(roles.count(role), noun) for role, noun in _COUNTED.items() if role in roles]
    return ", ".join([*counts, *(["a loop"] if BACK in roles else [])])


def guided_by(record: Mapping[str, Any], *, index: int) -> str:
    """Which guide videos steer a segment, at which output frames."""
    segment = record["planned"]["segments"][index]
    guide = segment.get("guide")
    if guide is None:
        return ""
    names = video_names(record.get("requested"), level="guides")
    texts = [_guided(names, span, start=segment["start"]) for span in guide["spans"]]
    return f"{', '.join(texts)}; strength {guide['strength']:g}"


def looks_of(segment: Mapping[str, Any]) -> str:
    """What is done to a segment's colours: ``colour match 0.8, saturation 0.9``."""
    return ", ".join(_looks(segment.get("look") or {}))


def video_names(requested: Mapping[str, Any] | None, *, level: str) -> list[str]:
    """The names, without folders, of the videos that a spec joins (`level` clips) or is guided by (guides)."""
    said = requested or {}
    join = said.get("join")
    clips = join.get("clips") if isinstance(join, Mapping) else None
    items = said.get("guides") if level == "guides" else clips or [said.get("continue_from") or ""]
    if not isinstance(items, list):
        return []
    texts = [item.get("video", "") if isinstance(item, Mapping) else item for item in items]
    return [PurePath(str(text).replace("\\", "/")).name for text in texts]


def _looks(look: Mapping[str, Any]) -> Iterator[str]:
    usual = {"colour_match": 0, "saturation": 1, "brightness": 0}
    for name, nothing in usual.items():
        if look.get(name, nothing) != nothing:
            yield f"{name.replace('_', ' ')} {look[name]:g}"
    if look.get("banner"):
        yield "banner"


def _span(record: Mapping[str, Any], *, span: Mapping[str, Any]) -> str:
    names = video_names(record.get("requested"), level="clips")
    return f"frames {span['start']} to {span['start'] + span['frames'] - 1} of {_name(names, span['clip'])}"


def _guided(names: Sequence[str], span: Mapping[str, Any], *, start: int) -> str:
    first = start + span["at"]
    return f"{span['kind']} of {_name(names, span['guide'])} at frames {first} to {first + len(span['sources']) - 1}"


def _name(names: Sequence[str], number: int) -> str:
    return (names[number] if number < len(names) else "") or f"video {number}"


def _is_again(keyframes: Sequence[Mapping[str, Any]], number: int) -> bool:
    """Whether the last keyframe is the first one once more."""
    last = number == len(keyframes) - 1
    return last and number > 0 and keyframes[number]["digest"] == keyframes[0]["digest"]
