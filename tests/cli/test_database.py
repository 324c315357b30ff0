"""The commands over the queue's database: db migrate, check."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import postgres
from cli.terminal import Terminal


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("dbos")
    return postgres.new_database(postgres.session_server(tmp_path_factory.getbasetemp()))


def test_a_database_that_is_not_there_is_told_and_not_made(wayframe: Terminal) -> None:
    printed = wayframe("db", "check")
    assert printed.code == 1
    assert "wayframe.db: run `wayframe db migrate`" in printed.out
    assert not (wayframe.home / "wayframe.db").exists()


def test_migrate_makes_the_tables_and_may_be_repeated(wayframe: Terminal) -> None:
    first = wayframe("db", "migrate")
    assert first.code == 0
    assert first.out.startswith("applied 0001_begin.sql\n")
    assert "the tables are up to date (1)" in first.out
    again = wayframe("db", "migrate")
    assert "applied" not in again.out
    checked = wayframe("db", "check", "--json").json()
    assert checked["usable"] is True
    assert checked["applied"] == checked["known"] == 1
    assert checked["dbos_applied"] == checked["dbos_known"]


def test_the_database_is_named_by_a_flag_or_by_the_environment(
    wayframe: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    assert wayframe("db", "migrate", "--database", url).code == 0
    assert (tmp_path / "other.db").exists()
    assert wayframe("db", "check").code == 1
    monkeypatch.setenv("WAYFRAME_DATABASE", url)
    assert wayframe("db", "check").code == 0


def test_postgresql_is_checked_and_migrated(wayframe: Terminal, server: str) -> None:
    printed = wayframe("db", "check", "--database", server, "--json")
    assert printed.code == 1
    assert printed.json()["applied"] == 0
    assert wayframe("db", "migrate", "--database", server).code == 0
    assert wayframe("db", "check", "--database", server).code == 0


def test_a_role_that_is_not_there_is_told(wayframe: Terminal, server: str) -> None:
    said = wayframe.fails("db", "migrate", "--database", server, "--role", "none_such")
    assert said == (
        "error: role: does not exist in the database (got 'none_such'); make it first: create role ... login"
    )
    said = wayframe.fails("db", "migrate", "--role", "none_such")
    assert "is for PostgreSQL only" in said


def test_an_address_that_cannot_be_used_is_told_in_one_line_without_its_password(wayframe: Terminal) -> None:
    for url in ("postgresql://me:hunter2@127.0.0.1:1/x", "mysql://me:hunter2@host/x", "postgresql://me:hun@ter2@h/x"):
        said = wayframe.fails("db", "check", "--database", url)
        assert said.startswith("error: database")
        assert "hun" not in said


def test_without_the_extra_it_says_what_to_install(wayframe: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in {"dbos", "psycopg"} else real(name))
    said = wayframe.fails("db", "check")
    assert said == 'error: the queue needs dbos, psycopg, not installed here: pip install "wayframe[queue]"'


def test_help_needs_nothing_of_the_extra() -> None:
    code = "import sys, wayframe.cli.app; print(sorted({'sqlalchemy', 'dbos', 'psycopg'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
