from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import postgres

if find_spec("dbos") and find_spec("sqlalchemy") and find_spec("psycopg"):
    from wayframe.store.home import Home
    from wayframe.workflow.queue.database import Database
    from workflow.queue.templates import fresh, migrated
else:
    collect_ignore_glob = ["*"]  # the extra `queue` is not installed

DIALECTS = ("sqlite", "postgresql")


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


@pytest.fixture
def empty(dialect: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database without any table."""
    server = postgres.session_server(tmp_path_factory.getbasetemp()) if dialect == "postgresql" else None
    database = Database.at(fresh(tmp_path, server=server), home=Home(root=tmp_path))
    yield database
    database.close()


@pytest.fixture
def database(dialect: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with all tables, ours and DBOS's."""
    base = tmp_path_factory.getbasetemp()
    server = postgres.session_server(base) if dialect == "postgresql" else None
    url = migrated(tmp_path, shared=postgres.shared_folder(base), server=server)
    database = Database.at(url, home=Home(root=tmp_path))
    yield database
    database.close()
