"""Where queued work happens: this machine's home folder, the shared store, and the database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from wayframe.store.artifacts import ArtifactStore
from wayframe.store.blobs import BlobStore
from wayframe.store.home import Home
from wayframe.store.objects import ObjectStore, open_store
from wayframe.workflow.queue.attempts import Attempts
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.events import EventTable, Switches
from wayframe.workflow.queue.pace import Pace
from wayframe.workflow.queue.runs import Runs
from wayframe.workflow.queue.workers import Claims, Workers

DATABASE_VARIABLE, STORE_VARIABLE = "WAYFRAME_DATABASE", "WAYFRAME_STORE"


@dataclass(frozen=True)
class Place:
    """What every command and process of the queue works with.

    Without a store of its own (`shared` is False) the home folder is the store, and all processes must be on this
    machine.
    """

    home: Home
    database: Database
    objects: ObjectStore
    shared: bool

    @staticmethod
    def open(*, home: Home, database: str | None = None, store: str | None = None) -> Place:
        """The place of a home, with database and store as given, else from the environment, else in the home.

        Raises `SpecError` for addresses that are none.
        """
        address = store or os.environ.get(STORE_VARIABLE) or ""
        return Place(
            home=home,
            database=Database.at(database or os.environ.get(DATABASE_VARIABLE), home=home),
            objects=open_store(address or home.root),
            shared=bool(address),
        )

    @cached_property
    def blobs(self) -> BlobStore:
        """Input files by their content."""
        return BlobStore(self.home, objects=self.objects)

    def artifacts(self, *, worker: str | None = None) -> ArtifactStore:
        """Rendered segments; `worker` is written beside what is published."""
        return ArtifactStore(self.home, remote=self.objects if self.shared else None, worker=worker)

    @cached_property
    def runs(self) -> Runs:
        """The table of runs."""
        return Runs(self.database)

    @cached_property
    def workers(self) -> Workers:
        """The table of processes."""
        return Workers(self.database, dead_after=Pace.here().dead)

    @cached_property
    def claims(self) -> Claims:
        """The table of claimed segments."""
        return Claims(self.database)

    @cached_property
    def attempts(self) -> Attempts:
        """The table of tries."""
        return Attempts(self.database)

    @cached_property
    def events(self) -> EventTable:
        """The table of events."""
        return EventTable(self.database)

    @cached_property
    def switches(self) -> Switches:
        """Settings for all processes."""
        return Switches(self.database)
