"""The table of events: what happens to a run, written by several processes and read by whoever follows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from wayframe.files import redact
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import EventRow


class EventTable:
    """Events of runs, in the order in which they were written down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Write events down, all or none, without secrets; their time is the database's.

        Writers of one run take turns, so that no event comes to light after one of a higher `seq`: PostgreSQL gives
        numbers out before their transaction is visible.
        """
        if not bodies:
            return
        with self._database.transaction() as connection:
            if self._database.dialect == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:run, 0))"), {"run": run_id})
            connection.execute(
                text(f"insert into wf_events (run_id, time, body) values (:run, {self._database.now}, :body)"),
                [{"run": run_id, "body": json.dumps(redact(body))} for body in bodies],
            )

    def after(self, run_id: str, seq: int = 0, *, limit: int = 1000) -> list[EventRow]:
        """The events of a run that were written down after `seq`, at most `limit` of them."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text(
                    "select seq, run_id, time, body from wf_events where run_id = :run and seq > :seq "
                    "order by seq limit :limit"
                ),
                {"run": run_id, "seq": seq, "limit": limit},
            )
            return [EventRow(seq=row.seq, run_id=row.run_id, time=row.time, body=json.loads(row.body)) for row in rows]

    def all_of(self, run_id: str) -> list[EventRow]:
        """All events of a run."""
        found: list[EventRow] = []
        while page := self.after(run_id, found[-1].seq if found else 0, limit=10_000):
            found += page
        return found


class Switches:
    """Settings that hold for all processes of a database, such as `paused`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value of a setting, or None."""
        with self._database.reading() as connection:
            value = connection.execute(text("select value from wf_switches where name = :name"), {"name": name})
            found = value.scalar()
        return None if found is None else str(found)

    def put(self, name: str, *, value: str) -> None:
        """Set a value."""
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    "insert into wf_switches (name, value) values (:name, :value) "
                    "on conflict (name) do update set value = excluded.value"
                ),
                {"name": name, "value": value},
            )
