"""Databases for tests: empty ones, and copies of one that was migrated once for the whole session."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

import postgres
from wayframe.store.home import Home
from wayframe.workflow.queue import readiness
from wayframe.workflow.queue.database import Database


def fresh(folder: Path, *, server: str | None) -> str:
    """The URL of a database without tables: on a server, or a file in a folder."""
    return postgres.new_database(server) if server else f"sqlite:///{folder / 'queue.db'}"


def migrated(folder: Path, *, shared: Path, server: str | None) -> str:
    """The URL of a database with all tables; `shared` is a folder of the whole session."""
    template = shared / f"template-{'postgresql' if server else 'sqlite'}.url"
    with FileLock(template.with_suffix(".lock")):
        if not template.exists():
            url = fresh(shared, server=server)
            _migrate(url, home=Home(root=shared))
            template.write_text(url)
    url = template.read_text()
    if server:
        with FileLock(template.with_suffix(".lock")):  # a template is copied by one at a time
            return postgres.copy_of(url)
    shutil.copy(shared / "queue.db", folder / "queue.db")
    return f"sqlite:///{folder / 'queue.db'}"


def _migrate(url: str, *, home: Home) -> None:
    database = Database.at(url, home=home)
    readiness.migrate(database)
    database.close()
