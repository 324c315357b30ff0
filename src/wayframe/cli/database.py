"""Commands over the queue's database: db migrate, check."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayframe.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from wayframe.workflow.queue.database import Database

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="The queue's database: postgresql://USER@HOST/NAME or sqlite:////FOLDER/FILE.db; "
        "without it wayframe.db in the home folder.",
        envvar="WAYFRAME_DATABASE",
        show_default=False,
    ),
]
RoleOption = Annotated[
    str | None,
    typer.Option(
        "--role",
        metavar="NAME",
        help="A PostgreSQL role that may then use the tables, and need not be allowed to make any.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The database of the queue: its tables.", no_args_is_help=True)
    group.command("migrate")(migrate)
    group.command("check")(check)
    app.add_typer(group, name="db")


def migrate(database: DatabaseOption = None, role: RoleOption = None, home: HomeOption = None) -> None:
    """Make or upgrade the tables of the queue; safe to repeat, and while workers run."""
    with closing(open_database(database, home=home)) as target:
        from wayframe.workflow.queue import readiness

        for name in readiness.migrate(target, role=role):
            typer.echo(f"applied {name}")
        found = readiness.check(target)
    typer.echo(f"{found.database}: {found.says}" + (f"; role {role} may use them" if role else ""))


def check(database: DatabaseOption = None, json: JsonOption = False, home: HomeOption = None) -> None:
    """Say how far the tables are, and change nothing; exit code 1 when this program may not work on them."""
    with closing(open_database(database, home=home)) as target:
        from wayframe.workflow.queue import readiness

        found = readiness.check(target)
    if json:
        from json import dumps

        typer.echo(dumps(found.as_json(), indent=2))
    else:
        typer.echo(f"{found.database}: {found.says}")
    if not found.usable:
        raise typer.Exit(1)


def open_database(url: str | None, *, home: Path | None) -> Database:
    """The queue's database by URL, or the file in the home folder; not connected yet.

    Raises `StoreError` where the extra `queue` is not installed, and `SpecError` for a URL of another kind.
    """
    from importlib.util import find_spec

    from wayframe.errors import StoreError
    from wayframe.store.home import open_home

    missing = [name for name in ("dbos", "sqlalchemy", "psycopg") if find_spec(name) is None]
    if missing:
        raise StoreError(f'the queue needs {", ".join(missing)}, not installed here: pip install "wayframe[queue]"')
    from wayframe.workflow.queue.database import Database

    return Database.at(url, home=open_home(home, make=False))
