from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

import postgres
import s3

if find_spec("dbos") and find_spec("sqlalchemy") and find_spec("psycopg"):
    from faults.queue.site import ENGINE, Site
    from workflow.queue.templates import migrated
else:
    collect_ignore_glob = ["*"]  # the extra `queue` is not installed

LONG = "WAYFRAME_FAULT_SEEDS" in os.environ
"""What takes minutes is for `make faults`."""
KINDS = ("sqlite", "postgresql")


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are made here, so the engine must be here too."""
    monkeypatch.syspath_prepend(str(ENGINE))


@pytest.fixture
def one_machine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """SQLite, and everything in one home."""
    shared = postgres.shared_folder(tmp_path_factory.getbasetemp())
    site = Site(folder=tmp_path, database=migrated(tmp_path, shared=shared, server=None))
    yield site
    site.close()


@pytest.fixture
def many_machines(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """PostgreSQL and S3, and a home for each machine: nothing is shared but the two addresses."""
    base = tmp_path_factory.getbasetemp()
    url = migrated(tmp_path, shared=postgres.shared_folder(base), server=postgres.session_server(base))
    site = cloud(tmp_path, url=url, base=base, monkeypatch=monkeypatch)
    yield site
    site.close()


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest) -> Site:
    """Each of the two in turn, or the one that `on` or `shared_out` chose."""
    name = {"sqlite": "one_machine", "postgresql": "many_machines"}[request.param]
    found: Site = request.getfixturevalue(name)
    return found


def cloud(folder: Path, *, url: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site at a PostgreSQL, with a bucket of its own."""
    endpoint = s3.s3_endpoint(base)
    environment = s3.s3_environment(endpoint)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Site(folder=folder, database=url, store=f"s3://{s3.new_bucket(endpoint)}/work", environment=environment)


def on(kind: str) -> pytest.MarkDecorator:
    """Show a scenario on one of the two `KINDS` of site; `make faults` shows it on both."""
    return pytest.mark.parametrize("site", KINDS if LONG else [kind], indirect=True)


def shared_out(*prompts: str) -> pytest.MarkDecorator:
    """Show two scenarios, one on each of the `KINDS` of site; `make faults` shows both on both."""
    cases = product(KINDS, prompts) if LONG else zip(KINDS, prompts, strict=True)
    return pytest.mark.parametrize(("site", "prompt"), list(cases), indirect=["site"])


def seeds() -> list[int]:
    """Seeds of random faults: three, or as many as `WAYFRAME_FAULT_SEEDS` says."""
    return list(range(int(os.environ.get("WAYFRAME_FAULT_SEEDS", "3"))))
