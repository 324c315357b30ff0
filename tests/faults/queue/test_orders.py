"""What users ask for while real processes work: cancel, resume, retry, redo, priorities, sharing, models in turn."""

from __future__ import annotations

import re
import time

import pytest

from faults.queue.conftest import on
from faults.queue.site import Site
from wayframe.workflow.queue.redo import Redo
from wayframe.workflow.queue.rows import Outcome, QueueState

pytestmark = pytest.mark.faults
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 (INFO   |WARNING|ERROR  ) \S+ \S")


@on("postgresql")
def test_a_cancelled_run_stops_within_a_second_and_a_step_and_resumes_with_what_it_made(site: Site) -> None:
    site.seconds = 0.6
    trip = site.trip(6)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: len(site.published(run)) >= 2)
    with site.client() as client:
        client.cancel(run.run_id)
    asked = time.monotonic()
    site.until(lambda: any(line["what"] == "stop" for line in site.rendered()))
    assert time.monotonic() - asked < 2.5
    done = set(site.published(run))
    assert site.row(run).state is QueueState.CANCELLED
    with site.client() as client:
        client.resume(run.run_id)
    assert site.completed(run)["outcome"]["digest"] == digest
    assert sorted(site.published(run)) == list(range(6))
    assert {row.segment for row in site.attempts(run) if row.attempt == 2}.isdisjoint(done)
    said = [line for log in site.folder.glob("*.log") for line in log.read_text().splitlines()]
    assert [line for line in said if not LINE.match(line) or "Traceback" in line] == []


@on("sqlite")
def test_a_failed_run_keeps_what_it_made_and_is_retried(site: Site) -> None:
    trip = site.trip(4, prompts=("one", "two fails", "three", "four"))
    digest = site.undisturbed(trip)
    site.fails.touch()
    run = site.submit(trip, keep_going=True)
    site.orchestrator()
    site.worker("a")
    row = site.ended(run)
    assert row.state is QueueState.FAILED
    assert row.error == "RuntimeError: the engine met a value that it does not know"
    assert site.published(run) == [0, 2, 3]
    site.fails.unlink()
    with site.client() as client:
        client.retry(run.run_id)
    assert site.completed(run)["outcome"]["digest"] == digest
    assert site.published(run) == [0, 1, 2, 3]


@on("postgresql")
def test_a_segment_that_kills_its_worker_fails_the_run_with_what_is_known(site: Site) -> None:
    trip = site.trip(4, prompts=("one", "two", "three dies", "four"))
    run = site.submit(trip, keep_going=True)
    site.orchestrator()
    site.worker("a")
    row = site.ended(run)
    assert row.state is QueueState.FAILED
    assert row.error is not None
    assert "segment 2 killed 3 workers (a/render)" in row.error
    assert "signal SIGKILL" in row.error
    assert "peak_memory_mib" in row.error
    assert set(site.published(run)) == {0, 1, 3}
    crashed = [one.segment for one in site.attempts(run) if one.outcome is Outcome.CRASHED]
    assert crashed.count(2) == 3
    assert site.until(lambda: site.is_up("a"))


def test_a_redo_makes_one_segment_and_the_stitch(one_machine: Site) -> None:
    site = one_machine
    run = site.submit(site.trip(4))
    site.orchestrator()
    site.worker("a")
    before = site.completed(run)
    with site.client() as client:
        again, numbers = client.redo(run.run_id, change=Redo(segment=2, seed=77))
    after = site.completed(again)
    assert numbers == [2]
    assert site.published(again) == [2]
    assert after["outcome"]["digest"] != before["outcome"]["digest"]
    assert len(site.begun()) == 5


def test_the_higher_priority_is_rendered_first_and_equals_in_their_order(one_machine: Site) -> None:
    site = one_machine
    site.seconds = 0.1
    runs = [
        site.submit(site.trip(2, prompts=(str(priority), str(number))), priority=priority)
        for number, priority in enumerate((0, 0, 50, -5))
    ]
    site.orchestrator()
    site.until(lambda: all(site.row(run).state is QueueState.RUNNING for run in runs))
    site.worker("a")
    for run in runs:
        site.completed(run)
    firsts = {run.number: site.attempts(run)[0].started for run in runs}
    order = sorted(firsts, key=lambda number: firsts[number])
    assert order == [runs[2].number, runs[0].number, runs[1].number, runs[3].number]


@on("postgresql")
def test_two_runs_that_share_segments_render_them_once_and_cancelling_one_harms_nothing(site: Site) -> None:
    site.seconds = 0.6
    trip = site.trip(6)
    first, second = site.submit(trip), site.submit(trip)
    assert first.run_id != second.run_id
    site.orchestrator()
    site.worker("a")
    site.worker("b")
    site.until(lambda: len(site.published(first)) + len(site.published(second)) >= 2)
    with site.client() as client:
        client.cancel(first.run_id)
    site.completed(second)
    assert sorted([*site.published(first), *site.published(second)]) == list(range(6))
    assert len(site.begun()) <= 6 + 2


def test_the_same_spec_under_one_id_is_one_run(one_machine: Site) -> None:
    site = one_machine
    trip = site.trip(2)
    assert site.submit(trip, run_id="mine").number == site.submit(trip, run_id="mine").number
    site.orchestrator()
    site.worker("a")
    site.completed(site.row(site.submit(trip, run_id="mine")))
    assert len(site.begun()) == 2


def test_a_worker_stays_with_its_model_while_that_has_work(one_machine: Site) -> None:
    site = one_machine
    runs = [
        site.submit(site.trip(2, prompts=(f"{engine} {number}", f"{number}"), engine=engine), batch=1)
        for number in range(2)
        for engine in ("slow", "null")
    ]
    site.orchestrator()
    site.until(lambda: all(site.row(run).state is QueueState.RUNNING for run in runs))
    site.worker("a")
    for run in runs:
        site.completed(run)
    assert [site.published(run) for run in runs] == [[0, 1]] * 4
    said = (site.folder / "a.log").read_text()
    assert said.count("ready for slow") == 1
    assert said.count("ready for null") == 1


def test_no_model_waits_longer_than_it_may(one_machine: Site) -> None:
    site = one_machine
    site.seconds = 0.4
    long = site.submit(site.trip(16), batch=1)
    site.orchestrator()
    site.worker("a", "--max-wait", "2")
    site.until(lambda: site.published(long))
    short = site.submit(site.trip(1, prompts=("other",), engine="null"))
    site.completed(short)
    assert site.row(long).state is QueueState.RUNNING
    site.completed(long)


def test_a_drained_worker_finishes_its_batch_and_takes_no_more(one_machine: Site) -> None:
    site = one_machine
    run = site.submit(site.trip(6), batch=2)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    with site.client() as client:
        client.drain("a")
    site.until(lambda: "leaves in good order" in said(site) or "stopping" in said(site))
    site.until(lambda: not [row for row in site.place.workers.listed() if row.worker_id == "a/render"])
    done = site.published(run)
    assert len(done) % 2 == 0
    assert len(done) < 6
    with site.client() as client:
        client.drain("a", draining=False)
    site.completed(run)
    assert all(row.outcome is Outcome.PUBLISHED for row in site.attempts(run))


def test_sigterm_finishes_the_batch_and_a_second_one_gives_it_back(one_machine: Site) -> None:
    site = one_machine
    site.seconds = 3.0
    run = site.submit(site.trip(2))
    site.orchestrator()
    first = site.worker("a")
    site.until(lambda: site.begun())
    first.process.terminate()
    site.until(lambda: "finishing work for run" in said(site))
    first.process.terminate()
    assert first.process.wait(60) == 0
    assert [row.outcome for row in site.attempts(run)] == [Outcome.LOST, Outcome.LOST]
    site.start_again()
    site.completed(run)


def said(site: Site) -> str:
    return (site.folder / "a.log").read_text()
