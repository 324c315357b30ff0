"""The tasks of a run: their ids, and their states as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from wayframe.core.events import RunEvent, TaskChanged, TaskKind, TaskState


class EventLog(Protocol):
    """Where the events of a run go, with the record as it is known there."""

    @property
    def record(self) -> dict[str, Any]:
        """The record; its tasks have their ids from the beginning."""
        ...

    def emit(self, event: RunEvent) -> None:
        """Enter an event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """Task ids as the record has them."""

    journal: EventLog

    def emit(self, event: RunEvent) -> None:
        """Enter an event into the journal."""
        self.journal.emit(event)

    def segment(self, number: int) -> str:
        """The id of a segment's task."""
        return self._id(TaskKind.SEGMENT, number)

    def change(self, kind: TaskKind, state: TaskState, *, segment: int | None = None, error: str | None = None) -> None:
        """Move a task into a state."""
        task = self._id(kind, segment)
        self.emit(TaskChanged(task=task, kind=kind, state=state, segment=segment, error=error))

    def fail_running(self, state: TaskState, error: str | None) -> None:
        """End every task that has begun, and on cancel every one that has not."""
        for task in list(self.journal.record["tasks"]):
            begun = task["state"] == TaskState.RUNNING
            if begun or (state is TaskState.CANCELLED and task["state"] == TaskState.QUEUED):
                self.change(TaskKind(task["kind"]), state, segment=task["segment"], error=error if begun else None)

    def _id(self, kind: TaskKind, segment: int | None) -> str:
        tasks: list[dict[str, Any]] = self.journal.record["tasks"]
        if kind is TaskKind.ORCHESTRATOR:
            return str(tasks[0]["id"])
        position = -1 if kind is TaskKind.STITCH or segment is None else segment + 1
        return str(tasks[position]["id"])
