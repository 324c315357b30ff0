"""Whether a worker still owns what it renders: blocking work is not interrupted from outside, so it asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

from wayframe.errors import CancelledError, StoreError, StoreUnavailableError
from wayframe.workflow.queue.adapter import Holding, holding
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.patience import patiently

LOOK_SECONDS = 0.5
IN_WORK = "PENDING"
_Result = TypeVar("_Result")


class Ending(StrEnum):
    """Why work must stop."""

    CANCELLED = "cancelled"
    LOST = "lost"


class LostError(CancelledError):
    """The work was handed to another worker; nothing of it may be published from here."""


class Watch:
    """Looks every half second at who carries out a workflow, in a thread beside the work.

    `ending` is None while the work is ours. While the database is away the work goes on: whatever is decided meanwhile
    is seen when it is back.
    """

    def __init__(
        self, database: Database, *, workflow_id: str, look: Callable[[Database, str], Holding | None] = holding
    ) -> None:
        self._database, self._workflow, self._look = database, workflow_id, look
        self._first: Holding | None = None
        self._stop, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch {workflow_id}", daemon=True)
        self.ending: Ending | None = None

    def __enter__(self) -> Self:
        self._first = self._seen()
        self._judge(self._first)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def ended(self) -> bool:
        """Whether the work must stop now."""
        return self._over.is_set()

    def lose(self) -> None:
        """Say from elsewhere that the work is no longer ours."""
        self._end(Ending.LOST)

    def confirm(self) -> None:
        """Ask the database, now, and wait for it while it is away. Raises when the work is not ours any more.

        To be called right before anything is published: a process that was frozen must not trust its memory.
        """
        with suppress(StoreUnavailableError):  # it was lost while the database was away
            self._judge(self._seen())
        self.check()

    def check(self) -> None:
        """Raise `LostError` or `CancelledError` when the work must stop, as far as is known here."""
        if self.ending is Ending.LOST:
            raise LostError("the work was handed to another worker")
        if self.ending is Ending.CANCELLED:
            raise CancelledError("the run was cancelled")

    def patiently(self, call: Callable[[], _Result]) -> _Result:
        """What `call` gives, however long the database or the store is away. Raises when the work is not ours any more.

        `call` must do no harm when it is carried out twice.
        """
        try:
            return patiently(call, over=self._over)
        except StoreError:
            self.check()
            raise

    def _seen(self) -> Holding | None:
        """What the database says, however long it is away; when the work is lost meanwhile, the waiting ends."""
        return patiently(lambda: self._look(self._database, self._workflow), over=self._over)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS) and not self._over.is_set():
            with suppress(StoreError):
                self._judge(self._look(self._database, self._workflow))

    def _judge(self, found: Holding | None) -> None:
        if found is None or found.status == "CANCELLED":
            self._end(Ending.CANCELLED)
        elif found.status != IN_WORK or found != self._first:
            self._end(Ending.LOST)

    def _end(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
        self._over.set()
