"""logs runs, show, tail and import."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from cli.terminal import Terminal
from logs.generator import JWT, PLANTED, Generator, Log, Settings
from workflow.engines import Scripted, install

STATUSES = {"completed", "failed", "cancelled", "incomplete"}
RUN_KEYS = {
    *("run_id", "orchestrator_task_id", "status", "started", "finished", "requested", "planned", "segments", "stitch"),
    "evidence",
}
SEGMENT_KEYS = {"segment_index", "task_id", "status", "error", "requested", "planned", "applied"}


@pytest.fixture
def log(wayframe: Terminal) -> Log:
    made = Generator(2, Settings(runs=5, outcomes=("completed", "failed", "cancelled", "incomplete"))).log()
    (wayframe.folder / "debug_1.log").write_bytes(made.data)
    return made


def of(log: Log, status: str) -> list[str]:
    return [truth.run_id for truth in log.runs if truth.status == status]


def small(wayframe: Terminal, name: str = "debug_2.log", *, seed: int = 1) -> Log:
    made = Generator(seed, Settings(runs=1, outcomes=("completed",), noise=0)).log()
    (wayframe.folder / name).write_bytes(made.data)
    return made


# runs


def test_runs_lists_one_a_line_with_how_it_ended(wayframe: Terminal, log: Log) -> None:
    printed = wayframe("logs", "runs", "debug_1.log")
    assert (printed.code, printed.err) == (0, "")
    lines = printed.out.splitlines()
    assert lines[0].split() == ["run", "status", "segs", "phases", "frames", "finished", "model"]
    assert {tuple(line.split()[:2]) for line in lines[1:-1]} == {(truth.run_id, truth.status) for truth in log.runs}
    assert re.fullmatch(rf"{log.lines} lines, \d+ unread, \d+ secrets kept back", lines[-1])


def test_runs_json_has_the_documented_shape(wayframe: Terminal, log: Log) -> None:
    data = wayframe("logs", "runs", "debug_1.log", "--json").json()
    assert data.keys() == {"runs", "lines", "unread_lines", "secrets_redacted"}
    assert data["lines"] == log.lines
    assert data["secrets_redacted"] > 0
    assert {run["run_id"] for run in data["runs"]} == {truth.run_id for truth in log.runs}
    for run in data["runs"]:
        assert run.keys() == RUN_KEYS
        assert run["status"] in STATUSES
        assert all(segment.keys() == SEGMENT_KEYS for segment in run["segments"])
        assert run["stitch"] is None or run["stitch"].keys() == {"task_id", "status"}
        assert all(isinstance(proof["line"], int) and "text" in proof for proof in run["evidence"].values())


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_runs_can_be_chosen_by_status(wayframe: Terminal, log: Log, status: str) -> None:
    data = wayframe("logs", "runs", "debug_1.log", "--status", status, "--json").json()
    assert sorted(run["run_id"] for run in data["runs"]) == sorted(of(log, status))
    assert data["lines"] == log.lines


def test_several_statuses_add_up(wayframe: Terminal, log: Log) -> None:
    words = ("--status", "completed", "--status", "failed", "--json")
    data = wayframe("logs", "runs", "debug_1.log", *words).json()
    assert sorted(run["run_id"] for run in data["runs"]) == sorted(of(log, "completed") + of(log, "failed"))


def test_packed_and_rotated_logs_are_read_as_one(wayframe: Terminal, log: Log) -> None:
    whole = wayframe("logs", "runs", "debug_1.log", "--json").json()
    lines = log.data.splitlines(keepends=True)
    half = len(lines) // 2
    (wayframe.folder / "d.log.1").write_bytes(b"".join(lines[:half]))
    (wayframe.folder / "d.log").write_bytes(b"".join(lines[half:]))
    (wayframe.folder / "d.log.gz").write_bytes(gzip.compress(log.data))
    for files in (("d.log", "d.log.1"), ("d.log.gz",)):
        data = wayframe("logs", "runs", *files, "--json").json()
        assert [(run["run_id"], run["status"]) for run in data["runs"]] == [
            (run["run_id"], run["status"]) for run in whole["runs"]
        ]


@pytest.mark.usefixtures("log")
def test_a_wrong_status_names_the_right_ones(wayframe: Terminal) -> None:
    printed = wayframe("logs", "runs", "debug_1.log", "--status", "done")
    assert printed.code == 2
    assert "completed, failed, cancelled, incomplete" in printed.err
    assert PLANTED not in wayframe("logs", "runs", "debug_1.log", "--status", PLANTED).err


def test_a_log_without_runs_says_so_by_its_counts(wayframe: Terminal) -> None:
    (wayframe.folder / "empty.log").write_bytes(b"")
    assert wayframe("logs", "runs", "empty.log", "--json").json() == {
        "runs": [],
        "lines": 0,
        "unread_lines": 0,
        "secrets_redacted": 0,
    }
    assert "0 lines, 0 unread, 0 secrets kept back" in wayframe("logs", "runs", "empty.log").out


# show


def test_show_tells_what_was_requested_and_sent(wayframe: Terminal) -> None:
    log = small(wayframe)
    [truth] = log.runs
    printed = wayframe("logs", "show", "debug_2.log", truth.run_id)
    assert printed.code == 0
    assert f"run {truth.run_id} completed" in printed.out
    for index in range(len(truth.segments)):
        assert f"segment {index} complete" in printed.out
    steps = next(line for line in printed.out.splitlines() if line.startswith("steps"))
    assert steps.split()[:2] == ["steps", "6"]
    assert int(steps.split()[2]) <= log.lines


@pytest.mark.usefixtures("log")
def test_show_json_is_the_run_of_the_list(wayframe: Terminal) -> None:
    listed = wayframe("logs", "runs", "debug_1.log", "--json").json()["runs"]
    for run in listed:
        assert wayframe("logs", "show", "debug_1.log", run["run_id"], "--json").json() == run
        assert wayframe("logs", "show", "debug_1.log", run["orchestrator_task_id"], "--json").json() == run


def test_show_takes_the_beginning_of_an_id(wayframe: Terminal) -> None:
    [truth] = small(wayframe).runs
    found = wayframe("logs", "show", "debug_2.log", truth.run_id[:9], "--json").json()
    assert found["run_id"] == truth.run_id


def test_show_names_the_runs_that_there_are(wayframe: Terminal, log: Log) -> None:
    said = wayframe.fails("logs", "show", "debug_1.log", "99")
    assert "run: is not in this log" in said
    assert log.runs[0].run_id in said
    assert "is the beginning of several ids" in wayframe.fails("logs", "show", "debug_1.log", "2025")
    assert wayframe("logs", "show", "debug_1.log").code == 2


# Our own logs


@pytest.fixture
def own(wayframe: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a completed run whose engine denoises."""
    install(monkeypatch, Scripted(denoises=True))
    words = ("--engine", "scripted", "--model", "wan2.2-i2v-a14b", "--steps", "4", "--frames", "5")
    assert wayframe("run", "0.png", "1.png", "2.png", *words, "--resolution", "64x48").code == 0
    [folder] = [path for path in (wayframe.home / "runs").iterdir() if path.is_dir()]
    return folder


@pytest.mark.parametrize("name", ["debug.log", "events.jsonl"])
def test_a_log_of_our_own_run_is_listed_and_shown(wayframe: Terminal, own: Path, name: str) -> None:
    mailed = wayframe.folder / f"mailed.{name}"
    mailed.write_bytes((own / name).read_bytes())
    [run] = wayframe("logs", "runs", mailed, "--json").json()["runs"]
    record = json.loads((own / "run.json").read_text())
    assert run.keys() == RUN_KEYS
    assert (run["run_id"], run["status"]) == (own.name, record["status"])
    listed = wayframe("logs", "runs", mailed).out.splitlines()
    assert listed[1].split()[:4] == [own.name, "completed", "2", str(record["planned"]["frames"])]
    assert listed[-1].endswith(" lines, 0 unread, 0 secrets kept back")
    shown = wayframe("logs", "show", mailed, own.name).out
    assert f"run {own.name} completed" in shown
    assert "'scripted'" in shown
    assert "segment 1 complete" in shown
    assert "absent" not in shown
    assert sum(line.split()[:1] == ["3"] for line in shown.splitlines()) == 2  # the last step of each segment
    assert wayframe("logs", "show", mailed, own.name, "--json").json() == run
    assert wayframe("logs", "tail", mailed, "--once").code == 0


@pytest.mark.usefixtures("log")
def test_our_logs_and_others_are_listed_together(wayframe: Terminal, own: Path, log: Log) -> None:
    found = wayframe("logs", "runs", "debug_1.log", own, "--json").json()["runs"]
    assert [run["run_id"] for run in found].count(own.name) == 1
    assert {run["run_id"] for run in found} == {own.name, *(truth.run_id for truth in log.runs)}


def test_a_run_of_this_home_is_not_imported_and_that_of_another_is_once(
    wayframe: Terminal, own: Path, tmp_path: Path
) -> None:
    said = wayframe("logs", "import", own)
    assert said.out.splitlines()[0] == f"{own.name} is a run of this home"
    assert said.out.splitlines()[1].startswith("0 of 1 runs are new in ")
    other = ("--home", tmp_path / "other")
    assert wayframe("logs", "import", own / "events.jsonl", *other).out.startswith(f"{own.name} imported")
    assert "was imported before" in wayframe("logs", "import", own / "debug.log", *other).out
    assert f"run {own.name} completed" in wayframe("show", "last", *other).out
    [row] = [line for line in wayframe("runs", *other).out.splitlines() if line.startswith(own.name)]
    assert "scripted" in row


def test_our_logs_are_compared_step_by_step(wayframe: Terminal, own: Path) -> None:
    names = [f"{own / 'events.jsonl'}#{own.name}", f"x.jsonl#{own.name}"]
    events = (own / "events.jsonl").read_text()
    (wayframe.folder / "x.jsonl").write_text(events)
    same = wayframe("compare", *names, "--no-videos")
    assert (same.code, "A and B: identical" in same.out) == (0, True)
    (wayframe.folder / "x.jsonl").write_text(events.replace('"guidance": ', '"guidance": 1'))
    other = wayframe("compare", *names, "--no-videos")
    assert (other.code, "Guidance and phases differ" in other.out) == (1, True)


# tail


def test_tail_shows_the_last_records(wayframe: Terminal) -> None:
    small(wayframe)
    printed = wayframe("logs", "tail", "debug_2.log", "--once", "-n", "2")
    assert printed.code == 0
    lines = printed.out.splitlines()
    assert len(lines) == 2
    assert lines[-1].endswith("GenerationWorker-0 stopped")
    assert wayframe("logs", "tail", "debug_2.log", "--once", "--last", "0").out == ""


def test_tail_refuses_what_nobody_writes_to(wayframe: Terminal) -> None:
    (wayframe.folder / "x.log.gz").write_bytes(gzip.compress(b"text\n"))
    assert "is compressed" in wayframe.fails("logs", "tail", "x.log.gz", "--once")
    assert "gone.log" in wayframe.fails("logs", "tail", "gone.log", "--once")
    assert wayframe("logs", "tail", "debug_2.log", "-n", "-1").code == 2


# import


def test_imported_runs_are_listed_shown_and_not_made_twice(wayframe: Terminal, log: Log) -> None:
    printed = wayframe("logs", "import", "debug_1.log")
    assert printed.code == 0
    assert printed.out.count(" imported") == 5
    assert printed.out.splitlines()[-1].startswith("5 of 5 runs are new in ")
    again = wayframe("logs", "import", "debug_1.log")
    assert again.out.count("was imported before") == 5
    assert again.out.splitlines()[-1].startswith("0 of 5 runs are new in ")
    listed = wayframe("runs", "--json").json()
    assert {record["logged"]["run_id"] for record in listed} == {truth.run_id for truth in log.runs}
    for truth in log.runs:
        shown = wayframe("show", truth.run_id.zfill(17))
        assert shown.code == 0
        assert f"run {truth.run_id} " in shown.out


def test_levels_of_an_imported_run_can_be_seen_alone(wayframe: Terminal) -> None:
    [truth] = small(wayframe).runs
    wayframe("logs", "import", "debug_2.log")
    requested = wayframe("show", "last", "--level", "requested").json()
    assert requested["seed_base"] == truth.requested["seed_base"]
    assert wayframe("show", "last", "--level", "resolved").code == 2


def test_the_home_of_an_import_can_be_chosen(wayframe: Terminal, tmp_path: Path) -> None:
    small(wayframe)
    assert wayframe("logs", "import", "debug_2.log", "--home", tmp_path / "other").code == 0
    assert wayframe("runs", "--json").json() == []
    assert len(wayframe("runs", "--json", "--home", tmp_path / "other").json()) == 1


# All of them


@pytest.mark.parametrize("words", [("runs",), ("runs", "--json"), ("show",), ("import",)])
def test_a_file_that_is_not_there_is_one_line_and_exit_code_one(wayframe: Terminal, words: tuple[str, ...]) -> None:
    after = ("1",) if words[0] == "show" else ()
    assert "gone.log" in wayframe.fails("logs", *words, "gone.log", *after)


@pytest.mark.parametrize("text", [b"\x00\xff\xfe", b"\xef\xbb\xbf[DEBUG", b"{" * 10_000, b"\r\n" * 100])
def test_what_is_no_log_is_survived(wayframe: Terminal, text: bytes) -> None:
    (wayframe.folder / "odd.log").write_bytes(text)
    assert wayframe("logs", "runs", "odd.log", "--json").json()["runs"] == []
    assert wayframe("logs", "tail", "odd.log", "--once").code == 0
    assert wayframe("logs", "import", "odd.log").code == 0


MARKUP = "[bold red]a lake[/] [/nothing] [link=http://x]here[/link]"


def test_text_in_a_log_is_not_taken_for_markup(wayframe: Terminal) -> None:
    wayframe.patch.setattr("logs.generator.PROMPTS", (MARKUP,))
    made = Generator(1, Settings(runs=1, outcomes=("completed",), decoys=False)).log()
    [truth] = made.runs
    data = made.data.replace(b"invented_model_2_2_2", b"[/model]").replace(truth.run_id.encode(), b"[/run]")
    (wayframe.folder / "odd.log").write_bytes(data.replace(b"first.safetensors", b"[/lora].safetensors"))
    shown = wayframe("logs", "show", "odd.log", "[/run]").out
    assert MARKUP in shown
    assert "run [/run] completed" in shown
    listed = wayframe("logs", "runs", "odd.log").out
    assert "[/run]" in listed
    assert "[/model]" in listed
    wayframe("logs", "import", "odd.log")
    assert "[/model]" in wayframe("runs").out
    assert MARKUP in wayframe("show", "last").out


def test_no_secret_comes_out_of_any_command(wayframe: Terminal, log: Log) -> None:
    assert PLANTED.encode() in log.data
    assert JWT.encode() in log.data
    wayframe("logs", "import", "debug_1.log")
    commands: list[tuple[str, ...]] = [
        ("logs", "runs", "debug_1.log"),
        ("logs", "runs", "debug_1.log", "--json"),
        ("logs", "tail", "debug_1.log", "--once", "-n", "100000"),
        ("runs",),
        ("runs", "--json"),
        ("runs", "--where", f"prompt == '{PLANTED}' or 1"),
    ]
    for truth in log.runs:
        for form in ((), ("--json",)):
            commands.append(("logs", "show", "debug_1.log", truth.run_id, *form))
            commands.append(("show", truth.run_id.zfill(17), *form))
    for command in commands:
        printed = wayframe(*command)
        assert printed.code == 0, command
        assert PLANTED not in printed.out + printed.err, command
        assert JWT not in printed.out + printed.err, command
    for file in wayframe.home.rglob("*"):
        assert not file.is_file() or PLANTED.encode() not in file.read_bytes()
    assert json.loads(wayframe("logs", "runs", "debug_1.log", "--json").out)["secrets_redacted"] >= len(log.runs)
