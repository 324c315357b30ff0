"""Small parts of the queue's processes: pace, log lines, what is told, children, meters, GPUs, what is offered."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from wayframe.core.events import FrameRendered, SegmentPublished, StepApplied
from wayframe.errors import SpecError, StoreError, StoreUnavailableError
from wayframe.store.home import Home, open_home
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.exposition import QueueCollector, WorkerMeters
from wayframe.workflow.queue.gpus import gpus
from wayframe.workflow.queue.logging_lines import LineFormatter
from wayframe.workflow.queue.offer import Offer
from wayframe.workflow.queue.pace import Pace
from wayframe.workflow.queue.patience import patiently
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import NewRun
from wayframe.workflow.queue.supervise import Ending, Program
from wayframe.workflow.queue.tally import Tally, Told

PATIENCE = 30.0


def test_a_process_that_misses_six_beats_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYFRAME_BEAT_SECONDS", raising=False)
    assert (Pace.here().beat, Pace.here().dead) == (5.0, 30.0)
    monkeypatch.setenv("WAYFRAME_BEAT_SECONDS", "0.5")
    assert Pace.here().dead == 3.0


@pytest.mark.parametrize("said", ["0", "-1", "soon", "nan", "inf"])
def test_a_pace_that_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("WAYFRAME_BEAT_SECONDS", said)
    with pytest.raises(SpecError, match="WAYFRAME_BEAT_SECONDS: is no time in seconds"):
        Pace.here()


def line(*, as_json: bool, error: Exception | None = None, **extra: str) -> str:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "said\n%s", ("hf_" + "a" * 34,), None)
    if error is not None:
        record.exc_info = (type(error), error, None)
    record.created = 0.0
    vars(record).update(extra)
    return LineFormatter(process="gpu0/render", as_json=as_json).format(record)


def test_a_log_line_names_process_run_and_task_and_holds_no_secret() -> None:
    assert line(as_json=False, run="r1", task="t1") == (
        "1970-01-01T00:00:00.000+00:00 WARNING gpu0/render run=r1 task=t1 said [redacted]"
    )


def test_the_same_as_json() -> None:
    assert json.loads(line(as_json=True, run="r1")) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "WARNING",
        "process": "gpu0/render",
        "run": "r1",
        "message": "said [redacted]",
    }


def test_what_dbos_logs_of_a_workflow_names_its_run() -> None:
    assert json.loads(line(as_json=True, operationUUID="r1~2.b0f"))["run"] == "r1"


def test_an_error_of_ours_is_logged_in_one_line_and_a_bug_with_its_traceback() -> None:
    assert line(as_json=False, error=StoreError("it is full")).endswith("said [redacted]: it is full")
    said = line(as_json=False, error=ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in said
    assert "\n" not in said


def step(segment: int, number: int) -> StepApplied:
    return StepApplied(
        task="t", segment=segment, step=number, timestep=1.0, expert="high", guidance=1.0, loras={}, forwards=1
    )


def test_the_first_step_of_a_segment_is_not_timed(tmp_path: Path) -> None:
    now = iter([0.0, 3.0, 5.0, 100.0, 104.0])
    tally = Tally(io.StringIO(), home=Home(root=tmp_path), now=lambda: next(now))
    for one in (step(0, 0), step(0, 1), step(0, 2), step(1, 0), step(1, 1)):
        tally.hear(one)
    assert (tally.told.steps, tally.told.timed_steps, tally.told.step_seconds) == (5, 3, 9.0)


def test_frames_segments_and_bytes_are_counted_and_told(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    video = home.artifacts / "ab" / "abc" / "segment.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"12345")
    stream = Lines()
    tally = Tally(stream, home=home)
    tally.hear(FrameRendered(segment=0, done=1, frames=5))
    tally.hear(SegmentPublished(task="t", segment=0, key="abc", frames=5, digest="d"))
    tally.start()
    assert stream.written.wait(PATIENCE)
    assert Told.parse(stream.getvalue()) == Told(frames=1, published=1, published_bytes=5)


class Lines(io.StringIO):
    """A stream that says when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        self.written.set()


def test_what_an_engine_prints_tells_nothing() -> None:
    assert Told.parse("loading 7 of 9") is None
    assert Told.parse("{}") == Told()
    assert Told.parse('{"colour": 1}') is None
    assert Told.parse("[1]") is None


def ended(code: str) -> tuple[Ending, list[str]]:
    told: list[str] = []
    program = Program([sys.executable, "-c", code], environment={}, told=told.append)
    ending = None
    while ending is None:
        ending = program.wait(PATIENCE)
    return ending, told


def test_what_is_known_of_a_process_that_was_killed(capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import os, sys, signal; print('7', flush=True); "
        "print('token hf_' + 'a' * 34, file=sys.stderr, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ending, told = ended(code)
    assert (ending.code, ending.signal) == (-signal.SIGKILL, "SIGKILL")
    assert told == ["7"]
    assert ending.lines == ("token [redacted]",)
    assert capfd.readouterr().err == "token [redacted]\n"
    assert ending.as_detail()["error"] == "killed by SIGKILL"
    assert ending.as_detail()["last_lines"] == ["token [redacted]"]


def test_what_is_known_of_a_process_that_gave_up() -> None:
    ending, _ = ended("raise SystemExit(4)")
    assert ending.as_detail()["exit_code"] == 4
    assert ending.words == "ended with code 4"


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    child = "from wayframe.workflow.queue.lifeline import hold_lifeline; import time; hold_lifeline(); print('here'); "
    child += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid())); time.sleep(600)"
    parent = (
        "import sys, time, os, pathlib; from wayframe.workflow.queue.supervise import Program\n"
        f"Program([sys.executable, '-c', {child!r}], environment={{}})\n"
        f"while not pathlib.Path({str(tmp_path / 'pid')!r}).exists(): time.sleep(0.01)\n"
        "os.kill(os.getpid(), 9)"
    )
    ending, _ = ended(parent)
    assert ending.signal == "SIGKILL"
    pid = int((tmp_path / "pid").read_text() or "0")
    if psutil.pid_exists(pid):
        psutil.wait_procs([psutil.Process(pid)], timeout=PATIENCE)
    assert not psutil.pid_exists(pid)


LISTENING = """
import signal, sys, threading
from wayframe.workflow.queue.lifeline import Stop
stop = Stop()
stop.listen()
if sys.argv[1] == "elsewhere":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("listens", flush=True)
stop.asked.wait()
print("asked", flush=True)
stop.hurried.wait()
"""


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_signal_asks_and_a_second_one_hurries_whatever_the_main_thread_waits_for(where: str) -> None:
    command = [sys.executable, "-c", LISTENING, where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for word in ("listens", "asked"):
            assert process.stdout.readline().strip() == word
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("visible", "found"), [("0,1", ("0", "1")), ("GPU-8a, 3", ("GPU-8a", "3")), ("", ()), ("-1", ())]
)
def test_the_gpus_are_those_that_are_visible(
    monkeypatch: pytest.MonkeyPatch, visible: str, found: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == found


def test_the_gpus_are_those_that_nvidia_smi_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus() == ("0", "1")
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert gpus() == ()
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == ()


def test_engines_without_weights_are_always_offered_and_models_only_with_theirs(tmp_path: Path) -> None:
    offer = Offer.of(open_home(tmp_path))
    assert offer.serves("preview")
    assert offer.serves("null")
    assert not offer.serves("wan:wan2.2-i2v-a14b")
    assert not offer.serves("unheard")
    assert {"null", "preview"} <= set(offer.listed())


def test_named_models_are_taken_and_nothing_else(tmp_path: Path) -> None:
    offer = Offer.of(open_home(tmp_path), only=["wan2.2-i2v-a14b", "null"])
    assert offer.serves("wan:wan2.2-i2v-a14b")
    assert offer.serves("null")
    assert not offer.serves("preview")
    assert offer.listed() == ("wan:wan2.2-i2v-a14b", "null")
    with pytest.raises(SpecError, match="models: is neither a model of the catalogue nor an engine"):
        Offer.of(open_home(tmp_path), only=["wan9"])


def test_what_passes_is_waited_for_and_what_does_not_is_raised() -> None:
    answers: Iterator[object] = iter([StoreUnavailableError("away"), 7])

    def ask() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask) == 7
    over = threading.Event()
    over.set()
    answers = iter([StoreUnavailableError("away")])
    with pytest.raises(StoreUnavailableError):
        patiently(ask, over=over)
    answers = iter([StoreError("it is full")])
    with pytest.raises(StoreError, match="it is full"):
        patiently(ask)


def test_a_workers_counts_go_on_when_its_renderer_is_replaced() -> None:
    meters = WorkerMeters()
    meters.switched("null")
    meters.heard("null", told=Told(frames=5, published=1))
    meters.heard("null", told=Told(frames=8, published=1))
    meters.switched("null")
    meters.heard("null", told=Told(frames=2))
    meters.crashed("null")
    said = generate_latest(meters.registry).decode()
    assert 'wayframe_frames_total{capability="null"} 10.0' in said
    assert 'wayframe_published_total{capability="null"} 1.0' in said
    assert 'wayframe_model_switches_total{capability="null"} 2.0' in said
    assert 'wayframe_renderer_crashes_total{capability="null"} 1.0' in said


def told(place: Place) -> str:
    registry = CollectorRegistry()
    registry.register(QueueCollector(place))
    return generate_latest(registry).decode()


def test_prometheus_is_told_what_the_database_knows(database: Database, tmp_path: Path) -> None:
    place = Place.open(home=open_home(tmp_path / "home"), database=database.text)
    run = NewRun(run_id="one", plan_digest="d", capability="null", title="", segments=1, frames=5)
    place.runs.add(run)
    said = told(place)
    assert "wayframe_database_up 1.0" in said
    assert 'wayframe_runs{capability="null",state="queued"} 1.0' in said
    place.database.close()


def test_prometheus_is_told_that_the_database_is_away(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    said = told(Place.open(home=open_home(tmp_path), database=url))
    assert "wayframe_database_up 0.0" in said
    assert "wayframe_runs" not in said
