from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wayframe.web.settings import Limits, Settings
from wayframe.workflow.log_import import import_log
from web.browser import ORIGIN, TOKEN, Browser
from workflow.queue.stage import Stage
from workflow.rides import through

FIXTURES = os.environ.get("WAYFRAME_FIXTURES")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Inline(HTMLParser):
    """Finds what a page must not hold: scripts and styles in it, and the picture that `HOSTILE` would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        own = tag == "style" or (tag == "script" and not (given.get("src") or "").startswith("/static/"))
        written = [name for name, value in attrs if name == "style" or name.startswith("on") or value == "x"]
        if own or written or any((value or "").startswith("javascript:") for value in given.values()):
            self.found.append(self.get_starttag_text() or tag)


def inline(text: str) -> list[str]:
    parser = Inline()
    parser.feed(text)
    return parser.found


def page(browser: Browser, path: str, *, status: int = 200) -> str:
    answer = browser.client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def test_no_page_holds_a_script_or_a_style_of_its_own_whatever_users_wrote(stage: Stage, browser: Browser) -> None:
    runs = [stage.ground.run(through(0, number, prompts=(HOSTILE,))).folder.run_id for number in (1, 2)]
    queued = stage.submit(stage.ground.trip(through(2, 3, prompts=(HOSTILE,)))).run_id
    paths = ["/", f"/runs/{runs[0]}", f"/runs/{queued}", f"/compare?runs={','.join(runs)}", "/queue", "/compare"]
    for path in [*paths, f"/?where={HOSTILE}", "/login"]:
        assert inline(page(browser, path)) == [], path
    assert inline(f'<p title="{HOSTILE}">') != []
    assert "&lt;script&gt;" in page(browser, f"/runs/{runs[0]}")


def test_the_list_can_be_filtered_and_says_what_is_wrong_with_a_filter(stage: Stage, browser: Browser) -> None:
    dawn = stage.ground.run(through(0, 1, prompts=("dawn",))).folder.run_id
    dusk = stage.ground.run(through(1, 2, prompts=("dusk",))).folder.run_id
    found = page(browser, "/?state=&where=prompt+%3D%3D+'dusk'")
    assert f"/runs/{dusk}" in found
    assert f"/runs/{dawn}" not in found
    assert "did you mean prompt?" in page(browser, "/?where=promt+%3D%3D+1")
    assert "No run matches" in page(browser, "/?state=failed")


def test_a_run_opens_the_segment_that_is_asked_for(stage: Stage, browser: Browser) -> None:
    run = stage.ground.run(through(0, 1, 2, prompts=("dawn", "noon"))).folder.run_id
    assert '<h2 id="segment-name">Segment 0</h2>' in page(browser, f"/runs/{run}")
    assert '<h2 id="segment-name">Segment 1</h2>' in page(browser, f"/runs/{run}?segment=1")
    assert '<h2 id="segment-name">Segment 1</h2>' in page(browser, f"/runs/{run}?segment=99")


def test_only_a_run_of_the_queue_that_has_ended_can_be_redone(stage: Stage, browser: Browser) -> None:
    plain = stage.ground.run(through(0, 1)).folder.run_id
    row = stage.submit(stage.ground.trip(through(1, 2)))
    assert "data-redo" not in page(browser, f"/runs/{plain}")
    assert "data-redo" not in page(browser, f"/runs/{row.run_id}")
    with stage.at_work():
        stage.followed(row)
    assert "data-redo" in page(browser, f"/runs/{row.run_id}")


def test_a_browser_is_told_of_errors_in_a_page_and_a_script_in_json(browser: Browser) -> None:
    assert "there is no run of that id" in page(browser, "/runs/nothing", status=404)
    assert "there is nothing at this address" in page(browser, "/nowhere", status=404)
    assert browser.client.get("/runs/nothing").json()["status"] == 404


def test_whoever_is_turned_away_at_the_door_gets_a_page_where_one_was_asked_for(stage: Stage, browser: Browser) -> None:
    seen = {"Accept": "text/html,*/*;q=0.8"}
    renamed = browser.client.get("/", headers={**seen, "Host": "evil.example"})
    assert (renamed.status_code, renamed.headers["content-type"].partition(";")[0]) == (421, "text/html")
    assert "not called by that name" in renamed.text
    assert f'href="{ORIGIN}/"' in renamed.text
    assert "evil.example" not in renamed.text
    assert browser.client.get("/static/wayframe.css", headers={"Host": "evil.example"}).status_code == 200
    foreign = browser.client.post("/logout", headers={**seen, "Origin": "https://evil.example"})
    assert (foreign.status_code, "another origin" in foreign.text, inline(foreign.text)) == (403, True, [])
    assert foreign.headers["content-security-policy"]
    with Browser.of(stage.place, Settings(token=TOKEN, limits=Limits(logins=1))) as guarded:
        unknown = guarded.client.post("/logout", headers=seen)
        assert (unknown.status_code, "a token is needed" in unknown.text) == (401, True)
        assert guarded.client.post("/login", data={"token": "wrong"}, headers=seen).status_code == 403
        often = guarded.client.post("/login", data={"token": "wrong"}, headers=seen)
        assert (often.status_code, often.headers["retry-after"], "<h1>" in often.text) == (429, "60", True)
    assert browser.get("/runs", headers={**seen, "Host": "evil.example"}).json()["status"] == 421


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_runs_are_not_compared(stage: Stage, browser: Browser, count: int) -> None:
    runs = [stage.ground.run(through(0, 1)).folder.run_id][:count]
    assert "Choose two runs or more" in page(browser, f"/compare?runs={','.join(runs)}")


def test_runs_may_be_named_one_by_one_as_a_form_does_without_a_script(stage: Stage, browser: Browser) -> None:
    first, second = (stage.ground.run(through(0, number)).folder.run_id for number in (1, 2))
    text = page(browser, f"/compare?runs={first}&runs={second}")
    assert "2 runs compared" in text
    assert f"runs={first}%2C{second}" in text


@pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder with the real logs")
def test_a_run_that_a_log_tells_of_shows_what_was_asked_for_beside_what_was_sent(
    stage: Stage, browser: Browser
) -> None:
    for _ in import_log([Path(str(FIXTURES)) / "logs" / "seed_pair.log"], home=stage.ground.home):
        pass
    (second, *_) = browser.ids()
    text = page(browser, f"/runs/{second}")
    assert "This run is known from a log." in text
    assert "high_noise_model" in text
    assert '<text class="lane" x="4" y="11.0">requested</text>' in text
    assert inline(text) == []
