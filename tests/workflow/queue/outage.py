"""Databases that can be taken away and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postgres import Server
from wayframe.store.home import Home
from wayframe.workflow.queue import readiness
from wayframe.workflow.queue.database import Database


@dataclass(frozen=True, kw_only=True)
class Fallible:
    """A database of our own: a server that is stopped at once, or a file that vanishes."""

    database: Database
    server: Server | None = None

    def begin_outage(self) -> None:
        """Take the database away; connections that are open are cut off."""
        if self.server:
            self.server.stop()
            return
        file = self._file
        self.database.close()
        file.rename(file.with_suffix(".away"))
        file.mkdir()
        self.database.close()

    def end_outage(self) -> None:
        """Give it back."""
        if self.server:
            self.server.start()
            return
        file = self._file
        file.rmdir()
        file.with_suffix(".away").rename(file)

    @property
    def _file(self) -> Path:
        assert self.database.file is not None
        return self.database.file


@contextmanager
def fallible(folder: Path, *, dialect: str) -> Iterator[Fallible]:
    """A migrated database that can be taken away."""
    home = Home(root=folder)
    if dialect == "sqlite":
        database = Database.at(f"sqlite:///{folder / 'fallible.db'}", home=home)
        readiness.migrate(database)
        yield Fallible(database=database)
        database.close()
        return
    with Server() as server:
        database = Database.at(server.url, home=home)
        readiness.migrate(database)
        yield Fallible(database=database, server=server)
        database.close()
