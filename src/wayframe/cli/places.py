"""Where the queue is: the options for it, and the place that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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
