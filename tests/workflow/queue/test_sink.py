"""Events on their way into the database: in order, off the caller's thread, over an outage."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.core.events import FrameRendered, StitchProgress, WeightsReady
from wayframe.errors import StoreError
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.events import EventTable
from wayframe.workflow.queue.sink import PROGRESS_SECONDS, EventSink
from workflow.queue.outage import fallible
from workflow.queue.rows import until

RUN, SHORT = "trip-1", 0.02


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def ready(number: int) -> WeightsReady:
    return WeightsReady(model=f"m{number}", identity="i")


def written(database: Database) -> list[str]:
    """Models and done frames, in the order in which they were written."""
    rows = EventTable(database).all_of(RUN)
    return [str(row.body.get("model") or f"{row.body.get('segment', 'stitch')}:{row.body['done']}") for row in rows]


def test_events_are_written_in_the_order_in_which_they_came(database: Database) -> None:
    with EventSink(EventTable(database), run_id=RUN) as sink:
        for number in range(100):
            sink.emit(ready(number))
        sink.flush()
        assert written(database) == [f"m{number}" for number in range(100)]


def test_leaving_writes_what_is_left(database: Database) -> None:
    with EventSink(EventTable(database), run_id=RUN) as sink:
        sink.emit(ready(0))
    assert written(database) == ["m0"]


def test_a_flush_of_nothing_returns_at_once(database: Database) -> None:
    with EventSink(EventTable(database), run_id=RUN) as sink:
        sink.flush()
    assert written(database) == []


def test_of_progress_only_the_newest_of_each_segment_is_written_and_once_a_second(database: Database) -> None:
    clock = Clock()
    sink = EventSink(EventTable(database), run_id=RUN, now=clock)
    for done in range(1, 40):
        sink.emit(FrameRendered(segment=0, done=done, frames=49))
        sink.emit(FrameRendered(segment=1, done=done + 1, frames=49))
        sink.emit(StitchProgress(done=done + 2, frames=97))
    with sink:
        until(lambda: len(written(database)) == 3)
        sink.emit(FrameRendered(segment=0, done=41, frames=49))
        sink.emit(ready(0))
        sink.flush()
        assert written(database) == ["0:39", "1:40", "stitch:41", "m0"]
        clock.now += PROGRESS_SECONDS
        sink.emit(ready(1))
        sink.flush()
    assert written(database) == ["0:39", "1:40", "stitch:41", "m0", "m1", "0:41"]


def test_the_last_progress_is_written_though_nothing_comes_after_it(database: Database) -> None:
    with EventSink(EventTable(database), run_id=RUN) as sink:
        for done in (1, 2):
            sink.emit(FrameRendered(segment=0, done=done, frames=49))
            until(lambda done=done: written(database)[-1:] == [f"0:{done}"])


def test_events_of_an_outage_are_written_after_it(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        with EventSink(EventTable(ours.database), run_id=RUN, pause=SHORT) as sink:
            sink.emit(ready(0))
            sink.flush()
            ours.begin_outage()
            for number in range(1, 4):
                sink.emit(ready(number))
            sink.emit(FrameRendered(segment=0, done=7, frames=49))
            tried = []
            sink.flush(given_up=lambda: tried.append(1) is None and len(tried) > 2)
            ours.end_outage()
            sink.emit(ready(4))
            sink.flush()
            until(lambda: "0:7" in written(ours.database))
        assert [name for name in written(ours.database) if name != "0:7"] == ["m0", "m1", "m2", "m3", "m4"]


def test_what_a_database_refuses_for_good_is_raised_by_the_flush(empty: Database) -> None:
    with EventSink(EventTable(empty), run_id=RUN, pause=SHORT) as sink:
        sink.emit(ready(0))
        with pytest.raises(StoreError, match="events of run trip-1 are not written"):
            sink.flush()
        with pytest.raises(StoreError, match="wf_events"):
            sink.flush(given_up=lambda: True)
