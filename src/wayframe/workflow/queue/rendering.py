"""A batch of segments, rendered by a worker: each is claimed, rendered, published and counted singly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from wayframe.core.events import RunEvent, SegmentPublished
from wayframe.errors import CancelledError, EngineError, SpecError, StoreError, WayframeError
from wayframe.files import redact_text
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.workflow.bench import Bench, check_engine
from wayframe.workflow.jobs import Keyframes
from wayframe.workflow.lora_files import Fetch, fetch_loras
from wayframe.workflow.queue.attempts import POISON, Try
from wayframe.workflow.queue.patience import passes
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.request import Request
from wayframe.workflow.queue.rows import AttemptRow, Outcome, Owner
from wayframe.workflow.queue.sink import EventSink
from wayframe.workflow.queue.watch import Watch
from wayframe.workflow.record import plan_digest
from wayframe.workflow.render import Renderer
from wayframe.workflow.scratch import scratch_folder
from wayframe.workflow.tasks import Tasks
from wayframe.workflow.trip import Trip

CLAIM_PAUSE = 0.5
"""Seconds between two looks at a segment that another worker renders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Segments of one attempt of a run that are rendered together."""

    run_id: str
    attempt: int
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The events of a run as a worker sees them: they go into the database, and the record stays as it began."""

    record: dict[str, Any]
    sink: EventSink
    heard: Callable[[RunEvent], None]

    def emit(self, event: RunEvent) -> None:
        """Hand an event on."""
        self.sink.emit(event)
        self.heard(event)


class GuardedStore(ArtifactStore):
    """The artifact store of a worker: before it publishes, it makes sure that the work is still its own."""

    watch: Watch

    @staticmethod
    def of(place: Place, *, owner: Owner, watch: Watch) -> GuardedStore:
        """The store of a place, and who watches over the work."""
        remote = place.objects if place.shared else None
        store = GuardedStore(place.home, remote=remote, worker=owner.worker_id)
        store.watch = watch
        return store

    def find(self, key: str) -> Artifact | None:
        """As `ArtifactStore` does, but waits for a store that is away."""
        return self.watch.patiently(partial(super().find, key))

    def publish(self, video: Path, *, key: str, facts: Mapping[str, Any]) -> Artifact:
        """Publish as `ArtifactStore` does, but wait for a store that is away: the segment is here already.

        Raises `LostError` or `CancelledError` when the work is no longer ours.
        """
        self.watch.confirm()
        try:
            return super().publish(video, key=key, facts=facts)
        except StoreError as error:
            found = self.find(key) if passes(error) else None
            if found is None:
                raise
            return found


@dataclass(slots=True, kw_only=True)
class BatchWork:
    """Renders a batch. `watch` tells whether the work is still ours, `owner` is this worker.

    With `keep_going` a segment that fails does not stop the others of the batch, unless they are chained to it.
    `gives_way` is asked between two chained segments: whether the rest is to be left, since this worker should stop or
    what waits comes first.
    """

    place: Place
    request: Request
    batch: Batch
    owner: Owner
    watch: Watch
    sink: EventSink
    heard: Callable[[RunEvent], None] = lambda _event: None
    keep_going: bool = False
    gives_way: Callable[[], bool] = lambda: False

    def run(self) -> list[int]:
        """Make the segments of the batch that are not published yet; gives those that were left, the last ones.

        Segments that another worker renders at this moment are waited for at the end, and so are those chained to them.
        Chained segments are made in turn, all by one engine. After a crash the segments that were in work are rendered
        alone, so that the one that kills its worker is told from those beside it. Raises the error that ended the work,
        `EngineError` for a segment that killed `POISON` workers.
        """
        self.watch.patiently(lambda: self.place.claims.free_all(owner=self.owner))
        self.watch.patiently(self._check_poison)
        trip = self.watch.patiently(lambda: self.request.trip(self.place, segments=self.batch.segments))
        denoises = check_engine(trip)
        tasks = Tasks(journal=Log(record=dict(self.request.record), sink=self.sink, heard=self._heard))
        if denoises:
            fetch = Fetch(listen=tasks.emit, cancelled=self.watch.ended)
            fetch_loras(trip.plan, trip.loras, home=self.place.home, fetch=fetch)
        bench = Bench(
            trip=trip,
            home=self.place.home,
            denoises=denoises,
            scratch=partial(scratch_folder, self.place.home, plan_digest=plan_digest(trip.planned())),
            emit=tasks.emit,
        )
        try:
            with self._located():
                return self._render(trip, tasks=tasks, bench=bench)
        finally:
            bench.close()
            self.watch.patiently(lambda: self.place.claims.free_all(owner=self.owner))
            self.sink.flush(given_up=self.watch.ended)

    @property
    def _chained(self) -> bool:
        return self.request.plan.chaining == "chained"

    def _render(self, trip: Trip, *, tasks: Tasks, bench: Bench) -> list[int]:
        store = GuardedStore.of(self.place, owner=self.owner, watch=self.watch)
        renderer = Renderer(
            plan=trip.plan,
            keyframes=Keyframes(trip.plan, trip.images),
            engine=bench.engine,
            store=store,
            tasks=tasks,
            cancelled=self.watch.ended,
            on_difference=self.request.on_difference,
            clips=trip.clips,
            guides=trip.guides,
            depth=trip.depth,
        )
        left, failures = list(self.batch.segments), list[Exception]()
        while left and not self._leaves(left):
            self.watch.check()
            found, groups, others = self._claim(left, store=store)
            renderer.make(found)
            if others and not groups and not found:
                time.sleep(CLAIM_PAUSE)
            left = [*chain(*groups), *others]
            for group in groups:
                if self._leaves(left):
                    break
                failures += self._made(group, renderer=renderer, bench=bench)
                left = [number for number in left if number not in group]
        if failures:
            raise failures[0]
        return left

    @contextmanager
    def _located(self) -> Iterator[None]:
        """Where something lacks, such as a depth model, have the error say which worker lacks it."""
        try:
            yield
        except SpecError as error:
            problem = f"{error.problem} (on {self.owner.worker_id})"
            raise SpecError(error.field, problem, error.value, fix=error.fix) from error

    def _leaves(self, left: Sequence[int]) -> bool:
        """Whether what is left of a chained batch is left to a later one; some of it was made here at least."""
        return self._chained and 0 < len(left) < len(self.batch.segments) and self.gives_way()

    def _made(self, group: Sequence[int], *, renderer: Renderer, bench: Bench) -> list[Exception]:
        """Render some segments together; the errors of those that failed, when the others are to be made.

        After an error the others are rendered one by one, with an engine that is made anew.
        """
        try:
            with self._counted(group):
                renderer.make(group)
        except Exception as error:
            if not self.keep_going or self._chained or isinstance(error, CancelledError) or passes(error):
                raise
            bench.close()
            if len(group) == 1:
                return [error]
            left = [number for number in group if renderer.store.find(self.request.plan.segments[number].key) is None]
            return [failure for number in left for failure in self._made([number], renderer=renderer, bench=bench)]
        return []

    def _claim(self, numbers: Sequence[int], *, store: ArtifactStore) -> tuple[list[int], list[list[int]], list[int]]:
        """Those that are published, those that are to be made here, in groups, and those that another worker is making.

        What one looks for before its claim may be published before the claim is given, so it is looked for again. What
        is chained to a segment that another worker is making is left with it.
        """
        found: list[int] = []
        mine: list[int] = []
        others: list[int] = []
        for number in numbers:
            key = self.request.plan.segments[number].key
            if store.find(key) is not None:
                found.append(number)
            elif (others and self._chained) or not self._take(key):
                others.append(number)
            else:
                (mine if store.find(key) is None else found).append(number)
        return found, self._groups(mine), others

    def _take(self, key: str) -> bool:
        return self.watch.patiently(
            lambda: self.place.claims.take(key, run_id=self.batch.run_id, owner=self.owner),
        )

    def _groups(self, numbers: Sequence[int]) -> list[list[int]]:
        """What is rendered together: all at once, and then each suspect alone, the least suspicious first; of chained
        ones each by itself, in their order."""
        if self._chained:
            return [[number] for number in numbers]
        batch = self.batch
        suspects = self.watch.patiently(lambda: self.place.attempts.crashes(batch.run_id, attempt=batch.attempt))
        alone = [
            [number] for number in sorted(numbers, key=lambda one: len(suspects.get(one, []))) if number in suspects
        ]
        rest = [number for number in numbers if number not in suspects]
        return [*([rest] if rest else []), *alone]

    @contextmanager
    def _counted(self, numbers: Sequence[int]) -> Iterator[None]:
        """Write the tries at some segments down: when they begin, and how they end."""
        plan, batch = self.request.plan, self.batch
        tries = [
            Try(run_id=batch.run_id, attempt=batch.attempt, segment=number, key=plan.segments[number].key)
            for number in numbers
        ]
        attempts, watch = self.place.attempts, self.watch
        watch.patiently(lambda: attempts.begin(tries, owner=self.owner))
        try:
            yield
        except BaseException as error:
            outcome, detail = self._outcome(error), _detail(error)
            watch.patiently(lambda: attempts.end(owner=self.owner, outcome=outcome, detail=detail))
            raise
        watch.patiently(lambda: attempts.end(owner=self.owner, outcome=Outcome.PUBLISHED))

    def _outcome(self, error: BaseException) -> Outcome:
        if self.watch.ending is not None:
            return Outcome(self.watch.ending.value)
        return Outcome.CANCELLED if isinstance(error, CancelledError) else Outcome.FAILED

    def _heard(self, event: RunEvent) -> None:
        if isinstance(event, SegmentPublished):
            key = event.key
            self.watch.patiently(lambda: self.place.attempts.end(owner=self.owner, outcome=Outcome.PUBLISHED, key=key))
        self.heard(event)

    def _check_poison(self) -> None:
        for number, rows in self.place.attempts.crashes(self.batch.run_id, attempt=self.batch.attempt).items():
            if number in self.batch.segments and len(rows) >= POISON:
                raise EngineError(_poisoned(number, rows))


def _poisoned(number: int, rows: Sequence[AttemptRow]) -> str:
    """What is known of a segment that killed its workers."""
    last = rows[-1].detail
    known = "; ".join(f"{name} {value}" for name, value in last.items() if value)
    where = ", ".join(dict.fromkeys(row.worker_id for row in rows))
    return f"segment {number} killed {len(rows)} workers ({where}): {known or 'nothing is known of the last one'}"


def _detail(error: BaseException) -> dict[str, str]:
    known = isinstance(error, WayframeError | OSError)
    return {"error": redact_text(str(error) if known else f"{type(error).__name__}: {error}")}
