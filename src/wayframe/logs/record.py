"""What a debug log says about a run, as data; the JSON of `wayframe logs runs --json`.

Three states are kept apart for every value:

* it was logged: the key is there, and None (null) means that it was logged as None;
* it is *absent*: the literal that would hold it was logged whole, and the key is not in it;
* it was *not logged*: nothing in the log proves anything about it.

In JSON a missing key of `requested` is absent when `evidence` has an entry for that very object (``requested``,
``segments[0].requested``), which names the whole literal's line, and not logged otherwise. A missing key of `planned`
or `applied` was not logged (a key with evidence but no value was logged truncated). ``"ambiguous"`` in the place of a
value means that the log holds it but does not tell whose it is. `RunRecord.look_up` answers with the same distinction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from wayframe.logs.literals import Json, Object

AMBIGUOUS = "ambiguous"
_EXCERPT = 240


class RunStatus(StrEnum):
    """How a run ended, as far as the log goes."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"


class TaskStatus(StrEnum):
    """How a segment or the stitch ended, as far as the log goes."""

    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"


class Missing(Enum):
    """Why a value is not there."""

    ABSENT = "absent"
    NOT_LOGGED = "not logged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a fact stands: the line (from 1) of its file, and an excerpt of it without secrets."""

    line: int
    text: str
    file: str | None = None
    """The file's name, when several files were read as one log."""

    def to_json(self) -> Object:
        """``line`` and ``text``, and ``file`` when there are several."""
        shown: Object = {"line": self.line, "text": self.text}
        return shown if self.file is None else {**shown, "file": self.file}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """One segment of a run; see the module about missing keys."""

    segment_index: int | None
    task_id: str
    status: TaskStatus
    error: str | None
    requested: Object
    planned: Object
    applied: Object | str
    """What was sent to the engine, in its types; ``"ambiguous"`` when the log does not tell to which task it went."""

    def to_json(self) -> Object:
        """The object under ``segments`` in the JSON."""
        return {
            "segment_index": self.segment_index,
            "task_id": self.task_id,
            "status": self.status.value,
            "error": self.error,
            "requested": self.requested,
            "planned": self.planned,
            "applied": self.applied,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchRecord:
    """The stitch task of a run."""

    task_id: str
    status: TaskStatus

    def to_json(self) -> Object:
        """The object under ``stitch`` in the JSON."""
        return {"task_id": self.task_id, "status": self.status.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of the travel orchestrator as a log tells it. Holds no secret. Times are ISO 8601 without a zone."""

    run_id: str | None
    orchestrator_task_id: str | None
    status: RunStatus
    started: str | None
    finished: str | None
    requested: Object
    planned: Object
    segments: tuple[SegmentRecord, ...]
    stitch: StitchRecord | None
    facts: Mapping[str, Evidence] = field(repr=False)
    """Where the facts stand, by path; keys of `requested` share the entry of their object (see `evidence`)."""

    @property
    def evidence(self) -> dict[str, Evidence]:
        """Where every fact stands, by its path in the JSON: ``status``, ``segments[0].applied.seed``..."""
        shown = dict(self.facts)
        places = [("requested", self.requested)]
        places += [(f"segments[{at}].requested", segment.requested) for at, segment in enumerate(self.segments)]
        for path, values in places:
            source = self.facts.get(path)
            if source is not None:
                shown |= {f"{path}.{key}": _part(source, key, value) for key, value in values.items()}
        return shown

    def look_up(self, path: str) -> Json | Missing:
        """The value at a path of keys (``requested.steps``, ``segments[1].applied.seed``), or why it is not there."""
        place, _, key = path.rpartition(".")
        values = self._object(place)
        if isinstance(values, str):
            return values
        if values is not None and key in values:
            return values[key]
        whole = place.endswith("requested") and place in self.facts
        return Missing.ABSENT if whole else Missing.NOT_LOGGED

    def _object(self, place: str) -> Object | str | None:
        tables: dict[str, Object | str] = {"requested": self.requested, "planned": self.planned}
        for at, segment in enumerate(self.segments):
            tables[f"segments[{at}].requested"] = segment.requested
            tables[f"segments[{at}].planned"] = segment.planned
            tables[f"segments[{at}].applied"] = segment.applied
        return tables.get(place)

    def to_json(self) -> Object:
        """The object under ``runs`` in the JSON; plain data that `json.dumps` takes as it is."""
        return {
            "run_id": self.run_id,
            "orchestrator_task_id": self.orchestrator_task_id,
            "status": self.status.value,
            "started": self.started,
            "finished": self.finished,
            "requested": self.requested,
            "planned": self.planned,
            "segments": [segment.to_json() for segment in self.segments],
            "stitch": self.stitch.to_json() if self.stitch else None,
            "evidence": {path: evidence.to_json() for path, evidence in self.evidence.items()},
        }


def _part(source: Evidence, key: str, value: Json) -> Evidence:
    return Evidence(line=source.line, text=excerpt(f"'{key}': {_shown(value)}"), file=source.file)


def _shown(value: Json) -> str:
    if isinstance(value, dict):
        return f"{{{len(value)} keys}}"
    return repr(value)


def excerpt(text: str) -> str:
    """The beginning of a text, short enough for a report."""
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
