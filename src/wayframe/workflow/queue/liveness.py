"""Signs of life, and what is done with the work of those that give none.

DBOS's open-source version does not notice a dead executor: its work would wait for ever. So every process beats, and
one process at a time sweeps: it buries the dead, frees what they had claimed, and hands their workflows back to the
queues.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from dbos import DBOSClient
from filelock import FileLock, Timeout
from sqlalchemy import text

from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import unfinished
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import NewWorker, Owner, WorkerRow
from wayframe.workflow.queue.workers import BEAT_SECONDS, Claims, Workers

_SWEEP_LOCK = 7_310_044_002
"""One number for all who sweep a database (pg_try_advisory_xact_lock)."""


class Heart:
    """Claims a name, and beats in a thread until it is closed; `lost` is called when the name was given to another.

    What the process holds and works for is set by `tell`.
    """

    def __init__(
        self, workers: Workers, worker: NewWorker, *, lost: Callable[[], None], beat: float = BEAT_SECONDS
    ) -> None:
        self._workers, self._worker, self._lost, self._beat = workers, worker, lost, beat
        self.owner = Owner(worker_id=worker.worker_id, boot=worker.boot)
        self._holding: str | None = None
        self._run: str | None = None
        self._stop, self._soon = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=f"heart of {worker.worker_id}", daemon=True)

    def __enter__(self) -> Self:
        self._workers.claim(self._worker)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._soon.set()
        self._thread.join()
        with suppress(StoreError):
            self._workers.leave(self.owner)

    def tell(self, *, holding: str | None, run_id: str | None) -> None:
        """Change what others see of this process, with the next beat, which is now."""
        self._holding, self._run = holding, run_id
        self._soon.set()

    def _go_on(self) -> None:
        while not self._stop.is_set():
            self._soon.wait(self._beat)
            self._soon.clear()
            with suppress(StoreError):  # the database is away: it is asked again at the next beat
                if not self._workers.beat(self.owner, holding=self._holding, run_id=self._run):
                    self._lost()
                    return


class Sweeper:
    """Buries the dead of a database. Any number of processes may sweep; one does at a time.

    After the database was away, and at its own start, it waits as long as a dead process is waited for: nobody could
    give a sign of life meanwhile.
    """

    def __init__(
        self, database: Database, *, workers: Workers, client: DBOSClient, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._workers, self._client, self._now = database, workers, client, now
        self._since = now()

    def sweep(self) -> list[WorkerRow]:
        """Bury who is dead, and hand on its work; gives back whom. Nothing when another process sweeps now."""
        try:
            with self._alone() as mine:
                return self._swept() if mine else []
        except StoreError:
            self._since = self._now()
            return []

    def _swept(self) -> list[WorkerRow]:
        buried = self._gone_from_here()
        if self._now() - self._since >= self._workers.dead_after:
            buried += self._workers.bury()
        Claims(self._database).free_orphans()
        self._hand_on()
        return buried

    def _gone_from_here(self) -> list[WorkerRow]:
        """Processes of this very machine whose number is no longer in use, or is another program's: no need to wait."""
        host, found = host_name(), []
        for row in self._workers.listed():
            if row.host == host and not _is_running(row):
                self._workers.forget(Owner(worker_id=row.worker_id, boot=row.boot), detail={"error": "it is gone"})
                found.append(row)
        return found

    def _hand_on(self) -> None:
        """Put the workflows of executors that nobody knows back into their queues."""
        known = {_executor(row) for row in self._workers.listed()}
        orphans = [
            (workflow, queue) for workflow, queue, executor, _ in unfinished(self._database) if executor not in known
        ]
        for workflow, queue in orphans:
            self._client.resume_workflow(workflow, queue_name=queue)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        if self._database.file is not None:
            lock = FileLock(self._database.file.with_name(self._database.file.name + ".sweep"), timeout=0)
            try:
                with lock:
                    yield True
            except Timeout:
                yield False
            return
        with self._database.transaction() as connection:
            query = text("select pg_try_advisory_xact_lock(:number)")
            yield bool(connection.execute(query, {"number": _SWEEP_LOCK}).scalar())


def executor_id(owner: Owner) -> str:
    """DBOS's name of a process: drawn anew at every start, so that no two living ones ever share it."""
    return f"{owner.worker_id}#{owner.boot}"


def _executor(row: WorkerRow) -> str:
    return executor_id(Owner(worker_id=row.worker_id, boot=row.boot))


def host_name() -> str:
    """The name of this machine, with the time of its start and, on Linux, what its process numbers are counted in.

    Clones share names, and containers may share a name and a machine but not each other's processes.
    """
    spaces = Path("/proc/self/ns/pid")
    space = f"/{spaces.readlink()}" if spaces.is_symlink() else ""
    return f"{socket.gethostname()}/{psutil.boot_time():.0f}{space}"


def _is_running(row: WorkerRow) -> bool:
    """Whether the process of a row lives on this machine: its number is in use since before the row was written."""
    try:
        process = psutil.Process(row.pid)
        return bool(process.create_time() * 1000 <= row.started + 5000 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
