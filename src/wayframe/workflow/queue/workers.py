"""The table of processes that do work: who is alive, what it holds, and what was claimed by whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from wayframe.errors import StoreError
from wayframe.files import redact
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import NewWorker, Outcome, Owner, WorkerKind, WorkerRow

BEAT_SECONDS, DEAD_SECONDS = 5.0, 30.0
"""With a sweep every beat, work of a dead process is handed on within 45 seconds."""


class Workers:
    """Processes by their names. A name belongs to one living process at a time."""

    def __init__(self, database: Database, *, dead_after: float = DEAD_SECONDS) -> None:
        self._database, self.dead_after = database, dead_after

    def claim(self, worker: NewWorker) -> None:
        """Take a name. Raises `StoreError` while another process that is alive has it.

        What a dead process of this name had in work is freed, and closed as crashed: nobody else would find it.
        """
        with self._database.transaction() as connection:
            taken = connection.execute(
                text(
                    "insert into wf_workers (worker_id, boot, kind, host, pid, born, gpu, capabilities, version, "
                    "started, seen, draining) values (:worker_id, :boot, :kind, :host, :pid, :born, :gpu, "
                    f":capabilities, :version, {self._database.now}, {self._database.now}, 0) "
                    "on conflict (worker_id) do update set boot = excluded.boot, kind = excluded.kind, "
                    "host = excluded.host, pid = excluded.pid, born = excluded.born, "
                    "gpu = excluded.gpu, capabilities = excluded.capabilities, version = excluded.version, "
                    "started = excluded.started, seen = excluded.seen, draining = 0, holding = null, run_id = null "
                    f"where wf_workers.boot = excluded.boot or wf_workers.seen < {self._database.now} - :dead"
                ),
                {
                    "worker_id": worker.worker_id,
                    "boot": worker.boot,
                    "kind": worker.kind.value,
                    "host": worker.host,
                    "pid": worker.pid,
                    "born": worker.born,
                    "gpu": worker.gpu,
                    "capabilities": json.dumps(worker.capabilities),
                    "version": worker.version,
                    "dead": round(self.dead_after * 1000),
                },
            ).rowcount
            if taken:
                self._close_earlier(connection, worker)
        if not taken:
            raise StoreError(f"a worker named {worker.worker_id} is alive already; choose another --name")

    def beat(self, owner: Owner, *, holding: str | None = None, run_id: str | None = None) -> bool:
        """Say that a process lives, what model it holds and which run it works for.

        False when the name is no longer its own: then it was taken for dead, and must stop.
        """
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    text(
                        f"update wf_workers set seen = {self._database.now}, holding = :holding, run_id = :run "
                        "where worker_id = :worker and boot = :boot"
                    ),
                    {"worker": owner.worker_id, "boot": owner.boot, "holding": holding, "run": run_id},
                ).rowcount
            )

    def leave(self, owner: Owner) -> None:
        """Give the name back: the process ends in good order. What it left open is closed and freed."""
        self.forget(owner, detail={"error": "the process ended before it said how this went"})

    def drain(self, worker_id: str, *, draining: bool = True) -> bool:
        """Ask a worker to finish its work and take no more (or take that back); False when it is unknown."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    text("update wf_workers set draining = :draining where worker_id = :worker"),
                    {"draining": int(draining), "worker": worker_id},
                ).rowcount
            )

    def is_draining(self, owner: Owner) -> bool:
        """Whether a worker was asked to take no more work."""
        with self._database.reading() as connection:
            found = connection.execute(
                text("select draining from wf_workers where worker_id = :worker and boot = :boot"),
                {"worker": owner.worker_id, "boot": owner.boot},
            ).scalar()
        return bool(found)

    def listed(self) -> list[WorkerRow]:
        """All processes that the database knows, by name, dead ones too."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text(f"select *, ({self._database.now} - seen) / 1000.0 as age from wf_workers order by worker_id")
            )
            return [_worker(row) for row in rows.mappings()]

    def alive(self, *, kind: WorkerKind | None = None) -> list[WorkerRow]:
        """The processes that gave a sign of life lately."""
        return [row for row in self.listed() if row.age < self.dead_after and kind in (None, row.kind)]

    def bury(self) -> list[WorkerRow]:
        """Forget the dead: free what they had claimed, and close their attempts as crashed.

        Gives them back, so that their work can be handed on. Call it in one process at a time.
        """
        buried = []
        for row in self.listed():
            if row.age >= self.dead_after and self._bury(row):
                buried.append(row)
        return buried

    def forget(self, owner: Owner, *, detail: dict[str, Any] | None = None) -> None:
        """Bury one process at once: whoever started it saw it end.

        `detail` is entered into the attempts that its end cut short, those too that a sweep closed a moment before:
        whoever started a process knows more of its end. Secrets in it are not kept.
        """
        with self._database.transaction() as connection:
            self._close(connection, owner, detail=detail or {})
            if detail:
                self._explain(connection, owner, detail=detail)
            values = {"worker": owner.worker_id, "boot": owner.boot}
            connection.execute(text("delete from wf_workers where worker_id = :worker and boot = :boot"), values)

    def _bury(self, row: WorkerRow) -> bool:
        owner = Owner(worker_id=row.worker_id, boot=row.boot)
        with self._database.transaction() as connection:
            gone = connection.execute(
                text(
                    "delete from wf_workers where worker_id = :worker and boot = :boot "
                    f"and seen < {self._database.now} - :dead"
                ),
                {"worker": row.worker_id, "boot": row.boot, "dead": round(self.dead_after * 1000)},
            ).rowcount
            if gone:
                self._close(connection, owner, detail={"error": f"no sign of life for {row.age:.0f} s"})
        return bool(gone)

    def _close(self, connection: Connection, owner: Owner, *, detail: dict[str, Any]) -> None:
        values = {"worker": owner.worker_id, "boot": owner.boot}
        connection.execute(text("delete from wf_claims where worker_id = :worker and boot = :boot"), values)
        connection.execute(
            text(
                f"update wf_attempts set ended = {self._database.now}, outcome = :outcome, detail = :detail "
                "where worker_id = :worker and boot = :boot and outcome is null"
            ),
            {**values, "outcome": Outcome.CRASHED.value, "detail": json.dumps(redact(detail))},
        )

    def _explain(self, connection: Connection, owner: Owner, *, detail: dict[str, Any]) -> None:
        connection.execute(
            text(
                "update wf_attempts set detail = :detail "
                "where worker_id = :worker and boot = :boot and outcome = :outcome"
            ),
            {
                "worker": owner.worker_id,
                "boot": owner.boot,
                "outcome": Outcome.CRASHED.value,
                "detail": json.dumps(redact(detail)),
            },
        )

    def _close_earlier(self, connection: Connection, worker: NewWorker) -> None:
        """Close what earlier processes of a name left open."""
        rows = connection.execute(
            text(
                "select boot from wf_attempts where worker_id = :worker and boot <> :boot and outcome is null "
                "union select boot from wf_claims where worker_id = :worker and boot <> :boot"
            ),
            {"worker": worker.worker_id, "boot": worker.boot},
        )
        for (boot,) in rows.all():
            owner = Owner(worker_id=worker.worker_id, boot=boot)
            self._close(connection, owner, detail={"error": "the process ended without a word"})


class Claims:
    """Who renders a segment's content key at this moment: of two runs that share it, one makes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, key: str, *, run_id: str, owner: Owner) -> bool:
        """Claim a key; False while another process has it."""
        values = {"key": key, "run": run_id, "worker": owner.worker_id, "boot": owner.boot}
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    "insert into wf_claims (key, run_id, worker_id, boot, since) "
                    f"values (:key, :run, :worker, :boot, {self._database.now}) on conflict (key) do nothing"
                ),
                values,
            )
            holder = connection.execute(text("select worker_id, boot from wf_claims where key = :key"), values).first()
        return holder is not None and (holder[0], holder[1]) == (owner.worker_id, owner.boot)

    def free(self, keys: Sequence[str], *, owner: Owner) -> None:
        """Give keys back."""
        with self._database.transaction() as connection:
            for key in keys:
                connection.execute(
                    text("delete from wf_claims where key = :key and worker_id = :worker and boot = :boot"),
                    {"key": key, "worker": owner.worker_id, "boot": owner.boot},
                )

    def free_all(self, *, owner: Owner) -> None:
        """Give back everything that a process has claimed."""
        with self._database.transaction() as connection:
            connection.execute(
                text("delete from wf_claims where worker_id = :worker and boot = :boot"),
                {"worker": owner.worker_id, "boot": owner.boot},
            )

    def free_orphans(self) -> int:
        """Free what belongs to processes that are no longer known; returns how many keys."""
        with self._database.transaction() as connection:
            return connection.execute(
                text(
                    "delete from wf_claims where not exists (select 1 from wf_workers where "
                    "wf_workers.worker_id = wf_claims.worker_id and wf_workers.boot = wf_claims.boot)"
                )
            ).rowcount


def _worker(row: RowMapping) -> WorkerRow:
    return WorkerRow(
        worker_id=row["worker_id"],
        boot=row["boot"],
        kind=WorkerKind(row["kind"]),
        host=row["host"],
        pid=row["pid"],
        born=row["born"],
        gpu=row["gpu"],
        capabilities=tuple(json.loads(row["capabilities"])),
        holding=row["holding"],
        run_id=row["run_id"],
        version=row["version"],
        started=row["started"],
        age=float(row["age"]),
        draining=bool(row["draining"]),
    )
