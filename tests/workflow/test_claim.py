"""Which run a command goes on with, and that no two processes ever go on with one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wayframe.store.home import Home, open_home
from wayframe.store.runs import RECORD_SCHEMA, RunFolder, new_run
from wayframe.workflow.claim import claimed

PLAN, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def earlier_run(home: Home, *, status: str, plan: str = PLAN) -> RunFolder:
    with new_run(home, plan_digest=plan) as folder:
        folder.write(record(folder, status=status))
    return folder


def record(folder: RunFolder, *, status: str) -> dict[str, Any]:
    return {"schema": RECORD_SCHEMA, "run_id": folder.run_id, "status": status}


@pytest.mark.parametrize("status", ["running", "cancelled"])
def test_an_interrupted_run_of_the_plan_goes_on(home: Home, status: str) -> None:
    earlier = earlier_run(home, status=status)
    earlier_run(home, status=status, plan=OTHER)
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder == earlier
        assert claim.earlier is not None
        assert earlier.is_held()
    assert not earlier.is_held()


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_after_a_run_that_ended_there_is_a_new_one(home: Home, status: str) -> None:
    older, newest = earlier_run(home, status="cancelled"), earlier_run(home, status=status)
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder not in (older, newest)
        assert claim.earlier is None
        assert claim.folder.is_held()
        assert claim.folder.plan_digest() == PLAN


def test_a_run_that_another_process_goes_on_with_is_left_to_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayframe.store.runs.PATIENCE", 0.05)
    earlier = earlier_run(home, status="cancelled")
    with claimed(home, plan_digest=PLAN) as first, claimed(home, plan_digest=PLAN) as second:
        assert first.folder == earlier
        assert second.folder != earlier
        assert second.earlier is None


def test_a_run_that_was_finished_while_it_was_waited_for_is_not_gone_on_with(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, hold = earlier_run(home, status="running"), RunFolder.hold

    @contextmanager
    def held_after_the_other_one_ended(folder: RunFolder) -> Iterator[None]:
        if folder == earlier:
            folder.write(record(folder, status="completed"))
        with hold(folder):
            yield

    monkeypatch.setattr(RunFolder, "hold", held_after_the_other_one_ended)
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder != earlier
        assert claim.earlier is None
        assert not earlier.is_held()


def test_no_record_of_another_plan_is_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = earlier_run(home, status="cancelled")
    others = [earlier_run(home, status="cancelled", plan=OTHER) for _ in range(3)]
    read, names = RunFolder.read, []

    def noted(folder: RunFolder) -> dict[str, Any]:
        names.append(folder.run_id)
        return read(folder)

    monkeypatch.setattr(RunFolder, "read", noted)
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder == mine
    assert names == [mine.run_id]
    assert others[0].run_id not in names


def test_a_damaged_record_is_passed_over(home: Home) -> None:
    good, damaged = earlier_run(home, status="cancelled"), earlier_run(home, status="cancelled")
    (damaged.path / "run.json").write_text("{")
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder == good


def test_what_a_process_left_that_died_before_its_first_record_goes(home: Home) -> None:
    with new_run(home, plan_digest=PLAN) as empty:
        pass
    with claimed(home, plan_digest=PLAN) as claim:
        assert claim.folder != empty
    assert not empty.path.exists()


GOER = """
import pathlib, sys
from wayframe.store.home import open_home
from wayframe.workflow.claim import claimed
home = open_home(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
with claimed(home, plan_digest=sys.argv[2]) as claim:
    record = claim.earlier or {"schema": "wayframe.run/1", "run_id": claim.folder.run_id}
    claim.folder.write({**record, "status": "completed"})
    print(claim.folder.run_id, claim.earlier is not None)
"""


def test_of_four_processes_at_once_one_goes_on_with_an_interrupted_run(home: Home) -> None:
    earlier = earlier_run(home, status="running")
    command = [sys.executable, "-c", GOER, str(home.root), PLAN]
    goers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for goer in goers:
        assert goer.stdout is not None
        assert goer.stdout.readline() == "ready\n"
    for goer in goers:
        assert goer.stdin is not None
        goer.stdin.write("go\n")
        goer.stdin.flush()
    claims = [goer.communicate()[0].split() for goer in goers]
    assert [run for run, continued in claims if continued == "True"] == [earlier.run_id]
    assert len({run for run, _ in claims}) == 4
    assert json.loads((earlier.path / "run.json").read_text())["status"] == "completed"
