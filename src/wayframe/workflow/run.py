"""One run of a trip in this process: a plain loop over its plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from wayframe.core.events import (
    RunEvent,
    RunFinished,
    RunStarted,
    RunState,
    TaskKind,
    TaskState,
)
from wayframe.errors import CancelledError, WayframeError
from wayframe.files import redact_text
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.home import Home
from wayframe.store.runs import VIDEO, RunFolder
from wayframe.workflow.bench import Bench, check_engine, check_supplies
from wayframe.workflow.claim import Claim, claimed
from wayframe.workflow.final import check_files
from wayframe.workflow.finish import Finish
from wayframe.workflow.jobs import Keyframes
from wayframe.workflow.journal import Journal
from wayframe.workflow.out import Out
from wayframe.workflow.pictures import check_pictures
from wayframe.workflow.prompts import check_written
from wayframe.workflow.record import new_record, plan_digest, renewed_record
from wayframe.workflow.render import OnDifference, Renderer
from wayframe.workflow.scratch import remove_scratch, scratch_folder, sweep_scratch
from wayframe.workflow.tasks import Tasks
from wayframe.workflow.trip import Trip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run behaves: where a copy of the video goes, who listens, and what stops it.

    `on_difference` says what happens when the engine does something else than was planned. The model's weights are
    looked for in `library`, where that is another home than the one that the run is kept in.
    """

    out: Path | None = None
    force: bool = False
    listen: Callable[[RunEvent], None] = lambda _event: None
    cancelled: Callable[[], bool] = lambda: False
    on_difference: OnDifference = OnDifference.STOP
    library: Home | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A completed run: its folder, its record, and the video (the copy, where one was asked for)."""

    folder: RunFolder
    record: Mapping[str, Any]
    video: Path


def run_trip(trip: Trip, *, home: Home, options: RunOptions) -> RunResult:
    """Render what is missing, stitch, and close the record.

    A run of the same plan that was interrupted goes on under its own id. Raises the error that ended the run, after it
    was entered into the record; finished segments stay in the store.
    """
    check_pictures(trip.remote)
    check_files(trip.plan.after, files=trip.after_files)
    check_written(trip.prompts)
    planned = trip.planned()
    out = Out(path=options.out, plan=planned, force=options.force) if options.out else None
    if out is not None:
        out.check()
    store = ArtifactStore(home)
    store.sweep()
    sweep_scratch(home)
    library, digest = options.library or home, plan_digest(planned)
    denoises = check_engine(trip)
    if denoises:
        check_supplies(trip, home=library, store=store)
    with claimed(home, plan_digest=digest) as claim:
        folder, earlier = claim.folder, claim.earlier
        folder.clear_partial_files()
        record = _record(trip, claim)
        with Journal(folder, record=record, listen=options.listen) as journal:
            tasks = Tasks(journal=journal)
            bench = Bench(
                trip=trip,
                home=library,
                denoises=denoises,
                scratch=partial(scratch_folder, home, plan_digest=digest),
                emit=tasks.emit,
            )
            work = _Run(trip=trip, folder=folder, tasks=tasks, options=options, store=store, out=out, bench=bench)
            work.execute(continued=earlier is not None)
    remove_scratch(home, plan_digest=digest)
    return RunResult(folder=folder, record=record, video=options.out or _result(trip, folder))


def _result(trip: Trip, folder: RunFolder) -> Path:
    """The final file where one is asked for, else the video."""
    after = trip.plan.after
    return folder.final(after.suffix) if after else folder.video


def _record(trip: Trip, claim: Claim) -> dict[str, Any]:
    """The record that a run begins with, or goes on with."""
    if claim.earlier is not None:
        record = renewed_record(claim.earlier, trip=trip)
    else:
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = new_record(trip, run_id=claim.folder.run_id, created=created)
    record["attempts"] += 1
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    trip: Trip
    folder: RunFolder
    tasks: Tasks
    options: RunOptions
    store: ArtifactStore
    out: Out | None
    bench: Bench

    def execute(self, *, continued: bool) -> None:
        plan = self.trip.plan
        self.tasks.emit(
            RunStarted(
                run_id=self.folder.run_id,
                engine=plan.engine,
                segments=len(plan.segments),
                frames=plan.frames,
                continued=continued,
            )
        )
        self.tasks.change(TaskKind.ORCHESTRATOR, TaskState.RUNNING)
        try:
            outcome = self._work()
        except BaseException as error:
            self._ended(error)
            raise
        self.tasks.change(TaskKind.ORCHESTRATOR, TaskState.COMPLETE)
        self.tasks.emit(RunFinished(run_id=self.folder.run_id, state=RunState.COMPLETED, video=VIDEO, outcome=outcome))

    def _work(self) -> dict[str, Any]:
        begin = time.perf_counter()
        artifacts = self._render()
        rendered = time.perf_counter()
        outcome = Finish(
            trip=self.trip,
            folder=self.folder,
            tasks=self.tasks,
            cancelled=self.options.cancelled,
            store=self.store,
        ).video(artifacts)
        if self.out is not None:
            self.out.deliver(_result(self.trip, self.folder))
        return {**outcome, "seconds": {"render": round(rendered - begin, 3), **outcome["seconds"]}}

    def _render(self) -> dict[int, Artifact]:
        with closing(self.bench) as bench:
            return Renderer(
                plan=self.trip.plan,
                keyframes=Keyframes(self.trip.plan, self.trip.images),
                engine=bench.engine,
                store=self.store,
                tasks=self.tasks,
                cancelled=self.options.cancelled,
                on_difference=self.options.on_difference,
                clips=self.trip.clips,
                guides=self.trip.guides,
                depth=self.trip.depth,
            ).run()

    def _ended(self, error: BaseException) -> None:
        stopped = isinstance(error, CancelledError | KeyboardInterrupt)
        known = isinstance(error, WayframeError | OSError)
        text = None if stopped else redact_text(str(error) if known else f"{type(error).__name__}: {error}")
        self.tasks.fail_running(TaskState.CANCELLED if stopped else TaskState.FAILED, text)
        state = RunState.CANCELLED if stopped else RunState.FAILED
        self.tasks.emit(RunFinished(run_id=self.folder.run_id, state=state, error=text))
