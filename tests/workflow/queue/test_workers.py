"""The table of processes: names, signs of life, and claims of segments."""

from __future__ import annotations

import pytest

from wayframe.errors import StoreError
from wayframe.workflow.queue.attempts import Attempts, Try
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import AttemptRow, Outcome, WorkerKind
from wayframe.workflow.queue.workers import BEAT_SECONDS, DEAD_SECONDS, Claims, Workers
from workflow.queue.rows import at_once, new_worker, owner, silent_since

KEY = "AKIAABCDEFGHIJKLMNOP"
FIRST, SECOND = new_worker(), new_worker(boot="boot-2")


@pytest.fixture
def workers(database: Database) -> Workers:
    return Workers(database)


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database)


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)


def one_try(key: str = "k0") -> Try:
    return Try(run_id="trip-1", attempt=1, segment=0, key=key)


def tries(attempts: Attempts) -> list[AttemptRow]:
    return attempts.of_run("trip-1")


def test_work_of_a_dead_process_is_handed_on_within_45_seconds() -> None:
    assert DEAD_SECONDS + 2 * BEAT_SECONDS < 45


def test_a_process_is_listed_as_it_describes_itself(workers: Workers) -> None:
    workers.claim(FIRST)
    (row,) = workers.listed()
    assert (row.worker_id, row.boot, row.kind, row.host) == ("gpu-0", "boot-1", WorkerKind.WORKER, "elsewhere")
    assert (row.capabilities, row.gpu, row.version) == (("preview", "wan:tiny"), "cpu", "1.0")
    assert (row.holding, row.run_id, row.draining) == (None, None, False)
    assert 0 <= row.age < 10


def test_a_name_belongs_to_one_living_process(workers: Workers) -> None:
    workers.claim(FIRST)
    with pytest.raises(StoreError, match="a worker named gpu-0 is alive already; choose another --name"):
        workers.claim(SECOND)
    assert [row.boot for row in workers.listed()] == ["boot-1"]
    workers.claim(FIRST)
    workers.claim(new_worker("gpu-1"))
    assert [row.worker_id for row in workers.alive()] == ["gpu-0", "gpu-1"]


def test_of_those_that_claim_a_name_at_once_one_gets_it(workers: Workers) -> None:
    found = at_once([lambda n=n: workers.claim(new_worker(boot=f"boot-{n}")) for n in range(6)])
    assert found.count(None) == 1
    assert [row.boot for row in workers.listed()] == [f"boot-{found.index(None)}"]


def test_the_name_of_a_dead_process_is_taken_over_with_all_that_it_left(
    workers: Workers, database: Database, claims: Claims, attempts: Attempts
) -> None:
    workers.claim(FIRST)
    workers.beat(owner(FIRST), holding="wan:tiny", run_id="trip-1")
    workers.drain("gpu-0")
    attempts.begin([one_try()], owner=owner(FIRST))
    claims.take("k0", run_id="trip-1", owner=owner(FIRST))
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    workers.claim(SECOND)
    (row,) = workers.listed()
    assert (row.boot, row.draining, row.holding, row.run_id) == ("boot-2", False, None, None)
    assert [(one.outcome, one.detail) for one in tries(attempts)] == [
        (Outcome.CRASHED, {"error": "the process ended without a word"})
    ]
    assert claims.take("k0", run_id="trip-1", owner=owner(SECOND))
    assert not workers.beat(owner(FIRST))


def test_one_that_claims_its_name_again_keeps_its_work(workers: Workers, claims: Claims, attempts: Attempts) -> None:
    workers.claim(FIRST)
    attempts.begin([one_try()], owner=owner(FIRST))
    claims.take("k0", run_id="trip-1", owner=owner(FIRST))
    workers.claim(FIRST)
    assert tries(attempts)[0].outcome is None
    assert not claims.take("k0", run_id="trip-2", owner=owner(new_worker("gpu-1")))


def test_a_beat_tells_what_the_process_holds(workers: Workers, database: Database) -> None:
    workers.claim(FIRST)
    silent_since(database, "gpu-0", seconds=20)
    assert workers.listed()[0].age >= 20
    assert workers.beat(owner(FIRST), holding="wan:tiny", run_id="trip-1")
    row = workers.listed()[0]
    assert (row.holding, row.run_id) == ("wan:tiny", "trip-1")
    assert row.age < 10


def test_a_beat_after_the_burial_says_that_the_name_is_gone(workers: Workers, database: Database) -> None:
    workers.claim(FIRST)
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    assert workers.alive() == []
    assert [row.worker_id for row in workers.bury()] == ["gpu-0"]
    assert not workers.beat(owner(FIRST))
    assert workers.listed() == []
    assert workers.bury() == []


def test_a_process_that_beats_before_its_burial_lives_on(workers: Workers, database: Database) -> None:
    workers.claim(FIRST)
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    (seen_as_dead,) = workers.listed()
    workers.beat(owner(FIRST))
    assert not workers._bury(seen_as_dead)
    assert workers.beat(owner(FIRST))


def test_a_burial_frees_and_closes_what_the_dead_had_and_nothing_else(
    workers: Workers, database: Database, claims: Claims, attempts: Attempts
) -> None:
    living = new_worker("gpu-1")
    for worker in (FIRST, living):
        workers.claim(worker)
        attempts.begin([one_try(worker.worker_id)], owner=owner(worker))
        claims.take(worker.worker_id, run_id="trip-1", owner=owner(worker))
    silent_since(database, "gpu-0", seconds=DEAD_SECONDS + 1)
    workers.bury()
    first, second = tries(attempts)
    assert first.outcome is Outcome.CRASHED
    assert first.ended is not None
    assert str(first.detail["error"]).startswith("no sign of life for 3")
    assert second.outcome is None
    assert claims.take("gpu-0", run_id="trip-1", owner=owner(living))
    assert not claims.take("gpu-1", run_id="trip-1", owner=owner(FIRST))


def test_one_that_leaves_gives_its_name_back_and_closes_what_is_open(
    workers: Workers, claims: Claims, attempts: Attempts
) -> None:
    workers.claim(FIRST)
    attempts.begin([one_try("k0"), one_try("k1")], owner=owner(FIRST))
    attempts.end(owner=owner(FIRST), outcome=Outcome.PUBLISHED, key="k0")
    claims.take("k1", run_id="trip-1", owner=owner(FIRST))
    workers.leave(owner(FIRST))
    assert [one.outcome for one in tries(attempts)] == [Outcome.PUBLISHED, Outcome.CRASHED]
    workers.claim(SECOND)
    workers.leave(owner(FIRST))
    assert [row.boot for row in workers.listed()] == ["boot-2"]
    assert claims.take("k1", run_id="trip-1", owner=owner(SECOND))


def test_who_started_a_process_tells_of_its_end_even_after_a_sweep(workers: Workers, attempts: Attempts) -> None:
    for early in (False, True):
        worker = new_worker(boot=f"boot-{early}")
        workers.claim(worker)
        attempts.begin([one_try()], owner=owner(worker))
        if early:
            workers.forget(owner(worker), detail={"error": "it is gone"})
        workers.forget(owner(worker), detail={"signal": "SIGKILL", "log": [f"key {KEY}"]})
        last = tries(attempts)[-1]
        assert last.outcome is Outcome.CRASHED
        assert last.detail["signal"] == "SIGKILL"
        assert KEY not in str(last.detail)
        assert workers.listed() == []


def test_a_worker_is_asked_to_drain_and_that_is_taken_back(workers: Workers) -> None:
    workers.claim(FIRST)
    assert not workers.is_draining(owner(FIRST))
    assert workers.drain("gpu-0")
    assert workers.is_draining(owner(FIRST))
    assert workers.listed()[0].draining
    workers.beat(owner(FIRST))
    assert workers.is_draining(owner(FIRST))
    assert workers.drain("gpu-0", draining=False)
    assert not workers.is_draining(owner(FIRST))
    assert not workers.drain("nobody")
    assert not workers.is_draining(owner(SECOND))


def test_the_living_are_found_by_what_they_do(workers: Workers) -> None:
    workers.claim(FIRST)
    workers.claim(new_worker("boss", kind=WorkerKind.ORCHESTRATOR))
    assert [row.worker_id for row in workers.alive()] == ["boss", "gpu-0"]
    assert [row.worker_id for row in workers.alive(kind=WorkerKind.ORCHESTRATOR)] == ["boss"]


def test_a_key_is_claimed_by_one_process(claims: Claims) -> None:
    mine, other = owner(FIRST), owner(new_worker("gpu-1"))
    assert claims.take("k", run_id="trip-1", owner=mine)
    assert claims.take("k", run_id="trip-2", owner=mine)
    assert not claims.take("k", run_id="trip-1", owner=other)
    assert not claims.take("k", run_id="trip-1", owner=owner(SECOND))
    claims.free(["k"], owner=other)
    assert not claims.take("k", run_id="trip-1", owner=other)
    claims.free(["k", "nothing"], owner=mine)
    assert claims.take("k", run_id="trip-1", owner=other)


def test_of_those_that_claim_a_key_at_once_one_gets_it(claims: Claims) -> None:
    owners = [owner(new_worker(f"gpu-{n}")) for n in range(6)]
    found = at_once([lambda one=one: claims.take("k", run_id="trip-1", owner=one) for one in owners])
    assert sorted(found) == [False] * 5 + [True]


def test_claims_of_processes_that_nobody_knows_are_freed(workers: Workers, claims: Claims) -> None:
    workers.claim(FIRST)
    claims.take("mine", run_id="trip-1", owner=owner(FIRST))
    claims.take("theirs", run_id="trip-1", owner=owner(SECOND))
    assert claims.free_orphans() == 1
    assert claims.free_orphans() == 0
    assert not claims.take("mine", run_id="trip-1", owner=owner(SECOND))
    assert claims.take("theirs", run_id="trip-1", owner=owner(FIRST))
