"""A run that is known from a log, upstream's or our own, as a subject of a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wayframe.core.steptable import ModelDefaults, logged_table, requested_table, sent_table
from wayframe.core.subject import (
    PICTURES,
    Evidence,
    FlowTask,
    FrameCount,
    Level,
    Subject,
    SubjectSegment,
    address,
    picture_name,
)
from wayframe.logs.record import RunRecord


def logged_subject(
    run: RunRecord | Mapping[str, Any], *, source: str, defaults: Mapping[str, ModelDefaults]
) -> Subject:
    """The subject of a logged run: its record, or the JSON of one that was imported."""
    data: Mapping[str, Any] = run.to_json() if isinstance(run, RunRecord) else run
    pictures = data["requested"].get(PICTURES)
    pictures = pictures if isinstance(pictures, list) else []
    name = data["run_id"] or (data["orchestrator_task_id"] or "run")[:8]
    return Subject(
        name=name,
        kind="log",
        source=source,
        run_id=data["run_id"],
        status=data["status"],
        values={Level.REQUESTED: data["requested"], Level.PLANNED: data["planned"]},
        whole=frozenset({Level.REQUESTED}) if "requested" in data["evidence"] or data["requested"] else frozenset(),
        segments=tuple(
            _segment(data, position, pictures=pictures, defaults=defaults) for position in range(len(data["segments"]))
        ),
        keyframes=tuple(address(str(picture)) for picture in pictures),
        pictures=tuple(picture_name(str(picture)) for picture in pictures),
        flow=_flow(data),
        evidence={
            _numbered(path, data["segments"]): Evidence(line=proof["line"], text=proof["text"], file=proof.get("file"))
            for path, proof in data["evidence"].items()
            if isinstance(proof["line"], int)  # what an import hides as a secret has no line
        },
    )


def _segment(
    data: Mapping[str, Any], position: int, *, pictures: list[Any], defaults: Mapping[str, ModelDefaults]
) -> SubjectSegment:
    segment = data["segments"][position]
    index = _number(segment, position)
    applied = segment["applied"] if isinstance(segment["applied"], Mapping) and segment["applied"] else None
    values: dict[Level, Mapping[str, Any]] = {Level.REQUESTED: segment["requested"], Level.PLANNED: segment["planned"]}
    told = logged_table((applied or {}).get("steps"))
    if applied is not None and told is None:
        values[Level.APPLIED] = applied
    known = segment["requested"]
    sent_to = str((applied or {}).get("model_type", ""))
    return SubjectSegment(
        index=index,
        keyframes=(_picture(pictures, index), _picture(pictures, index + 1)),
        status=segment["status"],
        error=segment["error"],
        values={level: table for level, table in values.items() if table},
        whole=frozenset({Level.REQUESTED}) if known else frozenset(),
        steps=told or sent_table(applied or {}, defaults=defaults.get(sent_to)),
        wanted=requested_table(known),
        frames=FrameCount(
            asked=_entry(data["requested"].get("segment_frames_expanded"), index),
            quantised=_entry(data["planned"].get("quantised_segment_frames"), index),
            delivered=_whole((applied or {}).get("video_length")),
            overlap_before=_whole(known.get("frame_overlap_from_previous")),
        ),
    )


def _number(segment: Mapping[str, Any], position: int) -> int:
    """The segment's own number; its position where the log does not tell it."""
    index = segment["segment_index"]
    return index if isinstance(index, int) and index >= 0 else position


def _numbered(path: str, segments: Sequence[Mapping[str, Any]]) -> str:
    """A path of the log's JSON, which counts the segments it knows, with the number that the segment has in its run."""
    found = re.match(r"segments\[(\d+)\]", path)
    if found is None:
        return path
    position = int(found[1])
    return f"segments[{_number(segments[position], position)}]{path[found.end() :]}"


def _picture(pictures: list[Any], index: int) -> str | None:
    return address(str(pictures[index])) if index < len(pictures) else None


def _entry(values: object, index: int) -> int | None:
    return _whole(values[index]) if isinstance(values, list) and index < len(values) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flow(data: Mapping[str, Any]) -> tuple[FlowTask, ...]:
    tasks = [
        FlowTask(kind="orchestrator", segment=None, task=data["orchestrator_task_id"] or "", state=data["status"]),
        *(
            FlowTask(
                kind="segment",
                segment=segment["segment_index"],
                task=segment["task_id"],
                state=segment["status"],
                after=segment["planned"].get("depends_on"),
            )
            for segment in data["segments"]
        ),
    ]
    if data["stitch"]:
        tasks.append(
            FlowTask(kind="stitch", segment=None, task=data["stitch"]["task_id"], state=data["stitch"]["status"])
        )
    return tuple(tasks)
