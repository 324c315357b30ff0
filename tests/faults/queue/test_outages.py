"""A database or a store that is away, slow or cut off in the middle of the work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

import postgres
import s3
from faults.queue.conftest import LONG, cloud
from faults.queue.proxy import Hole
from faults.queue.site import Site
from wayframe.store.home import Home
from wayframe.workflow.queue import readiness
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import Outcome

pytestmark = pytest.mark.faults


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL of this test's own."""
    try:
        with postgres.Server() as server:
            yield server
    except postgres.CannotRunError as error:
        pytest.skip(str(error))


@pytest.fixture
def site(
    server: postgres.Server, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    database = Database.at(server.url, home=Home(root=tmp_path))
    readiness.migrate(database)
    database.close()
    found = cloud(tmp_path, url=server.url, base=tmp_path_factory.getbasetemp(), monkeypatch=monkeypatch)
    yield found
    found.close()


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.skipif(not LONG, reason="make faults"))])
def test_a_database_that_stops_in_mid_render_costs_nothing(site: Site, server: postgres.Server, seconds: float) -> None:
    site.seconds = 2.0
    trip = site.trip(4)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    site.worker("a")
    site.until(lambda: len(site.begun()) >= 2)
    server.stop()
    time.sleep(seconds)
    server.start()
    site.check_whole(run, digest=digest)
    assert len(site.begun()) == 4
    assert all(row.outcome is Outcome.PUBLISHED for row in site.attempts(run))


def test_a_worker_in_a_black_hole_loses_its_work_and_comes_back(site: Site, server: postgres.Server) -> None:
    site.seconds = 2.0
    trip = site.trip(4)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    site.orchestrator()
    with Hole(server.port) as hole:
        through = make_url(server.url).set(port=hole.port).render_as_string(hide_password=False)
        site.worker("a", WAYFRAME_DATABASE=through)
        site.until(lambda: site.begun())
        hole.open.clear()
        site.worker("b")
        time.sleep(12)
        hole.open.set()
        site.check_whole(run, digest=digest, kills=1)
        site.until(lambda: site.is_up("a"))
        assert {row.worker_id for row in site.attempts(run)} == {"a/render", "b/render"}
        second = site.submit(site.trip(6, prompts=("again",)))
        site.completed(second)


def test_a_store_that_fails_and_is_slow_costs_nothing(
    many_machines: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = many_machines
    trip = site.trip(4)
    digest = site.undisturbed(trip)
    run = site.submit(trip)
    with s3.faulty_proxy(s3.s3_endpoint(tmp_path_factory.getbasetemp())) as (address, faults):
        site.orchestrator()
        site.worker("a", AWS_ENDPOINT_URL=address)
        faults.only = ("PUT", "")
        faults.delay = 0.1
        faults.status.extend([503, 500, 503, 503, 429, 500])
        site.check_whole(run, digest=digest)
        assert not faults.status
