"""Ctrl-C: the first one asks the work to stop cleanly, the second one stops it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from wayframe.errors import CancelledError

_STDERR = 2
_SAYS = b"\nstopping; finished segments are kept, the same command goes on (Ctrl-C again: at once)\n"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether the user (SIGINT) or the system (SIGTERM) asked to stop."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise CancelledError
        asked.append(number)
        with suppress(OSError):  # closed
            os.write(_STDERR, _SAYS)  # `sys.stderr` may be what is interrupted, and refuses a second writer

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
