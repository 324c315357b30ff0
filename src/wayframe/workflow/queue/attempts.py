"""The table of attempts: every try at every segment, so that one that kills its workers is found out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, text

from wayframe.files import redact
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import AttemptRow, Outcome, Owner

POISON = 3
"""So many workers may a segment kill before its run fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A segment that is about to be rendered, as part of an attempt of its run."""

    run_id: str
    attempt: int
    segment: int
    key: str


class Attempts:
    """Tries at segments. Those open when their worker dies are closed as crashed by `Workers.bury` or `forget`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, tries: Sequence[Try], *, owner: Owner) -> None:
        """Write down that these segments are in work now, all by one worker.

        Those that it has open already are not written twice: when the answer of a database is lost this is asked for
        again, and each row that is open when a worker dies is counted as a crash.
        """
        with self._database.transaction() as connection:
            for one in tries:
                connection.execute(
                    text(
                        "insert into wf_attempts (run_id, attempt, segment, key, worker_id, boot, alone, started) "
                        f"select :run, :attempt, :segment, :key, :worker, :boot, :alone, {self._database.now} "
                        "where not exists (select 1 from wf_attempts where run_id = :run and attempt = :attempt "
                        "and segment = :segment and key = :key and worker_id = :worker and boot = :boot "
                        "and outcome is null)"
                    ),
                    {
                        "run": one.run_id,
                        "attempt": one.attempt,
                        "segment": one.segment,
                        "key": one.key,
                        "worker": owner.worker_id,
                        "boot": owner.boot,
                        "alone": int(len(tries) == 1),
                    },
                )

    def end(
        self, *, owner: Owner, outcome: Outcome, key: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Close the open tries of a worker, or only the one at `key`."""
        only = "" if key is None else " and key = :key"
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    f"update wf_attempts set ended = {self._database.now}, outcome = :outcome, detail = :detail "
                    f"where worker_id = :worker and boot = :boot and outcome is null{only}"
                ),
                {
                    "worker": owner.worker_id,
                    "boot": owner.boot,
                    "outcome": outcome.value,
                    "detail": json.dumps(redact(dict(detail or {}))),
                    "key": key,
                },
            )

    def of_run(self, run_id: str) -> list[AttemptRow]:
        """All tries at a run's segments, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text("select * from wf_attempts where run_id = :run order by number"), {"run": run_id}
            )
            return [_attempt(row) for row in rows.mappings()]

    def counts(self) -> dict[str, int]:
        """How many tries there are of all runs that are known, by outcome; ``open`` are in work."""
        with self._database.reading() as connection:
            rows = connection.execute(
                text("select coalesce(outcome, 'open'), count(*) from wf_attempts group by 1 order by 1")
            )
            return {str(outcome): int(number) for outcome, number in rows}

    def crashes(self, run_id: str, *, attempt: int) -> dict[int, list[AttemptRow]]:
        """The tries at each segment, in one attempt of its run, during which the worker died."""
        found: dict[int, list[AttemptRow]] = {}
        for row in self.of_run(run_id):
            if row.attempt == attempt and row.outcome is Outcome.CRASHED:
                found.setdefault(row.segment, []).append(row)
        return found


def _attempt(row: RowMapping) -> AttemptRow:
    return AttemptRow(
        number=row["number"],
        run_id=row["run_id"],
        attempt=row["attempt"],
        segment=row["segment"],
        key=row["key"],
        worker_id=row["worker_id"],
        alone=bool(row["alone"]),
        started=row["started"],
        ended=row["ended"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        detail=json.loads(row["detail"]) if row["detail"] else {},
    )
