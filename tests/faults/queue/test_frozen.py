"""Workers that are frozen, cut off, or of a name that is taken."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from faults.queue.conftest import shared_out
from faults.queue.site import Site
from wayframe.workflow.queue.rows import Outcome, RunRow, WorkerRow

pytestmark = pytest.mark.faults


def frozen(site: Site, run: RunRow) -> WorkerRow:
    """The renderer of worker a, frozen while it renders, once its work was handed on to worker b."""
    row = site.renderer("a")
    site.until(lambda: site.begun())
    os.kill(row.pid, signal.SIGSTOP)
    site.worker("b")
    site.until(lambda: any(one.worker_id == "b/render" for one in site.attempts(run)))
    return row


def failing(site: Site) -> Path:
    """What has segments fail whose prompt says so, at a worker that is told of it."""
    path = site.folder / "fails-at-one"
    path.touch()
    return path


def outcomes(site: Site, run: RunRow) -> dict[str, Outcome | None]:
    return {row.worker_id: row.outcome for row in site.attempts(run)}


@shared_out("", "deaf fails")
def test_a_frozen_renderer_that_goes_on_before_its_successor_ends_publishes_nothing(site: Site, prompt: str) -> None:
    site.seconds = 2.0
    trip = site.trip(1, prompts=(prompt,))
    run = site.submit(trip)
    digest = site.undisturbed(trip)
    site.orchestrator()
    site.worker("a", SLOW_FAILS=str(failing(site)))
    row = frozen(site, run)
    os.kill(row.pid, signal.SIGCONT)
    record = site.completed(run)
    assert record["outcome"]["digest"] == digest
    assert outcomes(site, run) == {"a/render": Outcome.CRASHED, "b/render": Outcome.PUBLISHED}
    assert published_by(site, run) == {"b/render"}
    later = site.submit(site.trip(2, prompts=("another", "one")))
    site.completed(later)


@shared_out("deaf fails", "deaf")
def test_a_frozen_renderer_that_goes_on_after_its_successor_ended_publishes_nothing(site: Site, prompt: str) -> None:
    site.seconds = 1.0
    trip = site.trip(1, prompts=(prompt,))
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a", SLOW_FAILS=str(failing(site)))
    row = frozen(site, run)
    record = site.completed(run)
    os.kill(row.pid, signal.SIGCONT)
    site.until(lambda: "taken for dead" in (site.folder / "a.log").read_text())
    assert site.record(run) == record
    assert outcomes(site, run) == {"a/render": Outcome.CRASHED, "b/render": Outcome.PUBLISHED}
    assert published_by(site, run) == {"b/render"}


def published_by(site: Site, run: RunRow) -> set[str]:
    store = site.place.artifacts()
    found = [store.find(row.key) for row in site.attempts(run)]
    return {str(artifact.facts["worker"]) for artifact in found if artifact is not None}


def test_a_second_worker_of_a_name_is_refused(one_machine: Site) -> None:
    site = one_machine
    site.worker("a")
    second = site.worker("a", wait=False)
    assert second.process.wait(60) == 1
    assert "a worker named a is alive already; choose another --name" in (site.folder / "a.log").read_text()
    assert site.programs[0].process.poll() is None


def test_a_worker_that_is_killed_can_be_started_again_at_once(one_machine: Site) -> None:
    site = one_machine
    first = site.worker("a")
    first.process.kill()
    first.process.wait(60)
    site.start_again()
    site.until(lambda: site.is_up("a"))
    assert site.programs[0].process.poll() is None
