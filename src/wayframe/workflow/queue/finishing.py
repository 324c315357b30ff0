"""What an orchestrator does for a run: its beginning, its batches, its end, and its record out of all events."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wayframe.core.events import RunEvent, RunFinished, RunStarted, RunState, TaskKind, TaskState
from wayframe.errors import StoreError, StoreMissingError
from wayframe.files import sha256_file
from wayframe.store.artifacts import Artifact
from wayframe.store.runs import DEBUG_LOG, EVENTS, RECORD, SHEET, VIDEO, RunFolder
from wayframe.workflow.finish import Finish
from wayframe.workflow.journal import Journal
from wayframe.workflow.queue.bodies import event_of
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.request import Request, get_request
from wayframe.workflow.queue.rows import EventRow, RunRow
from wayframe.workflow.queue.sink import EventSink
from wayframe.workflow.record import apply_event, renewed_record
from wayframe.workflow.tasks import Tasks
from wayframe.workflow.trip import Trip

LARGEST_BATCH = 16
"""Segments of one batch when nobody says otherwise."""
LISTED = "files.json"
FILES = (RECORD, EVENTS, DEBUG_LOG, VIDEO, SHEET)


@dataclass(slots=True, kw_only=True)
class _Folded:
    """A record that grows from events; what is emitted goes into the database as well."""

    record: dict[str, Any]
    sink: EventSink

    def emit(self, event: RunEvent) -> None:
        """Enter an event."""
        apply_event(self.record, event, time=_iso(datetime.now(UTC)))
        self.sink.emit(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """The work on one run that needs no GPU. Each method can be done again after a crash."""

    place: Place
    run: RunRow
    request: Request

    @staticmethod
    def of(place: Place, run_id: str) -> Finishing:
        """For a run that was submitted. Raises `StoreError` when it is unknown or was not published."""
        row = place.runs.get(run_id)
        return Finishing(place=place, run=row, request=get_request(place, run_id))

    def begin(self) -> None:
        """Tell that an attempt begins."""
        plan = self.request.plan
        with EventSink(self.place.events, run_id=self.run.run_id) as sink:
            sink.emit(
                RunStarted(
                    run_id=self.run.run_id,
                    engine=plan.engine,
                    segments=len(plan.segments),
                    frames=plan.frames,
                    continued=self.run.attempt > 1,
                )
            )
            log = _Folded(record=self.record(), sink=sink)
            Tasks(journal=log).change(TaskKind.ORCHESTRATOR, TaskState.RUNNING)
            sink.flush()

    def batches(self, *, workers: int) -> list[tuple[int, ...]]:
        """The segments that are not published yet, as they are handed out to so many workers.

        Chained ones go one by one. Segments of one content key stay together, so that they are rendered once.
        """
        store, plan = self.place.artifacts(), self.request.plan
        if plan.chaining == "chained":
            return [(segment.index,) for segment in plan.segments]
        keys: dict[str, list[int]] = {}
        for segment in plan.segments:
            keys.setdefault(segment.key, []).append(segment.index)
        missing = [numbers for key, numbers in keys.items() if store.find(key) is None]
        found = [numbers for key, numbers in keys.items() if store.find(key) is not None]
        size = min(self.run.batch or LARGEST_BATCH, max(math.ceil(len(missing) / max(workers, 1)), 1))
        groups = [_flat(missing[start : start + size]) for start in range(0, len(missing), size)]
        return [*([_flat(found)] if found else []), *groups]

    def complete(self, *, cancelled: Callable[[], bool]) -> None:
        """Stitch, measure, and close the record; everything goes into the run's folder and into the store."""
        trip = self.request.trip(self.place)
        store = self.place.artifacts()
        artifacts: dict[int, Artifact] = {}
        for segment in self.request.plan.segments:
            found = store.find(segment.key)
            if found is None:
                raise StoreError(f"artifact {segment.key[:12]} of segment {segment.index} is gone; retry the run")
            artifacts[segment.index] = found
        folder = self.folder()
        with ExitStack() as stack:
            stack.enter_context(folder.hold())
            folder.clear_partial_files()
            sink = stack.enter_context(EventSink(self.place.events, run_id=self.run.run_id))
            tasks = Tasks(journal=_Folded(record=self.record(), sink=sink))
            outcome = Finish(trip=trip, folder=folder, tasks=tasks, cancelled=cancelled).video(artifacts)
            tasks.change(TaskKind.ORCHESTRATOR, TaskState.COMPLETE)
            finished = RunFinished(run_id=self.run.run_id, state=RunState.COMPLETED, video=VIDEO, outcome=outcome)
            tasks.emit(finished)
            sink.flush()
            self._write(folder)
        self._upload(folder)

    def end(self, *, state: RunState, error: str | None) -> None:
        """Close the record of a run that failed or was cancelled."""
        ended = TaskState.CANCELLED if state is RunState.CANCELLED else TaskState.FAILED
        folder = self.folder()
        with EventSink(self.place.events, run_id=self.run.run_id) as sink:
            tasks = Tasks(journal=_Folded(record=self.record(), sink=sink))
            tasks.fail_running(ended, error)
            tasks.emit(RunFinished(run_id=self.run.run_id, state=state, error=error))
            sink.flush()
        with folder.hold():
            self._write(folder)
        self._upload(folder)

    def record(self) -> dict[str, Any]:
        """The record as the events so far make it."""
        record: dict[str, Any] = copy.deepcopy(dict(self.request.record))
        for row in self.place.events.all_of(self.run.run_id):
            event = event_of(row.body)
            record = self._renewed(record, event)
            apply_event(record, event, time=_iso(_moment(row)))
        return record

    def folder(self) -> RunFolder:
        """The run's folder on this machine, made when it is missing."""
        path = self.place.home.runs / self.run.run_id
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path=path)

    def fetch(self) -> RunFolder:
        """The run's folder on this machine, with the files that the store has of it. Raises `StoreError`."""
        folder = self.folder()
        if self.place.shared:
            for name, digest in self._listed().items():
                self.place.objects.fetch(self._key(name), folder.path / name, sha256=digest)
        return folder

    def _renewed(self, record: dict[str, Any], event: RunEvent) -> dict[str, Any]:
        if not isinstance(event, RunStarted):
            return record
        counted = {**record, "attempts": record["attempts"] + 1}
        return renewed_record(counted, trip=self._bare_trip()) if event.continued else counted

    def _write(self, folder: RunFolder) -> None:
        """Write the record, events.jsonl and debug.log anew from all events."""
        for name in (EVENTS, DEBUG_LOG):
            (folder.path / name).unlink(missing_ok=True)
        rows = self.place.events.all_of(self.run.run_id)
        clock = _Clock(rows)
        record: dict[str, Any] = copy.deepcopy(dict(self.request.record))
        with Journal(folder, record=record, listen=lambda _event: None, now=clock.now) as journal:
            for event in clock.events():
                journal.record = self._renewed(journal.record, event)
                journal.emit(event)

    def _upload(self, folder: RunFolder) -> None:
        """Put the files of the folder into a shared store; the list of their digests goes last."""
        if not self.place.shared:
            return
        digests = {name: sha256_file(folder.path / name) for name in FILES if (folder.path / name).exists()}
        for name, digest in digests.items():
            self.place.objects.replace(self._key(name), folder.path / name, sha256=digest)
        with TemporaryDirectory() as temporary:
            listed = Path(temporary) / LISTED
            listed.write_text(json.dumps(digests), encoding="utf-8")
            self.place.objects.replace(self._key(LISTED), listed)

    def _listed(self) -> dict[str, str]:
        """The files that the store has of the run, with their digests; nothing when it has not ended."""
        try:
            listed: dict[str, str] = json.loads(self.place.objects.read(self._key(LISTED)))
        except StoreMissingError:
            return {}
        return {name: digest for name, digest in listed.items() if name in FILES}

    def _key(self, name: str) -> str:
        return f"runs/{self.run.run_id}/{name}"

    def _bare_trip(self) -> Trip:
        """The trip as far as a record needs it."""
        return Trip(plan=self.request.plan, images=(), options=self.request.options)


class _Clock:
    """Gives events out one by one, and the time of the one that was given last."""

    def __init__(self, rows: Iterable[EventRow]) -> None:
        self._rows = list(rows)
        self._now = _moment(self._rows[0]) if self._rows else datetime.now(UTC)

    def now(self) -> datetime:
        """When the present event was written down."""
        return self._now

    def events(self) -> Iterator[RunEvent]:
        """All events in order."""
        for row in self._rows:
            self._now = _moment(row)
            yield event_of(row.body)


def _flat(groups: Iterable[Iterable[int]]) -> tuple[int, ...]:
    return tuple(number for numbers in groups for number in numbers)


def _moment(row: EventRow) -> datetime:
    return datetime.fromtimestamp(row.time / 1000, tz=UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
