"""What a user does with the queue: submit, cancel, resume, redo, remove, move, pause. It carries out nothing itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial

from dbos import DBOSClient

from wayframe.core.documents import plan_json
from wayframe.core.events import RunState
from wayframe.errors import SpecError, StoreError, StoreMissingError
from wayframe.store.runs import ID_DIGITS, RECORD
from wayframe.workflow.final import check_files
from wayframe.workflow.pictures import check_pictures
from wayframe.workflow.queue.adapter import HIGHEST_PRIORITY, client, dbos_priority, move, translated
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.flows import enqueue_run, run_workflow_id
from wayframe.workflow.queue.gate import submitting
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.readiness import ready
from wayframe.workflow.queue.redo import Redo, again, redone
from wayframe.workflow.queue.request import (
    RUNS,
    capability_of,
    get_request,
    has_request,
    publish_request,
    put_request,
    request_key,
)
from wayframe.workflow.queue.rows import OPEN, NewRun, QueueState, RunRow
from wayframe.workflow.queue.switches import OFF, ON, PAUSED
from wayframe.workflow.record import new_record, plan_digest
from wayframe.workflow.render import OnDifference
from wayframe.workflow.trip import Trip

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TAKEN = ("last",)
"""Words that commands take in the place of an id."""
TITLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """How a run is queued. `run_id` is a name of the user's own; `batch` bounds what a worker gets at a time (0: any).

    With `keep_going` a segment that fails does not stop the others.
    """

    run_id: str | None = None
    priority: int = 0
    batch: int = 0
    keep_going: bool = False
    on_difference: OnDifference = OnDifference.STOP


class QueueClient:
    """The queue of a place. Every method raises `StoreError` when the database or the store cannot be used.

    Makes the tables of an SQLite database; those of PostgreSQL must be there.
    """

    def __init__(self, place: Place) -> None:
        ready(place.database)
        self.place = place

    @cached_property
    def _dbos(self) -> DBOSClient:
        return client(self.place.database)

    def close(self) -> None:
        """Give back all connections."""
        if "_dbos" in vars(self):
            self._dbos.destroy()
        self.place.database.close()

    def submit(self, trip: Trip, *, options: SubmitOptions | None = None) -> RunRow:
        """Queue a trip, and give its row. The same plan under the same id is the same run: nothing is queued twice.

        What an earlier, broken off submit of it left out is made up for. Raises `SpecError` for a bad id or priority
        and for keyframes that are addresses, `StoreError` for an id that belongs to another plan.
        """
        options = options or SubmitOptions()
        check_submittable(trip)
        digest = plan_digest(trip.planned())
        new = partial(
            NewRun,
            plan_digest=digest,
            capability=capability_of(trip.plan),
            title=title_of(trip),
            segments=len(trip.plan.segments),
            frames=trip.plan.frames,
            priority=_priority(options.priority),
            batch=options.batch,
            keep_going=options.keep_going,
        )
        row = self._named(new, options.run_id) if options.run_id is not None else self._fresh(new)
        if row.state in OPEN and not self._is_published(row):
            record = new_record(trip, run_id=row.run_id, created=_iso(row.created))
            put_request(trip, place=self.place, run_id=row.run_id, record=record, on=options.on_difference)
        return self._queued(row)

    def cancel(self, run_id: str) -> RunRow:
        """Stop a run; what is published stays. Once more changes nothing. Raises `StoreError` when it ended before."""
        row = self.place.runs.get(run_id)
        if not self.place.runs.end(row.run_id, attempt=row.attempt, state=QueueState.CANCELLED):
            row = self.place.runs.get(row.run_id)
            if row.state is not QueueState.CANCELLED:
                raise StoreError(f"run {row.run_id} is {row.state.value}: there is nothing to cancel")
        self._stop(row)
        if has_request(self.place, row.run_id):
            work = Finishing.of(self.place, row.run_id)
            if work.record()["status"] != RunState.CANCELLED.value:
                work.end(state=RunState.CANCELLED, error=None)
        return self.place.runs.get(row.run_id)

    def resume(self, run_id: str) -> RunRow:
        """Queue a cancelled run once more; what it published is found."""
        return self._anew(run_id, after=QueueState.CANCELLED, other="retry")

    def retry(self, run_id: str) -> RunRow:
        """Queue a failed run once more; what it published is found, and what failed is tried again."""
        return self._anew(run_id, after=QueueState.FAILED, other="resume")

    def redo(self, run_id: str, *, change: Redo) -> tuple[RunRow, list[int]]:
        """Queue a new revision of a run that differs in one segment; gives it, and the segments that are made again.

        Chained segments behind it are made again too. Raises `SpecError` for a change that cannot be made.
        """
        row = self.place.runs.get(run_id)
        before, words = get_request(self.place, row.run_id), change.words()
        request = redone(before, segment=change.segment, words=words)
        if gone := self.place.blobs.missing(sorted(request.blobs)):
            raise StoreError(f"{len(gone)} input files of run {row.run_id} are gone from the store; submit it again")
        root = row.revision_of or row.run_id
        new = partial(
            NewRun,
            plan_digest=plan_digest(plan_json(request.plan)),
            capability=row.capability,
            title=row.title,
            segments=row.segments,
            frames=row.frames,
            priority=row.priority,
            batch=row.batch,
            keep_going=row.keep_going,
            revision_of=root,
            revision=max([1, *(found.revision for found in self.place.runs.revisions(root))]) + 1,
        )
        made = self._fresh(new)
        trip = Trip(
            plan=request.plan,
            images=(),
            requested=request.requested,
            resolved=request.resolved,
            options=request.options,
        )
        record = new_record(trip, run_id=made.run_id, created=_iso(made.created))
        revision = {"number": made.revision, "of": row.run_id, "segment": change.segment, "changed": words}
        publish_request(replace(request, record={**record, "revision": revision}), place=self.place, run_id=made.run_id)
        return self._queued(made), again(before.plan, after=request.plan)

    def remove(self, run_id: str) -> str:
        """Forget a run that has ended, with its folders here and in the store; its id. Segments are left to `gc`.

        Raises `StoreError` for one that is still going on, and for one of which there is nothing.
        """
        row = self.place.runs.find(run_id) or (None if self._rests(run_id) else self.place.runs.get(run_id))
        name = row.run_id if row else run_id
        if row is not None and not self.place.runs.remove(name):
            raise StoreError(f"run {name} is {row.state.value}; cancel it first: wayframe cancel {name}")
        with translated(self.place.database):
            workflows = self._dbos.list_workflows(workflow_id_prefix=f"{name}~", load_input=False, load_output=False)
            self._dbos.delete_workflows([found.workflow_id for found in workflows])
        for item in list(self.place.objects.list(f"{RUNS}/{name}")):
            self.place.objects.delete(item.key)
        shutil.rmtree(self.place.home.runs / name, ignore_errors=True)
        self.place.home.runs.mkdir(exist_ok=True)  # where the home is the store, it went with its last run
        return name

    def prioritise(self, run_id: str, *, priority: int) -> RunRow:
        """Give an open run another priority (-100 to 100), and with it what waits of it."""
        row = self.place.runs.get(run_id)
        if not self.place.runs.prioritise(row.run_id, priority=_priority(priority)):
            raise StoreError(f"run {row.run_id} is {row.state.value}: it waits for nothing")
        name = run_workflow_id(row.run_id, attempt=row.attempt)
        move(self.place.database, workflow_id=name, priority=dbos_priority(priority, number=row.number))
        return self.place.runs.get(row.run_id)

    def pause(self, *, paused: bool = True) -> None:
        """Have all workers take no further work, or go on; what is in work is finished."""
        self.place.switches.put(PAUSED, value=ON if paused else OFF)

    def drain(self, worker_id: str, *, draining: bool = True) -> None:
        """Have one worker finish its work and take no more. Raises `StoreError` that names the workers there are."""
        if not self.place.workers.drain(worker_id, draining=draining):
            known = ", ".join(row.worker_id for row in self.place.workers.alive()) or "there is none"
            raise StoreError(f"no worker is named {worker_id}; alive: {known}")

    def _named(self, new: Callable[..., NewRun], run_id: str) -> RunRow:
        if not _ID.fullmatch(run_id) or run_id in _TAKEN:
            raise SpecError("--id", "expected letters, digits, - and _, at most 64", run_id)
        local = self.place.home.runs / run_id
        if self.place.runs.find(run_id) is None and (local / RECORD).exists():
            raise StoreError(f"run {run_id} is there already, in {local}; choose another --id")
        with submitting(self.place.database):
            row, _ = self.place.runs.add(new(run_id=run_id))
        return row

    def _fresh(self, new: Callable[..., NewRun]) -> RunRow:
        """A row under a new id: the time in UTC to the millisecond, or the first free one after it."""
        moment = datetime.now(UTC)
        stamp = int(moment.strftime("%Y%m%d%H%M%S")) * 1000 + moment.microsecond // 1000
        while True:
            run_id = f"{stamp:0{ID_DIGITS}d}"
            free = not (self.place.home.runs / run_id).exists() and self.place.runs.find(run_id) is None
            row = self._added(new(run_id=run_id)) if free else None
            if row is not None:
                return row
            stamp += 1

    def _added(self, new: NewRun) -> RunRow | None:
        """The row when it is new; None when another one was faster to take its id."""
        try:
            with submitting(self.place.database):
                row, is_new = self.place.runs.add(new)
        except StoreError:
            if self.place.runs.find(new.run_id) is None:
                raise
            return None
        return row if is_new else None

    def _is_published(self, row: RunRow) -> bool:
        """Whether the request of this very run is in the store; one that a removed run left there is taken away."""
        try:
            found = get_request(self.place, row.run_id)
        except StoreMissingError:
            return False
        if plan_digest(plan_json(found.plan)) == row.plan_digest:
            return True
        self.place.objects.delete(request_key(row.run_id))
        return False

    def _queued(self, row: RunRow) -> RunRow:
        if row.state in OPEN:
            with translated(self.place.database):
                enqueue_run(self._dbos, row)
        return row

    def _stop(self, row: RunRow) -> None:
        """Cancel an attempt's workflow and its batches."""
        with translated(self.place.database):
            self._dbos.cancel_workflow(run_workflow_id(row.run_id, attempt=row.attempt), cancel_children=True)

    def _anew(self, run_id: str, *, after: QueueState, other: str) -> RunRow:
        row = self.place.runs.get(run_id)
        if row.state in OPEN:
            return self._queued(row)  # perhaps the same command was killed half-way
        if row.state is not after:
            hint = f"; wayframe {other} {row.run_id}" if row.state is not QueueState.COMPLETED else ""
            raise StoreError(f"run {row.run_id} is {row.state.value}, not {after.value}{hint}")
        self._stop(row)
        self.place.runs.begin_anew(row.run_id, attempt=row.attempt)
        return self._queued(self.place.runs.get(row.run_id))

    def _rests(self, run_id: str) -> bool:
        """Whether a removal that was broken off left something in the store."""
        return bool(_ID.fullmatch(run_id)) and next(self.place.objects.list(f"{RUNS}/{run_id}"), None) is not None


def check_submittable(trip: Trip) -> None:
    """Raise `SpecError` for what can be planned and not be queued: files that are not here."""
    check_pictures(trip.remote)
    check_files(trip.plan.after, files=trip.after_files)


def title_of(trip: Trip) -> str:
    """What a run is called in lists: its first prompt, else its first and last picture."""
    prompt = next((segment.prompt for segment in trip.plan.segments if segment.prompt), "")
    names = list(dict.fromkeys(path.name for path in (trip.images[0], trip.images[-1]))) if trip.images else []
    title = " ".join(prompt.split()) or " to ".join(names)
    return title if len(title) <= TITLE else title[: TITLE - 1] + "…"


def _priority(number: int) -> int:
    if not -HIGHEST_PRIORITY <= number <= HIGHEST_PRIORITY:
        raise SpecError("--priority", f"expected {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}", number)
    return number


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")
