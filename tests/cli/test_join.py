"""wayframe join and regenerate, as the program runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import FileServer, serving
from wayframe.cli.app import app
from wayframe.errors import SpecError
from wayframe.media.index import index
from wayframe.store.runs import find_run
from wayframe.workflow.join import regenerate_source
from workflow.rides import Ground, through
from workflow.test_shapes import video


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    found = Ground.at(tmp_path)
    monkeypatch.chdir(found.folder)
    monkeypatch.setenv("WAYFRAME_HOME", str(found.home.root))
    return found


def wayframe(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def travelled(ground: Ground) -> Path:
    """A video of ours with settings to take over."""
    data = through(0, 1, 2, engine="preview", segment_frames=9, seed=5, prompt="a walk", amount_of_motion=0.7)
    data["keyframes"][1] |= {"prompt": "a turn", "seed": 8}
    made = ground.folder / "ours.mp4"
    made.write_bytes(ground.run(data).video.read_bytes())
    return made


def test_join_writes_the_video_and_keeps_the_bridges(ground: Ground) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        video(ground.folder / name, 12)
    words = ("--context", "3", "--gap", "5", "--replace", "1", "--keep-bridges", "kept", "--motion", "0.8")
    said = wayframe("join", "a.mp4", "b.mp4", "c.mp4", *words, "--out", "joined.mp4")
    assert index(Path("joined.mp4")).frames == 11 + 5 + 10 + 5 + 11
    assert [index(Path("kept") / f"bridge-{number}.mp4").frames for number in (0, 1)] == [11, 11]
    assert "bridge kept/bridge-0.mp4" in said
    record = find_run(ground.home, "last").read()
    assert record["requested"]["join"]["replace"] == 1
    assert record["planned"]["segments"][1]["amount_of_motion"] == 0.8
    shown = " ".join(wayframe("show", "last").split())  # a narrow terminal wraps it
    assert "frames 0 to 10 of" in shown


def test_regenerate_takes_over_what_the_video_says_of_that_place(ground: Ground) -> None:
    travelled(ground)
    wayframe("regenerate", "ours.mp4", "--frames", "10:13", "--context", "2", "--out", "new.mp4")
    record = find_run(ground.home, "last").read()
    bridge = record["planned"]["segments"][1]
    assert (bridge["prompt"], bridge["seed"], bridge["amount_of_motion"]) == ("a turn", 8, 0.7)
    assert index(Path("new.mp4")).frames == 17
    wayframe("regenerate", "ours.mp4", "--frames", "3:6", "--context", "2", "--prompt", "a jump", "--seed", "1")
    bridge = find_run(ground.home, "last").read()["planned"]["segments"][1]
    assert (bridge["prompt"], bridge["seed"]) == ("a jump", 1)


def test_the_flags_of_a_trip_are_not_those_of_a_bridge(ground: Ground) -> None:
    video(ground.folder / "a.mp4", 12)
    done = CliRunner().invoke(app, ["join", "a.mp4", "a.mp4", "--overlap", "3"])
    assert done.exit_code == 2
    assert "--overlap" in done.output


@pytest.mark.parametrize(
    ("frames", "problem"),
    [("10", "expected START:STOP"), ("5:5", "expected START:STOP"), ("0:5", "both sides"), ("9:20", "both sides")],
)
def test_a_span_that_cannot_be_is_refused(ground: Ground, frames: str, problem: str) -> None:
    video(ground.folder / "a.mp4", 12)
    with pytest.raises(SpecError, match=problem) as caught:
        regenerate_source(Path("a.mp4"), frames=frames, context=None, words={})
    assert (caught.value.field, caught.value.value) == ("--frames", frames)


@pytest.mark.parametrize(("gap", "context"), [(21, 6), (23, 7), (5, 6), (7, 7)])
def test_the_context_puts_a_span_of_odd_length_on_the_grid(ground: Ground, gap: int, context: int) -> None:
    video(ground.folder / "a.mp4", 48)
    spec = regenerate_source(Path("a.mp4"), frames=f"10:{10 + gap}", context=None, words={}).spec
    assert spec.join is not None
    assert spec.join.context == context
    assert (gap + 2 * context) % 4 == 1


def test_videos_by_address_are_joined_and_mended(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    video(ground.folder / "b.mp4", 15)
    server = FileServer(files={"/a.mp4": (ground.folder / "a.mp4").read_bytes()})
    with serving(server):
        address = f"{server.url}/a.mp4"
        near = ("--engine", "null", "--context", "3", "--allow-private")
        wayframe("join", address, "b.mp4", "--gap", "5", *near, "--out", "joined.mp4")
        wayframe("regenerate", address, "--frames", "8:13", *near, "--out", "mended.mp4")
        assert len(server.gets("/a.mp4")) == 1
    assert (index(Path("joined.mp4")).frames, index(Path("mended.mp4")).frames) == (20 + 5 + 15, 20)
    with pytest.raises(SpecError, match="is fetched by https only"):
        wayframe("regenerate", "http://127.0.0.1:9/other.mp4", "--frames", "8:13", "--engine", "null")
