"""The page where database and store are shared: PostgreSQL and a bucket, and who renders has a home of his own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from web.browser import Browser, messages
from web.test_specs import draft
from workflow.queue.stage import Stage, in_environment


@pytest.fixture
def shared(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=True)
    yield made
    made.client.close()


def test_a_run_is_submitted_watched_seen_redone_compared_and_deleted_though_others_render_it(shared: Stage) -> None:
    with in_environment(shared.environment), Browser.of(shared.place) as browser:
        made = browser.post("/runs", json=draft(shared, browser, 0, 1, 2, engine="preview", prompt="dawn"))
        assert made.status_code == 201, made.text
        run = made.json()["id"]
        assert browser.get(f"/runs/{run}/keyframes/1.jpg").status_code == 200
        with shared.at_work():
            with browser.client.stream("GET", f"/api/v1/runs/{run}/events") as stream:
                told = list(messages(stream.iter_lines()))
            assert told[-1].kind == "end"
            assert not (shared.ground.home.runs / run / "travel.mp4").exists()
            seen(browser, run)
            again = browser.post(f"/runs/{run}/redo", json={"segment": 1, "prompt": "dusk"}).json()
            assert again["again"] == [1]
            with browser.client.stream("GET", f"/api/v1/runs/{again['run']['id']}/events") as stream:
                assert [message.kind for message in messages(stream.iter_lines())][-1] == "end"
        other = again["run"]["id"]
        assert browser.get(f"/runs/{other}").json()["run"]["state"] == "completed"
        report = browser.get("/compare.md", params={"runs": f"{run},{other}", "videos": True}).text
        assert "dusk" in report
        page = browser.client.get(f"/compare?runs={run},{other}").text
        assert page.count("<video") == 2
        for name in (other, run):
            assert browser.client.delete(f"/api/v1/runs/{name}").status_code == 204
        assert browser.ids() == []
        assert list(shared.place.objects.list(f"runs/{run}")) == []
        assert browser.get(f"/runs/{run}/files/travel.mp4").status_code == 404


def seen(browser: Browser, run: str) -> None:
    """The run's page and its video, which is fetched from the store when somebody looks."""
    page = browser.client.get(f"/runs/{run}").text
    assert "<video" in page
    assert "data-redo" in page
    whole = browser.get(f"/runs/{run}/files/travel.mp4")
    part = browser.get(f"/runs/{run}/files/travel.mp4", headers={"Range": "bytes=4-7"})
    assert (whole.status_code, part.status_code, part.content) == (200, 206, b"ftyp")
    assert browser.get(f"/runs/{run}/frames/6.jpg").status_code == 200
    assert len(browser.get(f"/runs/{run}/curves").json()["motion"]) == 9
    assert browser.get(f"/runs/{run}/record").json()["status"] == "completed"
    assert any("segment 1 complete" in line for line in browser.get(f"/runs/{run}/log").json()["lines"])
    assert f"/runs/{run}/frames/0.jpg" in browser.client.get("/").text
