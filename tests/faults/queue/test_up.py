"""Everything on one machine: `wayframe up`."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from faults.queue.site import Site

pytestmark = pytest.mark.faults


def test_after_a_kill_of_everything_the_next_up_goes_on_at_once(one_machine: Site) -> None:
    site = one_machine
    trip = site.trip(6)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.start("up", "--no-page")
    site.until(lambda: site.published(run))
    site.kill_everything()
    site.start("up", "--no-page")
    site.check_whole(run, digest=digest, kills=1)


def test_its_processes_die_with_it(one_machine: Site) -> None:
    site = one_machine
    up = site.start("up", "--no-page")
    run = site.submit(site.trip(4))
    site.until(lambda: site.begun())
    pids = [row.pid for row in site.place.workers.listed()]
    assert len(pids) == 3
    up.process.kill()
    up.process.wait(60)
    site.until(lambda: not any(map(psutil.pid_exists, pids)))
    site.start("up", "--no-page")
    site.completed(run)


def test_a_second_up_says_that_one_is_running(one_machine: Site) -> None:
    site = one_machine
    first = site.start("up", "--no-page")
    second = site.start("up", "--no-page", wait=False)
    assert second.process.wait(60) == 1
    expected = f"wayframe up runs already on {site.home('client').root} (process {first.process.pid})"
    assert expected in (site.folder / "up.log").read_text()


def test_it_starts_again_what_dies_and_says_so(one_machine: Site) -> None:
    site = one_machine
    site.start("up", "--no-page")
    site.until(lambda: len(site.place.workers.listed()) == 2)
    for row in site.place.workers.listed():
        os.kill(row.pid, signal.SIGKILL)
    site.until(lambda: (site.folder / "up.log").read_text().count("started (process") == 4)
    said = (site.folder / "up.log").read_text()
    assert said.count("killed by SIGKILL; again in 1 s") == 2
    site.completed(site.submit(site.trip(2)))


def test_ctrl_c_finishes_the_batch_and_a_later_up_the_run(one_machine: Site) -> None:
    site = one_machine
    run = site.submit(site.trip(4), batch=2)
    up = site.start("up", "--no-page")
    site.until(lambda: site.published(run))
    up.send(signal.SIGINT)
    assert up.process.wait(60) == 0
    said = (site.folder / "up.log").read_text()
    assert "stopping: work in hand is finished first" in said
    assert len(site.published(run)) in (2, 4)
    assert site.place.workers.listed() == []
    site.start_again()
    site.completed(run)
    assert site.published(run) == [0, 1, 2, 3]
