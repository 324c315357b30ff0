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
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """What a process was asked for: `asked` to finish its work and take no more, `hurried` to stop at once."""

    def __init__(self) -> None:
        self.asked, self.hurried = threading.Event(), threading.Event()

    def listen(self) -> None:
        """Have SIGTERM and SIGINT ask, and a second one hurry.

        A handler in Python would run in the main thread, when that next has its turn, and may take no lock: so a thread
        reads the numbers of the signals from a pipe (see `signal.set_wakeup_fd`).
        """
        heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _nothing)
        threading.Thread(target=self._hear, args=(heard,), name="signals", daemon=True).start()

    def ask(self) -> None:
        """Ask for the end, or hurry it when it was asked for before."""
        (self.hurried if self.asked.is_set() else self.asked).set()

    def _hear(self, heard: int) -> None:
        while number := os.read(heard, 1):
            if number[0] in SIGNALS:
                self.ask()


def hold_lifeline() -> None:
    """End at once when the process that started this one is gone, however it ended. Nothing when none is watched."""
    if os.environ.get(VARIABLE):
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """What is to be done is done by the thread that reads the pipe."""


def _wait_for_the_end() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(ORPHANED)
