"""The queue's database: URLs, transactions, and errors that tell no secret."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from sqlalchemy import text

import postgres
from wayframe.errors import SpecError, StoreError, StoreUnavailableError
from wayframe.store.home import Home
from wayframe.workflow.queue import database as module
from wayframe.workflow.queue.database import IDLE_SECONDS, KEEPALIVES, Database
from workflow.queue.outage import Fallible, fallible
from workflow.queue.rows import at_once

RAW = "hunter2@/:secret"
ESCAPED = "hunter2%40%2F%3Asecret"
HOME = Home(root=Path("/home/of/nobody"))


def at(url: str | None) -> Database:
    return Database.at(url, home=HOME)


def test_without_a_url_it_is_a_file_in_the_home_folder() -> None:
    for nothing in (None, ""):
        assert at(nothing).file == HOME.root / "wayframe.db"


def test_a_file_is_named_by_an_absolute_or_a_relative_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert at("sqlite:////srv/queue.db").file == Path("/srv/queue.db")
    assert at("sqlite:///queue.db").file == tmp_path / "queue.db"


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql+asyncpg://host/name"]
)
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="neither PostgreSQL nor an SQLite file"):
        at(url)


@pytest.mark.parametrize("url", ["queue.db", "://", "postgresql://me:secret@h:70x/n"])
def test_what_is_no_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SpecError, match="database: is no URL; expected postgresql://") as caught:
        at(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["a@secret", "a/secret@b", "a:b@secret/"])
def test_a_password_that_is_not_escaped_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(SpecError, match="password that is not escaped; write @ as %40") as caught:
        at(f"postgresql://me:{password}@host/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_on_another_host_is_asked_for_tls(scheme: str) -> None:
    assert at(f"{scheme}://me@db.example.org/queue").url.query["sslmode"] == "require"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", ""])
def test_postgresql_on_this_machine_is_not_asked_for_tls(host: str) -> None:
    assert "sslmode" not in at(f"postgresql://me@{host}/queue").url.query


def test_words_of_the_url_about_tls_and_keepalives_are_kept() -> None:
    url = "postgresql://me@db.example.org/queue?sslmode=verify-full&sslrootcert=/etc/ca.pem&keepalives_idle=99"
    found = at(url)
    assert found.url.query["sslmode"] == "verify-full"
    for words in ("sslmode=verify-full", "sslrootcert=%2Fetc%2Fca.pem", "keepalives_idle=99", "tcp_user_timeout=15000"):
        assert words in found.text
    assert all(name in found.text for name in KEEPALIVES)


def test_a_database_is_shown_without_user_and_password() -> None:
    shown = at(f"postgresql://me:{ESCAPED}@db.example.org/queue?sslpassword={ESCAPED}&sslmode=require").shown
    assert shown == "postgresql://db.example.org/queue?sslmode=require"
    assert ESCAPED in at(f"postgresql://me:{ESCAPED}@db.example.org/queue").text


def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        database = at(f"postgresql://me:{ESCAPED}@127.0.0.1:{unused.getsockname()[1]}/queue")
        with pytest.raises(StoreUnavailableError, match=r"database postgresql://127\.0\.0\.1") as caught:
            database.reading().__enter__()
    assert caught.value.retryable
    assert not any(word in str(caught.value) for word in (RAW, ESCAPED, "hunter2", "\n"))


def test_a_statement_that_is_wrong_will_be_wrong_again(empty: Database) -> None:
    with pytest.raises(StoreError, match="nothing_here") as caught, empty.reading() as connection:
        connection.execute(text("select * from nothing_here"))
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_opened_may_be_there_later(tmp_path: Path) -> None:
    (tmp_path / "queue.db").mkdir()
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        at(f"sqlite:///{tmp_path / 'queue.db'}").transaction().__enter__()


def test_a_locked_file_may_be_free_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0)
    first, second = (at(f"sqlite:///{tmp_path / 'queue.db'}") for _ in range(2))
    with first.transaction(), pytest.raises(StoreUnavailableError, match="locked"):
        second.transaction().__enter__()
    first.close()
    second.close()


def test_readers_do_not_wait_for_a_writer(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0)
    with empty.transaction() as connection:
        connection.execute(text("create table t (x integer)"))
    with empty.transaction() as writer, empty.reading() as reader:
        writer.execute(text("insert into t values (1)"))
        assert reader.execute(text("select count(*) from t")).scalar() == 0


def insert_and_fail(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("insert into t values (1)"))
        raise ZeroDivisionError


def test_a_transaction_is_undone_by_an_error(empty: Database) -> None:
    with empty.transaction() as connection:
        connection.execute(text("create table t (x integer)"))
    with pytest.raises(ZeroDivisionError):
        insert_and_fail(empty)
    with empty.reading() as connection:
        assert connection.execute(text("select count(*) from t")).scalar() == 0


def test_writers_of_a_file_take_turns(empty: Database) -> None:
    with empty.transaction() as connection:
        connection.execute(text("create table t (x integer)"))
        connection.execute(text("insert into t values (0)"))

    def count_up() -> None:
        with empty.transaction() as connection:
            lock = " for update" if empty.dialect == "postgresql" else ""
            seen = connection.execute(text(f"select x from t{lock}")).scalar()
            connection.execute(text("update t set x = :x"), {"x": int(seen or 0) + 1})

    assert at_once([count_up] * 8) == [None] * 8
    with empty.reading() as connection:
        assert connection.execute(text("select x from t")).scalar() == 8


def test_its_clock_counts_milliseconds_since_1970(empty: Database) -> None:
    before = time.time() * 1000
    with empty.reading() as connection:
        now = connection.execute(text(f"select {empty.now}")).scalar()
    assert before - 1000 <= int(now or 0) <= time.time() * 1000 + 1000


def test_a_file_is_in_wal_mode(tmp_path: Path) -> None:
    database = at(f"sqlite:///{tmp_path / 'deep' / 'queue.db'}")
    with database.reading() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
    database.close()


def test_a_session_of_postgresql_that_was_frozen_in_a_transaction_is_ended(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    database = at(postgres.session_server(tmp_path_factory.getbasetemp()))
    for _ in range(2):  # a connection from the pool keeps the settings
        with database.reading() as connection:
            found = connection.exec_driver_sql("show idle_in_transaction_session_timeout").scalar()
        assert found == f"{IDLE_SECONDS}s"
    database.close()


def test_a_database_that_comes_back_is_used_again(tmp_path: Path, dialect: str) -> None:
    with fallible(tmp_path, dialect=dialect) as ours:
        with ours.database.reading() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
        ours.begin_outage()
        with pytest.raises(StoreUnavailableError):
            ours.database.reading().__enter__()
        ours.end_outage()
        with ours.database.reading() as connection:
            assert connection.execute(text("select count(*) from wf_runs")).scalar() == 0


def cut_off(ours: Fallible) -> None:
    with ours.database.transaction() as connection:
        ours.begin_outage()
        connection.execute(text("select 1"))


def test_a_statement_that_is_cut_off_may_succeed_later(tmp_path: Path) -> None:
    with fallible(tmp_path, dialect="postgresql") as ours, pytest.raises(StoreUnavailableError):
        cut_off(ours)
