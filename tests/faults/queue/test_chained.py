"""Chained runs, whose segments are handed out several at a time and made one after the other."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from faults.queue.conftest import on
from faults.queue.site import Site
from wayframe.workflow.queue.adapter import dbos_priority, render_queue
from wayframe.workflow.queue.rows import Outcome, QueueState
from wayframe.workflow.trip import Trip

pytestmark = pytest.mark.faults


def chained(site: Site, segments: int, *prompts: str) -> Trip:
    return site.trip(segments, prompts=prompts, chaining="chained", overlap=1)


@on("postgresql")
def test_a_killed_renderer_is_followed_behind_the_last_segment_that_was_published(site: Site) -> None:
    trip = chained(site, 6)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: len(site.published(run)) >= 2)
    site.programs[-1].process.kill()
    site.worker("b")
    site.check_whole(run, digest=digest, kills=1)
    crashed = [row.segment for row in site.attempts(run) if row.outcome is Outcome.CRASHED]
    assert len(crashed) <= 1


def test_a_chained_segment_that_kills_its_worker_is_the_only_one_that_is_counted(one_machine: Site) -> None:
    site = one_machine
    run = site.submit(chained(site, 4, "one", "two", "three dies", "four"), keep_going=True)
    site.orchestrator()
    site.worker("a")
    row = site.ended(run)
    assert row.error is not None
    assert "segment 2 killed 3 workers (a/render)" in row.error
    assert site.published(run) == [0, 1]
    assert [one.segment for one in site.attempts(run) if one.outcome is Outcome.CRASHED] == [2, 2, 2]


def test_nothing_is_made_behind_a_chained_segment_that_failed(one_machine: Site) -> None:
    site = one_machine
    trip = chained(site, 4, "one", "two fails", "three", "four")
    digest = site.undisturbed(trip)
    site.fails.touch()
    run = site.submit(trip, keep_going=True)
    site.orchestrator()
    site.worker("a")
    assert site.ended(run).error == "RuntimeError: the engine met a value that it does not know"
    assert [line["segment"] for line in site.begun()] == [0, 1]
    site.fails.unlink()
    with site.client() as client:
        client.retry(run.run_id)
    assert site.completed(run)["outcome"]["digest"] == digest
    assert site.published(run) == [0, 1, 2, 3]


@on("sqlite")
def test_a_cancelled_chained_run_stops_and_resumes_with_what_it_made(site: Site) -> None:
    site.seconds = 0.6
    trip = chained(site, 6)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: len(site.published(run)) >= 2)
    with site.client() as client:
        client.cancel(run.run_id)
    site.until(lambda: all(row.outcome for row in site.attempts(run)))
    done = site.published(run)
    with site.client() as client:
        client.resume(run.run_id)
    assert site.completed(run)["outcome"]["digest"] == digest
    assert {row.segment for row in site.attempts(run) if row.attempt == 2}.isdisjoint(done)


@on("postgresql")
def test_two_chained_runs_that_share_segments_render_them_once(site: Site) -> None:
    first, second = (site.submit(chained(site, 5, "a", "b", "c", "d", last)) for last in ("e", "f"))
    site.orchestrator()
    site.worker("a")
    site.worker("b")
    site.completed(first)
    site.completed(second)
    assert len(site.begun()) == 6


@on("sqlite")
def test_a_chained_run_gives_way_between_two_segments_to_what_is_of_a_higher_priority(site: Site) -> None:
    trip = chained(site, 8)
    digest = site.undisturbed(trip)
    long = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(long))
    short = site.submit(site.trip(1, prompts=("other",)), priority=10)
    site.completed(short)
    assert site.row(long).state is QueueState.RUNNING
    assert site.completed(long)["outcome"]["digest"] == digest
    assert [row.outcome for row in site.attempts(long)] == [Outcome.PUBLISHED] * 8


def test_a_chained_run_keeps_no_other_model_waiting_longer_than_it_may(one_machine: Site) -> None:
    site = one_machine
    site.seconds = 0.5
    long = site.submit(chained(site, 16))
    site.orchestrator()
    site.worker("a", "--max-wait", "1")
    site.until(lambda: site.published(long))
    site.completed(site.submit(site.trip(1, prompts=("other",), engine="null")))
    assert site.row(long).state is QueueState.RUNNING
    site.completed(long)


def test_a_drained_worker_leaves_after_the_chained_segment_in_work(one_machine: Site) -> None:
    site = one_machine
    site.seconds = 0.8
    run = site.submit(chained(site, 14))
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    with site.client() as client:
        client.drain("a")
    site.until(lambda: not any(row.worker_id == "a/render" for row in site.place.workers.listed()))
    assert len(site.published(run)) < 14
    with site.client() as client:
        client.drain("a", draining=False)
    site.completed(run)
    assert [row.outcome for row in site.attempts(run)] == [Outcome.PUBLISHED] * 14


def test_what_is_handed_out_after_a_move_has_the_new_priority(one_machine: Site) -> None:
    site = one_machine
    run = site.submit(chained(site, 4), batch=1)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    with site.client() as client:
        client.prioritise(run.run_id, priority=7)
    site.completed(run)
    query = "select priority from workflow_status where queue_name = :queue order by priority"
    with site.place.database.reading() as connection:
        found = [int(row[0]) for row in connection.execute(text(query), {"queue": render_queue("slow")})]
    assert (found[0], found[-1]) == (dbos_priority(7, number=run.number), dbos_priority(0, number=run.number))
