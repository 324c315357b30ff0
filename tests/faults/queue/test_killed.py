"""kill -9 of any process at any moment: nothing that is finished is lost or rendered again."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress

import httpx
import numpy as np
import psutil
import pytest

from faults.queue.conftest import seeds
from faults.queue.site import Site
from wayframe.workflow.queue.attempts import POISON
from wayframe.workflow.queue.rows import QueueState

pytestmark = pytest.mark.faults
SEGMENTS = 20


def test_a_run_over_two_machines_is_that_of_the_plain_loop(many_machines: Site) -> None:
    site = many_machines
    site.seconds = 1.0  # long enough for both to begin
    trip = site.trip(6)
    digest = site.undisturbed(trip)
    port = free_port()
    site.orchestrator()
    site.worker("a", "--metrics", str(port), "--log-json")
    site.worker("b")
    run = site.submit(trip)
    site.check_whole(run, digest=digest)
    assert {row.worker_id for row in site.attempts(run)} == {"a/render", "b/render"}
    said = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'wayframe_runs{capability="slow",state="completed"} 1.0' in said
    assert 'wayframe_published_total{capability="slow"} 3.0' in said
    assert 'wayframe_frames_total{capability="slow"} 15.0' in said
    lines = [json.loads(line) for line in (site.folder / "a.log").read_text().splitlines()]
    told = [line for line in lines if "published" in line["message"]]
    assert {line["run"] for line in told} == {run.run_id}
    assert {line["task"] for line in told} <= {task["id"] for task in site.record(run)["tasks"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("seed", seeds())
def test_processes_killed_at_random_moments_lose_nothing_that_was_finished(site: Site, seed: int) -> None:
    chance = np.random.default_rng([seed, site.store is None])
    trip = site.trip(SEGMENTS)
    digest = site.undisturbed(trip)
    run = site.submit(trip, batch=int(chance.choice([0, 3, 7])), keep_going=True)
    start(site)
    kills = 0
    for _ in range(3):
        done = len(site.published(run))
        site.until(lambda done=done: len(site.published(run)) > done or site.row(run).finished)
        time.sleep(chance.uniform(0, 0.5))
        kills += hurt(site, chance)
    if site.ended(run).state is QueueState.FAILED:  # all kills met one segment: that looks as if it killed its workers
        assert f"killed {POISON} workers" in str(site.row(run).error)
        with site.client() as client:
            client.retry(run.run_id)
    site.check_whole(run, digest=digest, kills=kills)


def start(site: Site) -> None:
    """On one machine `up`; on many an orchestrator and two workers."""
    if site.store is None:
        site.start("up", "--no-page", "--workers", "1", wait=False)
    else:
        site.orchestrator()
        site.worker("a", wait=False)
        site.worker("b", wait=False)


def hurt(site: Site, chance: np.random.Generator) -> int:
    """Kill something; how many renders that may have cost."""
    target = str(chance.choice(["renderer", "worker", "orchestrator", "everything"]))
    rendering = sum("/render" in row.worker_id for row in site.place.workers.listed())
    if target == "everything":
        site.kill_everything()
        start(site)
        return rendering
    mark = {"renderer": "/render", "worker": "cpu" if site.store is None else "a", "orchestrator": "boss"}[target]
    names = [row for row in site.place.workers.listed() if mark in row.worker_id or target in row.kind.value]
    for row in names[:1]:
        with suppress(psutil.Error, ProcessLookupError):
            process = psutil.Process(row.pid)
            process.kill()
            site.until(lambda process=process: process.status() == psutil.STATUS_ZOMBIE or not process.is_running())
    if site.store is not None:
        site.start_again()
    return 1
