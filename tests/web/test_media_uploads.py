from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from media.clips import write_foreign
from media.tones import write_tone
from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import through


def sent(browser: Browser, path: Path) -> dict[str, Any]:
    """Send a video or sound; what is told of it."""
    answer = browser.post("/uploads/media", params={"name": path.name}, content=path.read_bytes())
    assert answer.status_code in (200, 201), answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_video_is_named_by_its_bytes_and_taken_once(browser: Browser, tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "walk.mp4", 9)
    told = sent(browser, path)
    assert told["id"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (told["kind"], told["frames"], told["fps"], told["width"]) == ("video", 9, "16", 96)
    assert browser.post("/uploads/media", content=path.read_bytes()).status_code == 200
    assert browser.client.get(told["thumbnail"]).headers["content-type"] == "image/jpeg"
    assert browser.get(f"/uploads/media/{told['id']}").json()["name"] == "walk.mp4"


def test_a_sound_has_no_picture(browser: Browser, tmp_path: Path) -> None:
    told = sent(browser, write_tone(tmp_path / "sea.wav", seconds=1))
    assert (told["kind"], told["frames"], told["thumbnail"]) == ("sound", None, None)
    assert browser.get(f"/uploads/media/{told['id']}/thumbnail.jpg").status_code == 404


@pytest.mark.parametrize("data", [b"", b"no video at all", b"#EXTM3U\nfile:///etc/passwd\n"])
def test_what_is_no_video_is_refused_by_its_own_name_and_not_kept(browser: Browser, stage: Stage, data: bytes) -> None:
    answer = browser.post("/uploads/media", params={"name": "walk.mp4"}, content=data)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("walk.mp4")
    assert list((stage.ground.home.root / "uploads").iterdir()) == []


def pictures(stage: Stage, browser: Browser) -> list[str]:
    return [browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1)]


def test_a_trip_continues_a_video_that_was_sent(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    told = sent(browser, write_foreign(tmp_path / "walk.mp4", 9))
    spec = through(0, 1, continue_from="films/walk.mp4", overlap=1)
    body = {"spec": spec, "keyframes": pictures(stage, browser), "files": {"films/walk.mp4": told["id"]}}
    answer = browser.post("/plan", json=body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()["plan"]
    assert plan["clips"][0]["digest"] == told["id"]
    made = browser.post("/runs", json=body)
    assert made.status_code == 201, made.text


def test_guides_and_sounds_are_uploads_too(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    video = sent(browser, write_foreign(tmp_path / "steps.mp4", 9))
    sound = sent(browser, write_tone(tmp_path / "sea.wav", seconds=1))
    said = {"guides": [{"video": "steps.mp4"}], "after": {"audio": {"file": "sea.wav", "gain": -3}}}
    body = {
        "spec": through(0, 1, model="wan2.2-vace-a14b", **{**said, "engine": "wan"}),
        "keyframes": pictures(stage, browser),
        "files": {"steps.mp4": video["id"], "sea.wav": sound["id"]},
    }
    plan = browser.post("/plan", json=body)
    assert plan.status_code == 200, plan.text
    assert plan.json()["plan"]["guides"][0]["digest"] == video["id"]
    assert plan.json()["plan"]["after"]["audio"]["digest"] == sound["id"]


FILES: dict[str, dict[str, Any]] = {
    "continue_from": {"continue_from": "NAME"},
    "guides[0].video": {"guides": [{"video": "NAME"}]},
    "after.audio.file": {"after": {"audio": {"file": "NAME"}}},
}


@pytest.mark.parametrize("field", FILES)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_video_of_the_servers_own_cannot_be_named(
    stage: Stage, browser: Browser, tmp_path: Path, field: str, absolute: bool
) -> None:
    secret = write_foreign(tmp_path / "secret.mp4", 9)
    name = str(secret) if absolute else "../" * 12 + str(secret).lstrip("/")
    said = named(FILES[field], name=name)
    for files in ({}, {name: "0" * 64}):
        body = {"spec": through(0, 1, **said), "keyframes": pictures(stage, browser), "files": files}
        for path in ("/plan", "/runs"):
            answer = browser.post(path, json=body)
            assert (answer.status_code, answer.json()["field"]) == (422, field)
            assert str(tmp_path) not in answer.text


def named(said: Any, *, name: str) -> Any:
    """The words with a name in the place of NAME."""
    if isinstance(said, dict):
        return {key: named(item, name=name) for key, item in said.items()}
    return [named(item, name=name) for item in said] if isinstance(said, list) else name


def test_videos_are_joined_without_any_picture(browser: Browser, tmp_path: Path) -> None:
    ids = [sent(browser, write_foreign(tmp_path / f"{n}.mp4", n))["id"] for n in (21, 25)]
    spec = {"engine": "null", "join": {"clips": ["a.mp4", {"video": "b.mp4"}], "context": 4, "gap": 5}}
    body = {"spec": spec, "files": dict(zip(("a.mp4", "b.mp4"), ids, strict=True))}
    answer = browser.post("/plan", json=body)
    assert answer.status_code == 200, answer.text
    assert [clip["digest"] for clip in answer.json()["plan"]["clips"]] == ids


def test_a_trip_of_too_many_segments_is_refused_at_once(stage: Stage, browser: Browser) -> None:
    spec = through(0, segments=10**9, chaining="chained")
    answer = browser.post("/plan", json={"spec": spec, "keyframes": pictures(stage, browser)[:1]})
    assert (answer.status_code, answer.json()["field"]) == (422, "segments")
