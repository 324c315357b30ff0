"""The program behind `postgres.session_server`: runs PostgreSQL until the process that it is told to watch is gone."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil

from postgres import CannotRunError, Server


def serve(told: Path, *, watched: int) -> None:
    """Serve, and write the address to `told`, or why it cannot be."""
    try:
        with Server() as server:
            _tell(told, server.url)
            psutil.wait_procs([psutil.Process(watched)])
    except CannotRunError as error:
        _tell(told, str(error))


def _tell(told: Path, words: str) -> None:
    told.with_suffix(".part").write_text(words)
    told.with_suffix(".part").replace(told)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    serve(Path(sys.argv[1]), watched=int(sys.argv[2]))
