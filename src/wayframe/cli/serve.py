"""The command that serves the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wayframe.cli.database import DatabaseOption
from wayframe.cli.options import HomeOption
from wayframe.cli.places import StoreOption, Where

PORT = 8311
PACKAGES = ("fastapi", "uvicorn")
HostOption = Annotated[
    str, typer.Option("--host", help="The address to listen to; any but this machine's own needs a token.")
]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="A file with the token that clients must know; without it WAYFRAME_TOKEN.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(serve)


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = PORT,
    token_file: TokenOption = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", help="A further name that it is called by, as behind a proxy.", show_default=False
        ),
    ] = None,
    fetch_host: Annotated[
        list[str] | None,
        typer.Option(
            "--fetch-host",
            help="A further host that LoRAs may be fetched from, of your own network too.",
            show_default=False,
        ),
    ] = None,
    loras: Annotated[
        Path | None, typer.Option("--loras", help="A folder of LoRAs that specs may name.", show_default=False)
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Serve the page and its API until Ctrl-C: compose, watch and compare runs; `wayframe up` renders them."""
    check_extra()
    place = Where(database=database, store=store, home=home).place()
    from wayframe.web.server import serve as serve_page
    from wayframe.web.settings import Settings, read_token
    from wayframe.workflow.queue.lifeline import hold_lifeline
    from wayframe.workflow.queue.logging_lines import log_lines

    settings = Settings(
        host=host,
        port=port,
        token=read_token(token_file),
        hosts=tuple(allow_host or ()),
        own_hosts=tuple(fetch_host or ()),
        loras=checked_folder(loras),
    )
    log_lines(process="page", as_json=False)
    hold_lifeline()

    def ready(address: str) -> None:
        typer.echo(f"the page is at {address}")
        if open_page:
            _open(address)

    serve_page(place, settings=settings, ready=ready)


def check_extra() -> None:
    """Raise `StoreError` that says how to install what the page needs."""
    from wayframe.errors import StoreError

    if missing := missing_packages():
        raise StoreError(f'the page needs {", ".join(missing)}, not installed here: pip install "wayframe[page]"')


def missing_packages() -> list[str]:
    """What the page needs and is not installed."""
    from importlib.util import find_spec

    return [name for name in PACKAGES if find_spec(name) is None]


def checked_folder(folder: Path | None) -> Path | None:
    """The folder, or None; raises `SpecError` for one that is not there."""
    if folder is None:
        return None
    from wayframe.errors import SpecError

    if not folder.is_dir():
        raise SpecError("--loras", "is not a folder", str(folder))
    return folder.absolute()


def _open(address: str) -> None:
    """Open the page where somebody sits at a terminal; the socket listens already."""
    import sys
    import webbrowser

    if sys.stdout.isatty():
        webbrowser.open(address)
