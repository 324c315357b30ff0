"""Processes that end with the one that started them, and stop in good order when they are asked to."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

VARIABLE = "WAYFRAME_LIFELINE"
"""Set by `supervise.Program`: standard input is a pipe that ends when the process that started this one does."""
ORPHANED = 3


class Stop:
    """What a process was asked for: `asked` to finish its work and take no more, `hurried` to stop at once."""

    def __init__(self) -> None:
        self.asked, self.hurried = threading.Event(), threading.Event()

    def listen(self) -> None:
        """Have SIGTERM and SIGINT ask, and a second one hurry."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heard)

    def ask(self) -> None:
        """Ask for the end, or hurry it when it was asked for before."""
        (self.hurried if self.asked.is_set() else self.asked).set()

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()


def hold_lifeline() -> None:
    """End at once when the process that started this one is gone, however it ended. Nothing when none is watched."""
    if os.environ.get(VARIABLE):
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(ORPHANED)
