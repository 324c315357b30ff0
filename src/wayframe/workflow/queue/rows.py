"""Rows of our tables as data. Times are milliseconds since 1970 by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class QueueState(StrEnum):
    """Where a submitted run is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (QueueState.QUEUED, QueueState.RUNNING)
"""States in which work is still to be done."""


class Outcome(StrEnum):
    """How an attempt at a segment ended."""

    PUBLISHED = "published"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    CRASHED = "crashed"


class WorkerKind(StrEnum):
    """What a process does: a worker looks after one GPU, and has a renderer do the work of one model at a time."""

    WORKER = "worker"
    RENDERER = "renderer"
    ORCHESTRATOR = "orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What is written down when a run is submitted. `revision_of` is the run that this one is a redo of."""

    run_id: str
    plan_digest: str
    capability: str
    title: str
    segments: int
    frames: int
    priority: int = 0
    batch: int = 0
    keep_going: bool = False
    revision_of: str | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A submitted run; `number` counts all runs of a database, `attempt` how often it was begun anew."""

    number: int
    run_id: str
    plan_digest: str
    capability: str
    title: str
    segments: int
    frames: int
    priority: int
    state: QueueState
    attempt: int
    batch: int
    keep_going: bool
    revision_of: str | None
    revision: int
    error: str | None
    created: int
    started: int | None
    finished: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorker:
    """What a process says of itself when it claims its name; `boot` is drawn anew at every start.

    `born` tells it from a later process of its number on its `host` (see `liveness.birth`); empty when not known.
    """

    worker_id: str
    boot: str
    kind: WorkerKind
    host: str
    pid: int
    gpu: str
    capabilities: tuple[str, ...]
    version: str
    born: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A process as the database last heard of it; `age` is how long ago that was, in seconds."""

    worker_id: str
    boot: str
    kind: WorkerKind
    host: str
    pid: int
    born: str
    gpu: str
    capabilities: tuple[str, ...]
    holding: str | None
    run_id: str | None
    version: str
    started: int
    age: float
    draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that does work: its name and its start."""

    worker_id: str
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try at one segment; `alone`: no other segment was in work beside it. `detail` tells what went wrong."""

    number: int
    run_id: str
    attempt: int
    segment: int
    key: str
    worker_id: str
    alone: bool
    started: int
    ended: int | None
    outcome: Outcome | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event of a run as it was written down; `seq` grows over all runs of a database."""

    seq: int
    run_id: str
    time: int
    body: Mapping[str, object]
