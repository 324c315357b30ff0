"""Where the queue is: the options for it, and the place that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from wayframe.store.home import Home
    from wayframe.workflow.queue.client import QueueClient
    from wayframe.workflow.queue.place import Place

NEEDED = ("dbos", "sqlalchemy", "psycopg", "obstore")
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where files are shared: s3://BUCKET/PREFIX or a folder that all machines have; without it the home "
        "folder, and all processes are on this machine.",
        envvar="WAYFRAME_STORE",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The options that say where the queue is."""

    database: str | None
    store: str | None
    home: Path | None

    def place(self) -> Place:
        """The place, its home made; not connected yet. Raises `StoreError` where the extra `queue` is missing."""
        check_extra()
        from wayframe.store.home import open_home
        from wayframe.workflow.queue.place import Place

        return Place.open(home=open_home(self.home), database=self.database, store=self.store)

    @contextmanager
    def client(self) -> Iterator[QueueClient]:
        """The queue, closed afterwards."""
        place = self.place()
        from wayframe.workflow.queue.client import QueueClient

        client = QueueClient(place)
        try:
            yield client
        finally:
            client.close()


def check_extra() -> None:
    """Raise `StoreError` that says how to install what the queue needs."""
    from importlib.util import find_spec

    from wayframe.errors import StoreError

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise StoreError(f'the queue needs {", ".join(missing)}, not installed here: pip install "wayframe[queue]"')


def queued_record(name: str, *, where: Where, home: Home) -> dict[str, Any] | None:
    """The record of a queued run as far as it has come; None where there is no queue, or the home folder tells as much.

    ``last`` is the newest run of the home folder, where it has one.
    """
    from wayframe.errors import StoreError
    from wayframe.store.runs import list_runs

    here = [folder for folder in list_runs(home) if name == "last" or folder.run_id.startswith(name)]
    known = bool(here) and (name == "last" or (len(here) == 1 and here[0].read()["status"] == "completed"))
    if known or not _has_queue(where, home=home):
        return None
    try:
        return _folded(name, place=where.place(), is_here=bool(here))
    except StoreError as error:
        if here or not error.retryable:
            return None
        raise


def _has_queue(where: Where, *, home: Home) -> bool:
    """Whether there is a database to ask: one that was named, or the file in the home folder."""
    from importlib.util import find_spec

    named = where.database is not None or (home.root / "wayframe.db").exists()
    return named and all(find_spec(package) for package in NEEDED)


def _folded(name: str, *, place: Place, is_here: bool) -> dict[str, Any] | None:
    from wayframe.workflow.queue.finishing import Finishing
    from wayframe.workflow.queue.readiness import check
    from wayframe.workflow.queue.rows import OPEN

    with closing(place.database):
        if not check(place.database).usable:
            return None
        row = place.runs.get(name)
        return None if is_here and row.state not in OPEN else Finishing.of(place, row.run_id).record()
