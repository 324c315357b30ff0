"""A run that is killed at any moment, and the same command again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faults.program import PATIENCE, Trip
from workflow.rides import draw, through

pytestmark = pytest.mark.faults
SEGMENTS, FRAMES = 5, 40


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spec")
    draw(folder, SEGMENTS + 1, width=192, height=144)
    said = through(*range(SEGMENTS + 1), engine="preview", segment_frames=FRAMES, resolution="192x144")
    (folder / "trip.json").write_text(json.dumps(said))
    return folder / "trip.json"


@pytest.fixture(scope="module")
def untouched(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a run that nobody interrupts."""
    trip = Trip(spec=spec, home=tmp_path_factory.mktemp("untouched"))
    trip.finish()
    return str(trip.record(trip.runs()[0])["outcome"]["digest"])


@pytest.fixture
def trip(spec: Path, tmp_path: Path) -> Trip:
    return Trip(spec=spec, home=tmp_path / "home")


def kill_when(trip: Trip, happened: Callable[[], bool], *, after: float = 0.0) -> bool:
    """Start the program and kill it once something happened, or so many seconds later; whether it had not ended."""
    with trip.process() as program:
        trip.wait_for(happened, program)
        time.sleep(after)
        program.kill()
        program.communicate(timeout=PATIENCE)
    return program.returncode == -signal.SIGKILL


def told(trip: Trip, name: str, count: int) -> Callable[[], bool]:
    """Whether the event log tells of an event so often."""
    return lambda: len(trip.events(name)) >= count


@pytest.mark.parametrize("seed", range(int(os.environ.get("WAYFRAME_FAULT_SEEDS", "2"))))
def test_kills_at_random_moments_lose_nothing_and_make_nothing_twice(trip: Trip, untouched: str, seed: int) -> None:
    chance, kills = np.random.default_rng(seed), 0
    for events in (0, *chance.integers(2, 9, size=2)):
        before = trip.artifacts()
        wanted = trip.count() + int(events)
        kills += kill_when(trip, lambda wanted=wanted: trip.count() >= wanted, after=chance.uniform(0, 0.15))
        assert before <= trip.artifacts()
    assert kills > 1
    trip.finish()
    trip.check_whole(digest=untouched, segments=SEGMENTS)


@pytest.mark.parametrize(
    ("name", "count"),
    [("RunStarted", 1), ("SegmentPublished", 1), ("SegmentPublished", SEGMENTS)],
)
def test_a_run_killed_right_after_an_event_goes_on_under_its_own_id(
    trip: Trip, untouched: str, name: str, count: int
) -> None:
    assert kill_when(trip, told(trip, name, count))
    [run] = trip.runs()
    kept = trip.artifacts()
    assert len(kept) >= (count if name == "SegmentPublished" else 0)
    assert trip.record(run)["status"] == "running"
    said = trip.finish()
    assert f"run {run.name} continued" in said
    assert trip.runs() == [run]
    assert trip.record(run)["attempts"] == 2
    assert len(trip.events("SegmentReused")) == len(kept)
    trip.check_whole(digest=untouched, segments=SEGMENTS)


def test_a_run_killed_while_it_is_stitched_is_stitched_whole(trip: Trip, untouched: str) -> None:
    def stitching() -> bool:
        return any(event["kind"] == "stitch" for event in trip.events("TaskChanged"))

    assert kill_when(trip, stitching)
    trip.finish()
    assert len(trip.events("SegmentPublished")) == SEGMENTS
    trip.check_whole(digest=untouched, segments=SEGMENTS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_cleanly_and_the_same_command_goes_on(
    trip: Trip, untouched: str, number: signal.Signals
) -> None:
    with trip.process() as program:
        trip.wait_for(told(trip, "SegmentPublished", 1), program)
        program.send_signal(number)
        said = program.communicate(timeout=PATIENCE)[1]
    assert program.returncode == 130, said
    assert "finished segments are kept" in said
    [run] = trip.runs()
    record = trip.record(run)
    assert record["status"] == "cancelled"
    assert {task["state"] for task in record["tasks"]} == {"complete", "cancelled"}
    kept = trip.artifacts()
    assert f"run {run.name} continued" in trip.finish()
    assert kept < trip.artifacts()
    trip.check_whole(digest=untouched, segments=SEGMENTS)


STUBBORN = """
import sys, time
from wayframe.cli.app import main
from wayframe.workflow import run

def never(_self):
    print("in the middle", file=sys.stderr, flush=True)
    time.sleep(600)

run.Renderer.run = never
sys.argv = ["wayframe", "run", "trip.json"]
main()
"""


def test_a_second_ctrl_c_stops_work_that_does_not_listen(trip: Trip) -> None:
    environment = {**os.environ, "WAYFRAME_HOME": str(trip.home)}
    command = [sys.executable, "-c", STUBBORN]
    with subprocess.Popen(command, cwd=trip.spec.parent, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        while "in the middle" not in program.stderr.readline():
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        while "Ctrl-C again" not in program.stderr.readline():
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=PATIENCE)
    assert program.returncode == 130
    assert trip.record(trip.runs()[0])["status"] == "cancelled"


DYING = """
import os, signal, sys
from wayframe.cli.app import main
from wayframe.workflow import run

def die(*_arguments, **_named):
    os.kill(os.getpid(), signal.SIGKILL)

run.RunFinished = die
sys.argv = ["wayframe", "run", "trip.json", "--out", sys.argv[1]]
main()
"""


def test_a_kill_between_the_copy_and_the_end_is_mended_by_the_same_command(trip: Trip, untouched: str) -> None:
    environment = {**os.environ, "WAYFRAME_HOME": str(trip.home)}
    words = [str(trip.out)]
    died = subprocess.run([sys.executable, "-c", DYING, *words], cwd=trip.spec.parent, env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    assert trip.out.exists()
    command = [sys.executable, "-m", "wayframe", "run", "trip.json", "--out", *words]
    subprocess.run(command, cwd=trip.spec.parent, env=environment, check=True)
    assert len(trip.runs()) == 1
    trip.check_whole(digest=untouched, segments=SEGMENTS)


def test_two_commands_at_once_make_every_segment_and_both_videos(trip: Trip, untouched: str) -> None:
    with trip.process() as first, trip.process() as second:
        for program in (first, second):
            said = program.communicate(timeout=PATIENCE)[1]
            assert program.returncode == 0, said
    assert len(trip.runs()) == 2
    assert {trip.record(run)["outcome"]["digest"] for run in trip.runs()} == {untouched}
    assert len(trip.artifacts()) == SEGMENTS
