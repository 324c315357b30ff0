"""The table of submitted runs."""

from __future__ import annotations

import pytest

from wayframe.errors import StoreError
from wayframe.workflow.queue.attempts import Attempts, Try
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.events import EventTable
from wayframe.workflow.queue.rows import OPEN, Outcome, QueueState
from wayframe.workflow.queue.runs import Runs
from workflow.queue.rows import at_once, new_run, new_worker, owner

KEY = "AKIAABCDEFGHIJKLMNOP"


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


def test_a_new_run_is_queued_as_its_first_attempt(runs: Runs) -> None:
    row, is_new = runs.add(new_run(priority=7, batch=4, keep_going=True))
    assert is_new
    assert (row.run_id, row.state, row.attempt, row.priority, row.batch) == ("trip-1", QueueState.QUEUED, 1, 7, 4)
    assert row.keep_going is True
    assert (row.started, row.finished, row.error, row.revision_of, row.revision) == (None, None, None, None, 1)
    assert runs.find("trip-1") == row
    assert runs.find("trip") is None


def test_the_same_plan_under_the_same_id_attaches(runs: Runs) -> None:
    first, _ = runs.add(new_run())
    runs.begin("trip-1", attempt=1)
    row, is_new = runs.add(new_run(title="Another title", priority=9))
    assert not is_new
    assert (row.number, row.state, row.title, row.priority) == (first.number, QueueState.RUNNING, "Trip", 0)


def test_another_plan_under_the_same_id_is_refused(runs: Runs) -> None:
    runs.add(new_run())
    with pytest.raises(StoreError, match="run trip-1 is there already, for another plan; choose another --id"):
        runs.add(new_run(plan_digest="q" * 64))
    assert runs.get("trip-1").plan_digest == "p" * 64


def test_of_many_that_submit_one_run_at_once_one_makes_it(runs: Runs) -> None:
    found = at_once([lambda: runs.add(new_run())] * 6)
    assert sorted(is_new for _, is_new in found) == [False] * 5 + [True]
    assert {row.number for row, _ in found} == {runs.get("trip-1").number}


def test_runs_are_numbered_in_their_order_and_no_number_is_used_again(runs: Runs) -> None:
    numbers = [runs.add(new_run(name))[0].number for name in ("a", "b")]
    runs.end("b", attempt=1, state=QueueState.CANCELLED)
    runs.remove("b")
    numbers.append(runs.add(new_run("b"))[0].number)
    assert numbers == sorted(set(numbers))


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(runs: Runs) -> None:
    for name in ("trip-1", "trip-10", "walk%", "walk_2"):
        runs.add(new_run(name))
    assert runs.get("trip-1").run_id == "trip-1"
    assert runs.get("trip-10").run_id == "trip-10"
    assert runs.get("walk%").run_id == "walk%"
    assert runs.get("last").run_id == "walk_2"
    with pytest.raises(StoreError, match=r"several runs begin with 'trip'.*; trip-1; trip-10"):
        runs.get("trip")
    for nothing in ("t_ip", "%", "Trip-1"):
        with pytest.raises(StoreError, match="there is no run"):
            runs.get(nothing)


def test_last_of_no_runs_is_none(runs: Runs) -> None:
    with pytest.raises(StoreError, match="there is no run 'last'"):
        runs.get("last")


def test_a_run_goes_from_queued_to_running_to_its_end(runs: Runs) -> None:
    runs.add(new_run())
    assert runs.begin("trip-1", attempt=1)
    begun = runs.get("trip-1")
    assert begun.state is QueueState.RUNNING
    assert begun.started is not None
    assert runs.end("trip-1", attempt=1, state=QueueState.COMPLETED)
    done = runs.get("trip-1")
    assert done.state is QueueState.COMPLETED
    assert done.finished is not None
    assert done.created <= begun.started <= done.finished


def test_a_run_that_goes_on_keeps_its_start(runs: Runs) -> None:
    runs.add(new_run())
    runs.begin("trip-1", attempt=1)
    started = runs.get("trip-1").started
    assert runs.begin("trip-1", attempt=1)
    assert runs.get("trip-1").started == started


@pytest.mark.parametrize("state", [QueueState.COMPLETED, QueueState.FAILED, QueueState.CANCELLED])
def test_a_run_that_has_ended_neither_begins_nor_ends_again(runs: Runs, state: QueueState) -> None:
    runs.add(new_run())
    runs.end("trip-1", attempt=1, state=state, error="first")
    assert not runs.begin("trip-1", attempt=1)
    assert not runs.end("trip-1", attempt=1, state=QueueState.FAILED, error="second")
    assert not runs.prioritise("trip-1", priority=3)
    assert (runs.get("trip-1").state, runs.get("trip-1").error) == (state, "first")


def test_an_open_state_is_no_end(runs: Runs) -> None:
    for state in OPEN:
        with pytest.raises(ValueError, match=state.value):
            runs.end("trip-1", attempt=1, state=state)


def test_of_those_that_end_a_run_at_once_one_does(runs: Runs) -> None:
    runs.add(new_run())
    ends = [QueueState.COMPLETED, QueueState.FAILED, QueueState.CANCELLED] * 2
    found = at_once([lambda state=state: runs.end("trip-1", attempt=1, state=state) for state in ends])
    assert sorted(found) == [False] * 5 + [True]
    assert runs.get("trip-1").state is ends[found.index(True)]


def test_what_an_earlier_attempt_says_no_longer_counts(runs: Runs) -> None:
    runs.add(new_run())
    runs.end("trip-1", attempt=1, state=QueueState.FAILED, error="no memory")
    assert runs.begin_anew("trip-1", attempt=1) == 2
    row = runs.get("trip-1")
    assert (row.state, row.attempt, row.error, row.finished) == (QueueState.QUEUED, 2, None, None)
    assert not runs.begin("trip-1", attempt=1)
    assert not runs.end("trip-1", attempt=1, state=QueueState.CANCELLED)
    assert runs.begin("trip-1", attempt=2)


def test_of_those_that_begin_a_run_anew_at_once_one_does(runs: Runs) -> None:
    runs.add(new_run())
    found = at_once([lambda: runs.begin_anew("trip-1", attempt=1)] * 6)
    assert sorted(found, key=str) == [2] + [None] * 5
    assert runs.get("trip-1").attempt == 2
    assert runs.begin_anew("nothing", attempt=1) is None


def test_pages_are_newest_first_and_join_without_a_gap(runs: Runs) -> None:
    for index in range(5):
        runs.add(new_run(f"r{index}"))
    first = runs.listed(limit=2)
    second = runs.listed(limit=2, before=first[-1].number)
    third = runs.listed(limit=2, before=second[-1].number)
    assert [[row.run_id for row in page] for page in (first, second, third)] == [["r4", "r3"], ["r2", "r1"], ["r0"]]


def test_runs_are_listed_and_counted_by_state(runs: Runs) -> None:
    for name in ("a", "b", "c", "d"):
        runs.add(new_run(name, capability="wan:tiny" if name == "d" else "preview"))
    runs.begin("b", attempt=1)
    runs.end("c", attempt=1, state=QueueState.FAILED)
    assert [row.run_id for row in runs.open_runs()] == ["a", "b", "d"]
    assert [row.run_id for row in runs.listed(states=[QueueState.FAILED])] == ["c"]
    assert [row.run_id for row in runs.listed(states=[QueueState.FAILED, QueueState.QUEUED])] == ["d", "c", "a"]
    assert runs.counts() == {
        ("preview", "failed"): 1,
        ("preview", "queued"): 1,
        ("preview", "running"): 1,
        ("wan:tiny", "queued"): 1,
    }


def test_the_priority_of_an_open_run_can_change(runs: Runs) -> None:
    runs.add(new_run())
    assert runs.prioritise("trip-1", priority=50)
    assert runs.get("trip-1").priority == 50


def test_revisions_of_a_run_are_found_in_their_order(runs: Runs) -> None:
    runs.add(new_run())
    for revision in (2, 3):
        runs.add(new_run(f"trip-1.r{revision}", revision_of="trip-1", revision=revision))
    assert [(row.run_id, row.revision) for row in runs.revisions("trip-1")] == [("trip-1.r2", 2), ("trip-1.r3", 3)]
    assert runs.revisions("trip-1.r2") == []


def test_an_open_run_is_not_removed_and_an_ended_one_goes_with_all_that_is_its_own(
    runs: Runs, database: Database
) -> None:
    events, attempts, worker = EventTable(database), Attempts(database), owner(new_worker())
    for name in ("gone", "kept"):
        runs.add(new_run(name))
        events.add(name, [{"event": "x"}])
        attempts.begin([Try(run_id=name, attempt=1, segment=0, key=name)], owner=worker)
    attempts.end(owner=worker, outcome=Outcome.PUBLISHED)
    assert not runs.remove("gone")
    assert not runs.remove("nothing")
    runs.end("gone", attempt=1, state=QueueState.COMPLETED)
    assert runs.remove("gone")
    assert runs.find("gone") is None
    assert (events.all_of("gone"), attempts.of_run("gone")) == ([], [])
    assert len(events.all_of("kept")) == len(attempts.of_run("kept")) == 1


def test_words_of_a_run_hold_no_secret_and_nothing_that_a_database_refuses(runs: Runs) -> None:
    runs.add(new_run(title="a\0b \ud800 ü"))
    runs.end("trip-1", attempt=1, state=QueueState.FAILED, error=f"the key {KEY} is wrong\0")
    row = runs.get("trip-1")
    assert row.title == "a\ufffdb ? ü"
    assert row.error is not None
    assert KEY not in row.error
    assert row.error.startswith("the key ")
