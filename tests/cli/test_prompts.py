"""Prompts that a model writes, from the command line, with a real server to ask."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.terminal import Terminal
from core.payloads import details
from prompt_endpoint import GOOD, KEY, Data, Endpoint, files_that_hold, paint

FIRST = "The view glides from red to green while the camera moves slowly forward."
SECOND = "The view glides from green to blue while the camera moves slowly forward."


def write_spec(folder: Path, endpoint: Endpoint, **said: object) -> Path:
    block = {"write": "missing", "writer": "openai", "model": "tiny", "base_url": endpoint.url, **said}
    data = {
        "keyframes": [{"image": f"{name}.png"} for name in ("red", "green", "blue")],
        "engine": "null",
        "segment_frames": 5,
        "prompts": block,
    }
    path = folder / "trip.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.fixture
def spec(wayframe: Terminal, endpoint: Endpoint) -> Path:
    paint(wayframe.folder, "red", "green", "blue")
    wayframe.home.mkdir()
    (wayframe.home / "options.toml").write_text("[openai]\npause = 0\nattempts = 2\nconcurrency = 1\n")
    return write_spec(wayframe.folder, endpoint)


def test_a_plan_points_to_the_flag_that_writes(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    said = wayframe("plan", spec)
    assert "segments 0, 1: no prompt is written yet by openai/tiny" in said.out
    assert "wayframe plan --write-prompts" in said.out
    assert endpoint.seen == []


def test_a_plan_writes_them_when_it_is_told_to(wayframe: Terminal, spec: Path):
    said = wayframe("plan", spec, "--write-prompts", "--origins")
    assert said.code == 0
    assert said.err.splitlines() == [
        f"prompt of segment 0 (1 of 2, openai/tiny): {FIRST}",
        f"prompt of segment 1 (2 of 2, openai/tiny): {SECOND}",
    ]
    assert re.search(r"segments\[0\]\.prompt +The view glides from red .* written:openai/tiny", said.out)
    assert "prompt-unwritten" not in said.out
    again = wayframe("plan", spec, "--write-prompts", "--json")
    assert [one["prompt"] for one in again.json()["segments"]] == [FIRST, SECOND]
    assert again.err == ""


@pytest.mark.parametrize("write", ["missing", "all"])
def test_edited_prompts_win(wayframe: Terminal, spec: Path, endpoint: Endpoint, write: str):
    write_spec(wayframe.folder, endpoint, write=write)
    edit = wayframe.folder / "edit.yaml"
    assert wayframe("plan", spec, "--write-prompts", "--out", "edit.yaml").code == 0
    text = edit.read_text()
    assert text.startswith("# Edit the prompts: those that stand here are not written again.\n")
    data: Data = yaml.safe_load(text)
    assert [keyframe.get("prompt") for keyframe in data["keyframes"]] == [FIRST, SECOND, None]
    edit.write_text(text.replace(SECOND, "It ends in the sea."))
    assert wayframe("run", edit, "--quiet").code == 0
    shown = wayframe("prompts", "last", "--json").json()
    assert [(one["prompt"], one["origin"]) for one in shown] == [(FIRST, "spec"), ("It ends in the sea.", "spec")]
    assert len(endpoint.seen) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "x.yaml"), "is for --write-prompts"),
        (("--write-prompts", "--out", "trip.yaml"), "trip.yaml exists"),
        (("--write-prompts", "--out", "../x.yaml"), "the spec names its pictures from there"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_before_anything_is_asked(
    wayframe: Terminal, spec: Path, endpoint: Endpoint, words: tuple[str, ...], message: str
):
    said = wayframe("plan", spec, *words)
    assert said.code == 2
    assert message in " ".join(said.err.split())
    assert endpoint.seen == []


def test_a_run_shows_its_prompts_beside_what_the_writer_saw(wayframe: Terminal, spec: Path):
    assert wayframe("run", spec, "--quiet").code == 0
    said = wayframe("prompts", "last")
    lines = said.out.splitlines()
    assert lines[0] == "segment 0  written:openai/tiny"
    assert lines[1].strip() == FIRST
    assert Path(lines[2].strip()).read_bytes()[:2] == b"\xff\xd8"
    page = wayframe.folder / "prompts.html"
    assert wayframe("prompts", "last", "--html", page).code == 0
    text = page.read_text()
    assert text.count('<img src="data:image/jpeg;base64,/9j/') == 2
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "100 tokens in, 20 out, 1 answer asked for" in text
    assert wayframe("prompts", "last", "--html", page).code == 2


def test_a_video_shows_its_prompts_as_its_run_does(wayframe: Terminal, spec: Path):
    assert wayframe("run", spec, "--quiet", "--out", "a.mp4").code == 0
    assert wayframe("prompts", "a.mp4", "--json").json() == wayframe("prompts", "last", "--json").json()
    assert wayframe("prompts", "a.mp4", "--html", "p.html").code == 0
    assert "Prompts of a.mp4" in (wayframe.folder / "p.html").read_text()
    assert wayframe.fails("prompts", "trip.yaml").endswith(
        "neither a run nor a video of ours (.mp4); wayframe plan trip.yaml shows a spec"
    )
    elsewhere = wayframe("prompts", "a.mp4", "--home", wayframe.folder / "other", "--json").json()
    assert [(one["prompt"], one["origin"]) for one in elsewhere] == [
        (FIRST, "written:openai/tiny"),
        (SECOND, "written:openai/tiny"),
    ]


def test_a_prompt_that_is_forgotten_is_asked_for_anew(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    assert wayframe("run", spec, "--quiet").code == 0
    assert wayframe.fails("prompts", "last", "--forget", "1", "--forget", "7") == (
        "error: --forget: no model wrote the prompt of that segment (got 7); written: 0, 1"
    )
    before, kept = wayframe("prompts", "last", "--json").json(), Path(wayframe.home / "prompts")
    assert len(list(kept.rglob("*.jpg"))) == 2
    after = wayframe("prompts", "last", "--forget", "1", "--json").json()
    assert "written" in before[1]
    assert after == [before[0], {name: before[1][name] for name in ("segment", "prompt", "origin")}]
    assert len(list(kept.rglob("*.jpg"))) == 1
    endpoint.script({"kind": "text", "text": "The camera sinks below the waves."})
    assert wayframe("run", spec, "--quiet").code == 0
    assert [one["prompt"] for one in wayframe("prompts", "last", "--json").json()] == [
        FIRST,
        "The camera sinks below the waves.",
    ]
    assert len(endpoint.seen) == 1


def test_a_page_escapes_what_a_model_wrote(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    endpoint.script({"kind": "text", "text": "He draws 5 < 6 & 7 > 6 upon the wall & leaves."}, GOOD)
    assert wayframe("run", spec, "--quiet").code == 0
    assert wayframe("prompts", "last", "--html", "p.html").code == 0
    assert "He draws 5 &lt; 6 &amp; 7 &gt; 6 upon" in (wayframe.folder / "p.html").read_text()


def test_a_run_without_written_prompts_shows_its_own(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    assert wayframe("run", spec, "--prompts", "off", "--prompt", "a lake", "--quiet").code == 0
    assert wayframe("prompts", "last").out.splitlines() == [
        "segment 0  spec",
        "  a lake",
        "segment 1  spec",
        "  a lake",
    ]
    assert endpoint.seen == []


def test_a_failure_is_one_line_and_leaves_no_run(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    endpoint.script(*[{"kind": "status", "status": 503, "message": "busy"}] * 4)
    line = wayframe.fails("run", spec, "--quiet")
    assert line.startswith(f"error: 2 prompts could not be written: segments 0, 1: {endpoint.host} answered 503: ")
    assert "no runs yet" in wayframe("runs").out


def test_a_key_reaches_nothing_that_is_written_or_printed(
    wayframe: Terminal, spec: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    endpoint.script({"kind": "status", "status": 500, "message": f"the key {KEY}"}, GOOD, {"kind": "cut"})
    printed = [
        wayframe("run", spec, "--json", "--out", "a.mp4"),
        wayframe("show", "last", "--json"),
        wayframe("prompts", "last", "--html", "p.html", "--json"),
        wayframe("compare", "last", "last", "--out", "report.html"),
        wayframe("plan", spec, "--json", "--origins"),
        wayframe("doctor"),
    ]
    assert {seen["headers"]["authorization"] for seen in endpoint.seen} == {f"Bearer {KEY}"}
    endpoint.script({"kind": "status", "status": 401, "message": f"wrong key {KEY}"})
    printed.append(wayframe("run", spec, "--seed", "3", "--quiet"))
    write_spec(wayframe.folder, endpoint, model="other")
    printed.append(wayframe("run", spec, "--quiet"))
    assert "wants another key (401)" in printed[-1].err
    assert KEY not in str(printed)
    assert files_that_hold(KEY, wayframe.home) == []
    assert files_that_hold(KEY, wayframe.folder) == []


def test_interrupting_keeps_what_was_written(wayframe: Terminal, spec: Path, endpoint: Endpoint):
    endpoint.script(GOOD, {"kind": "held"})
    command = [sys.executable, "-m", "wayframe", "run", str(spec)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            endpoint.await_requests(2)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=600)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert said.rstrip().endswith("stopped: writing prompts was cancelled")
    (kept,) = (wayframe.home / "prompts").rglob("*.json")
    assert json.loads(kept.read_text())["text"] == FIRST
    assert "no runs yet" in wayframe("runs").out
    endpoint.script()
    assert wayframe("run", spec, "--quiet").code == 0
    assert [seen["colours"] for seen in endpoint.seen] == [["green", "blue"]]


@pytest.mark.usefixtures("spec")
def test_a_payload_is_told_on_the_command_line_who_writes_its_prompts(wayframe: Terminal, endpoint: Endpoint):
    names = [f"{name}.png" for name in ("red", "green", "blue")]
    said = details(
        num_new_segments_to_generate=2,
        segment_frames_expanded=[9, 9],
        frame_overlap_expanded=[2],
        base_prompts_expanded=["", ""],
        negative_prompts_expanded=["", ""],
        input_image_paths_resolved=names,
        parsed_resolution_wh="64x48",
        enhance_prompt=True,
    )
    (wayframe.folder / "payload.json").write_text(json.dumps(said))
    words = ("prompts.writer=openai", "prompts.model=tiny", f"prompts.base_url={endpoint.url}")
    flags = [part for word in words for part in ("--set", word)]
    done = wayframe("run", "payload.json", "--engine", "null", *flags, "--quiet")
    assert done.code == 0, done.err
    assert [one["prompt"] for one in wayframe("prompts", "last", "--json").json()] == [FIRST, SECOND]
    assert wayframe("show", "last", "--level", "requested").json()["flags"]["prompts.writer"] == "openai"
    line = wayframe.fails("plan", "payload.json", "--prompts", "all", "--set", "prompts.write=off")
    assert line == "error: --set prompts.write: is said twice (got 'off'); say it once"


@pytest.mark.usefixtures("spec")
def test_pictures_alone_can_have_their_prompts_written(wayframe: Terminal):
    said = wayframe("plan", "red.png", "green.png", "--prompts", "missing")
    assert "no prompt is written yet by qwen/" in said.out


def test_compare_shows_prompts_word_by_word_and_who_wrote_them(wayframe: Terminal, spec: Path):
    own = ("--prompts", "off", "--prompt", "The view glides from red to white.")
    assert wayframe("run", spec, *own, "--quiet").code == 0
    first = wayframe("runs", "--json").json()[0]["run_id"]
    assert wayframe("run", spec, "--quiet").code == 0
    said = wayframe("compare", first, "last").out
    assert "1 of 7 words replaced by" in said
    assert "A and B: same recipe, other inputs. Prompts differ." in said
    assert "other settings" not in said
    page = wayframe("compare", first, "last", "--format", "md").out
    assert "~~white.~~" in page
    assert "written:openai/tiny" in wayframe("prompts", "last").out
