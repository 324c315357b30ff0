"""Signs of life, and what is done with the work of those that give none."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import DBOSClient
from filelock import FileLock
from sqlalchemy import text

from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import RUNS_QUEUE, client, holding, render_queue
from wayframe.workflow.queue.attempts import Attempts, Try
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.liveness import _SWEEP_LOCK, Heart, Sweeper, birth, executor_id, host_name
from wayframe.workflow.queue.rows import NewWorker, Outcome
from wayframe.workflow.queue.workers import DEAD_SECONDS, Claims, Workers
from workflow.queue.outage import fallible
from workflow.queue.rows import new_worker, owner, silent_since, until
from workflow.queue.workflows import give, plant

WORK, QUEUE, SHORT = "trip-1~1.b0", render_queue("preview"), 0.02


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def workers(database: Database) -> Workers:
    return Workers(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asker(database: Database) -> Iterator[DBOSClient]:
    ours = client(database)
    yield ours
    ours.destroy()


@pytest.fixture
def sweeper(database: Database, workers: Workers, asker: DBOSClient, clock: Clock) -> Sweeper:
    """A sweeper that has been at work for long enough to call somebody dead."""
    made = Sweeper(database, workers=workers, client=asker, now=clock)
    clock.now += DEAD_SECONDS
    return made


def status(database: Database, workflow: str = WORK) -> str:
    found = holding(database, workflow)
    assert found is not None
    return found.status


def local(worker_id: str = "gpu-0", **changed: object) -> NewWorker:
    """A worker of this machine."""
    return new_worker(worker_id, host=host_name(), **changed)


def ended_process() -> int:
    """The number of a process that was there and is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as program:
        program.wait()
    return program.pid


def test_a_heart_claims_the_name_beats_and_gives_it_back(workers: Workers, database: Database) -> None:
    worker = local()
    with Heart(workers, worker, lost=pytest.fail, beat=SHORT) as heart:
        assert heart.owner == owner(worker)
        silent_since(database, "gpu-0", seconds=20)
        until(lambda: workers.listed()[0].age < 10)
        heart.tell(holding="wan:tiny", run_id="trip-1")
        until(lambda: (workers.listed()[0].holding, workers.listed()[0].run_id) == ("wan:tiny", "trip-1"))
        assert workers.listed()[0].born == birth(os.getpid())
    assert workers.listed() == []


def test_what_a_heart_tells_is_seen_before_the_next_beat(workers: Workers) -> None:
    with Heart(workers, local(), lost=pytest.fail, beat=3600) as heart:
        heart.tell(holding="preview", run_id=None)
        until(lambda: workers.listed()[0].holding == "preview")


def test_a_second_living_process_of_one_name_does_not_begin(workers: Workers) -> None:
    with Heart(workers, local(), lost=pytest.fail, beat=3600):
        second = Heart(workers, local(boot="boot-2"), lost=pytest.fail, beat=3600)
        with pytest.raises(StoreError, match="alive already; choose another --name"):
            second.__enter__()
        assert [row.boot for row in workers.listed()] == ["boot-1"]


def test_one_that_was_taken_for_dead_is_told_once_and_does_not_take_the_name_from_its_successor(
    workers: Workers,
) -> None:
    lost = []
    with Heart(workers, local(), lost=lambda: lost.append(1), beat=SHORT) as heart:
        workers.forget(heart.owner)
        workers.claim(local(boot="boot-2"))
        until(lambda: lost == [1])
        heart._thread.join()
        assert lost == [1]
    assert [row.boot for row in workers.listed()] == ["boot-2"]


def test_a_heart_beats_on_after_an_outage(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        workers = Workers(ours.database)
        with Heart(workers, new_worker(), lost=pytest.fail, beat=SHORT) as heart:
            ours.begin_outage()
            heart.tell(holding="preview", run_id=None)
            until(lambda: not heart._soon.is_set())
            ours.end_outage()
            until(lambda: workers.listed()[0].holding == "preview")


def test_ids_of_executors_differ_at_every_start() -> None:
    assert executor_id(owner(new_worker())) == "gpu-0#boot-1"
    assert executor_id(owner(new_worker(boot="boot-2"))) == "gpu-0#boot-2"


def test_the_dead_are_buried_and_their_work_is_handed_on(
    database: Database, workers: Workers, sweeper: Sweeper
) -> None:
    workers.claim(new_worker())
    Attempts(database).begin([Try(run_id="trip-1", attempt=1, segment=0, key="k")], owner=owner(new_worker()))
    Claims(database).take("k", run_id="trip-1", owner=owner(new_worker()))
    plant(database, WORK, executor="gpu-0#boot-1", queue=QUEUE)
    assert sweeper.sweep() == []
    assert status(database) == "PENDING"
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    assert [row.worker_id for row in sweeper.sweep()] == ["gpu-0"]
    assert status(database) == "ENQUEUED"
    assert [row.outcome for row in Attempts(database).of_run("trip-1")] == [Outcome.CRASHED]
    assert Claims(database).take("k", run_id="trip-1", owner=owner(new_worker("gpu-1")))
    assert sweeper.sweep() == []


def test_work_of_an_executor_that_left_is_handed_on_at_once(
    database: Database, workers: Workers, asker: DBOSClient, clock: Clock
) -> None:
    plant(database, WORK, executor="gpu-0#boot-1", queue=QUEUE)
    plant(database, "kept", executor="gpu-1#boot-1", queue=QUEUE)
    workers.claim(new_worker("gpu-1"))
    Sweeper(database, workers=workers, client=asker, now=clock).sweep()
    assert status(database) == "ENQUEUED"
    assert status(database, "kept") == "PENDING"


def test_batches_are_handed_on_and_runs_too_but_nothing_of_another_program(
    database: Database, sweeper: Sweeper
) -> None:
    for name, queue in (("run", RUNS_QUEUE), ("batch", QUEUE), ("foreign", "theirs"), ("direct", None)):
        plant(database, name, executor="gone#1", queue=queue)
    sweeper.sweep()
    assert [status(database, name) for name in ("run", "batch", "foreign", "direct")] == [
        "ENQUEUED",
        "ENQUEUED",
        "PENDING",
        "PENDING",
    ]


def test_what_was_cancelled_is_not_revived(database: Database, sweeper: Sweeper) -> None:
    plant(database, WORK, executor="gone#1", queue=QUEUE)
    give(database, WORK, status="CANCELLED")
    sweeper.sweep()
    assert status(database) == "CANCELLED"


def test_a_sweeper_that_just_began_calls_nobody_of_another_machine_dead(
    database: Database, workers: Workers, asker: DBOSClient, clock: Clock
) -> None:
    workers.claim(new_worker())
    silent_since(database, "gpu-0", seconds=10 * DEAD_SECONDS)
    sweeper = Sweeper(database, workers=workers, client=asker, now=clock)
    clock.now += DEAD_SECONDS - 1
    assert sweeper.sweep() == []
    clock.now += 1
    assert [row.worker_id for row in sweeper.sweep()] == ["gpu-0"]


def test_after_an_outage_nobody_is_called_dead_until_they_could_have_beaten(tmp_path: Path, dialect: str) -> None:
    clock = Clock()
    with fallible(tmp_path, dialect=dialect) as ours:
        workers, asker = Workers(ours.database), client(ours.database)
        sweeper = Sweeper(ours.database, workers=workers, client=asker, now=clock)
        workers.claim(new_worker())
        clock.now += 10 * DEAD_SECONDS
        assert sweeper.sweep() == []
        ours.begin_outage()
        assert sweeper.sweep() == []
        ours.end_outage()
        silent_since(ours.database, "gpu-0", seconds=DEAD_SECONDS + 1)
        clock.now += DEAD_SECONDS - 1
        assert sweeper.sweep() == []
        clock.now += 1
        assert [row.worker_id for row in sweeper.sweep()] == ["gpu-0"]
        asker.destroy()


def test_an_outage_while_work_is_handed_on_does_not_end_the_sweeper(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        plant(ours.database, WORK, executor="gone#1", queue=QUEUE)
        workers, asker = Workers(ours.database), client(ours.database)

        class Cut(Workers):
            def listed(self) -> list:
                rows = super().listed()
                if len(calls) == 1:
                    ours.begin_outage()
                calls.append(1)
                return rows

        calls: list[int] = []
        sweeper = Sweeper(ours.database, workers=Cut(ours.database), client=asker)
        assert sweeper.sweep() == []
        ours.end_outage()
        sweeper = Sweeper(ours.database, workers=workers, client=asker)
        until(lambda: sweeper.sweep() == [] and status(ours.database) == "ENQUEUED")
        asker.destroy()


def test_one_process_sweeps_at_a_time(database: Database, workers: Workers, sweeper: Sweeper) -> None:
    workers.claim(new_worker())
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    if database.file:
        with FileLock(database.file.with_name(database.file.name + ".sweep")):
            assert sweeper.sweep() == []
    else:
        with database.transaction() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _SWEEP_LOCK})
            assert sweeper.sweep() == []
    assert [row.worker_id for row in workers.listed()] == ["gpu-0"]
    assert [row.worker_id for row in sweeper.sweep()] == ["gpu-0"]


@pytest.fixture
def young(database: Database, workers: Workers, asker: DBOSClient, clock: Clock) -> Sweeper:
    """A sweeper that may not yet call anybody of another machine dead."""
    return Sweeper(database, workers=workers, client=asker, now=clock)


def test_a_process_of_this_machine_that_is_gone_is_buried_at_once(workers: Workers, young: Sweeper) -> None:
    number = ended_process()
    for worker in (local("gone", pid=number), local("alive"), new_worker("far", pid=number)):
        workers.claim(worker)
    assert [row.worker_id for row in young.sweep()] == ["gone"]
    assert [row.worker_id for row in workers.listed()] == ["alive", "far"]


def test_a_number_that_another_process_has_now_is_no_sign_of_life(workers: Workers, young: Sweeper) -> None:
    workers.claim(local("old", born="1"))
    workers.claim(local("same", born=birth(os.getpid())))
    assert [row.worker_id for row in young.sweep()] == ["old"]


def test_a_living_process_is_not_buried_though_the_clock_of_the_database_is_another(
    workers: Workers, database: Database, young: Sweeper
) -> None:
    with Heart(workers, local(), lost=pytest.fail, beat=3600):
        for hours in (-5, 5):
            with database.transaction() as connection:
                connection.execute(text("update wf_workers set started = started + :ms"), {"ms": hours * 3_600_000})
            assert young.sweep() == []


def test_a_zombie_is_no_living_process(workers: Workers, young: Sweeper) -> None:
    program = subprocess.Popen([sys.executable, "-c", ""])
    workers.claim(local(pid=program.pid))
    until(lambda: birth(program.pid) == "")
    assert Path(f"/proc/{program.pid}").exists() or sys.platform != "linux"
    assert [row.worker_id for row in young.sweep()] == ["gpu-0"]
    program.wait()


def test_the_birth_of_a_process_is_its_own_and_stays(tmp_path: Path) -> None:
    assert birth(os.getpid()) == birth(os.getpid()) != ""
    odd = tmp_path / "a) Z (b"
    odd.symlink_to(sys.executable)
    with subprocess.Popen([odd, "-c", "input()"], stdin=subprocess.PIPE) as program:
        assert birth(program.pid).replace(".", "").isdigit()
        program.communicate(b"\n")
    assert birth(program.pid) == ""


def test_the_name_of_this_machine_is_the_same_in_every_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(host_name) == host_name()


def test_the_birth_of_a_process_elsewhere_is_not_looked_for_here(workers: Workers) -> None:
    for worker in (local(born="7"), new_worker("far")):
        with Heart(workers, worker, lost=pytest.fail, beat=3600):
            assert workers.listed()[0].born == worker.born
