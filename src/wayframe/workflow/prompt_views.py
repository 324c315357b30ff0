"""The prompts of a run or of a video of ours, with what the store knows of those that a model wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from wayframe.core.prompting import SegmentPrompt
from wayframe.core.wording import counted
from wayframe.errors import SpecError, StoreError
from wayframe.store.home import Home
from wayframe.store.prompts import PromptStore, StoredPrompt

UNKNOWN, NOT_ASKED = "unknown", "not asked for"


def prompts_of_run(record: Mapping[str, Any], *, home: Home) -> tuple[SegmentPrompt, ...]:
    """The prompt of each segment; `record` is that of a run, or the capsule of a video.

    Raises `StoreError` for a record without a plan (a run known from a log only).
    """
    origins, store = (record.get("resolved") or {}).get("origins") or {}, PromptStore(home)
    return tuple(
        _segment(
            segment,
            origin=origins.get(f"segments[{segment['index']}].prompt", _unsaid(segment)),
            found=store.find(key) if key else None,
        )
        for segment, key in _keyed(record)
    )


def _unsaid(segment: Mapping[str, Any]) -> str:
    """The origin of a prompt that has none: a held keyframe and a piece of a video are not rendered, by no prompt."""
    return NOT_ASKED if segment.get("still") or segment.get("piece") else UNKNOWN


def forget_prompts(record: Mapping[str, Any], *, segments: Collection[int], home: Home) -> None:
    """Remove what a model wrote for these segments of a run; whoever wants the same prompts asks for them anew.

    Raises `SpecError` for a segment whose prompt no model wrote, before anything is removed, and `StoreError`.
    """
    keys = {segment["index"]: key for segment, key in _keyed(record) if key}
    unknown = [number for number in segments if number not in keys]
    if unknown:
        written = ", ".join(map(str, keys)) or "none"
        raise SpecError("--forget", "no model wrote the prompt of that segment", unknown[0], fix=f"written: {written}")
    for number in segments:
        PromptStore(home).forget(keys[number])


def _keyed(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each planned segment with the key of the written prompt in it, or an empty one."""
    planned, resolved = record.get("planned") or record.get("plan"), record.get("resolved") or {}
    if not planned:
        raise StoreError("this run is known from a log only: its prompts are in `wayframe show`")
    values = (resolved.get("values") or {}).get("segments") or [{} for _ in planned["segments"]]
    for segment, said in zip(planned["segments"], values, strict=True):
        yield segment, said.get("written") or ""


def _segment(segment: Mapping[str, Any], *, origin: str, found: StoredPrompt | None) -> SegmentPrompt:
    if found is None:
        return SegmentPrompt(segment=segment["index"], prompt=segment["prompt"], origin=origin)
    facts, is_here = found.facts, found.picture.is_file()
    took = f"{facts.get('seconds')} s, {facts.get('tokens_in')} tokens in, {facts.get('tokens_out')} out"
    return SegmentPrompt(
        segment=segment["index"],
        prompt=segment["prompt"],
        origin=origin,
        written=found.text,
        question=str(facts.get("question", "")),
        took=f"{took}, {counted(int(facts.get('tries') or 1), 'answer')} asked for",
        picture=str(found.picture) if is_here else "",
        jpeg=found.picture.read_bytes() if is_here else b"",
    )
