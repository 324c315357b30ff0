"""runs --where: over runs of ours and imported ones together."""

from __future__ import annotations

import json

import pytest

from cli.terminal import Terminal
from logs.generator import PLANTED, Generator, Log, Settings
from workflow.rides import through


@pytest.fixture
def log(wayframe: Terminal) -> Log:
    """A home with two runs of ours and three of a log."""
    for name, seed in (("a.json", 1), ("b.json", 2)):
        (wayframe.folder / name).write_text(json.dumps(through(0, 1, prompt="a lake", seed=seed)))
        assert wayframe("run", name, "--quiet").code == 0
    made = Generator(6, Settings(runs=3, outcomes=("completed", "failed"))).log()
    (wayframe.folder / "debug_1.log").write_bytes(made.data)
    assert wayframe("logs", "import", "debug_1.log").code == 0
    return made


def seeds(wayframe: Terminal, where: str, *words: str) -> list[int]:
    found = []
    for record in wayframe("runs", "--where", where, "--json", *words).json():
        logged = record.get("logged")
        found.append(logged["requested"]["seed_base"] if logged else record["planned"]["segments"][0]["seed"])
    return found


def test_runs_of_ours_and_of_logs_are_asked_together(wayframe: Terminal, log: Log) -> None:
    imported = [truth.requested["seed_base"] for truth in log.runs]
    assert sorted(seeds(wayframe, "imported")) == sorted(imported)
    assert seeds(wayframe, "not imported") == [2, 1]
    assert sorted(seeds(wayframe, "1")) == sorted([1, 2, *imported])
    assert seeds(wayframe, "engine == 'null' and seed == 2") == [2]
    failed = [truth.requested["seed_base"] for truth in log.runs if truth.status == "failed"]
    assert sorted(seeds(wayframe, "status == 'failed'")) == sorted(failed)


def test_the_limit_counts_what_was_chosen_newest_first(wayframe: Terminal, log: Log) -> None:
    assert len(log.runs) == 3
    assert seeds(wayframe, "not imported", "--limit", "1") == [2]
    assert len(seeds(wayframe, "imported", "--limit", "2")) == 2


def test_for_people_one_run_is_one_line(wayframe: Terminal, log: Log) -> None:
    printed = wayframe("runs", "--where", "imported")
    assert printed.code == 0
    assert all(printed.out.count(truth.run_id.zfill(17)) == 1 for truth in log.runs)
    assert "null" not in printed.out


def test_nothing_found_is_no_error(wayframe: Terminal, log: Log) -> None:
    assert log.runs
    printed = wayframe("runs", "--where", "segments > 99")
    assert (printed.code, printed.out.startswith("no such runs in ")) == (0, True)
    assert wayframe("runs", "--where", "segments > 99", "--json").json() == []


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("num_phase == 2", "there is no column num_phase"),
        ("status ==", "is not an expression"),
        ("", "is not an expression"),
        ("1; drop table runs", "is not an expression"),
        ("(select count(*) from sqlite_master)", "only columns, comparisons and simple functions may be used"),
        ("load_extension('x')", "only columns, comparisons and simple functions may be used"),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_bad_expression_gives_its_error_in_one_line(
    wayframe: Terminal, where: str, says: str, form: tuple[str, ...]
) -> None:
    assert f"error: --where: {says}" in wayframe.fails("runs", "--where", where, *form)


def test_a_secret_in_an_expression_is_not_repeated(wayframe: Terminal) -> None:
    assert PLANTED not in wayframe.fails("runs", "--where", f"prompt = {PLANTED}")


def test_damaged_records_are_passed_by(wayframe: Terminal, log: Log) -> None:
    for number, text in enumerate(["{", "[]", '{"schema": "wayframe.run/1"}']):
        folder = wayframe.home / "runs" / f"2024010100000000{number}"
        folder.mkdir()
        (folder / "run.json").write_text(text)
    assert len(seeds(wayframe, "1")) == 2 + len(log.runs)
