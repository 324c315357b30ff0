"""Migrations: in order, once, by one at a time, and never changed afterwards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from wayframe.errors import StoreError
from wayframe.store.home import Home
from wayframe.workflow.queue import schema
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.runs import Runs
from wayframe.workflow.queue.schema import Migration, migrate, migrations, state
from workflow.queue.rows import new_run

FILES = Path(schema.__file__).parent / "migrations"
RELEASED: dict[str, str] = {}
"""Digests of migrations that a release holds: they may never change again."""
SEVERAL = """
import sys
from pathlib import Path
from wayframe.store.home import Home
from wayframe.workflow.queue import readiness
from wayframe.workflow.queue.database import Database
database = Database.at(sys.argv[1], home=Home(root=Path("/")))
print("ready", flush=True)
sys.stdin.readline()
print(readiness.migrate(database))
"""


def made(number: int, statements: str, *, works_with: int | None = None) -> Migration:
    known = works_with or number
    return Migration(
        number=number, name=f"{number:04}_x.sql", digest=str(number) * 64, works_with=known, statements=statements
    )


FIRST = made(1, "create table a (x $time);\ncreate table b (\n  number $identity,\n  y text\n);\n")
SECOND = made(2, "-- works_with: 1\nalter table b add column z text;\n", works_with=1)
THIRD = made(3, "alter table b drop column y;\n")


def test_every_file_in_the_folder_is_a_migration_and_they_are_numbered_without_a_gap() -> None:
    files = sorted(path.name for path in FILES.glob("*.sql"))
    assert [step.name for step in migrations()] == files
    assert [step.number for step in migrations()] == list(range(1, len(files) + 1))


def test_released_migrations_are_as_they_were() -> None:
    digests = {step.name: step.digest for step in migrations()}
    assert digests.items() >= RELEASED.items()


def test_migrations_are_applied_once_and_in_order(empty: Database) -> None:
    assert migrate(empty, steps=(FIRST, SECOND)) == [FIRST, SECOND]
    assert migrate(empty, steps=(FIRST, SECOND)) == []
    assert migrate(empty, steps=(FIRST, SECOND, THIRD)) == [THIRD]
    with empty.reading() as connection:
        assert [column["name"] for column in inspect(connection).get_columns("b")] == ["number", "z"]


def test_identities_grow_and_times_hold_milliseconds(empty: Database) -> None:
    migrate(empty, steps=(FIRST,))
    with empty.transaction() as connection:
        connection.execute(text("insert into a values (1764000000000)"))
        connection.execute(text("insert into b (y) values ('first')"))
        connection.execute(text("delete from b"))
        connection.execute(text("insert into b (y) values ('second')"))
        assert connection.execute(text("select x from a")).scalar() == 1764000000000
        assert connection.execute(text("select number from b")).scalar() == 2


def test_a_migration_that_fails_leaves_nothing_of_itself(empty: Database) -> None:
    broken = made(2, "alter table a add column ok text;\nalter table nothing add column z text;\n")
    with pytest.raises(StoreError, match="nothing"):
        migrate(empty, steps=(FIRST, broken))
    assert not state(empty, steps=(FIRST,)).applied
    assert migrate(empty, steps=(FIRST, SECOND)) == [FIRST, SECOND]


def test_a_changed_old_file_is_refused(empty: Database) -> None:
    migrate(empty, steps=(FIRST, SECOND))
    changed = replace(FIRST, digest="f" * 64)
    for act in (migrate, state):
        with pytest.raises(StoreError, match=r"migration 0001_x\.sql was changed after it was applied"):
            act(empty, steps=(changed, SECOND))


def test_the_state_of_a_database_says_what_to_do(empty: Database) -> None:
    assert state(empty, steps=(FIRST,)).says == (
        "the database has tables up to 0, this program needs 1: run `wayframe db migrate`"
    )
    migrate(empty, steps=(FIRST,))
    found = state(empty, steps=(FIRST, SECOND))
    assert (found.applied, found.known, found.usable) == (1, 2, False)
    found = state(empty, steps=(FIRST,))
    assert (found.applied, found.known, found.usable, found.says) == (1, 1, True, "the tables are up to date (1)")


def test_a_newer_database_is_used_only_where_it_says_that_it_may_be(empty: Database) -> None:
    migrate(empty, steps=(FIRST, SECOND))
    found = state(empty, steps=(FIRST,))
    assert found.usable
    assert "it works with them; upgrade wayframe when you can" in found.says
    assert migrate(empty, steps=(FIRST,)) == []
    migrate(empty, steps=(FIRST, SECOND, THIRD))
    found = state(empty, steps=(FIRST, SECOND))
    assert not found.usable
    assert found.says == "the database has tables up to 3, this program knows 2: upgrade wayframe here"
    with pytest.raises(StoreError, match="upgrade wayframe here"):
        migrate(empty, steps=(FIRST, SECOND))


def test_one_newer_migration_that_does_not_fit_is_enough(empty: Database) -> None:
    fits = made(4, "create table c (x integer);\n", works_with=1)
    migrate(empty, steps=(FIRST, SECOND, THIRD, fits))
    assert not state(empty, steps=(FIRST, SECOND)).usable
    assert state(empty, steps=(FIRST, SECOND, THIRD)).usable


def test_looking_at_the_state_changes_nothing(empty: Database) -> None:
    state(empty)
    with empty.reading() as connection:
        assert inspect(connection).get_table_names() == []


def test_rows_of_an_earlier_state_are_there_after_an_upgrade(empty: Database) -> None:
    """The tables as they were first; a later migration must keep what they hold."""
    migrate(empty, steps=migrations()[:1])
    with empty.transaction() as connection:
        connection.execute(
            text(
                "insert into wf_runs (run_id, plan_digest, capability, title, segments, frames, priority, state, "
                "attempt, batch, keep_going, revision, created) "
                "values ('old', 'd', 'preview', 'Old', 2, 97, 5, 'running', 2, 0, 1, 1, 1764000000000)"
            )
        )
    migrate(empty)
    found = Runs(empty).get("old")
    assert (found.title, found.attempt, found.keep_going, found.created) == ("Old", 2, True, 1764000000000)
    assert Runs(empty).add(new_run("new"))[0].number > found.number


def test_several_processes_that_migrate_at_once_do_it_once(empty: Database) -> None:
    command = [sys.executable, "-c", SEVERAL, empty.text]
    programs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for program in programs:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin
        program.stdin.write("go\n")
        program.stdin.flush()
    said = [program.communicate(timeout=60) for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0], said
    names = [step.name for step in migrations()]
    assert sorted(out.strip() for out, _ in said) == sorted([str(names), "[]", "[]"])
    assert state(empty).usable


def test_a_file_is_migrated_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    database = Database.at(None, home=Home(root=tmp_path / "home"))
    assert migrate(database) == list(migrations())
    database.close()
