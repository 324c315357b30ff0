"""`wayframe run`: from words on the command line to a video, and everything that may be wrong with the words."""

from __future__ import annotations

import json
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from cli.terminal import Terminal
from wayframe.cli import live
from wayframe.cli.live import Listener
from wayframe.core.events import RunEvent, SegmentPublished
from wayframe.media.index import index, packet_digest
from workflow.rides import through

QUICK = ("--frames", "5", "--engine", "null", "--resolution", "64x48")


def spec(terminal: Terminal, name: str = "trip.json", **said: object) -> Path:
    path = terminal.folder / name
    path.write_text(json.dumps(through(0, 1, 2, **said)))
    return path


def test_pictures_and_flags_make_a_video(wayframe: Terminal) -> None:
    printed = wayframe("run", "0.png", "1.png", *QUICK, "--out", "out.mp4")
    assert printed.code == 0
    assert index(wayframe.folder / "out.mp4").frames == 5
    assert printed.out.splitlines()[0] == "out.mp4"
    assert "5 frames 64x48 at 16 fps; 0 of 1 segments were rendered before\n" in printed.out
    assert "next: wayframe show 20" in printed.out


def test_where_there_is_no_terminal_lines_say_what_begins_and_ends(wayframe: Terminal) -> None:
    lines = wayframe("run", spec(wayframe)).err.splitlines()
    assert lines[0].endswith("started: 2 segments, 9 frames, engine null")
    assert lines[1:3] == ["segment 0 of 2: running", "segment 0 of 2: complete"]
    assert lines[-3:-1] == ["stitch: running", "stitch: complete"]
    assert lines[-1].endswith(" completed")
    again = wayframe("run", spec(wayframe)).err.splitlines()
    assert again[1] == "segment 0 was rendered before"


def test_quiet_prints_nothing(wayframe: Terminal) -> None:
    printed = wayframe("run", spec(wayframe), "--quiet", "-o", "out.mp4")
    assert (printed.code, printed.out, printed.err) == (0, "", "")
    assert (wayframe.folder / "out.mp4").exists()


def test_json_prints_every_event_as_a_line_and_nothing_else(wayframe: Terminal) -> None:
    printed = wayframe("run", spec(wayframe), "--json")
    events = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.err == ""
    assert all(list(event)[:2] == ["time", "event"] for event in events)
    assert events[0]["event"] == "RunStarted"
    assert events[-1]["event"] == "RunFinished"
    assert events[-1]["state"] == "completed"
    assert events[-1]["outcome"]["frames"] == 9
    assert [e["done"] for e in events if e["event"] == "FrameRendered" and e["segment"] == 1][-1] == 5


def test_one_segment_is_told_as_one(wayframe: Terminal) -> None:
    assert "started: 1 segment, 5 frames" in wayframe("run", "0.png", "1.png", *QUICK).err
    [log] = (wayframe.home / "runs").glob("*/debug.log")
    assert "started: 1 segment, 5 frames" in log.read_text()


def test_run_show_runs_and_the_record_have_one_word_for_a_run_that_ended_well(wayframe: Terminal) -> None:
    said = wayframe("run", spec(wayframe)).err.splitlines()[-1]
    [folder] = (wayframe.home / "runs").iterdir()
    told = json.loads((folder / "events.jsonl").read_text().splitlines()[-1])["state"]
    logged = (folder / "debug.log").read_text().splitlines()[-1]
    assert said == f"run {folder.name} completed"
    assert logged.endswith(f"INFO RUN run {folder.name} completed")
    assert told == json.loads((folder / "run.json").read_text())["status"] == "completed"
    assert f"{folder.name} completed" in wayframe("show", "last").out
    assert "completed" in wayframe("runs").out


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--frames", "7"), "frames", 13),
        (("--fps", "24000/1001"), "fps", "24000/1001"),
        (("--resolution", "32x32"), "resolution", "32x32"),
        (("--chaining", "chained", "--overlap", "2"), "chaining", "chained"),
        (("--model", "wan2.2-vace-a14b", "--steps", "3"), "model", "wan2.2-vace-a14b"),
        (("--engine", "preview"), "engine", "preview"),
    ],
)
def test_flags_take_the_place_of_the_specs_own_words(
    wayframe: Terminal, flags: tuple[str, ...], field: str, value: object
) -> None:
    assert wayframe("plan", spec(wayframe), "--json", *flags).json()[field] == value


def test_flags_of_a_segment_hold_for_every_segment(wayframe: Terminal) -> None:
    flags = ("--seed", "9", "--prompt", "rain", "--motion", "0.25", "--preset", "lightning_3_3")
    plan = wayframe("plan", spec(wayframe, seed=4), "--json", *flags).json()
    assert [(s["seed"], s["prompt"], s["amount_of_motion"], len(s["steps"])) for s in plan["segments"]] == [
        (9, "rain", 0.25, 6)
    ] * 2


def test_a_plan_file_and_a_finished_video_give_the_same_digest(wayframe: Terminal) -> None:
    assert wayframe("run", spec(wayframe), "--out", "first.mp4", "-q").code == 0
    (wayframe.folder / "plan.json").write_text(wayframe("plan", "trip.json", "--json").out)
    assert wayframe("run", "--plan", "plan.json", "--out", "second.mp4", "-q", "--home", "home2").code == 0
    Path("elsewhere").mkdir()
    for number in range(3):
        shutil.copy(f"{number}.png", f"elsewhere/picture {number}.png")
    command = ("run", "--from", "first.mp4", "--keyframes", "elsewhere", "--out", "third.mp4", "-q", "--home", "home3")
    assert wayframe(*command).code == 0
    digests = {packet_digest(wayframe.folder / f"{name}.mp4") for name in ("first", "second", "third")}
    assert len(digests) == 1


def test_the_home_flag_wins_over_the_variable(wayframe: Terminal, tmp_path: Path) -> None:
    wayframe("run", spec(wayframe), "-q", "--home", tmp_path / "mine")
    assert len(list((tmp_path / "mine" / "runs").iterdir())) == 1
    assert not wayframe.home.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("run", "trip.json", "--out", "taken.mp4"),
            "error: --out taken.mp4 exists and is not a video of this plan; use another name, or --force to replace it",
        ),
        (("run", "trip.json", "--engine", "preveiw"), "there is no engine 'preveiw'; here are null, preview"),
        (
            ("run", "trip.json", "--model", "wan2.2-vace-a14"),
            "model: is not in the catalogue (got 'wan2.2-vace-a14'); ",
        ),
        (("run", "gone.yaml"), "error: gone.yaml: there is no such file"),
        (("run", "gone.png", "1.png"), "keyframes[0].image"),
        (("run", "trip.json", "1.png"), "trip.json: is a spec beside other files; give one spec or pictures, not both"),
        (("run", "."), "error: .: is a folder; wayframe new . makes a spec of its pictures"),
        (("run", "notes.txt"), "notes.txt: is neither a spec nor a picture"),
        (("show", "0.png"), "error: 0.png is neither a run nor a video of ours (.mp4)"),
        (("show", "trip.json"), "trip.json is neither a run nor a video of ours (.mp4); wayframe plan trip.json shows"),
        (("show", "nonsense"), "nonsense is no id of a run, no folder and no file; wayframe runs lists the runs"),
        (("show", "."), "holds no run.json"),
        (("run", "trip.json", "--fps", "fast"), "error: fps: expected frames per second"),
        (
            ("run", "trip.json", "--resolution", "63x48"),
            "resolution: sides must be multiples of 2 (got '63x48'); use 62",
        ),
        (("run", "trip.json", "--frames", "1"), "segment_frames[0]: is too short for a segment (got 1); use 2 or more"),
        (("run", "--from", "taken.mp4"), "taken.mp4"),
        (("run", "--plan", "trip.json"), "error: schema: expected wayframe.plan/1"),
        (("show", "1999"), "no run of id '1999'"),
        (("show", "gone.mp4"), "gone.mp4"),
        (("lint", "trip.json", "--seed", "-1"), "error: seed: must be 0 or more (got -1)"),
        (("new", "."), "broken.png: is no picture"),
    ],
)
def test_our_errors_are_one_line_that_names_field_value_and_what_to_do(
    wayframe: Terminal, words: tuple[str, ...], says: str
) -> None:
    spec(wayframe)
    (wayframe.folder / "taken.mp4").write_bytes(b"")
    (wayframe.folder / "broken.png").write_bytes(b"no")
    line = wayframe.fails(*words)
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("run", "trip.json", "--plan", "plan.json"),
        ("run", "--plan", "plan.json", "--seed", "3"),
        ("run", "trip.json", "--frames", "many"),
        ("run", "trip.json", "--colour", "blue"),
        ("plan",),
        ("show",),
        ("show", "x", "--level", "wishes"),
        ("runs", "--limit", "0"),
        ("fly",),
    ],
)
def test_wrong_words_are_a_usage_error(wayframe: Terminal, words: tuple[str, ...]) -> None:
    spec(wayframe)
    printed = wayframe(*words)
    assert printed.code == 2
    assert "Traceback" not in printed.err
    assert "Usage" in printed.err or "wayframe" in printed.err


def test_an_unknown_key_names_the_nearest_known_one(wayframe: Terminal) -> None:
    assert "segment_framez: unknown key; did you mean segment_frames?" in wayframe.fails(
        "plan", spec(wayframe, segment_framez=3)
    )


def test_an_error_holds_no_secret(wayframe: Terminal) -> None:
    assert "hunter2hunter2" not in wayframe.fails("plan", spec(wayframe, fps="password=hunter2hunter2"))


def test_a_bug_keeps_its_traceback(wayframe: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("wayframe.workflow.run.run_trip", broken)
    with pytest.raises(ZeroDivisionError):
        wayframe("run", spec(wayframe))


def test_a_full_disk_is_one_line(wayframe: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device", "somewhere/run.json")

    monkeypatch.setattr("wayframe.workflow.run.run_trip", full)
    assert wayframe.fails("run", spec(wayframe)) == "error: No space left on device: somewhere/run.json"


def test_ctrl_c_stops_with_130_and_the_same_command_goes_on(
    wayframe: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listen(event: RunEvent) -> None:
        if isinstance(event, SegmentPublished):
            signal.raise_signal(signal.SIGINT)

    def interrupting(_show: str, **_plan: object) -> nullcontext[Listener]:
        return nullcontext(listen)

    with monkeypatch.context() as patch:
        patch.setattr(live, "display", interrupting)
        printed = wayframe("run", spec(wayframe))
    assert printed.code == 130
    assert printed.err == "stopped: rendering was cancelled\n"
    assert printed.err.splitlines()[-1].startswith("stopped")
    assert wayframe("runs", "--json").json()[0]["status"] == "cancelled"
    assert " continued: 2 segments" in wayframe("run", spec(wayframe)).err
    assert [run["status"] for run in wayframe("runs", "--json").json()] == ["completed"]


def test_demo_makes_the_trip_that_the_package_brings(wayframe: Terminal) -> None:
    printed = wayframe("demo", "--out", "demo.mp4")
    assert printed.code == 0, printed.err
    assert index(wayframe.folder / "demo.mp4").frames == 97
    assert "97 frames 768x576 at 16 fps; 0 of 2 segments were rendered before\n" in printed.out
    assert "warning" not in printed.out
    assert "critical" not in printed.out
    assert wayframe("demo", "--out", "demo.mp4").code == 0
    (wayframe.folder / "demo.mp4").write_bytes(b"of somebody else")
    assert "--force" in wayframe.fails("demo", "--out", "demo.mp4")
