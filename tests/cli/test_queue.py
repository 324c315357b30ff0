"""The queue as a user sees it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("dbos")

from cli.terminal import Terminal
from wayframe.core.plan_keys import keyed
from wayframe.media.index import index
from wayframe.store.home import open_home
from wayframe.workflow.queue.client import QueueClient
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.place import Place
from workflow.queue.rows import new_worker
from workflow.queue.stage import Stage
from workflow.rides import lines, through
from workflow.test_shapes import video

TRIP = ("0.png", "1.png", "2.png", "--engine", "null", "--frames", "5")
SEEDS = itertools.count(1)


@pytest.fixture(scope="module", params=[False, True], ids=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue at work."""
    stage = Stage.at(tmp_path_factory.mktemp("stage"), base=tmp_path_factory.getbasetemp(), shared=request.param)
    with stage.at_work():
        yield stage
    stage.client.close()


@pytest.fixture
def there(wayframe: Terminal, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The program, with the queue at work named by the environment."""
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WAYFRAME_HOME", str(stage.ground.home.root))
    return wayframe


def trip(*more: str) -> tuple[str, ...]:
    """The words for a trip that no other test has."""
    return (*TRIP, "--seed", str(next(SEEDS)), *more)


class TestAtWork:
    def test_a_run_is_submitted_and_followed_to_its_video(self, there: Terminal) -> None:
        submitted = there("submit", *trip("--prompt", "a hill"))
        run = submitted.out.strip()
        assert submitted.code == 0
        assert submitted.err == f"2 segments, 9 frames for null; next: wayframe follow {run}\n"
        followed = there("follow", run, "--out", "hill.mp4")
        assert followed.code == 0, followed
        assert followed.out.startswith("hill.mp4\n")
        assert f"run {run} completed" in followed.err
        assert (there.folder / "hill.mp4").stat().st_size > 0
        assert there("show", run, "--json").json()["status"] == "completed"
        assert there("follow", run[:-1], "--quiet", "--out", "hill.mp4").code == 0

    def test_the_events_are_those_of_the_log_with_their_times(self, there: Terminal) -> None:
        run = there("submit", *trip(), "--quiet").out.strip()
        printed = there("follow", run, "--json")
        shown = [json.loads(line) for line in printed.out.splitlines()]
        logged = lines(Path(os.environ["WAYFRAME_HOME"]) / "runs" / run / "events.jsonl")
        transient = ("FrameRendered", "StitchProgress")
        assert [line for line in shown if line["event"] not in transient] == logged

    def test_run_with_a_database_has_others_do_it(self, there: Terminal, stage: Stage) -> None:
        words = trip("--overlap", "2")
        ran = there("run", *words, "--database", stage.environment["WAYFRAME_DATABASE"], "--out", "there.mp4")
        assert ran.code == 0, ran
        assert f"run {stage.place.runs.get('last').run_id} started: 2 segments, 8 frames, engine null" in ran.err
        assert there("run", *words, "--out", "here.mp4", "--quiet", "--home", there.folder / "other").code == 0
        assert (there.folder / "there.mp4").read_bytes() == (there.folder / "here.mp4").read_bytes()

    def test_joins_are_made_by_others_and_their_bridges_kept(self, there: Terminal, stage: Stage) -> None:
        for name in ("left.mp4", "right.mp4"):
            video(there.folder / name, 10 + next(SEEDS))
        database = stage.environment["WAYFRAME_DATABASE"]
        words = ("--context", "2", "--keep-bridges", "bridges", "--database", database)
        joined = there("join", "left.mp4", "right.mp4", "--gap", "5", *words, "--out", "joined.mp4")
        assert joined.code == 0, joined
        assert index(there.folder / "bridges" / "bridge-0.mp4").frames == 9
        assert "bridge bridges/bridge-0.mp4" in joined.out
        frames = sum(index(there.folder / name).frames for name in ("left.mp4", "right.mp4"))
        assert index(there.folder / "joined.mp4").frames == frames + 5
        ran = there("regenerate", "joined.mp4", "--frames", "5:8", "--context", "3", "--database", database, "--quiet")
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        assert there("show", "last", "--json").json()["outcome"]["frames"] == frames + 5

    def test_a_redo_says_what_it_makes_again(self, there: Terminal) -> None:
        assert there("submit", *trip(), "--follow", "--quiet").code == 0
        redone = there("redo", "last", "--segment", "1", "--prompt", "slower", "--follow", "--out", "redone.mp4")
        assert redone.code == 0, redone
        assert "1 segment made again (1)" in redone.err
        assert (there.folder / "redone.mp4").exists()

    def test_a_failure_is_one_line_with_what_to_do(self, there: Terminal, stage: Stage) -> None:
        made = stage.ground.trip(through(0, 1, seed=next(SEEDS)))
        row = stage.submit(replace(made, plan=keyed(replace(made.plan, engine_identity="null/0"))))
        printed = there("follow", row.run_id)
        assert printed.code == 1
        said = printed.err.splitlines()[-1]
        assert said.startswith(f"error: run {row.run_id} failed: engine_identity: the engine here is null/")
        assert said.endswith(f"; wayframe retry {row.run_id} tries it again")
        assert there("show", row.run_id, "--json").json()["status"] == "failed"
        retried = there("retry", row.run_id)
        assert retried.out == f"run {row.run_id} is queued again; wayframe follow {row.run_id}\n"
        assert there("follow", row.run_id, "--quiet").code == 1

    def test_what_is_removed_is_gone_and_garbage_is_told_with_sizes(self, there: Terminal) -> None:
        run = there("submit", *trip(), "--follow", "--json").out.splitlines()[0]
        run = json.loads(run)["run_id"]
        assert there("rm", run).out == f"removed {run}\n"
        assert run not in there("queue", "--json").out
        assert f"there is no run '{run}'" in there.fails("follow", run)
        assert there("gc").out.startswith("removed nothing; 0 bytes")


class TestIdle:
    @pytest.fixture
    def idle(self, wayframe: Terminal) -> Iterator[QueueClient]:
        """The queue of the home folder, in which nobody works."""
        client = QueueClient(Place.open(home=open_home(wayframe.home)))
        yield client
        client.close()

    def test_a_run_that_waits_is_shown_with_the_reason(self, wayframe: Terminal) -> None:
        run = wayframe("submit", *trip("--id", "mine", "--priority", "5"), "--quiet").out.strip()
        assert run == "mine"
        (line,) = wayframe("queue", "--json").json()["runs"]
        assert (line["run_id"], line["state"], line["done"], line["segments"]) == ("mine", "queued", 0, 2)
        assert line["waits"] == "nobody begins runs: start `wayframe up` or `wayframe orchestrator`"
        table = wayframe("queue").out
        assert table.startswith("0 runs in work, 1 queued\n")
        assert "mine" in table
        assert "+5" in table
        assert "nobody works: start `wayframe up`" in table

    def test_what_goes_on_is_shown_from_its_events(self, wayframe: Terminal, idle: QueueClient) -> None:
        wayframe("submit", *trip("--id", "mine"))
        idle.place.runs.begin("mine", attempt=1)
        Finishing.of(idle.place, "mine").begin()
        record = wayframe("show", "mine", "--json").json()
        assert (record["status"], record["attempts"], record["tasks"][0]["state"]) == ("running", 1, "running")
        assert "run mine running" in wayframe("show", "mine").out
        wayframe("cancel", "mine")
        assert wayframe("show", "mine", "--json").json()["status"] == "cancelled"
        wayframe("resume", "mine")
        idle.place.runs.begin("mine", attempt=2)
        Finishing.of(idle.place, "mine").begin()
        assert wayframe("show", "mine", "--json").json()["status"] == "running"

    def test_a_run_is_moved_and_the_queue_paused(self, wayframe: Terminal, idle: QueueClient) -> None:
        wayframe("submit", *trip("--id", "mine"))
        idle.place.workers.claim(new_worker("gpu-0", capabilities=()))
        shown = wayframe("queue", "--move", "mine", "--priority", "7", "--pause", "--drain", "gpu-0")
        assert "paused: wayframe queue --unpause goes on" in shown.out
        assert "draining" in shown.out
        found = wayframe("queue", "--unpause", "--json").json()
        assert (found["paused"], found["runs"][0]["priority"]) == (False, 7)
        assert "no worker is named gpu-1; alive: gpu-0" in wayframe.fails("queue", "--drain", "gpu-1")
        assert "draining" not in wayframe("queue", "--undrain", "gpu-0").out
        assert "no worker is named gpu-1; alive: gpu-0" in wayframe.fails("queue", "--undrain", "gpu-1")

    def test_cancel_and_resume_say_what_comes_next(self, wayframe: Terminal) -> None:
        wayframe("submit", *trip("--id", "mine"))
        assert wayframe("cancel", "mine").out == "run mine is cancelled; wayframe resume mine goes on with it\n"
        assert "run mine was cancelled; wayframe resume mine goes on with it" in wayframe.fails(
            "follow", "mine", "--quiet", code=130
        )
        assert wayframe("resume", "mine").out == "run mine is queued again; wayframe follow mine\n"
        assert "is queued, not" not in wayframe("resume", "mine").err

    def test_garbage_is_listed_before_it_goes(self, wayframe: Terminal, idle: QueueClient) -> None:
        wayframe("submit", *trip("--id", "mine"))
        blob = next((wayframe.home / "blobs").rglob("[0-9a-f]" * 64))
        age(wayframe.home)
        wayframe("cancel", "mine")
        wayframe("rm", "mine")
        listed = wayframe("gc", "--dry-run", "--older-than", "1h").out
        assert blob.name in listed
        assert "would remove 3 blobs" in listed
        assert blob.exists()
        assert "removed 3 blobs" in wayframe("gc", "--older-than", "1h").out
        assert not blob.exists()
        assert idle.place.runs.listed() == []

    def test_ctrl_c_leaves_the_run_alone(self, wayframe: Terminal, idle: QueueClient) -> None:
        wayframe("submit", *trip("--id", "mine"))
        command = [sys.executable, "-m", "wayframe", "follow", "mine"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("run mine waits: nobody begins runs")
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130
        assert said == "stopped: run mine goes on without this terminal; wayframe follow mine comes back to it\n"
        assert idle.place.runs.get("mine").state == "queued"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("follow", "nothing"), "there is no run 'nothing' in sqlite:///"),
            (("cancel", "last"), "there is no run 'last' in sqlite:///"),
            (("submit", *TRIP, "--id", "a b"), "--id: expected letters, digits, - and _, at most 64 (got 'a b')"),
            (("submit", *TRIP, "--database", "mysql://x"), "database: is neither PostgreSQL nor an SQLite file"),
            (("submit", *TRIP, "--store", "s3://k:s@b"), "store: must not hold credentials"),
            (
                ("queue", "--database", "postgresql://u:secret@127.0.0.1:1/q"),
                "database postgresql://127.0.0.1:1/q: connection failed",
            ),
        ],
    )
    def test_what_cannot_be_done_is_one_clear_line(self, wayframe: Terminal, words: tuple[str, ...], said: str) -> None:
        line = wayframe.fails(*words)
        assert said in line
        assert "secret" not in line

    def test_out_belongs_to_a_follower(self, wayframe: Terminal) -> None:
        assert "add --follow" in wayframe("submit", *TRIP, "--out", "x.mp4").err
        assert "expected an age such as 7d" in wayframe("gc", "--older-than", "soon").err

    def test_without_the_extra_it_says_how_to_get_it(self, wayframe: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        for words in (("queue",), ("submit", *TRIP), ("run", *TRIP, "--database", "sqlite:////tmp/x.db")):
            assert wayframe.fails(*words).endswith('not installed here: pip install "wayframe[queue]"')


def age(home: Path) -> None:
    """Have everything in a home be two days old."""
    for path in home.rglob("*"):
        if path.is_file() and ".db" not in path.name:
            os.utime(path, (path.stat().st_mtime - 2 * 86400,) * 2)
