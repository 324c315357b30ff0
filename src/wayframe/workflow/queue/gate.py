"""The gate between whoever writes a run down and whoever removes what no run refers to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from wayframe.workflow.queue.database import Database

_GATE = 7_310_044_003
"""One number for all who submit to a database, or collect (PostgreSQL's advisory locks)."""


@contextmanager
def submitting(database: Database) -> Iterator[None]:
    """Held while a run is written down; many may submit at once. SQLite has one writer at a time anyway."""
    if database.file is not None:
        yield
        return
    with database.transaction() as connection:
        connection.execute(text("select pg_advisory_xact_lock_shared(:number)"), {"number": _GATE})
        yield


@contextmanager
def collecting(database: Database) -> Iterator[None]:
    """Held while something is removed: meanwhile no run can be written down, and so none can come to refer to it.

    It stays shut for as long as the store takes: PostgreSQL would end a session that is silent for too long.
    """
    with database.lasting() as connection:
        if database.file is None:
            connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _GATE})
        yield
