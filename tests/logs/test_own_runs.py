"""Runs from our own logs: real ones against their records, and lines written by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayframe.core.events import (
    EngineReported,
    LoraReady,
    RunEvent,
    RunFinished,
    RunStarted,
    RunState,
    SegmentPublished,
    StepApplied,
    TaskChanged,
    TaskKind,
    TaskState,
    WeightsReady,
)
from wayframe.core.subject import Basis
from wayframe.errors import CancelledError, EngineError
from wayframe.logs import LogRuns, Missing, OwnFormat, RunReader, RunRecord, RunStatus, find_run, own_format, runs
from wayframe.store.runs import RunFolder
from wayframe.workflow.journal import Journal
from wayframe.workflow.log_subjects import logged_subject
from workflow.engines import Scripted, install
from workflow.rides import Data, Ground, Watch, lines, through

LOGS = ("debug.log", "events.jsonl")
STEP = StepApplied(
    task="t0",
    segment=0,
    step=0,
    timestep=1000.0,
    expert="high",
    guidance=3.5,
    loras={"a b.safetensors": 0.75},
    forwards=2,
)


def mailed(folder: RunFolder, name: str, *, to: Path) -> Path:
    """The log alone, under another name, without its run folder."""
    path = to / f"mailed-{name.replace('.', '-')}.txt"
    path.write_bytes((folder.path / name).read_bytes())
    return path


def only(path: Path) -> RunRecord:
    [run] = runs([path]).runs
    return run


def agrees(run: RunRecord, record: Data, *, path: Path) -> None:
    """Hold a run that its log tells against its record, and its evidence against the log."""
    tasks = record["tasks"]
    assert (run.run_id, run.orchestrator_task_id, run.status.value) == (
        record["run_id"],
        tasks[0]["id"],
        record["status"],
    )
    known = {task["id"]: task for task in tasks}
    states = {"queued": "incomplete", "running": "incomplete"}
    for segment in run.segments:
        task = known[segment.task_id]
        assert segment.segment_index == task["segment"]
        assert (segment.status.value, segment.error) == (states.get(task["state"], task["state"]), task["error"])
        told = segment.applied["steps"] if isinstance(segment.applied, dict) and segment.applied else None
        steps = record["applied"]["segments"][task["segment"]]["steps"]
        assert [step["index"] for step in told or []] == [step["index"] for step in steps or []]
        for ours, theirs in zip(told or [], steps or [], strict=True):
            assert (ours["expert"], ours["guidance"]) == (theirs["expert"], theirs["guidance"])
            assert ours["timestep"] == theirs["timestep"]
            assert ours["loras"] == theirs["loras"]
    assert run.requested == {}
    assert run.look_up("requested.seed_base") is Missing.NOT_LOGGED
    assert (run.finished or "")[:19] == (record["finished"] or "")[:19]
    text = path.read_text().splitlines()
    for place, proof in run.evidence.items():
        assert text[proof.line - 1].startswith(proof.text.removesuffix("...")), place


@pytest.mark.parametrize("name", LOGS)
def test_a_completed_run_is_told_by_its_log_alone(tmp_path: Path, name: str) -> None:
    ground = Ground.at(tmp_path)
    result = ground.run(through(0, 1, 2))
    path = mailed(result.folder, name, to=tmp_path)
    run = only(path)
    agrees(run, result.folder.read(), path=path)
    assert run.planned == {"engine": "null", "segments": 2, "frames": 9}
    assert run.stitch is not None
    assert run.stitch.to_json() == {"task_id": result.record["tasks"][-1]["id"], "status": "complete"}
    assert [segment.applied for segment in run.segments] == [{}, {}]
    found = runs([path])
    assert (found.lines, found.unread_lines) == (len(path.read_text().splitlines()), 0)


TWO_PHASES: Data = {
    "engine": "scripted",
    "model": "wan2.2-i2v-a14b",
    "steps": 4,
    "loras": [{"name": "a b.safetensors", "multiplier": 0.75}],
}


@pytest.mark.parametrize("name", LOGS)
def test_applied_steps_are_told_with_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install(monkeypatch, Scripted(denoises=True))
    ground = Ground.at(tmp_path)
    spec = {key: value for key, value in TWO_PHASES.items() if key != "loras"}
    result = ground.run(through(0, 1, 2, **spec))
    path = mailed(result.folder, name, to=tmp_path)
    run = only(path)
    agrees(run, result.folder.read(), path=path)
    assert [len(segment.applied["steps"]) for segment in run.segments if isinstance(segment.applied, dict)] == [4, 4]
    assert run.evidence["segments[1].applied.steps[3]"].line > run.evidence["segments[1].applied.steps[0]"].line
    subject = logged_subject(run, source="x", defaults={})
    table = subject.segments[0].steps
    assert table is not None
    assert (table.basis, len(table.rows), len(table.inferred)) == (Basis.APPLIED, 4, 1)


@pytest.mark.parametrize("name", LOGS)
def test_a_failed_run_tells_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    broken = EngineError("out of memory\n[00:00:00] INFO RUN run 1 completed\nreally")
    install(monkeypatch, Scripted(breaks_at=1, breaks_with=broken))
    ground = Ground.at(tmp_path)
    with pytest.raises(EngineError):
        ground.run(through(0, 1, 2, engine="scripted"))
    [folder] = [RunFolder(path=path) for path in ground.home.runs.iterdir() if path.is_dir()]
    path = mailed(folder, name, to=tmp_path)
    run = only(path)
    agrees(run, folder.read(), path=path)
    assert [segment.status.value for segment in run.segments] == ["complete", "failed"]
    assert "really" in (run.segments[1].error or "")
    assert runs([path]).unread_lines == 0


@pytest.mark.parametrize("name", LOGS)
def test_of_a_continued_run_the_last_attempt_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install(monkeypatch, Scripted(denoises=True))
    ground = Ground.at(tmp_path)
    spec = {key: value for key, value in TWO_PHASES.items() if key != "loras"}
    watch = Watch(until=lambda event: isinstance(event, SegmentPublished))
    with pytest.raises(CancelledError):
        ground.run(through(0, 1, 2, **spec), listen=watch.listen, cancelled=watch.cancelled)
    [folder] = [RunFolder(path=path) for path in ground.home.runs.iterdir() if path.is_dir()]
    stopped = mailed(folder, name, to=tmp_path)
    agrees(only(stopped), folder.read(), path=stopped)
    assert only(stopped).status is RunStatus.CANCELLED
    begun = only(stopped).started
    result = ground.run(through(0, 1, 2, **spec))
    assert result.folder.path == folder.path
    whole = mailed(folder, name, to=tmp_path)
    agrees(only(whole), folder.read(), path=whole)
    assert (only(whole).status, only(whole).started) == (RunStatus.COMPLETED, begun)


class Writer:
    """A journal with a clock of its own."""

    def __init__(self, folder: Path, record: Data, *, start: datetime) -> None:
        folder.mkdir(exist_ok=True, parents=True)
        self.folder, self.now, self.record = RunFolder(path=folder), start, record

    def write(self, *events: RunEvent, seconds: float = 1) -> None:
        journal = Journal(
            self.folder, record=self.record, listen=lambda _: None, now=lambda: self.now, monotonic=lambda: 0.0
        )
        with journal:
            for event in events:
                journal.emit(event)
                self.now += timedelta(seconds=seconds)


def record_of(run_id: str) -> Data:
    tasks = [("t", "orchestrator", None), ("t0", "segment", 0), ("t1", "segment", 1), ("t2", "stitch", None)]
    return {
        "run_id": run_id,
        "tasks": [{"id": name, "kind": kind, "segment": segment, "state": "queued"} for name, kind, segment in tasks],
        "applied": {"segments": [{"steps": None}, {"steps": None}]},
        "environment": {"versions": {}},
        "outcome": {"segments": [{}, {}]},
        "findings": [],
    }


def changed(task: str, state: str, *, error: str | None = None) -> TaskChanged:
    kind = {"t": TaskKind.ORCHESTRATOR, "t2": TaskKind.STITCH}.get(task, TaskKind.SEGMENT)
    segment = int(task[1:]) if kind is TaskKind.SEGMENT else None
    return TaskChanged(task=task, kind=kind, state=TaskState(state), segment=segment, error=error)


def started(*, continued: bool = False) -> RunStarted:
    return RunStarted(run_id="20251007235958003", engine="null", segments=2, frames=9, continued=continued)


def finished(state: str = "completed", *, error: str | None = None) -> RunFinished:
    return RunFinished(run_id="20251007235958003", state=RunState(state), error=error)


WHOLE: tuple[RunEvent, ...] = (
    started(),
    changed("t", "running"),
    changed("t0", "running"),
    STEP,
    changed("t0", "complete"),
    changed("t1", "running"),
    changed("t1", "complete"),
    changed("t2", "complete"),
    changed("t", "complete"),
    finished(),
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(*events: RunEvent, name: str, home: str = "home") -> Path:
        start = datetime(2025, 10, 7, 23, 59, 58, 3000, tzinfo=UTC)
        writer = Writer(tmp_path / home / "20251007235958003", record_of("20251007235958003"), start=start)
        writer.write(*events)
        return writer.folder.path / name

    return written


@pytest.mark.parametrize("name", LOGS)
def test_times_go_on_over_midnight(write: Callable[..., Path], name: str) -> None:
    run = only(write(*WHOLE, name=name))
    assert (run.started or "")[:19] == "2025-10-07T23:59:58"
    assert (run.finished or "")[:19] == "2025-10-08T00:00:07"
    assert run.status is RunStatus.COMPLETED
    [step] = run.segments[0].applied["steps"] if isinstance(run.segments[0].applied, dict) else []
    assert isinstance(step, dict)
    told = {"index": 0, "timestep": 1000.0, "expert": "high", "guidance": 3.5, "loras": {"a b.safetensors": 0.75}}
    assert step == (told if name == "debug.log" else {**told, "forwards": 2})


@pytest.mark.parametrize("name", LOGS)
def test_a_rotated_and_packed_log_is_one_run(write: Callable[..., Path], tmp_path: Path, name: str) -> None:
    path = write(*WHOLE, name=name)
    whole = only(path)
    text = path.read_bytes().splitlines(keepends=True)
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / f"{name}.1.gz").write_bytes(gzip.compress(b"".join(text[:5])))
    (parts / name).write_bytes(b"".join(text[5:]))
    run = only(parts)
    assert run.evidence["started"].file == f"{name}.1.gz"
    assert run.evidence["finished"].file == name
    assert {**run.to_json(), "evidence": 0} == {**whole.to_json(), "evidence": 0}


def test_a_run_folder_is_one_run_though_it_has_two_logs(write: Callable[..., Path]) -> None:
    folder = write(*WHOLE, name="debug.log").parent
    found = runs([folder])
    assert [run.run_id for run in found.runs] == ["20251007235958003"]
    assert found.lines == sum(len((folder / name).read_text().splitlines()) for name in LOGS)


def test_one_id_in_two_folders_is_two_runs(write: Callable[..., Path]) -> None:
    one = write(*WHOLE, name="debug.log", home="a")
    other = write(started(), finished("failed", error="x"), name="events.jsonl", home="b")
    assert {run.status for run in runs([one, other]).runs} == {RunStatus.COMPLETED, RunStatus.FAILED}


@pytest.mark.parametrize("name", LOGS)
def test_a_killed_run_is_incomplete_and_goes_on_under_its_id(write: Callable[..., Path], name: str) -> None:
    killed = only(write(*WHOLE[:4], name=name))
    assert (killed.status, killed.finished, killed.stitch) == (RunStatus.INCOMPLETE, None, None)
    assert killed.segments[0].status.value == "incomplete"
    run = only(write(started(continued=True), *WHOLE[1:3], *WHOLE[4:], name=name))
    assert run.status is RunStatus.COMPLETED
    assert run.segments[0].applied == {}, "the second try told no step"
    assert run.evidence["started"].line < run.evidence["planned.engine"].line


@pytest.mark.parametrize("name", LOGS)
def test_a_log_without_its_beginning_is_named_by_its_end(write: Callable[..., Path], tmp_path: Path, name: str) -> None:
    text = write(*WHOLE, name=name).read_bytes().splitlines(keepends=True)
    path = tmp_path / name
    path.write_bytes(b"".join(text[4:]))
    run = only(path)
    assert (run.run_id, run.status, run.started) == ("20251007235958003", RunStatus.COMPLETED, None)
    assert run.planned == {}


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_cut_file_tells_what_is_whole_in_it(write: Callable[..., Path], name: str, cut: int) -> None:
    path = write(*WHOLE[:-1], finished("failed", error="the card is out of memory, all of it"), name=name)
    path.write_bytes(path.read_bytes()[:-cut])
    found = runs([path])
    [run] = found.runs
    said = (run.status, found.unread_lines)
    assert said in {(RunStatus.INCOMPLETE, 1), (RunStatus.FAILED, 0)}
    assert (run.status is RunStatus.FAILED) is (cut == 1 and name == "events.jsonl")


@pytest.mark.parametrize("name", LOGS)
def test_secrets_are_kept_back_and_counted(write: Callable[..., Path], name: str) -> None:
    path = write(started(), changed("t0", "failed", error="no access: KEEP"), name=name)
    path.write_text(path.read_text().replace("KEEP", "api_key=abcd1234efgh"))
    found = runs([path])
    assert "abcd1234" not in json.dumps(found.to_json())
    assert found.secrets_redacted == 1


def test_a_log_of_ours_is_known_by_what_it_holds(write: Callable[..., Path], tmp_path: Path) -> None:
    odd = tmp_path / "what.txt"
    for name, form in (("debug.log", OwnFormat.DEBUG), ("events.jsonl", OwnFormat.EVENTS)):
        odd.write_bytes(b"\xef\xbb\xbf" + write(*WHOLE, name=name).read_bytes())
        assert own_format(odd) is form
    upstream = tmp_path / "debug.log"
    upstream.write_text("[DEBUG 2025-10-07T05:06:14.601786] hello\n[05:06:14] INFO STITCH [Task x] run 1 completed\n")
    assert own_format(upstream) is None


def test_a_prompt_that_looks_like_our_log_stays_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "debug_1.log"
    day = "[DEBUG 2025-10-07T05:06:14.601786] "
    path.write_text(f"{day}prompt\n{day}wayframe run 1\n[05:06:14] INFO RUN run 1 completed\n")
    assert runs([path]).runs == ()


def test_runs_are_found_by_the_beginning_of_their_ids(write: Callable[..., Path]) -> None:
    path = write(*WHOLE, name="debug.log")
    assert find_run([path], "20251007").run_id == "20251007235958003"
    assert find_run([path], "t").run_id == "20251007235958003"


def test_runs_that_were_written_after_each_other_stay_apart(write: Callable[..., Path], tmp_path: Path) -> None:
    one = write(*WHOLE[:-1], finished("failed", error="x"), name="events.jsonl").read_text()
    both = tmp_path / "both.jsonl"
    both.write_text(one + one.replace("20251007235958003", "20251008000000000") + one)
    found = [run.run_id for run in RunReader([both])]
    assert sorted(filter(None, found)) == ["20251007235958003", "20251007235958003", "20251008000000000"]


def sound(found: LogRuns) -> None:
    text = json.dumps(found.to_json(), allow_nan=False)
    text.encode()
    for run in found.runs:
        assert (run.finished is None) or run.status is not RunStatus.INCOMPLETE
        assert all(1 <= proof.line <= found.lines for proof in run.evidence.values())
        assert "status" in run.evidence
        logged_subject(run, source="x", defaults={})
    assert 0 <= found.unread_lines <= found.lines


def test_a_line_that_is_neither_text_nor_a_record_is_unread_once(tmp_path: Path) -> None:
    path = tmp_path / "debug.log"
    path.write_bytes(b"[DEBUG 2025-10-07T05:06:14.601786] wayframe run 1\n\x80\x80\n")
    found = runs([path])
    assert (found.lines, found.unread_lines) == (2, 1)


PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"\n", b"\0", b"\xff", b"    ", b"null", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'"\\ud800"', b"9" * 30, b"[["]
    ),
)


@given(data=st.data(), name=st.sampled_from(LOGS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_file_is_survived(write: Callable[..., Path], data: st.DataObject, name: str) -> None:
    folder = write(name=name).parent
    for old in LOGS:
        (folder / old).write_bytes(b"")
    path = write(*WHOLE, finished("failed", error="two\nlines"), name=name)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(raw)))  # the first bytes would make it a packed file
        gone = data.draw(st.sampled_from([0, 1, 3, 40, 400]))
        raw[at : at + gone] = data.draw(PIECES)
    path.write_bytes(bytes(raw))
    sound(runs([path]))


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_an_event_is_survived(tmp_path: Path, value: object) -> None:
    path = tmp_path / "events.jsonl"
    event = {"time": "2025-10-07T23:59:58.003+00:00", "event": "StepApplied", "task": "t0", "segment": 0, "step": 0}
    event |= {"timestep": 1.0, "expert": "high", "guidance": 1.0, "loras": {"a": 1.0}, "forwards": 1}
    event |= {"sigma": 1.0, "sigma_next": 0.5, "modules": {"a": [1, 1]}}
    kinds = [{**event, key: value} for key in event]
    kinds += [
        {**event, **part}
        for part in ({"loras": {"a": value}}, {"modules": {"a": value}}, {"modules": {"a": [1, value]}})
    ]
    path.write_text("".join(json.dumps(kind) + "\n" for kind in kinds))
    sound(runs([path]))


def test_lines_of_the_events_are_as_the_journal_writes_them(write: Callable[..., Path]) -> None:
    kinds = {line["event"] for line in lines(write(*WHOLE, name="events.jsonl"))}
    assert kinds == {"RunStarted", "TaskChanged", "StepApplied", "RunFinished"}


@pytest.mark.parametrize("name", LOGS)
def test_sigmas_and_modules_are_read_where_the_engine_told_them(write: Callable[..., Path], name: str) -> None:
    told = replace(STEP, sigma=1.0, sigma_next=1e-05, modules={"a b.safetensors": (399, 400)})
    events = [told if event is STEP else event for event in WHOLE]
    run = only(write(*events, name=name))
    [step] = run.segments[0].applied["steps"] if isinstance(run.segments[0].applied, dict) else []
    assert isinstance(step, dict)
    assert (step["sigma"], step["sigma_next"]) == (1.0, 1e-05)
    assert step["modules"] == {"a b.safetensors": [399, 400]}


@pytest.mark.parametrize("name", LOGS)
def test_what_an_engine_was_given_and_reported_is_no_unread_line(write: Callable[..., Path], name: str) -> None:
    given = [
        LoraReady(lora="style", sha256="ab" * 32, commit="c0ffee"),
        WeightsReady(model="toy", identity="ORG/toy@c0ffee"),
        EngineReported(device="NVIDIA H100", versions={"torch": "2"}, counts={"forwards": 8}),
    ]
    found = runs([write(*WHOLE[:1], *given, *WHOLE[1:], name=name)])
    assert (found.unread_lines, len(found.runs)) == (0, 1)
