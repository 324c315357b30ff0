"""What an orchestrator does for a run: its beginning, its batches, its end, and its record out of all events."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from wayframe.core.events import RunEvent, RunFinished, RunStarted, RunState, TaskKind, TaskState
from wayframe.errors import StoreError, StoreMissingError
from wayframe.files import sha256_file
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.runs import DEBUG_LOG, EVENTS, FINALS, RECORD, SHEET, VIDEO, RunFolder
from wayframe.workflow.finish import Finish
from wayframe.workflow.journal import Journal
from wayframe.workflow.queue.bodies import event_of
from wayframe.workflow.queue.logging_lines import LOGGER
from wayframe.workflow.queue.patience import passes
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.request import Request, get_request
from wayframe.workflow.queue.rows import EventRow, RunRow
from wayframe.workflow.queue.sink import EventSink
from wayframe.workflow.record import apply_event, renewed_record
from wayframe.workflow.tasks import Tasks
from wayframe.workflow.trip import Trip

LARGEST_BATCH = 16
"""Segments of one batch when nobody says otherwise."""
PATIENCE = 20.0
"""Seconds until whoever stitches a cancelled run must have let it go."""
LISTED = "files.json"
FILES = (RECORD, EVENTS, DEBUG_LOG, VIDEO, SHEET, *FINALS)


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

        Each worker gets as many batches as any other, of one size; chained ones are one worker's at a time. Segments of
        one content key stay together, so that they are rendered once. Bridges are in batches of their own, behind those
        of the segments that they need.
        """
        store, plan = self.place.artifacts(), self.request.plan
        share = 1 if plan.chaining == "chained" else max(workers, 1)
        keys: dict[str, list[int]] = {}
        for segment in plan.segments:
            keys.setdefault(segment.key, []).append(segment.index)
        published = {key for key in keys if store.find(key) is not None}
        missing = [numbers for key, numbers in keys.items() if key not in published]
        found = [numbers for key, numbers in keys.items() if key in published]
        first = [numbers for numbers in missing if not plan.segments[numbers[0]].needs]
        bridges = [numbers for numbers in missing if plan.segments[numbers[0]].needs]
        groups = [*self._groups(first, share=share), *self._groups(bridges, share=share)]
        return [*([_flat(found)] if found else []), *groups]

    def _groups(self, missing: list[list[int]], *, share: int) -> list[tuple[int, ...]]:
        turns = math.ceil(len(missing) / share / (self.run.batch or LARGEST_BATCH))
        size = math.ceil(len(missing) / share / turns) if missing else 1
        return [_flat(missing[start : start + size]) for start in range(0, len(missing), size)]

    def is_last(self, numbers: Iterable[int]) -> bool:
        """Whether a batch must wait for all others: it holds missing bridges, which need segments beside them."""
        store, segments = self.place.artifacts(), [self.request.plan.segments[number] for number in numbers]
        return any(segment.needs and store.find(segment.key) is None for segment in segments)

    def complete(self, *, cancelled: Callable[[], bool], confirm: Callable[[], None]) -> None:
        """Stitch, measure, make the final file where one is asked for, and close the record.

        Everything goes into the run's folder and into the store. The steps to the final file are artifacts of this
        machine, so that whoever goes on here after a crash finds them; another machine makes them again.
        `confirm` raises when the run is not ours any more; it is called right before the run is told to be completed.
        """
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
            record = self.record()
            tasks = Tasks(journal=_Folded(record=record, sink=sink))
            own = ArtifactStore(self.place.home)
            outcome = Finish(trip=trip, folder=folder, tasks=tasks, cancelled=cancelled, store=own).video(artifacts)
            outcome["seconds"] = {"render": _seconds_of_rendering(record), **outcome["seconds"]}
            confirm()
            tasks.change(TaskKind.ORCHESTRATOR, TaskState.COMPLETE)
            finished = RunFinished(run_id=self.run.run_id, state=RunState.COMPLETED, video=VIDEO, outcome=outcome)
            tasks.emit(finished)
            sink.flush()
            self._write(folder)
        self._upload(folder)

    def end(self, *, state: RunState, error: str | None) -> None:
        """Close the record of a run that failed or was cancelled; its files too, where there is room for them."""
        ended = TaskState.CANCELLED if state is RunState.CANCELLED else TaskState.FAILED
        with EventSink(self.place.events, run_id=self.run.run_id) as sink:
            tasks = Tasks(journal=_Folded(record=self.record(), sink=sink))
            tasks.fail_running(ended, error)
            tasks.emit(RunFinished(run_id=self.run.run_id, state=state, error=error))
            sink.flush()
        with self._not_vital():
            folder = self.folder()
            with self._held(folder):
                self._write(folder)
            self._upload(folder)

    def record(self) -> dict[str, Any]:
        """The record as the events so far make it."""
        record: dict[str, Any] = copy.deepcopy(dict(self.request.record))
        clock = _Clock(self.place.events.all_of(self.run.run_id))
        for event in clock.events():
            record = self._renewed(record, event)
            apply_event(record, event, time=_iso(clock.now()))
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
        if not event.continued:
            return counted
        renewed = renewed_record(counted, trip=self._bare_trip())
        return {**renewed, "environment": self.request.record["environment"]}  # the reader's is of no interest

    @contextmanager
    def _not_vital(self) -> Iterator[None]:
        """Log an error that does not pass, such as a full disk: a run must be able to end, and the database knows all.

        The files are written when the run ends once more.
        """
        try:
            yield
        except (StoreError, OSError) as error:
            if passes(error):
                raise
            LOGGER.warning("its record could not be kept as files: %s", error, extra={"run": self.run.run_id})

    @contextmanager
    def _held(self, folder: RunFolder) -> Iterator[None]:
        """Hold the run's folder, after whoever finishes the run here has noticed that it must stop."""
        waiting = Retrying(retry=retry_if_exception_type(StoreError), stop=stop_after_delay(PATIENCE), reraise=True)
        with ExitStack() as stack:
            waiting(lambda: stack.enter_context(folder.hold()))
            yield

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
        """All events that count, in order."""
        for row, event in counting(self._rows):
            self._now = _moment(row)
            yield event


def counting(rows: Iterable[EventRow]) -> Iterator[tuple[EventRow, RunEvent]]:
    """The events that count, with their rows: what a worker tells of an attempt after its end is left out."""
    ended = False
    for row in rows:
        event = event_of(row.body)
        ended = ended and not isinstance(event, RunStarted)
        if not ended or isinstance(event, RunFinished):
            yield row, event
        ended = ended or isinstance(event, RunFinished)


def _seconds_of_rendering(record: Mapping[str, Any]) -> float:
    """From the first segment's beginning to the last one's end in this attempt; 0 when all were found."""
    made = [task for task in record["tasks"] if task["segment"] is not None and not task["reused"] and task["finished"]]
    if not made:
        return 0.0
    first, last = min(task["started"] for task in made), max(task["finished"] for task in made)
    return round((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds(), 3)


def _flat(groups: Iterable[Iterable[int]]) -> tuple[int, ...]:
    return tuple(number for numbers in groups for number in numbers)


def _moment(row: EventRow) -> datetime:
    return datetime.fromtimestamp(row.time / 1000, tz=UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
