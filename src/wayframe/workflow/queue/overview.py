"""What the queue looks like: what runs where, what waits and why, and who works."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text

from wayframe.core.wording import counted
from wayframe.workflow.queue.adapter import depths, render_queue
from wayframe.workflow.queue.flows import serves
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import OPEN, QueueState, RunRow, WorkerKind, WorkerRow
from wayframe.workflow.queue.switches import ON, PAUSED

_DONE = ("SegmentPublished", "SegmentReused")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """An open run: how many of its segments are `done`, who renders it now, and why it `waits` when nobody does.

    `seconds` is how long it has been going on, or has been waiting.
    """

    run_id: str
    number: int
    title: str
    capability: str
    state: str
    priority: int
    attempt: int
    revision: int
    segments: int
    done: int
    frames: int
    seconds: float
    workers: tuple[str, ...]
    waits: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """A living process; `state` is working, idle, paused or draining, `seen` the seconds since its last sign of life.

    `capabilities` is empty for one that renders whatever there is.
    """

    worker_id: str
    kind: str
    host: str
    gpu: str
    state: str
    holding: str | None
    run_id: str | None
    capabilities: tuple[str, ...]
    seen: float
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityLine:
    """What is asked of one kind of worker: open runs, batches that wait, and for how many seconds the oldest did."""

    capability: str
    queued: int
    running: int
    batches: int
    oldest: float
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The queue at one moment; `runs` in the order in which they are taken up, running ones first."""

    paused: bool
    capabilities: tuple[CapabilityLine, ...]
    runs: tuple[RunLine, ...]
    left_out: int
    workers: tuple[WorkerLine, ...]
    ended: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is looked at before anything is said: the open runs, first come first, and the living processes."""

    place: Place
    runs: Sequence[RunRow]
    alive: Sequence[WorkerRow]
    paused: bool

    @staticmethod
    def of(place: Place) -> Scene:
        """The scene now."""
        return Scene(
            place=place,
            runs=sorted(place.runs.open_runs(), key=lambda row: (-row.priority, row.number)),
            alive=place.workers.alive(),
            paused=place.switches.get(PAUSED) == ON,
        )

    def workers(self, capability: str) -> list[WorkerRow]:
        """Who can render what needs a capability."""
        return [row for row in self.alive if row.kind is WorkerKind.WORKER and serves(row, capability)]

    def busy_with(self, run_id: str) -> tuple[str, ...]:
        """Who renders a run at this moment."""
        busy = [row for row in self.alive if row.run_id == run_id]
        workers = [row for row in busy if row.kind is WorkerKind.WORKER]
        return tuple(row.worker_id for row in workers or busy)

    def waits(self, row: RunRow) -> str | None:
        """Why nobody renders an open run; None when somebody does, and when it is being prepared or finished."""
        if self.busy_with(row.run_id):
            return None
        if not any(worker.kind is WorkerKind.ORCHESTRATOR for worker in self.alive) and row.state is QueueState.QUEUED:
            return "nobody begins runs: start `wayframe up` or `wayframe orchestrator`"
        offering = self.workers(row.capability)
        if not offering:
            return f"no worker renders {row.capability}: start `wayframe up` or `wayframe worker`"
        if self.paused:
            return "the queue is paused: `wayframe queue --unpause` goes on"
        if all(worker.draining for worker in offering):
            return f"every worker that renders {row.capability} is draining"
        return self._turn(row, offering=offering)

    def _turn(self, row: RunRow, *, offering: Sequence[WorkerRow]) -> str | None:
        before = 0
        for other in self.runs:
            if other.run_id == row.run_id:
                break
            before += other.capability == row.capability
        if before:
            return f"behind {counted(before, 'run')}"
        busy = {worker.run_id for worker in self.alive if worker.run_id}
        if busy and len([worker for worker in offering if worker.run_id]) == len(offering):
            return f"the {counted(len(offering), 'worker')} for {row.capability} are busy"
        return None if row.state is QueueState.RUNNING else "it is next"


def overview(place: Place, *, limit: int = 100) -> Overview:
    """What the queue of a place looks like now; of its open runs at most `limit` are told singly."""
    scene = Scene.of(place)
    now = _now(place)
    shown = sorted(scene.runs, key=lambda row: row.state is not QueueState.RUNNING)[:limit]
    open_states = {state.value for state in OPEN}
    ended: dict[str, int] = {}
    for (_, state), count in place.runs.counts().items():
        if state not in open_states:
            ended[state] = ended.get(state, 0) + count
    return Overview(
        paused=scene.paused,
        capabilities=tuple(_capabilities(scene)),
        runs=tuple(_run(row, scene=scene, now=now) for row in shown),
        left_out=len(scene.runs) - len(shown),
        workers=tuple(_worker(row, paused=scene.paused) for row in scene.alive),
        ended=ended,
    )


def segments_done(place: Place, run_id: str) -> int:
    """How many segments of a run are published, as far as its events tell."""
    query = "select body from wf_events where run_id = :run and (body like :published or body like :reused)"
    published, reused = (f'{{"event": "{name}"%' for name in _DONE)
    with place.database.reading() as connection:
        rows = connection.execute(text(query), {"run": run_id, "published": published, "reused": reused})
        return len({json.loads(body)["segment"] for (body,) in rows})


def _now(place: Place) -> int:
    with place.database.reading() as connection:
        return int(connection.execute(text(f"select {place.database.now}")).scalar() or 0)


def _capabilities(scene: Scene) -> list[CapabilityLine]:
    found = depths(scene.place.database)
    lines = []
    for name in sorted({row.capability for row in scene.runs}):
        mine = [row for row in scene.runs if row.capability == name]
        depth = found.get(render_queue(name))
        running = sum(row.state is QueueState.RUNNING for row in mine)
        line = CapabilityLine(
            capability=name,
            queued=len(mine) - running,
            running=running,
            batches=depth.waiting if depth else 0,
            oldest=round(depth.age, 1) if depth else 0.0,
            workers=len(scene.workers(name)),
        )
        lines.append(line)
    return lines


def _run(row: RunRow, *, scene: Scene, now: int) -> RunLine:
    began = row.started if row.state is QueueState.RUNNING and row.started else row.created
    return RunLine(
        run_id=row.run_id,
        number=row.number,
        title=row.title,
        capability=row.capability,
        state=row.state.value,
        priority=row.priority,
        attempt=row.attempt,
        revision=row.revision,
        segments=row.segments,
        done=segments_done(scene.place, row.run_id) if row.started else 0,
        frames=row.frames,
        seconds=round(max(now - began, 0) / 1000, 1),
        workers=scene.busy_with(row.run_id),
        waits=scene.waits(row),
    )


def _worker(row: WorkerRow, *, paused: bool) -> WorkerLine:
    idle = "paused" if paused and row.kind is WorkerKind.WORKER else "idle"
    state = "draining" if row.draining else "working" if row.run_id else idle
    return WorkerLine(
        worker_id=row.worker_id,
        kind=row.kind.value,
        host=row.host.partition("/")[0],
        gpu=row.gpu,
        state=state,
        holding=row.holding,
        run_id=row.run_id,
        capabilities=row.capabilities,
        seen=round(max(row.age, 0.0), 1),
        version=row.version,
    )
