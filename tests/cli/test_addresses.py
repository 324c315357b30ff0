"""plan and run with keyframes that are addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import wayframe as package
from cli.terminal import Terminal
from hub import FileServer, serving
from wayframe.errors import SpecError


@pytest.fixture
def server(wayframe: Terminal) -> Iterator[FileServer]:
    running = FileServer(files={f"/{path.name}": path.read_bytes() for path in wayframe.folder.glob("*.png")})
    with serving(running):
        yield running


def spec(wayframe: Terminal, server: FileServer, **said: object) -> Path:
    keyframes = [{"image": f"{server.url}/{index}.png"} for index in range(2)]
    path = wayframe.folder / "far.json"
    path.write_text(json.dumps({"keyframes": keyframes, "engine": "null", "segment_frames": 5, **said}))
    return path


def test_plan_fetches_what_it_must_know_and_run_goes_on_from_there(wayframe: Terminal, server: FileServer) -> None:
    path = spec(wayframe, server)
    planned = wayframe("plan", path, "--allow-private", "--json").json()
    assert (planned["resolution"], planned["frames"]) == ("64x48", 5)
    server.files.clear()
    assert wayframe("plan", path, "--offline", "--json").json() == planned
    done = wayframe("run", path, "--offline", "--out", wayframe.folder / "far.mp4", "--quiet")
    assert (done.code, (wayframe.folder / "far.mp4").is_file()) == (0, True)


def test_plan_without_the_pictures_says_why(wayframe: Terminal, server: FileServer) -> None:
    path = spec(wayframe, server, resolution="64x48")
    for flags, why in (((), "is fetched by https only"), (("--allow-private",), "HTTP 404")):
        server.files.clear()
        printed = wayframe("plan", path, "--json", *flags)
        found = [item for item in printed.json()["findings"] if item["code"] == "keyframe-remote"]
        assert [why in item["message"] for item in found] == [True, True]
    assert wayframe("plan", path, "--offline").code == 0


def test_a_run_that_cannot_fetch_a_picture_says_which(wayframe: Terminal, server: FileServer) -> None:
    printed = wayframe("run", spec(wayframe, server, resolution="64x48"))
    assert printed.code == 1
    assert "keyframes[0].image: is fetched by https only" in printed.err
    offline = wayframe("run", spec(wayframe, server, resolution="64x48"), "--offline")
    assert "2 of them are not here: 0.png, 1.png; leave out --offline" in offline.err
    assert not list((wayframe.home / "runs").glob("*"))


def test_python_fetches_for_a_run_and_by_https_only(wayframe: Terminal, server: FileServer) -> None:
    with pytest.raises(SpecError, match="is fetched by https only"):
        package.run(spec(wayframe, server))
    assert server.asked == []
