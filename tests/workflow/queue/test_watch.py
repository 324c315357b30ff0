"""Whether a worker still owns what it renders."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from wayframe.errors import CancelledError, StoreError
from wayframe.workflow.queue import watch as module
from wayframe.workflow.queue.adapter import holding
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.watch import Ending, LostError, Watch
from workflow.queue.outage import fallible
from workflow.queue.rows import until
from workflow.queue.workflows import give, plant

WORK = "trip-1~1.b0"
CHANGES = {
    "another executor": {"executor_id": "gpu-1#boot-9"},
    "waits in its queue": {"status": "ENQUEUED"},
    "done by another": {"status": "SUCCESS"},
    "taken once more by the same executor within a second": {"owner_xid": "second"},
    "taken later": {"started_at_epoch_ms": 2000},
}


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


@pytest.fixture
def work(database: Database) -> Database:
    plant(database, WORK, executor="gpu-0#boot-1", queue="render.preview")
    return database


def test_work_that_is_ours_goes_on(work: Database) -> None:
    looked = []

    def look(database: Database, workflow: str) -> object:
        looked.append(workflow)
        return holding(database, workflow)

    with Watch(work, workflow_id=WORK, look=look) as watch:
        until(lambda: len(looked) > 3)
        watch.check()
        watch.confirm()
        assert not watch.ended()
        assert watch.ending is None


def test_a_cancelled_workflow_ends_the_work(work: Database) -> None:
    with Watch(work, workflow_id=WORK) as watch:
        give(work, WORK, status="CANCELLED")
        until(watch.ended)
        assert watch.ending is Ending.CANCELLED
        with pytest.raises(CancelledError, match="the run was cancelled") as caught:
            watch.check()
        assert not isinstance(caught.value, LostError)


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_work_that_was_handed_to_another_is_lost(work: Database, changed: dict[str, object]) -> None:
    with Watch(work, workflow_id=WORK) as watch:
        give(work, WORK, **changed)
        until(watch.ended)
        assert watch.ending is Ending.LOST
        with pytest.raises(LostError, match="handed to another worker"):
            watch.check()


def test_work_that_was_removed_is_cancelled(work: Database) -> None:
    with Watch(work, workflow_id="nothing") as watch:
        assert watch.ended()
        assert watch.ending is Ending.CANCELLED


def test_work_that_another_has_from_the_beginning_is_lost_at_once(work: Database) -> None:
    give(work, WORK, status="ENQUEUED")
    with Watch(work, workflow_id=WORK) as watch:
        assert watch.ending is Ending.LOST


def test_the_first_ending_stays(work: Database) -> None:
    with Watch(work, workflow_id=WORK) as watch:
        watch.lose()
        give(work, WORK, status="CANCELLED")
        with pytest.raises(LostError):
            watch.confirm()
        assert watch.ending is Ending.LOST


def test_after_a_freeze_the_database_is_asked_before_anything_is_published(
    work: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 3600)  # the watching thread is frozen with the process
    with Watch(work, workflow_id=WORK) as watch:
        give(work, WORK, executor_id="gpu-1#boot-9")
        watch.check()
        assert not watch.ended()
        with pytest.raises(LostError):
            watch.confirm()
        assert watch.ended()


def test_while_the_database_is_away_the_work_goes_on_and_what_was_decided_is_seen_afterwards(
    tmp_path: Path, dialect: str
) -> None:
    missed = []

    def look(database: Database, workflow: str) -> object:
        try:
            return holding(database, workflow)
        except StoreError:
            missed.append(1)
            raise

    with fallible(tmp_path, dialect=dialect) as ours:
        plant(ours.database, WORK, executor="gpu-0#boot-1", queue="render.preview")
        with Watch(ours.database, workflow_id=WORK, look=look) as watch:
            ours.begin_outage()
            until(lambda: len(missed) > 3)
            assert not watch.ended()
            ours.end_outage()
            give(ours.database, WORK, status="CANCELLED")
            until(watch.ended)
            assert watch.ending is Ending.CANCELLED


def test_a_confirmation_waits_for_the_database(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        plant(ours.database, WORK, executor="gpu-0#boot-1", queue="render.preview")
        with Watch(ours.database, workflow_id=WORK) as watch:
            ours.begin_outage()
            confirmed = threading.Thread(target=watch.confirm)
            confirmed.start()
            confirmed.join(0.05)
            assert confirmed.is_alive()
            ours.end_outage()
            confirmed.join(30)
            assert not confirmed.is_alive()
            watch.check()


def test_a_confirmation_that_waits_ends_when_the_work_is_lost(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        plant(ours.database, WORK, executor="gpu-0#boot-1", queue="render.preview")
        with Watch(ours.database, workflow_id=WORK) as watch:
            ours.begin_outage()
            threading.Timer(0.05, watch.lose).start()
            with pytest.raises(LostError):
                watch.confirm()
        ours.end_outage()


def test_a_database_without_tables_is_told_at_once(empty: Database) -> None:
    watch = Watch(empty, workflow_id=WORK)
    with pytest.raises(StoreError, match="workflow_status"):
        watch.__enter__()
