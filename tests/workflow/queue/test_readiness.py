"""Whether a database can be worked on, and who makes it so."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from wayframe.errors import SpecError, StoreError
from wayframe.store.home import Home
from wayframe.workflow.queue import schema
from wayframe.workflow.queue.adapter import _table, migrate_dbos
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.readiness import check, migrate, ready

OPENER = """
import sys
from pathlib import Path
from wayframe.store.home import Home
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.readiness import ready
sys.stdin.readline()
print(ready(Database.at(None, home=Home(root=Path(sys.argv[1])))).usable)
"""
NEWER = schema.Migration(
    number=99, name="0099_x.sql", digest="9" * 64, works_with=99, statements="create table n (x text);\n"
)


def tables(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(inspect(connection).get_table_names())


def test_an_empty_database_is_not_usable_and_says_what_to_do(empty: Database) -> None:
    found = check(empty)
    assert not found.usable
    assert "run `wayframe db migrate`" in found.says
    assert (found.applied, found.dbos_applied) == (0, 0)


def test_a_check_does_not_make_a_file(tmp_path: Path) -> None:
    database = Database.at(None, home=Home(root=tmp_path / "home"))
    assert check(database).says == f"there is no {tmp_path / 'home' / 'wayframe.db'}: run `wayframe db migrate`"
    assert not (tmp_path / "home").exists()


def test_an_sqlite_file_is_made_by_whoever_opens_it(tmp_path: Path) -> None:
    database = Database.at(None, home=Home(root=tmp_path / "home"))
    assert ready(database).usable
    assert {"wf_runs", "workflow_status"} <= set(tables(database))
    assert ready(database).usable
    database.close()


def test_of_several_processes_that_open_a_fresh_file_all_can_work(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENER, str(tmp_path / "home")]
    programs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [program.communicate("go\n", timeout=60) for program in programs]
    assert [out for out, _ in said] == ["True\n"] * 3, said


def test_postgresql_is_migrated_only_when_somebody_says_so(empty: Database) -> None:
    if empty.file is not None:
        pytest.skip("an SQLite file is migrated by whoever opens it")
    with pytest.raises(StoreError, match=r"postgresql://.*tables up to 0.*run `wayframe db migrate`"):
        ready(empty)
    assert tables(empty) == []
    assert ready(empty, may_migrate=True).usable
    assert ready(empty).usable


def test_tables_of_dbos_that_are_missing_are_told_and_made(empty: Database) -> None:
    schema.migrate(empty)
    found = check(empty)
    assert not found.usable
    assert found.says.startswith("DBOS's tables are at 0, this program needs ")
    assert ready(empty, may_migrate=True).usable


def test_tables_of_ours_that_are_missing_are_told_and_made(empty: Database) -> None:
    migrate_dbos(empty)
    assert not check(empty).usable
    assert migrate(empty) == [step.name for step in schema.migrations()]
    assert migrate(empty) == []
    assert check(empty).usable


def test_tables_of_a_newer_dbos_can_be_worked_on(database: Database) -> None:
    with database.transaction() as connection:
        versions = _table(database).replace("workflow_status", "dbos_migrations")
        connection.execute(text(f"update {versions} set version = version + 5"))
    found = check(database)
    assert found.usable
    assert found.dbos_applied == found.dbos_known + 5


def test_a_database_that_is_too_new_is_refused_and_not_touched(database: Database) -> None:
    schema.migrate(database, steps=(*schema.migrations(), NEWER))
    for may_migrate in (False, True):
        with pytest.raises(StoreError, match="upgrade wayframe here"):
            ready(database, may_migrate=may_migrate)


def test_a_newer_database_that_works_with_this_program_is_used(database: Database) -> None:
    schema.migrate(database, steps=(*schema.migrations(), replace(NEWER, works_with=schema.migrations()[-1].number)))
    assert ready(database).usable
    assert "upgrade wayframe when you can" in check(database).says


def test_roles_are_for_postgresql_and_must_exist(empty: Database) -> None:
    expected = "is for PostgreSQL only" if empty.file else "does not exist in the database"
    with pytest.raises(SpecError, match=f"role: {expected}"):
        migrate(empty, role="nobody'; drop table x")
    assert tables(empty) == []


def test_a_check_as_json_is_plain_data(database: Database) -> None:
    found = check(database).as_json()
    assert found["usable"] is True
    assert found["database"] == database.shown
    assert set(found) == {"database", "usable", "says", "applied", "known", "dbos_applied", "dbos_known"}
