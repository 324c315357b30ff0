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
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from dbos import DBOSClient
from filelock import FileLock, Timeout
from sqlalchemy import text

from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import RENDER_PREFIX, RUNS_QUEUE, hand_on, translated, unfinished
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import NewWorker, Owner, WorkerRow
from wayframe.workflow.queue.workers import BEAT_SECONDS, Claims, Workers

_SWEEP_LOCK = 7_310_044_002
"""One number for all who sweep a database (pg_try_advisory_xact_lock)."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ENDED_STATES, _START_FIELD = ("Z", "X"), 19
"""In /proc/PID/stat, counted from the state, which is behind the name."""


class Heart:
    """Claims a name, and beats in a thread until it is closed; `lost` is called when the name was given to another.

    What the process holds and works for is set by `tell`.
    """

    def __init__(
        self, workers: Workers, worker: NewWorker, *, lost: Callable[[], None], beat: float = BEAT_SECONDS
    ) -> None:
        self._workers, self._lost, self._beat = workers, lost, beat
        here = worker.host == host_name() and not worker.born
        self._worker = replace(worker, born=birth(worker.pid)) if here else worker
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

    def pardon(self) -> None:
        """Bury nobody for as long as a dead process is waited for: this machine slept, and perhaps all others did."""
        self._since = self._now()

    def _swept(self) -> list[WorkerRow]:
        buried = bury_gone(self._workers)
        if self._now() - self._since >= self._workers.dead_after:
            buried += self._workers.bury()
        Claims(self._database).free_orphans()
        self._hand_on()
        return buried

    def _hand_on(self) -> None:
        """Put the workflows of executors that nobody knows back into their queues; batches before their runs."""
        found = unfinished(self._database)  # first: whoever takes work after this has his name already
        known = {_executor(row) for row in self._workers.listed()}
        orphans = [
            (workflow, queue, executor)
            for workflow, queue, executor, _ in found
            if executor not in known and queue.startswith((RENDER_PREFIX, RUNS_QUEUE))
        ]
        for workflow, queue, executor in sorted(orphans, key=lambda orphan: orphan[1] == RUNS_QUEUE):
            with translated(self._database):
                hand_on(self._client, workflow_id=workflow, executor_id=executor, queue=queue)

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


def bury_gone(workers: Workers) -> list[WorkerRow]:
    """Bury processes of this very machine whose number is unused, or is another program's: no need to wait."""
    host, found = host_name(), []
    for row in workers.listed():
        if row.host == host and not _is_running(row):
            workers.forget(Owner(worker_id=row.worker_id, boot=row.boot), detail={"error": "it is gone"})
            found.append(row)
    return found


def executor_id(owner: Owner) -> str:
    """DBOS's name of a process: drawn anew at every start, so that no two living ones ever share it."""
    return f"{owner.worker_id}#{owner.boot}"


def _executor(row: WorkerRow) -> str:
    return executor_id(Owner(worker_id=row.worker_id, boot=row.boot))


def host_name() -> str:
    """The name of this machine, with the mark of its start and, on Linux, what its process numbers are counted in.

    Clones share names, and containers may share a name and a machine but not each other's processes.
    """
    spaces = Path("/proc/self/ns/pid")
    space = f"/{spaces.readlink()}" if spaces.is_symlink() else ""
    mark = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else f"{psutil.boot_time():.0f}"
    return f"{socket.gethostname()}/{mark}{space}"


def birth(pid: int) -> str:
    """When a process of this machine began, in a form that no clock set anew changes; empty when there is none.

    On Linux the ticks since the machine's start (`starttime` in proc_pid_stat(5)), elsewhere what psutil says. One that
    has ended and waits for its parent to notice is no process any more.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            return "" if fields[0] in _ENDED_STATES else fields[_START_FIELD]
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (OSError, psutil.Error):
        return ""


def _is_running(row: WorkerRow) -> bool:
    """Whether the process of a row lives on this machine: its number is in use, and by none that began later."""
    found = birth(row.pid)
    return bool(found) and row.born in ("", found)
