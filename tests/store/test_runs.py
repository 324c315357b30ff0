"""Run folders: ids, records, and who owns a run."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from wayframe.errors import StoreError
from wayframe.store.home import Home, open_home
from wayframe.store.runs import (
    RECORD_SCHEMA,
    RunFolder,
    claim_run,
    find_run,
    list_runs,
    new_run,
    readable_runs,
    sweep_runs,
)

MOMENT = datetime(2025, 10, 7, 4, 45, 48, 3999, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def record(folder: RunFolder, **said: object) -> dict[str, Any]:
    return {"schema": RECORD_SCHEMA, "run_id": folder.run_id, "status": "completed", **said}


def written(home: Home, **said: object) -> RunFolder:
    folder = claim_run(home, now=MOMENT)
    folder.write(record(folder, **said))
    return folder


def test_an_id_is_the_utc_time_to_the_millisecond(home: Home) -> None:
    assert claim_run(home, now=MOMENT).run_id == "20251007044548003"


def test_an_id_is_in_utc_wherever_the_clock_is(home: Home) -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=13)))
    assert claim_run(home, now=there).run_id == "20251007044548003"


def test_now_is_the_time_of_an_id(home: Home) -> None:
    before = datetime.now(UTC)
    claimed = claim_run(home).run_id
    after = datetime.now(UTC)
    assert f"{before:%Y%m%d%H%M%S}{before.microsecond // 1000:03d}" <= claimed
    assert claimed <= f"{after:%Y%m%d%H%M%S}{after.microsecond // 1000:03d}"


def test_a_taken_millisecond_gives_the_next_free_one(home: Home) -> None:
    ids = [claim_run(home, now=MOMENT).run_id for _ in range(3)]
    assert ids == ["20251007044548003", "20251007044548004", "20251007044548005"]


def test_claims_at_once_by_threads_are_distinct(home: Home) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: claim_run(home, now=MOMENT).run_id, range(64)))
    assert len(set(ids)) == 64
    assert all(len(name) == 17 and name.isdigit() for name in ids)


CLAIMER = """
import pathlib, sys
from datetime import datetime, UTC
from wayframe.store.home import open_home
from wayframe.store.runs import claim_run
home = open_home(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    print(claim_run(home, now=datetime(2025, 10, 7, tzinfo=UTC)).run_id)
"""


def test_claims_at_once_by_processes_are_distinct(home: Home) -> None:
    command = [sys.executable, "-c", CLAIMER, str(home.root)]
    claimers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for claimer in claimers:
        assert claimer.stdout is not None
        assert claimer.stdout.readline() == "ready\n"
    outputs = []
    for claimer in claimers:
        assert claimer.stdin is not None
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    for claimer in claimers:
        outputs += claimer.communicate()[0].split()
    assert len(outputs) == len(set(outputs)) == 60


def test_a_record_is_read_as_it_was_written_but_for_secrets(home: Home) -> None:
    folder = written(home, prompt="über allem, 山", url="https://a.example/x?token=abcdefgh1234")
    read = folder.read()
    assert read["prompt"] == "über allem, 山"
    assert read["url"] == "https://a.example/x?token=[redacted]"
    assert "abcdefgh1234" not in (folder.path / "run.json").read_text()


def test_a_run_marked_running_reads_as_running_only_while_it_is_held(home: Home) -> None:
    folder = written(home, status="running")
    assert folder.read()["status"] == "incomplete"
    with folder.hold():
        assert folder.read()["status"] == "running"
    assert folder.read()["status"] == "incomplete"


def test_a_run_that_ends_while_it_is_looked_at_does_not_read_as_incomplete(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(home, status="running")

    def ends_meanwhile(_self: RunFolder) -> bool:
        folder.write(record(folder, status="completed"))
        return False

    monkeypatch.setattr(RunFolder, "is_held", ends_meanwhile)
    assert folder.read()["status"] == "completed"


HOLDER = """
import pathlib, sys
from wayframe.store.runs import RunFolder
with RunFolder(path=pathlib.Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_belongs_to_one_process_until_that_dies(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayframe.store.runs.PATIENCE", 0.05)
    folder = written(home, status="running")
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert folder.read()["status"] == "running"
        with pytest.raises(StoreError, match="already going on in another process"), folder.hold():
            pass
        holder.kill()
    assert folder.read()["status"] == "incomplete"
    with folder.hold():
        assert folder.is_held()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "holds no run.json"),
        ('{"schema": "wayframe.run/1", ', "cannot be read"),
        ("[]", "expected a record of schema"),
        ('{"schema": "wayframe.run/99"}', "expected a record of schema wayframe.run/1, got 'wayframe.run/99'"),
    ],
)
def test_a_record_that_is_none_is_an_error_with_its_path(home: Home, text: str | None, says: str) -> None:
    folder = claim_run(home, now=MOMENT)
    if text is not None:
        (folder.path / "run.json").write_text(text)
    with pytest.raises(StoreError, match=says) as caught:
        folder.read()
    assert str(folder.path) in str(caught.value)


def test_one_damaged_record_hides_no_other(home: Home) -> None:
    good, bad, empty = written(home), written(home), claim_run(home, now=MOMENT)
    (bad.path / "run.json").write_text("{")
    assert [folder for folder, _ in readable_runs(home)] == [good]
    assert list_runs(home) == [bad, good]
    assert empty not in list_runs(home)


def test_runs_are_listed_newest_first(home: Home) -> None:
    first, second, third = written(home), written(home), written(home)
    assert list_runs(home) == [third, second, first]
    assert find_run(home, "last") == third


def test_a_run_is_found_by_id_by_a_beginning_that_fits_one_and_by_folder(home: Home) -> None:
    first, second = written(home), written(home)
    assert find_run(home, first.run_id) == first
    assert find_run(home, second.run_id[:17]) == second
    assert find_run(home, str(first.path)) == first
    with pytest.raises(StoreError, match=r"several runs of id '2025'.*20251007044548004"):
        find_run(home, "2025")
    with pytest.raises(StoreError, match="no run of id '1999'"):
        find_run(home, "1999")


def test_in_an_empty_home_there_is_no_last_run(home: Home) -> None:
    with pytest.raises(StoreError, match=r"no run of id 'last' in .*there is none yet"):
        find_run(home, "last")


def test_what_a_killed_process_left_half_written_goes(home: Home) -> None:
    folder = written(home)
    (folder.path / ".travel.0123.part.mp4").write_bytes(b"half")
    (folder.path / ".run.0123.part.json").write_bytes(b"half")
    (folder.path / "events.jsonl").write_text('{"event": "RunStarted"}\n{"event": "Segm')
    (folder.path / "debug.log").write_text("[DEBUG 2025")
    folder.clear_partial_files()
    assert sorted(path.name for path in folder.path.iterdir()) == ["debug.log", "events.jsonl", "run.json"]
    assert (folder.path / "events.jsonl").read_text() == '{"event": "RunStarted"}\n'
    assert (folder.path / "debug.log").read_text() == ""
    assert json.loads((folder.path / "run.json").read_text())["status"] == "completed"


def test_a_new_run_is_held_and_says_for_which_plan_it_is(home: Home) -> None:
    with new_run(home, plan_digest="abc") as folder:
        assert folder.is_held()
        assert folder.plan_digest() == "abc"
    assert not folder.is_held()
    assert written(home).plan_digest() is None


def test_whoever_holds_a_run_reads_one_marked_running_as_interrupted(home: Home) -> None:
    folder = written(home, status="running")
    with folder.hold():
        assert folder.read()["status"] == "running"
        assert folder.read_held()["status"] == "incomplete"
    folder.write(record(folder, status="completed"))
    assert folder.read_held()["status"] == "completed"


CLAIMED = """
import pathlib, sys
from wayframe.store.home import open_home
from wayframe.store.runs import new_run
with new_run(open_home(pathlib.Path(sys.argv[1])), plan_digest="abc") as folder:
    print(folder.path, flush=True)
    sys.stdin.read()
"""


def test_a_run_whose_process_dies_before_its_first_record_leaves_nothing(home: Home) -> None:
    command = [sys.executable, "-c", CLAIMED, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as claimer:
        assert claimer.stdout is not None
        path = Path(claimer.stdout.readline().strip())
        (path / ".run.0123456789ab.part.json").write_text("{")
        (path / "events.jsonl").write_text("")
        assert sweep_runs(home) == 0
        assert (path / ".run.0123456789ab.part.json").exists()
        claimer.kill()
    assert sweep_runs(home) == 1
    assert list(home.runs.iterdir()) == []


def test_a_sweep_takes_only_folders_of_runs_that_hold_nothing(home: Home) -> None:
    empty, begun, imported, full = (claim_run(home, now=MOMENT) for _ in range(4))
    with begun.hold():
        (begun.path / "events.jsonl").write_text('{"event": "RunStarted"}\n')
    (imported.path / ".run.0123456789ab.part.json").write_text("{")  # about to become a record
    full.write(record(full))
    (home.runs / "notes").mkdir()
    assert sweep_runs(home) == 1
    assert {path.name for path in home.runs.iterdir()} == {begun.run_id, imported.run_id, full.run_id, "notes"}
    assert not empty.path.exists()
