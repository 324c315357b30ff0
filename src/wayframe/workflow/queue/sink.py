"""Events on their way into the database, off the thread that renders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeAlias

from wayframe.core.events import TRANSIENT, RunEvent
from wayframe.errors import StoreError
from wayframe.workflow.queue.bodies import body_of
from wayframe.workflow.queue.events import EventTable

WRITE_SECONDS, PROGRESS_SECONDS, AWAY_SECONDS = 0.25, 1.0, 2.0
_Progress: TypeAlias = dict[tuple[str, object], dict[str, Any]]
"""The newest body of each kind and segment."""


class EventSink:
    """Writes the events of one run, in their order, a few times a second.

    Of progress only the newest of each kind and segment is written, once a second. While the database is away events
    are kept and tried again; `flush` waits until everything is written. What a database refuses for good ends the
    writing, and `flush` raises it.
    """

    def __init__(
        self, table: EventTable, *, run_id: str, now: Callable[[], float] = time.monotonic, pause: float = AWAY_SECONDS
    ) -> None:
        self._table, self._run, self._now, self._pause = table, run_id, now, pause
        self._waiting: list[dict[str, Any]] = []
        self._progress: _Progress = {}
        self._told = -PROGRESS_SECONDS
        self._refused: Exception | None = None
        self._lock, self._wake, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._hurried = threading.Event()
        self._written = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._write_on, name=f"events of {run_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._hurry()
        self._thread.join(self._pause * 2)

    def emit(self, event: RunEvent) -> None:
        """Take an event; returns at once."""
        body = body_of(event)
        with self._lock:
            if isinstance(event, TRANSIENT):
                self._progress[body["event"], body.get("segment")] = body
            else:
                self._waiting.append(body)
        self._wake.set()

    def flush(self, *, given_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until everything that was taken is written, or `given_up()` says that it does not matter any more.

        Raises `StoreError` when it cannot be written, however long one waits.
        """
        with self._written:
            while self._waiting and not given_up():
                if not self._thread.is_alive():
                    raise StoreError(f"events of run {self._run} are not written") from self._refused
                self._hurry()
                self._written.wait(WRITE_SECONDS)
        if self._refused is not None:
            raise StoreError(f"events of run {self._run} are not written: {self._refused}") from self._refused

    def _write_on(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(PROGRESS_SECONDS if self._progress else None)
            self._wake.clear()
            self._write()
            self._hurried.wait(WRITE_SECONDS)
            self._hurried.clear()
        self._write()

    def _hurry(self) -> None:
        """Have everything written now: somebody waits for it."""
        self._hurried.set()
        self._wake.set()

    def _write(self) -> None:
        with self._lock:
            count, due = len(self._waiting), self._due()
            bodies = [*self._waiting, *due.values()]
        if not bodies:
            return
        try:
            self._table.add(self._run, bodies)
        except StoreError as error:
            self._put_off(error, due=due)
            return
        with self._written:
            del self._waiting[:count]
            self._written.notify_all()

    def _put_off(self, error: StoreError, *, due: _Progress) -> None:
        with self._lock:
            self._progress = {**due, **self._progress}
            self._told = -PROGRESS_SECONDS
        if error.retryable:
            self._stop.wait(self._pause)
            self._wake.set()
        else:
            self._refused = error
            self._stop.set()

    def _due(self) -> _Progress:
        if not self._progress or self._now() - self._told < PROGRESS_SECONDS:
            return {}
        self._told = self._now()
        due, self._progress = self._progress, {}
        return due
