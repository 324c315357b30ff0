"""What happens to a run, as it is written down by whoever works on it, until the run ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy import text
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from wayframe.core.events import RunEvent, RunFinished, RunStarted
from wayframe.errors import StoreError
from wayframe.workflow.queue.bodies import KIND
from wayframe.workflow.queue.finishing import counting
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import OPEN, EventRow, QueueState, RunRow

QUICK, SLOW, SLOWER = 0.1, 1.0, 1.5
"""Seconds between two looks: the pause grows by `SLOWER` from `QUICK` to `SLOW` while nothing happens."""
UNTOLD_SECONDS = 3.0
"""So long the last event of a run that has ended is waited for: whoever ended it may have died before it told."""
AWAY_SECONDS = 600.0
_Found = TypeVar("_Found")


class Following:
    """The events of a run after `after` (a `seq`), from any process; `row` is the run as it was last seen.

    `idle` is called at every look that found nothing new. While the database is away it is asked again, for ten
    minutes.
    """

    def __init__(
        self,
        place: Place,
        run_id: str,
        *,
        after: int = 0,
        idle: Callable[[RunRow], None] = lambda _row: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place, self._idle, self._pause = place, idle, pause
        self.row = place.runs.get(run_id)
        self.seq = after

    def events(self) -> Iterator[tuple[EventRow, RunEvent]]:
        """Events with their rows, those that count, until the run has ended. Raises `StoreError` when it is removed."""
        return counting(self._rows())

    def _rows(self) -> Iterator[EventRow]:
        pause, untold, told = QUICK, 0.0, False
        while True:
            rows = self._patiently(lambda: self._place.events.after(self.row.run_id, self.seq))
            for row in rows:
                kind = row.body.get(KIND)
                told = kind == RunFinished.__name__ or (told and kind != RunStarted.__name__)
                self.seq = row.seq
                yield row
            if rows:
                pause = QUICK
                continue
            self.row = self._patiently(self._seen)
            if self.row.state not in OPEN and (told or untold >= UNTOLD_SECONDS):
                return
            self._idle(self.row)
            self._pause(pause)
            untold = untold + pause if self.row.state not in OPEN else 0.0
            pause = min(pause * SLOWER, SLOW)

    def _seen(self) -> RunRow:
        row = self._place.runs.find(self.row.run_id)
        if row is None:
            raise StoreError(f"run {self.row.run_id} was removed")
        return row

    def _patiently(self, ask: Callable[[], _Found]) -> _Found:
        return _PATIENCE(ask)


def present_attempt(place: Place, row: RunRow) -> int:
    """The `seq` after which the events of a run's present attempt are; what was before concerns earlier ones."""
    queued = row.state is QueueState.QUEUED
    query = "select max(seq) from wf_events where run_id = :run" + ("" if queued else " and body like :started")
    with place.database.reading() as connection:
        values = {"run": row.run_id} | ({} if queued else {"started": f'{{"{KIND}": "RunStarted"%'})
        found = connection.execute(text(query), values).scalar()
    return int(found or 0) - (0 if queued or not found else 1)


_PATIENCE = Retrying(
    retry=retry_if_exception(lambda error: isinstance(error, StoreError) and error.retryable),
    wait=wait_fixed(SLOW),
    stop=stop_after_delay(AWAY_SECONDS),
    reraise=True,
)
