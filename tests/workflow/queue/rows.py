"""Rows for tests: runs, workers and their owners."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text

from wayframe.errors import WayframeError
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.liveness import host_name
from wayframe.workflow.queue.rows import NewRun, NewWorker, Owner, WorkerKind

PATIENCE, TICK = 30.0, 0.01


def new_run(run_id: str = "trip-1", **changed: object) -> NewRun:
    """A run of three segments."""
    values: dict[str, Any] = {
        "plan_digest": "p" * 64,
        "capability": "preview",
        "title": "Trip",
        "segments": 3,
        "frames": 145,
    }
    return NewRun(run_id=run_id, **{**values, **changed})


def new_worker(worker_id: str = "gpu-0", *, boot: str = "boot-1", **changed: object) -> NewWorker:
    """A worker that is this process, on another machine unless `host` says otherwise."""
    values: dict[str, Any] = {
        "kind": WorkerKind.WORKER,
        "host": "elsewhere",
        "pid": os.getpid(),
        "gpu": "cpu",
        "capabilities": ("preview", "wan:tiny"),
        "version": "1.0",
    }
    return NewWorker(worker_id=worker_id, boot=boot, **{**values, **changed})


def here() -> str:
    """The name of this machine."""
    return host_name()


def owner(worker: NewWorker) -> Owner:
    """A worker as an owner of work."""
    return Owner(worker_id=worker.worker_id, boot=worker.boot)


def silent_since(database: Database, worker_id: str, *, seconds: float) -> None:
    """Have a worker's last sign of life so long ago."""
    with database.transaction() as connection:
        connection.execute(
            text("update wf_workers set seen = seen - :ms where worker_id = :worker"),
            {"ms": round(seconds * 1000), "worker": worker_id},
        )


def until(condition: Callable[[], bool]) -> None:
    """Wait until something real has happened."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(TICK)


def at_once(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do several things in threads that begin together, and give what each returned or raised."""
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)

    def act(index: int) -> None:
        barrier.wait()
        try:
            results[index] = actions[index]()
        except WayframeError as error:
            results[index] = error

    threads = [threading.Thread(target=act, args=(index,)) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
