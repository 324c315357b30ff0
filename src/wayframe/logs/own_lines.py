"""Lines of our own logs as the events that they tell, in the two forms in which the journal of a run writes them.

A line of ``events.jsonl`` is an object with ``time`` and ``event``. A record of ``debug.log`` begins with its line's
first character, and what its message continues on stands four blanks in: nothing inside a message is ever a record.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from wayframe.core.events import RunFinished, RunStarted, RunState, TaskChanged, TaskKind, TaskState
from wayframe.logs.literals import Json, Object


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFound:
    """A segment was rendered before."""

    task: str
    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    """A step that the engine applied, as far as the line tells it.

    ``forwards`` stands in events only; ``sigma``, ``sigma_next`` and ``modules`` where the engine told them.
    """

    task: str
    segment: int
    step: Object


OwnEvent: TypeAlias = RunStarted | TaskChanged | SegmentFound | StepTold | RunFinished

_MOST, _LONGEST_ERROR = 10**9, 4000
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = r"-?\d{1,12}(?:\.\d{1,20})?(?:e[+-]?\d{1,3})?"
_DAY_LINE = re.compile(r"\[DEBUG (\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d\.\d{6}\] wayframe run (\S{1,200})")
_RECORD = re.compile(
    r"(?s)\[(?P<time>\d\d:\d\d:\d\d)\] (?:INFO|DEBUG|WARNING|ERROR) "
    r"(?P<component>RUN|SEGMENT|STITCH|ENGINE|STORE|LINT) (?:\[Task (?P<task>[^\]\s]{1,200})\] )?(?P<text>.*)"
)
_STARTED = re.compile(
    r"run (\S{1,200}) (started|continued): (\d{1,9}) segments?, (\d{1,9}) frames?, engine (\S{1,200})"
)
_FINISHED = re.compile(r"(?s)run (\S{1,200}) (completed|failed|cancelled)(?:: (.*))?")
_CHANGED = re.compile(
    r"(?s)(orchestrator|stitch|segment)(?: (\d{1,9}))? (queued|running|complete|failed|cancelled)(?:: (.*))?"
)
_FOUND = re.compile(r"segment (\d{1,9}) was rendered before: .*")
_STEP = re.compile(
    rf"segment (\d{{1,9}}), step (\d{{1,9}}): timestep ({_NUMBER}), (?:sigma ({_NUMBER}) to ({_NUMBER}), )?"
    rf"([^,]{{1,80}}), guidance ({_NUMBER}), (.*)"
)
_LORA = re.compile(rf"(.{{1,300}}?) ({_NUMBER})(?: in (\d{{1,9}}) of (\d{{1,9}}) modules)?(?:, |$)")
_ENGINE = ("engine on ", "| ")
"""Begin what the engine says of itself after its work, and what the program behind it printed."""


def day_line(text: str) -> tuple[str, str] | None:
    """The day and the run id of the line that begins a ``debug.log`` and every day in it; None for another line."""
    found = _DAY_LINE.fullmatch(text)
    return (found[1], found[2]) if found else None


def json_object(text: str) -> Object:
    """The object on a line of ``events.jsonl``. Raises ValueError for what is no such line."""
    try:
        data = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as exc:
        raise ValueError("too deep") from exc
    if not isinstance(data, dict) or not isinstance(data.get("event"), str) or "time" not in data:
        raise ValueError("no event")
    return data


def json_event(data: Mapping[str, Any]) -> tuple[str | None, OwnEvent | None]:
    """Time (ISO 8601 without a zone, UTC) and event of an object of ``events.jsonl``.

    The event is None for one that tells nothing of a run's course. Raises ValueError for one that lacks what it tells.
    """
    make = _MAKERS.get(data["event"])
    try:
        return _utc(data["time"]), make(data) if make else None
    except KeyError as exc:
        raise ValueError("lacks a field") from exc


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no JSON data")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _utc(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return None


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value:
        raise ValueError(key)
    return _SURROGATE.sub("\ufffd", value)


def _error(data: Mapping[str, Any]) -> str | None:
    return None if data.get("error") is None else _text(data, "error")[:_LONGEST_ERROR]


def _count(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise ValueError(key)
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _MOST:
        raise ValueError("no number")
    return value


def _started(data: Mapping[str, Any]) -> RunStarted:
    return RunStarted(
        run_id=_text(data, "run_id"),
        engine=_text(data, "engine"),
        segments=_count(data, "segments"),
        frames=_count(data, "frames"),
        continued=data["continued"] is True,
    )


def _changed(data: Mapping[str, Any]) -> TaskChanged:
    return TaskChanged(
        task=_text(data, "task"),
        kind=TaskKind(_text(data, "kind")),
        state=TaskState(_text(data, "state")),
        segment=None if data.get("segment") is None else _count(data, "segment"),
        error=_error(data),
    )


def _found(data: Mapping[str, Any]) -> SegmentFound:
    return SegmentFound(task=_text(data, "task"), segment=_count(data, "segment"))


def _step(data: Mapping[str, Any]) -> StepTold:
    if not isinstance(data["loras"], dict):
        raise ValueError("loras")
    step: Object = {
        "index": _count(data, "step"),
        "timestep": _number(data["timestep"]),
        "expert": _text(data, "expert"),
        "guidance": _number(data["guidance"]),
        "loras": {_SURROGATE.sub("\ufffd", name): _number(weight) for name, weight in data["loras"].items()},
    }
    if "forwards" in data:
        step["forwards"] = _count(data, "forwards")
    step |= {name: _number(data[name]) for name in ("sigma", "sigma_next") if data.get(name) is not None}
    if data.get("modules"):
        step["modules"] = _modules(data["modules"])
    return StepTold(task=_text(data, "task"), segment=_count(data, "segment"), step=step)


def _modules(told: object) -> Object:
    if not isinstance(told, dict):
        raise ValueError("modules")
    return {_SURROGATE.sub("\ufffd", name): _held_and_attached(pair) for name, pair in told.items()}


def _held_and_attached(pair: object) -> list[Json]:
    if not isinstance(pair, list):
        raise ValueError("modules")
    held, attached = pair
    told = {"held": held, "attached": attached}
    return [_count(told, name) for name in told]


def _finished(data: Mapping[str, Any]) -> RunFinished:
    return RunFinished(run_id=_text(data, "run_id"), state=RunState(_text(data, "state")), error=_error(data))


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], OwnEvent]] = {
    "RunStarted": _started,
    "TaskChanged": _changed,
    "SegmentReused": _found,
    "StepApplied": _step,
    "RunFinished": _finished,
}


def begins_record(text: str) -> bool:
    """Whether a line of ``debug.log`` begins a record, and does not go on with the message before."""
    return not text.startswith("    ")


def debug_event(text: str) -> tuple[str, OwnEvent | None] | None:
    """Time of day and event of a record of ``debug.log`` (its lines joined), None for what is no record of ours.

    The event is None for one that tells nothing of a run's course. Raises ValueError for a record that does not say
    what its part of the program says.
    """
    record = _RECORD.fullmatch(text)
    if record is None:
        return None
    read = _READERS.get(record["component"])
    return record["time"], read(record["task"], record["text"]) if read else None


def _run_or_task(task: str | None, text: str) -> OwnEvent | None:
    if task is not None:
        return _task_line(task, text)
    if (started := _STARTED.fullmatch(text)) is not None:
        return RunStarted(
            run_id=started[1],
            engine=started[5],
            segments=int(started[3]),
            frames=int(started[4]),
            continued=started[2] == "continued",
        )
    if (finished := _FINISHED.fullmatch(text)) is not None:
        return RunFinished(run_id=finished[1], state=RunState(finished[2]), error=_shortened(finished[3]))
    raise ValueError("neither the beginning of a run nor its end")


def _task_line(task: str | None, text: str) -> OwnEvent | None:
    changed = _CHANGED.fullmatch(text)
    if task is None or changed is None:
        raise ValueError("no task and its state")
    return TaskChanged(
        task=task,
        kind=TaskKind(changed[1]),
        state=TaskState(changed[3]),
        segment=None if changed[2] is None else int(changed[2]),
        error=_shortened(changed[4]),
    )


def _shortened(error: str | None) -> str | None:
    return error[:_LONGEST_ERROR] if error else None


def _store_line(task: str | None, text: str) -> OwnEvent | None:
    found = _FOUND.fullmatch(text)
    return SegmentFound(task=task, segment=int(found[1])) if task and found else None


def _engine_line(task: str | None, text: str) -> OwnEvent | None:
    told = _STEP.fullmatch(text)
    if task is None and text.startswith(_ENGINE):
        return None
    if task is None or told is None:
        raise ValueError("no step")
    step: Object = {"index": int(told[2]), "timestep": float(told[3]), "expert": told[6], "guidance": float(told[7])}
    if told[4] is not None:
        step |= {"sigma": float(told[4]), "sigma_next": float(told[5])}
    return StepTold(task=task, segment=int(told[1]), step=step | _loras(told[8]))


def _loras(text: str) -> Object:
    """Weights of LoRAs, and their modules where the line tells them."""
    if text == "no LoRA":
        return {"loras": {}}
    found = list(_LORA.finditer(text))
    if not found or found[0].start() or found[-1].end() != len(text):
        raise ValueError("no LoRAs and their weights")
    loras: Object = {"loras": {lora[1]: float(lora[2]) for lora in found}}
    modules: Object = {lora[1]: [int(lora[3]), int(lora[4])] for lora in found if lora[3] is not None}
    return {**loras, "modules": modules} if modules else loras


_READERS: Mapping[str, Callable[[str | None, str], OwnEvent | None]] = {
    "RUN": _run_or_task,
    "SEGMENT": _task_line,
    "STITCH": _task_line,
    "STORE": _store_line,
    "ENGINE": _engine_line,
}
