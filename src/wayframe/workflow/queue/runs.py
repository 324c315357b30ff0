"""The table of submitted runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, text

from wayframe.errors import StoreError
from wayframe.files import redact_text
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import OPEN, NewRun, QueueState, RunRow

_COLUMNS = (
    "number, run_id, plan_digest, capability, title, segments, frames, priority, state, attempt, batch, keep_going, "
    "revision_of, revision, error, created, started, finished"
)
_ENDED = (QueueState.COMPLETED, QueueState.FAILED, QueueState.CANCELLED)


class Runs:
    """Runs by their ids. Every method is one transaction; those that change something say what they found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: NewRun) -> tuple[RunRow, bool]:
        """Write a run down, unless its id is there already; gives the row, and whether it is new.

        Raises `StoreError` when the id belongs to another plan.
        """
        own = {"keep_going": int(run.keep_going), "state": QueueState.QUEUED.value, "title": _storable(run.title)}
        values = asdict(run) | own
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self._database.transaction() as connection:
            made = connection.execute(
                text(
                    f"insert into wf_runs ({names}, attempt, created) values ({marks}, 1, {self._database.now}) "
                    "on conflict (run_id) do nothing"
                ),
                values,
            ).rowcount
            row = self._one(connection, run.run_id)
        if row is None:
            raise StoreError(f"run {run.run_id} could not be written down")
        if row.plan_digest != run.plan_digest:
            raise StoreError(f"run {run.run_id} is there already, for another plan; choose another --id")
        return row, bool(made)

    def find(self, run_id: str) -> RunRow | None:
        """The run of an id."""
        with self._database.reading() as connection:
            return self._one(connection, run_id)

    def get(self, run_id: str) -> RunRow:
        """The run of an id, of the beginning of one, or ``last``; `StoreError` when there is none, or several."""
        with self._database.reading() as connection:
            exact = self._one(connection, run_id)
            found = [exact] if exact else self._alike(connection, run_id)
        if len(found) == 1:
            return found[0]
        what = f"several runs begin with {run_id!r}" if found else f"there is no run {run_id!r}"
        raise StoreError(f"{what} in {self._database.shown}" + "".join(f"; {row.run_id}" for row in found[:5]))

    def _alike(self, connection: Connection, name: str) -> list[RunRow]:
        if name == "last":
            query, values = "order by number desc limit 1", {}
        else:
            query, values = "where substr(run_id, 1, :length) = :name limit 6", {"name": name, "length": len(name)}
        rows = connection.execute(text(f"select {_COLUMNS} from wf_runs {query}"), values)
        return [_run(row) for row in rows.mappings()]

    def listed(self, *, states: Sequence[QueueState] = (), before: int | None = None, limit: int = 100) -> list[RunRow]:
        """Runs, newest first, at most `limit` of them; `before` is the number of the last one of the page before."""
        conditions, values = ["1 = 1"], {"limit": limit}
        if before is not None:
            conditions.append("number < :before")
            values["before"] = before
        query = f"select {_COLUMNS} from wf_runs where {' and '.join(conditions)}"
        if states:
            query += " and state in :states"
        statement = text(f"{query} order by number desc limit :limit")
        if states:
            statement = statement.bindparams(bindparam("states", expanding=True))
        with self._database.reading() as connection:
            rows = connection.execute(statement, values | ({"states": [s.value for s in states]} if states else {}))
            return [_run(row) for row in rows.mappings()]

    def open_runs(self) -> list[RunRow]:
        """All runs that are queued or running, first come first."""
        return sorted(self.listed(states=OPEN, limit=1_000_000), key=lambda row: row.number)

    def revisions(self, run_id: str) -> list[RunRow]:
        """The redos of a run, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text(f"select {_COLUMNS} from wf_runs where revision_of = :run order by number"), {"run": run_id}
            )
            return [_run(row) for row in rows.mappings()]

    def begin(self, run_id: str, *, attempt: int) -> bool:
        """Mark a run as running; False when it was cancelled, removed or begun anew meanwhile."""
        return self._changed(
            "state = 'running', started = coalesce(started, {now}), finished = null, error = null",
            "run_id = :run and attempt = :attempt and state in ('queued', 'running')",
            {"run": run_id, "attempt": attempt},
        )

    def end(self, run_id: str, *, attempt: int, state: QueueState, error: str | None = None) -> bool:
        """Mark a run as ended; False when it was cancelled, removed or begun anew meanwhile."""
        if state not in _ENDED:
            raise ValueError(state)
        return self._changed(
            "state = :state, error = :error, finished = {now}",
            "run_id = :run and attempt = :attempt and state in ('queued', 'running')",
            {"run": run_id, "attempt": attempt, "state": state.value, "error": error and _storable(error)},
        )

    def begin_anew(self, run_id: str, *, attempt: int) -> int | None:
        """Queue a run once more after its attempt `attempt`; its number, or None when others were faster."""
        changed = self._changed(
            "state = 'queued', attempt = attempt + 1, error = null, finished = null",
            "run_id = :run and attempt = :attempt",
            {"run": run_id, "attempt": attempt},
        )
        return attempt + 1 if changed else None

    def prioritise(self, run_id: str, *, priority: int) -> bool:
        """Give a run another priority; False when it has ended."""
        return self._changed(
            "priority = :priority",
            "run_id = :run and state in ('queued', 'running')",
            {"run": run_id, "priority": priority},
        )

    def remove(self, run_id: str) -> bool:
        """Forget a run that has ended, with its events and attempts; False when it is still open or unknown."""
        with self._database.transaction() as connection:
            gone = connection.execute(
                text("delete from wf_runs where run_id = :run and state not in ('queued', 'running')"), {"run": run_id}
            ).rowcount
            if gone:
                for table in ("wf_events", "wf_attempts"):
                    connection.execute(text(f"delete from {table} where run_id = :run"), {"run": run_id})
        return bool(gone)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by capability and state."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text("select capability, state, count(*) from wf_runs group by capability, state order by 1, 2")
            )
            return {(str(capability), str(state)): int(number) for capability, state, number in rows}

    def stamp(self) -> str:
        """What is another text after any change of the table, without reading the rows out."""
        numbers = "count(*), max(number), sum(attempt), sum(priority), max(created), max(started), max(finished)"
        states = ", ".join(f"sum(case when state = '{state.value}' then number else 0 end)" for state in QueueState)
        with self._database.reading() as connection:
            return str(tuple(connection.execute(text(f"select {numbers}, {states} from wf_runs")).one()))

    def _changed(self, change: str, where: str, values: Mapping[str, Any]) -> bool:
        change = change.replace("{now}", self._database.now)
        with self._database.transaction() as connection:
            return bool(connection.execute(text(f"update wf_runs set {change} where {where}"), values).rowcount)

    def _one(self, connection: Connection, run_id: str) -> RunRow | None:
        row = connection.execute(text(f"select {_COLUMNS} from wf_runs where run_id = :run"), {"run": run_id})
        found = row.mappings().first()
        return _run(found) if found else None


def _storable(words: str) -> str:
    """Words without secrets and without what PostgreSQL cannot hold: NUL, and halves of characters."""
    return redact_text(words).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _run(row: RowMapping) -> RunRow:
    values: dict[str, Any] = dict(row)
    return RunRow(**{**values, "state": QueueState(values["state"]), "keep_going": bool(values["keep_going"])})
