"""The events of a run, read from the table by whoever wants to see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wayframe.core.events import (
    FrameRendered,
    RunEvent,
    RunFinished,
    RunStarted,
    RunState,
    TaskChanged,
    TaskKind,
    TaskState,
)
from wayframe.errors import StoreError
from wayframe.store.home import Home
from wayframe.store.objects import open_store
from wayframe.workflow.queue.bodies import body_of
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.finishing import counting
from wayframe.workflow.queue.follow import QUICK, SLOW, UNTOLD_SECONDS, Following, present_attempt
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import QueueState
from workflow.queue.rows import new_run

RUN = "trip-1"
STARTED = RunStarted(run_id=RUN, engine="null", segments=1, frames=5, continued=False)
AGAIN = RunStarted(run_id=RUN, engine="null", segments=1, frames=5, continued=True)
RUNNING = TaskChanged(task="t", kind=TaskKind.SEGMENT, state=TaskState.RUNNING, segment=0)
FINISHED = RunFinished(run_id=RUN, state=RunState.COMPLETED)
CANCELLED = RunFinished(run_id=RUN, state=RunState.CANCELLED)


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    """A queue with one run."""
    home = Home(root=tmp_path)
    place = Place(home=home, database=database, objects=open_store(tmp_path), shared=False)
    place.runs.add(new_run(RUN))
    place.runs.begin(RUN, attempt=1)
    return place


class Script:
    """What happens in the pauses of a follower, one thing in each, and the pauses."""

    def __init__(self, *things: Callable[[], object]) -> None:
        self.things, self.pauses = list(things), list[float]()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.things:
            self.things.pop(0)()


def tell(place: Place, *events: RunEvent) -> None:
    place.events.add(RUN, [body_of(event) for event in events])


def end(place: Place, state: QueueState = QueueState.COMPLETED) -> None:
    assert place.runs.end(RUN, attempt=1, state=state)


def test_events_come_in_order_until_the_run_has_ended(place: Place) -> None:
    tell(place, STARTED)
    script = Script(
        lambda: tell(place, RUNNING, FrameRendered(segment=0, done=5, frames=5)),
        lambda: tell(place, FINISHED),
        lambda: end(place),
    )
    following = Following(place, RUN, pause=script.pause)
    found = [type(event) for _, event in following.events()]
    assert found == [RunStarted, TaskChanged, FrameRendered, RunFinished]
    assert following.row.state is QueueState.COMPLETED


def test_a_follower_can_go_on_where_it_was(place: Place) -> None:
    tell(place, STARTED, RUNNING)
    first = place.events.after(RUN)[0].seq
    tell(place, FINISHED)
    end(place)
    assert [event for _, event in Following(place, RUN, after=first).events()] == [RUNNING, FINISHED]


def test_the_pause_grows_while_nothing_happens(place: Place) -> None:
    script = Script(*[lambda: None] * 8, lambda: tell(place, FINISHED), lambda: end(place))
    list(Following(place, RUN, pause=script.pause).events())
    assert script.pauses[0] == QUICK
    assert script.pauses[:9] == sorted(script.pauses[:9])
    assert max(script.pauses) == SLOW
    assert script.pauses[9] == QUICK


def test_whoever_ended_a_run_without_a_word_is_not_waited_for_long(place: Place) -> None:
    tell(place, STARTED)
    end(place, QueueState.CANCELLED)
    script = Script()
    assert [event for _, event in Following(place, RUN, pause=script.pause).events()] == [STARTED]
    assert UNTOLD_SECONDS <= sum(script.pauses) < UNTOLD_SECONDS + SLOW


def test_what_a_late_worker_tells_does_not_count(place: Place) -> None:
    tell(place, STARTED, CANCELLED, RUNNING, AGAIN, RUNNING)
    end(place)
    events = [event for _, event in counting(place.events.all_of(RUN))]
    assert events == [STARTED, CANCELLED, AGAIN, RUNNING]


def test_a_run_that_is_removed_meanwhile_is_said_to_be(place: Place) -> None:
    def remove() -> None:
        end(place)
        assert place.runs.remove(RUN)

    with pytest.raises(StoreError, match=f"run {RUN} was removed"):
        list(Following(place, RUN, pause=Script(remove).pause).events())


def test_the_present_attempt_begins_where_it_was_told(place: Place) -> None:
    assert present_attempt(place, place.runs.get(RUN)) == 0
    tell(place, STARTED, RUNNING, CANCELLED, AGAIN, RUNNING)
    rows = place.events.after(RUN, present_attempt(place, place.runs.get(RUN)))
    assert [row.body["event"] for row in rows] == ["RunStarted", "TaskChanged"]
    end(place)
    place.runs.begin_anew(RUN, attempt=1)
    assert place.events.after(RUN, present_attempt(place, place.runs.get(RUN))) == []
