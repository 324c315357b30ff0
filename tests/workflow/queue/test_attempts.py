"""The table of attempts: every try at every segment."""

from __future__ import annotations

import pytest

from wayframe.workflow.queue.attempts import POISON, Attempts, Try
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import Outcome
from wayframe.workflow.queue.workers import Workers
from workflow.queue.rows import new_worker, owner

KEY = "AKIAABCDEFGHIJKLMNOP"
ME, OTHER = owner(new_worker()), owner(new_worker("gpu-1"))


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)


def tries(*segments: int, attempt: int = 1) -> list[Try]:
    return [Try(run_id="trip-1", attempt=attempt, segment=number, key=f"k{number}") for number in segments]


def test_a_try_is_open_until_it_ends(attempts: Attempts) -> None:
    attempts.begin(tries(0), owner=ME)
    (row,) = attempts.of_run("trip-1")
    assert (row.segment, row.key, row.worker_id, row.attempt) == (0, "k0", "gpu-0", 1)
    assert (row.outcome, row.ended, row.detail) == (None, None, {})
    attempts.end(owner=ME, outcome=Outcome.PUBLISHED, key="k0", detail={"bytes": 7})
    (row,) = attempts.of_run("trip-1")
    assert (row.outcome, row.detail) == (Outcome.PUBLISHED, {"bytes": 7})
    assert row.ended is not None
    assert row.ended >= row.started


def test_only_a_segment_that_was_in_work_by_itself_was_alone(attempts: Attempts) -> None:
    attempts.begin(tries(0, 1), owner=ME)
    attempts.begin(tries(2), owner=ME)
    assert [row.alone for row in attempts.of_run("trip-1")] == [False, False, True]


def test_one_key_is_ended_or_all_that_the_worker_has_open(attempts: Attempts) -> None:
    attempts.begin(tries(0, 1, 2), owner=ME)
    attempts.begin(tries(3), owner=OTHER)
    attempts.end(owner=ME, outcome=Outcome.PUBLISHED, key="k1")
    attempts.end(owner=ME, outcome=Outcome.LOST)
    assert [row.outcome for row in attempts.of_run("trip-1")] == [
        Outcome.LOST,
        Outcome.PUBLISHED,
        Outcome.LOST,
        None,
    ]


def test_what_has_ended_stays_as_it_ended(attempts: Attempts) -> None:
    attempts.begin(tries(0), owner=ME)
    attempts.end(owner=ME, outcome=Outcome.FAILED, detail={"error": "no memory"})
    attempts.end(owner=ME, outcome=Outcome.PUBLISHED, key="k0")
    assert [(row.outcome, row.detail) for row in attempts.of_run("trip-1")] == [
        (Outcome.FAILED, {"error": "no memory"})
    ]


def test_details_hold_no_secret(attempts: Attempts) -> None:
    attempts.begin(tries(0), owner=ME)
    attempts.end(owner=ME, outcome=Outcome.FAILED, detail={"token": "abcdefgh", "error": f"{KEY} \udcff\0"})
    (row,) = attempts.of_run("trip-1")
    assert KEY not in str(row.detail)
    assert "abcdefgh" not in str(row.detail)
    assert str(row.detail["error"]).endswith("\udcff\0")


def test_crashes_are_counted_by_segment_within_one_attempt_of_the_run(attempts: Attempts, database: Database) -> None:
    workers = Workers(database)
    for attempt, segments in ((1, (0,)), (2, (0, 1)), (2, (1,)), (2, (1,))):
        attempts.begin(tries(*segments, attempt=attempt), owner=ME)
        workers.forget(ME, detail={"signal": "SIGSEGV"})
    attempts.begin(tries(0, attempt=2), owner=ME)
    attempts.end(owner=ME, outcome=Outcome.FAILED)
    found = attempts.crashes("trip-1", attempt=2)
    assert {segment: [row.alone for row in rows] for segment, rows in found.items()} == {
        0: [False],
        1: [False, True, True],
    }
    assert len(found[1]) == POISON
    assert attempts.crashes("trip-1", attempt=3) == {}
    assert attempts.crashes("trip-2", attempt=2) == {}


def test_tries_are_counted_by_how_they_ended(attempts: Attempts) -> None:
    assert attempts.counts() == {}
    attempts.begin(tries(0, 1, 2), owner=ME)
    attempts.end(owner=ME, outcome=Outcome.PUBLISHED, key="k0")
    attempts.end(owner=ME, outcome=Outcome.PUBLISHED, key="k1")
    assert attempts.counts() == {"open": 1, "published": 2}


def test_a_try_that_is_written_down_twice_is_one_and_its_crash_too(attempts: Attempts, database: Database) -> None:
    for _ in range(2):
        attempts.begin(tries(0, 1), owner=ME)
    assert [row.segment for row in attempts.of_run("trip-1")] == [0, 1]
    Workers(database).forget(ME, detail={"signal": "SIGKILL"})
    attempts.begin(tries(0), owner=ME)
    Workers(database).forget(ME, detail={"signal": "SIGKILL"})
    assert {number: len(rows) for number, rows in attempts.crashes("trip-1", attempt=1).items()} == {0: 2, 1: 1}
