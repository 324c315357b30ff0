"""Runs of a log as run folders."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from logs.generator import JWT, PLANTED, Generator, Log, Settings
from wayframe.errors import WayframeError
from wayframe.store.home import Home, open_home
from wayframe.store.query import matching, row_of
from wayframe.store.runs import RunFolder, claim_id, list_runs, readable_runs
from wayframe.workflow.log_import import Imported, import_log


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def generated(seed: int = 1, **said: object) -> Log:
    return Generator(seed, Settings(**{"runs": 3, "outcomes": ("completed", "failed"), **said})).log()


def write(folder: Path, data: bytes, name: str = "debug_1.log") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def brought(*paths: Path, home: Home) -> list[Imported]:
    return list(import_log(iter(paths), home=home))


def test_every_run_gets_a_folder_of_its_id(tmp_path: Path, home: Home) -> None:
    log = generated()
    found = brought(write(tmp_path, log.data), home=home)
    assert [entry.new for entry in found] == [True] * 3
    assert {entry.folder.run_id for entry in found} == {truth.run_id.zfill(17) for truth in log.runs}
    for entry in found:
        record = entry.folder.read()
        [truth] = [truth for truth in log.runs if truth.run_id == record["logged"]["run_id"]]
        assert (record["status"], record["created"], record["finished"]) == (
            truth.status,
            truth.started,
            truth.finished,
        )
        assert record["run_id"] == entry.folder.run_id
        assert record["source"] == "debug_1.log"


def test_importing_again_makes_nothing_twice(tmp_path: Path, home: Home) -> None:
    path = write(tmp_path, generated().data)
    first = brought(path, home=home)
    before = {folder.path: (folder.path / "run.json").stat().st_mtime_ns for folder in list_runs(home)}
    again = brought(path, home=home)
    packed = write(tmp_path, gzip.compress(path.read_bytes()), "debug_1.log.gz")
    assert [(entry.folder, entry.new) for entry in again] == [(entry.folder, False) for entry in first]
    assert [entry.new for entry in brought(packed, home=home)] == [False] * 3
    assert {folder.path: (folder.path / "run.json").stat().st_mtime_ns for folder in list_runs(home)} == before


def test_a_log_that_has_grown_tells_the_rest_of_its_runs(tmp_path: Path, home: Home) -> None:
    log = generated(3, outcomes=("completed",), runs=1, most_segments=2)
    lines = log.data.splitlines(keepends=True)
    cut = b"".join(lines[: len(lines) * 2 // 3])
    path = write(tmp_path, cut)
    [part] = brought(path, home=home)
    assert part.folder.read()["status"] == "incomplete"
    write(tmp_path, log.data)
    [whole] = brought(path, home=home)
    assert (whole.folder, whole.new) == (part.folder, True)
    assert whole.folder.read()["status"] == "completed"
    assert [entry.new for entry in brought(path, home=home)] == [False]
    assert len(list_runs(home)) == 1


def test_two_attempts_under_one_id_become_two_folders(tmp_path: Path, home: Home) -> None:
    log = generated(5, runs=1)
    later = log.data.replace(b"2025-11-0", b"2025-12-0")
    [truth] = log.runs
    later = later.replace(truth.orchestrator_task_id.encode(), b"11111111-1111-4111-8111-111111111111")
    one, two = write(tmp_path, log.data, "a.log"), write(tmp_path, later, "b.log")
    [first], [second] = brought(one, home=home), brought(two, home=home)
    assert int(second.folder.run_id) == int(first.folder.run_id) + 1
    assert [entry.new for path in (one, two) for entry in brought(path, home=home)] == [False, False]
    assert len(list_runs(home)) == 2


def test_the_id_of_another_run_is_not_taken(tmp_path: Path, home: Home) -> None:
    log = generated(runs=1)
    taken = claim_id(home, int(log.runs[0].run_id))
    [entry] = brought(write(tmp_path, log.data), home=home)
    assert int(entry.folder.run_id) == int(taken.run_id) + 1


@pytest.mark.parametrize("run_id", ["a-name", "\N{SUPERSCRIPT TWO}", "9" * 40, "-5", "1e5"])
def test_a_run_whose_id_is_no_time_is_named_by_its_beginning(tmp_path: Path, home: Home, run_id: str) -> None:
    log = generated(runs=1)
    data = log.data.replace(log.runs[0].run_id.encode(), run_id.encode())
    [entry] = brought(write(tmp_path, data), home=home)
    assert entry.folder.read()["logged"]["run_id"] == run_id
    assert entry.folder.run_id == "".join(filter(str.isdigit, log.runs[0].started))[:17].ljust(17, "0")


def test_damaged_folders_are_passed_by(tmp_path: Path, home: Home) -> None:
    for number, text in enumerate(["{", "[]", '{"schema": "wayframe.run/1"}', '{"schema": "other/9"}', ""]):
        folder = RunFolder(path=home.runs / f"2024010100000000{number}")
        folder.path.mkdir()
        (folder.path / "run.json").write_text(text)
    path = write(tmp_path, generated().data)
    assert [entry.new for entry in brought(path, home=home)] == [True] * 3
    assert [entry.new for entry in brought(path, home=home)] == [False] * 3
    assert len(list(readable_runs(home))) == 3


def test_no_secret_is_written(tmp_path: Path, home: Home) -> None:
    log = generated()
    assert PLANTED.encode() in log.data
    assert JWT.encode() in log.data
    for entry in brought(write(tmp_path, log.data), home=home):
        text = (entry.folder.path / "run.json").read_text(encoding="utf-8")
        assert PLANTED not in text
        assert JWT not in text


def test_imported_runs_can_be_asked_for(tmp_path: Path, home: Home) -> None:
    log = generated(outcomes=("completed",))
    brought(write(tmp_path, log.data), home=home)
    rows = [row_of(record) for _, record in readable_runs(home)]
    assert len(matching(rows, where="imported and engine == 'wangp' and status == 'completed'")) == 3
    wanted = log.runs[0].requested["seed_base"]
    assert matching(rows, where=f"seed == {wanted}") == [log.runs[0].run_id.zfill(17)]


def test_a_file_that_is_no_log_brings_nothing_and_one_that_is_not_there_is_refused(tmp_path: Path, home: Home) -> None:
    assert brought(write(tmp_path, b"\x00\xff nothing\n"), home=home) == []
    assert brought(write(tmp_path, b""), home=home) == []
    with pytest.raises(WayframeError, match=r"gone\.log"):
        brought(tmp_path / "gone.log", home=home)


def test_a_record_is_plain_json(tmp_path: Path, home: Home) -> None:
    [entry, *_] = brought(write(tmp_path, generated().data), home=home)
    record = json.loads((entry.folder.path / "run.json").read_text(encoding="utf-8"))
    assert set(record) == {"schema", "run_id", "status", "created", "finished", "error", "source", "logged"}
