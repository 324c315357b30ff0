"""Where the events of a run go: its record, events.jsonl, debug.log, and whoever listens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

from wayframe.core.events import (
    TRANSIENT,
    EngineReported,
    EngineTold,
    FindingMade,
    LoraReady,
    RunEvent,
    RunFinished,
    RunStarted,
    RunState,
    SegmentPublished,
    SegmentReused,
    StepApplied,
    TaskChanged,
    TaskKind,
    TaskState,
    WeightsReady,
)
from wayframe.core.wording import counted
from wayframe.files import redact, redact_text
from wayframe.store.runs import DEBUG_LOG, EVENTS, RunFolder
from wayframe.workflow.record import apply_event

SECONDS_BETWEEN_RECORDS = 1.0
_Line = tuple[str, str, str | None, str]


class Journal:
    """Writes each event down before the next one happens.

    The record is replaced when a task starts or ends, but not more than once a second (what matters is in the artifacts
    and in events.jsonl), and always when the journal is opened and when the run ends.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        record: dict[str, Any],
        listen: Callable[[RunEvent], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self.record, self._listen = folder, record, listen
        self._now, self._monotonic = now, monotonic
        self._day: object = None
        self._written = 0.0
        self._files = ExitStack()
        self._events: TextIO
        self._log: TextIO

    def __enter__(self) -> Self:
        self._write()  # before anything else: a folder without a record holds nothing yet
        self._events = self._files.enter_context((self._folder.path / EVENTS).open("a", encoding="utf-8"))
        self._log = self._files.enter_context((self._folder.path / DEBUG_LOG).open("a", encoding="utf-8"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def emit(self, event: RunEvent) -> None:
        """Enter an event everywhere; a progress event only goes to the listener."""
        if not isinstance(event, TRANSIENT):
            moment = self._now()
            stamp = moment.isoformat(timespec="milliseconds")
            apply_event(self.record, event, time=stamp)
            line = {"time": stamp, "event": type(event).__name__, **asdict(event)}
            self._events.write(json.dumps(redact(line), ensure_ascii=False) + "\n")
            self._events.flush()
            self._write_log(event, moment)
            self._write_record(event)
        self._listen(event)

    def _write_record(self, event: RunEvent) -> None:
        final = isinstance(event, RunFinished)
        due = isinstance(event, TaskChanged) and self._monotonic() - self._written >= SECONDS_BETWEEN_RECORDS
        if final or due:
            self._write()

    def _write(self) -> None:
        self._folder.write(self.record)
        self._written = self._monotonic()

    def _write_log(self, event: RunEvent, moment: datetime) -> None:
        if moment.date() != self._day:
            self._day = moment.date()
            stamp = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
            self._log.write(f"[DEBUG {stamp}] wayframe run {self._folder.run_id}\n")
        level, component, task, message = described(event)
        about = f"[Task {task}] " if task else ""
        text = redact_text(message).replace("\n", "\n    ")
        self._log.write(f"[{moment:%H:%M:%S}] {level} {component} {about}{text}\n")
        self._log.flush()


def described(event: RunEvent) -> tuple[str, str, str | None, str]:
    """An event as a line of a log: level, component, task id, and what happened."""
    if isinstance(event, TaskChanged):
        return _task_line(event)
    if isinstance(event, StepApplied):
        return "DEBUG", "ENGINE", event.task, _step_text(event)
    if isinstance(event, SegmentReused | SegmentPublished):
        return "INFO", "STORE", event.task, _artifact_text(event)
    if isinstance(event, FindingMade):
        found = event.finding
        return "WARNING", "LINT", None, f"{found.code} at {found.where}: {found.message}"
    if isinstance(event, EngineReported | EngineTold | LoraReady | WeightsReady):
        return _resource_line(event)
    return _run_line(event)


def _artifact_text(event: SegmentReused | SegmentPublished) -> str:
    if isinstance(event, SegmentReused):
        return f"segment {event.segment} was rendered before: {event.key}"
    return f"segment {event.segment} published: {counted(event.frames, 'frame')}, {event.key}"


def _step_text(event: StepApplied) -> str:
    loras = ", ".join(_lora_text(event, name) for name in event.loras) or "no LoRA"
    between = "" if None in (event.sigma, event.sigma_next) else f"sigma {event.sigma!r} to {event.sigma_next!r}, "
    what = f"timestep {event.timestep!r}, {between}{event.expert}, guidance {event.guidance!r}, {loras}"
    return f"segment {event.segment}, step {event.step}: {what}"


def _lora_text(event: StepApplied, name: str) -> str:
    text = f"{name} {event.loras[name]!r}"
    if name not in event.modules:
        return text
    held, attached = event.modules[name]
    return f"{text} in {held} of {attached} modules"


def _resource_line(event: EngineReported | EngineTold | LoraReady | WeightsReady) -> _Line:
    if isinstance(event, EngineTold):
        return "DEBUG", "ENGINE", None, f"| {event.text}"
    if isinstance(event, EngineReported):
        counts = "".join(f", {name} {count}" for name, count in event.counts.items())
        return "INFO", "ENGINE", None, f"engine on {event.device}{counts}"
    if isinstance(event, LoraReady):
        commit = f", commit {event.commit}" if event.commit else ""
        return "INFO", "STORE", None, f"LoRA {event.lora} is here: sha256 {event.sha256}{commit}"
    return "INFO", "STORE", None, f"weights of {event.model} are here: {event.identity}"


def _task_line(event: TaskChanged) -> _Line:
    name = event.kind.value if event.segment is None else f"{event.kind.value} {event.segment}"
    level = "ERROR" if event.state is TaskState.FAILED else "INFO"
    component = {TaskKind.STITCH: "STITCH", TaskKind.SEGMENT: "SEGMENT"}.get(event.kind, "RUN")
    return level, component, event.task, f"{name} {event.state.value}" + (f": {event.error}" if event.error else "")


def _run_line(event: RunEvent) -> _Line:
    if isinstance(event, RunStarted):
        size = f"{counted(event.segments, 'segment')}, {counted(event.frames, 'frame')}"
        what = f"{size}, engine {event.engine}"
        return "INFO", "RUN", None, f"run {event.run_id} {'continued' if event.continued else 'started'}: {what}"
    if isinstance(event, RunFinished):
        level = "INFO" if event.state is not RunState.FAILED else "ERROR"
        return (
            level,
            "RUN",
            None,
            f"run {event.run_id} {event.state.value}" + (f": {event.error}" if event.error else ""),
        )
    return "DEBUG", "RUN", None, type(event).__name__
