"""Clocks that differ, a death between two writes, and runs that wait while the program or the tables are upgraded."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text

from faults.queue.conftest import on
from faults.queue.site import Site, import_path
from wayframe.store.home import open_home
from wayframe.store.runs import list_runs
from wayframe.workflow.queue import schema
from wayframe.workflow.queue.rows import Outcome

pytestmark = pytest.mark.faults
OLDER = {
    "sqlite": "update workflow_status set application_version = 'flow-0'",
    "postgresql": "update dbos.workflow_status set application_version = 'flow-0'",
}
HERE = Path(__file__).parent


@on("postgresql")
def test_a_worker_whose_clock_is_an_hour_ahead_is_not_taken_for_dead(site: Site) -> None:
    site.seconds = 1.0
    trip = site.trip(5)
    digest = site.undisturbed(trip)
    run = site.submit(trip, batch=2)
    site.orchestrator()
    site.worker("a", PYTHONPATH=import_path(HERE / "skewed"))
    site.check_whole(run, digest=digest)
    assert {row.outcome for row in site.attempts(run)} == {Outcome.PUBLISHED}
    times = [row.time for row in site.place.events.all_of(run.run_id)]
    assert times == sorted(times)
    assert times[-1] - times[0] < 600_000


@on("postgresql")
def test_a_death_between_upload_and_record_leaves_a_whole_segment_that_is_not_made_again(site: Site) -> None:
    trip = site.trip(3)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a", PYTHONPATH=import_path(HERE / "dying"))
    assert site.completed(run)["outcome"]["digest"] == digest
    assert len(site.begun()) == 3
    crashed = [row.segment for row in site.attempts(run) if row.outcome is Outcome.CRASHED]
    assert crashed == [0, 1, 2]
    assert site.published(run) == [1, 2]
    assert [task["reused"] for task in site.record(run)["tasks"] if task["segment"] == 0] == [True]


@on("postgresql")
def test_an_orchestrator_that_dies_within_a_final_file_is_followed_behind_the_last_step(site: Site) -> None:
    trip = site.trip(2, after={"upscale": {"factor": 2}, "fps": 32})
    site.undisturbed(trip)
    alone = list_runs(open_home(site.folder / "undisturbed"))[0].read()
    run = site.submit(trip)
    boss = site.orchestrator(PYTHONPATH=import_path(HERE / "dying"))
    site.worker("a")
    site.until(lambda: boss.process.poll() is not None)
    site.start_again()
    made = site.completed(run)["outcome"]["after"]
    assert [step["reused"] for step in made["steps"]] == [True, False, False]
    assert made["digest"] == alone["outcome"]["after"]["digest"]
    assert list(site.home("boss").artifacts.glob(".making-*")) == []


@on("sqlite")
def test_a_run_that_waits_for_a_version_that_is_gone_is_begun_anew_with_what_was_made(site: Site) -> None:
    site.seconds = 0.6
    trip = site.trip(6)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    site.kill_everything()
    done = len(site.published(run))
    with site.place.database.transaction() as connection:
        connection.execute(text(OLDER[site.place.database.dialect]))
    site.orchestrator()
    site.worker("a")
    assert site.completed(run)["outcome"]["digest"] == digest
    assert site.row(run).attempt == 2
    assert sorted(site.published(run)) == list(range(6))
    assert len([row for row in site.attempts(run) if row.attempt == 2]) == 6 - done


def newer(works_with: int) -> tuple[schema.Migration, ...]:
    """This program's migrations, and one of the next version."""
    known = schema.migrations()
    last = known[-1].number
    body = f"-- works_with: {works_with}\ncreate table wf_later (number integer);\n"
    one = dataclasses.replace(
        known[-1],
        number=last + 1,
        name=f"{last + 1:04}_later.sql",
        digest=hashlib.sha256(body.encode()).hexdigest(),
        works_with=works_with,
        statements=body,
    )
    return (*known, one)


@on("postgresql")
def test_a_run_goes_on_over_a_migration_that_this_version_works_with(site: Site) -> None:
    trip = site.trip(5)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: site.published(run))
    schema.migrate(site.place.database, steps=newer(schema.migrations()[-1].number))
    site.kill_everything()
    site.orchestrator()
    site.worker("a")
    site.check_whole(run, digest=digest, kills=1)


@on("sqlite")
def test_a_worker_of_another_version_than_the_tables_says_so_and_refuses(site: Site) -> None:
    last = schema.migrations()[-1].number
    schema.migrate(site.place.database, steps=newer(last + 1))
    worker = site.worker("a", wait=False)
    assert worker.process.wait(60) == 1
    said = (site.folder / "a.log").read_text()
    assert f"the database has tables up to {last + 1}, this program knows {last}: upgrade wayframe here" in said
    assert "Traceback" not in said
