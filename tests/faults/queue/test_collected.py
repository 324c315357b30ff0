"""A store that is slow to remove what no run refers to, while somebody submits what would refer to it."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest

from faults.queue.site import Site
from wayframe.store.blobs import BLOBS
from wayframe.store.objects import ObjectStore
from wayframe.workflow.queue import database
from wayframe.workflow.queue.gc import Collector
from wayframe.workflow.queue.request import get_request
from wayframe.workflow.queue.rows import RunRow

pytestmark = pytest.mark.faults
IDLE = 1
"""Seconds after which the database ends a session that is silent within a transaction, in the place of twenty."""


def test_a_removal_that_takes_longer_than_a_session_may_be_silent_takes_nothing_from_a_new_run(
    many_machines: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = many_machines
    trip = site.trip(1)
    with site.client() as client:
        client.remove(client.cancel(client.submit(trip).run_id).run_id)
    monkeypatch.setattr(database, "IDLE_SECONDS", IDLE)
    submits: list[Future[RunRow]] = []
    delete = ObjectStore.delete
    with ThreadPoolExecutor() as pool, site.client() as client:

        def slowly(store: ObjectStore, key: str) -> None:
            if key.startswith(BLOBS) and not submits:
                submits.append(pool.submit(client.submit, trip))
                time.sleep(3 * IDLE)
            delete(store, key)

        monkeypatch.setattr(ObjectStore, "delete", slowly)
        removed = Collector(site.place, older_than=timedelta(seconds=-5)).collect()
        row = submits[0].result()
    assert removed.garbage
    assert site.place.blobs.missing(get_request(site.place, row.run_id).blobs) == []
