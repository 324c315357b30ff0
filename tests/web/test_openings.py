from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from media.clips import write_foreign
from wayframe.core.spec import parse_spec, spec_json
from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import through


def submitted(stage: Stage, browser: Browser, spec: dict[str, Any], **more: Any) -> str:
    """Submit a spec through pictures that are sent; the run's id."""
    ids = [browser.send(stage.ground.folder / keyframe["image"]) for keyframe in spec["keyframes"]]
    answer = browser.post("/runs", json={"spec": spec, "keyframes": ids, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def draft_of(browser: Browser, run_id: str) -> dict[str, Any]:
    answer = browser.get(f"/runs/{run_id}/draft")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_run_gives_its_spec_and_its_pictures_again(stage: Stage, browser: Browser) -> None:
    spec = through(0, 1, 2, prompts=("dawn", "noon"), seed=7, lead={"prompt": "night"})
    found = draft_of(browser, submitted(stage, browser, spec))
    assert found["spec"] == spec_json(parse_spec(spec))
    assert [picture["upload"] for picture in found["keyframes"]] == [
        browser.send(stage.ground.folder / f"{number}.png") for number in (0, 1, 2)
    ]
    ids = [picture["upload"] for picture in found["keyframes"]]
    assert browser.post("/plan", json={"spec": found["spec"], "keyframes": ids}).status_code == 200


def test_uploads_that_were_swept_away_are_brought_back_from_the_run(
    stage: Stage, browser: Browser, tmp_path: Path
) -> None:
    video = write_foreign(tmp_path / "walk.mp4", 9)
    sent = browser.post("/uploads/media", params={"name": "walk.mp4"}, content=video.read_bytes()).json()
    spec = through(0, 1, continue_from="walk.mp4", overlap=1)
    run = submitted(stage, browser, spec, files={"walk.mp4": sent["id"]}, options={})
    for path in (stage.ground.home.root / "uploads").iterdir():
        path.unlink()
    found = draft_of(browser, run)
    ids = [picture["upload"] for picture in found["keyframes"]]
    assert all(browser.get(f"/uploads/{upload}").status_code == 200 for upload in ids)
    assert found["files"] == [{"name": "walk.mp4", "digest": sent["id"], "upload": {**sent, "name": "walk.mp4"}}]


def test_a_redo_gives_the_spec_with_its_change(stage: Stage, browser: Browser) -> None:
    run = submitted(stage, browser, through(0, 1, 2))
    made = browser.post(f"/runs/{run}/redo", json={"segment": 1, "prompt": "the tide"}).json()
    found = draft_of(browser, made["run"]["id"])
    assert found["spec"]["keyframes"][1]["prompt"] == "the tide"
    assert found["lost"] == []


def test_a_run_of_the_command_line_names_the_pictures_that_are_not_here(stage: Stage, browser: Browser) -> None:
    run = stage.ground.run(through(0, 1))
    sent = browser.send(stage.ground.folder / "1.png")
    browser.site.library.stale()
    found = draft_of(browser, run.folder.run_id)
    assert [(picture["name"], picture["upload"]) for picture in found["keyframes"]] == [
        ("0.png", None),
        ("1.png", sent),
    ]
    assert len(found["keyframes"][0]["digest"]) == 64


def test_a_run_that_is_not_there_has_no_draft(browser: Browser) -> None:
    assert browser.get("/runs/20200101000000000/draft").status_code == 404
    assert json.loads(browser.get("/runs/20200101000000000/draft").content)["detail"] == "there is no run of that id"
