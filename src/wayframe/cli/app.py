"""The command line. Modules behind commands are imported when a command runs, so that help comes at once."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from wayframe import __version__
from wayframe.cli.lazily import LazyGroup
from wayframe.errors import CancelledError, WayframeError

INTERRUPTED = 130


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,  # what draws help in boxes takes longer to import than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keyframes in, one continuous video out, and a record that explains it.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wayframe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    del version


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise CancelledError


def main() -> None:
    """Entry point of the program, and its one catch-all: our own errors are one line, a bug keeps its traceback."""
    signal.signal(signal.SIGINT, _stop)
    try:
        app()
    except CancelledError as error:
        sys.stderr.write(f"stopped: {error}\n" if str(error) else "stopped\n")
        sys.exit(INTERRUPTED)
    except WayframeError as error:
        from wayframe.files import redact_text

        sys.stderr.write(f"error: {redact_text(str(error))}\n")
        sys.exit(1)
    except OSError as error:  # a full or vanished disk is no bug
        if error.strerror is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror}{where}\n")
        sys.exit(1)
