"""A queue for tests, as a user has one: a home with pictures, a database, perhaps a bucket, and who works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import postgres
import s3
from wayframe.core.events import RunEvent
from wayframe.workflow.queue.client import QueueClient, SubmitOptions
from wayframe.workflow.queue.follow import Following
from wayframe.workflow.queue.place import DATABASE_VARIABLE, STORE_VARIABLE, Place
from wayframe.workflow.queue.rows import RunRow
from wayframe.workflow.trip import Trip
from workflow.queue.templates import migrated
from workflow.rides import Ground

EXECUTOR = Path(__file__).with_name("executor.py")


class Said(TypedDict, total=False):
    """As `SubmitOptions`."""

    run_id: str
    priority: int
    batch: int
    keep_going: bool


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Pictures and a home, with the queue of `environment`."""

    ground: Ground
    environment: Mapping[str, str]
    client: QueueClient

    @staticmethod
    def at(folder: Path, *, base: Path, shared: bool) -> Stage:
        """One on an SQLite file with the home as its store, or on PostgreSQL with a bucket; `base` as in `postgres`."""
        server = postgres.session_server(base) if shared else None
        url = migrated(folder, shared=postgres.shared_folder(base), server=server)
        environment = {DATABASE_VARIABLE: url}
        if shared:
            endpoint = s3.s3_endpoint(base)
            environment |= {STORE_VARIABLE: f"s3://{s3.new_bucket(endpoint)}/queue", **s3.s3_environment(endpoint)}
        ground = Ground.at(folder)
        with in_environment(environment):
            place = Place.open(home=ground.home)
        return Stage(ground=ground, environment=environment, client=QueueClient(place))

    @property
    def place(self) -> Place:
        return self.client.place

    def submit(self, trip: Trip, **said: Unpack[Said]) -> RunRow:
        return self.client.submit(trip, options=SubmitOptions(**said))

    def followed(self, row: RunRow, *, after: int = 0) -> tuple[RunRow, list[RunEvent]]:
        """The run when it has ended, and its events."""
        following = Following(self.place, row.run_id, after=after)
        events = [event for _, event in following.events()]
        return following.row, events

    @contextmanager
    def at_work(self, name: str = "one") -> Iterator[None]:
        """A process carries runs out; where the store is shared, on a home of its own."""
        home = self.ground.elsewhere(f"home-{name}").home if self.place.shared else self.ground.home
        with subprocess.Popen(
            [sys.executable, str(EXECUTOR), str(home.root), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self.environment},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"up\n"
                yield
            finally:
                process.stdin.close()


@contextmanager
def in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while: the store reads its credentials when it is opened."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
