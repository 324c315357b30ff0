from __future__ import annotations

from typing import Any

import pytest

from web.browser import Browser
from workflow.queue.stage import Stage
from workflow.rides import through


def submit(stage: Stage, browser: Browser, *names: int, named: str | None = None, **said: Any) -> dict[str, Any]:
    """The line of a run that was submitted."""
    ids = [browser.send(stage.ground.folder / f"{name}.png") for name in names]
    body = {"spec": through(*names, **said), "keyframes": ids, "id": named}
    answer = browser.post("/runs", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/runs/{answer.json()['id']}"
    told: dict[str, Any] = answer.json()
    return told


def test_a_draft_is_rendered_and_its_record_names_the_pictures_as_they_were_sent(
    stage: Stage, browser: Browser
) -> None:
    run = submit(stage, browser, 0, 1, 2)
    assert (run["state"], run["source"]) == ("queued", "queue")
    with stage.at_work():
        stage.followed(stage.place.runs.get(run["id"]))
    browser.site.library.stale()
    assert browser.get(f"/runs/{run['id']}").json()["run"]["state"] == "completed"
    record = browser.get(f"/runs/{run['id']}/record").json()
    assert [keyframe["image"] for keyframe in record["requested"]["keyframes"]] == ["0.png", "1.png", "2.png"]
    assert browser.get(f"/runs/{run['id']}/files/travel.mp4").status_code == 200
    assert browser.get(f"/runs/{run['id']}/log").json()["next"] > 5
    assert not list((stage.ground.home.root / "cache" / "drafts").iterdir())


def test_the_same_draft_under_a_name_is_the_same_run_and_another_one_is_refused(stage: Stage, browser: Browser) -> None:
    assert submit(stage, browser, 0, 1, named="mine") == submit(stage, browser, 0, 1, named="mine")
    ids = [browser.send(stage.ground.folder / f"{name}.png") for name in (1, 2)]
    other = browser.post("/runs", json={"spec": through(1, 2), "keyframes": ids, "id": "mine"})
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")


def test_a_run_is_cancelled_resumed_and_moved(stage: Stage, browser: Browser) -> None:
    run = submit(stage, browser, 0, 1)["id"]
    assert browser.post(f"/runs/{run}/priority", json={"priority": 5}).json()["priority"] == 5
    assert browser.post(f"/runs/{run}/cancel").json()["state"] == "cancelled"
    assert browser.post(f"/runs/{run}/priority", json={"priority": 5}).status_code == 409
    assert browser.post(f"/runs/{run}/retry").status_code == 409
    assert browser.post(f"/runs/{run}/resume").json()["state"] == "queued"
    assert browser.post(f"/runs/{run}/priority", json={"priority": 101}).status_code == 422


def test_a_segment_is_made_again_as_a_revision(stage: Stage, browser: Browser) -> None:
    run = submit(stage, browser, 0, 1, 2)["id"]
    with stage.at_work():
        stage.followed(stage.place.runs.get(run))
        told = browser.post(f"/runs/{run}/redo", json={"segment": 1, "prompt": "dusk"})
        assert told.status_code == 201
        stage.followed(stage.place.runs.get(told.json()["run"]["id"]))
    assert told.json()["again"] == [1]
    revisions = browser.client.get(told.headers["location"]).json()["revisions"]
    assert [(item["id"], item["revision"]) for item in revisions] == [(run, 1), (told.json()["run"]["id"], 2)]
    compared = browser.get("/compare", params={"runs": ",".join(item["id"] for item in revisions)}).json()
    assert compared["comparisons"][0]["differences"][0]["path"].endswith("prompt")
    markdown = browser.get("/compare.md", params={"runs": ",".join(item["id"] for item in revisions)})
    assert (markdown.status_code, markdown.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert "dusk" in markdown.text
    assert browser.post(f"/runs/{run}/redo", json={"segment": 9}).status_code == 422


@pytest.mark.parametrize("runs", ["", "a", "a,b,c,d,e,f,g,h,i", "../x,y", "a,b c"])
def test_what_is_compared_are_two_to_eight_runs(browser: Browser, runs: str) -> None:
    answer = browser.get("/compare", params={"runs": runs})
    assert (answer.status_code, answer.json()["field"]) == (422, "runs")


def test_an_ended_run_is_deleted_and_an_open_one_is_not(stage: Stage, browser: Browser) -> None:
    plain = stage.ground.run(through(0, 1)).folder
    run = submit(stage, browser, 0, 1)["id"]
    assert browser.client.delete(f"/api/v1/runs/{run}").status_code == 409
    browser.post(f"/runs/{run}/cancel")
    assert browser.client.delete(f"/api/v1/runs/{run}").status_code == 204
    assert browser.get(f"/runs/{run}").status_code == 404
    with plain.hold():
        assert browser.client.delete(f"/api/v1/runs/{plain.run_id}").status_code == 409
    assert browser.client.delete(f"/api/v1/runs/{plain.run_id}").status_code == 204
    assert not plain.path.exists()
    assert browser.ids() == []


def test_a_plain_run_belongs_to_its_own_process(stage: Stage, browser: Browser) -> None:
    plain = stage.ground.run(through(0, 1)).folder.run_id
    for change in ("cancel", "resume", "retry"):
        answer = browser.post(f"/runs/{plain}/{change}")
        assert (answer.status_code, "was not submitted" in answer.json()["detail"]) == (409, True)


def test_the_queue_is_shown_paused_and_drained(stage: Stage, browser: Browser) -> None:
    run = submit(stage, browser, 0, 1)["id"]
    assert [line["run_id"] for line in browser.get("/queue").json()["runs"]] == [run]
    assert browser.post("/queue/pause").json()["paused"]
    assert not browser.post("/queue/unpause").json()["paused"]
    assert browser.post("/workers/nobody/drain").status_code == 409
