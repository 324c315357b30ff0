"""The pages of runs in a real browser: nothing complained of, nothing hidden from keys and screen readers, live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Request, expect

from web.browser import Served
from web.browser_pages import CHROMIUM, NARROW, PHONE, WIDE, Window, chromium, window
from workflow.queue.stage import Stage
from workflow.rides import through

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
    pytest.mark.xdist_group("page-browser"),  # one browser, one server
]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A page that is served, with two finished runs of `wayframe run` and one of the queue."""

    stage: Stage
    served: Served
    runs: tuple[str, str]
    queued: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    stage = Stage.at(tmp_path_factory.mktemp("site"), base=tmp_path_factory.getbasetemp(), shared=False)
    trips = [through(0, 1, 2, prompts=("dawn", "noon"), engine="preview", overlap=1, seed=seed) for seed in (1, 2)]
    first, second = (stage.ground.run(trip).folder.run_id for trip in trips)
    row = stage.submit(stage.ground.trip(through(1, 2, 3, prompts=("noon", "dusk"), engine="preview")))
    with stage.at_work():
        stage.followed(row)
    with Served.at(stage.ground.home.root, environment=stage.environment) as served:
        yield Site(stage=stage, served=served, runs=(first, second), queued=row.run_id)
    stage.client.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as made:
        yield made


@pytest.fixture
def wide(browser: Chromium, site: Site) -> Iterator[Window]:
    with window(browser, site.served.address) as made:
        yield made
        assert made.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, PHONE, NARROW])
def test_every_page_fits_its_window_and_axe_finds_nothing_serious(
    browser: Chromium, site: Site, size: tuple[int, int], *, dark: bool
) -> None:
    first, second = site.runs
    with window(browser, site.served.address, size=size, dark=dark) as made:
        for path in (
            "/",
            f"/runs/{first}",
            f"/runs/{site.queued}",
            f"/compare?runs={first},{second}",
            "/queue",
            "/login",
        ):
            made.open(path)
            assert made.overflow() <= 0, path
            assert made.violations() == [], path
        assert made.complaints == []


def test_the_theme_is_kept_from_page_to_page(wide: Window) -> None:
    page = wide.open("/")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    wide.open("/queue")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_two_runs_that_are_chosen_with_keys_are_compared(wide: Window) -> None:
    page = wide.open("/")
    expect(page.locator("#chosen")).to_be_hidden()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator(".pick:checked")).to_have_count(2)
    expect(page.locator("[data-count]")).to_have_text("2 chosen")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?runs=*")
    expect(page.locator("#summary")).to_be_visible()


def test_a_run_is_stepped_through_by_frames_and_joins(site: Site, wide: Window) -> None:
    page = wide.open(f"/runs/{site.runs[0]}")
    number = page.get_by_label("Frame number")
    page.get_by_role("button", name="One frame on").click()
    expect(number).to_have_value("1")
    page.get_by_role("button", name="Join after").click()
    expect(number).to_have_value("4")
    page.locator("body").press("ArrowRight")
    expect(number).to_have_value("5")
    page.locator("body").press("Shift+ArrowLeft")
    expect(number).to_have_value("4")
    page.get_by_role("button", name="Go to frame 3").click()
    expect(number).to_have_value("3")
    expect(page.locator("video")).to_have_js_property("currentTime", 3.5 / 16)
    assert page.locator("[data-playhead]").get_attribute("x1") == f"{3.5 / 9 * 100}%"


def test_segments_open_in_place_and_curves_lie_over_the_strip(site: Site, wide: Window) -> None:
    page = wide.open(f"/runs/{site.runs[0]}")
    expect(page.locator(".curve")).to_have_count(2)
    page.get_by_role("link", name="Segment 1, frames 4 to 8").click()
    expect(page.locator("#segment-name")).to_have_text("Segment 1")
    assert page.url.endswith("?segment=1")
    expect(page.locator(".curve")).to_have_count(2)
    page.get_by_text("Log", exact=True).click()
    expect(page.locator(".log")).to_contain_text("segment 1 complete")


def test_a_segment_is_redone_watched_and_held_against_what_was_before(site: Site, wide: Window) -> None:
    page = wide.open(f"/runs/{site.queued}?segment=1")
    page.get_by_text("Render this segment another way").click()
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a storm comes up")
    page.get_by_label("Seed").fill("-1")
    page.get_by_role("button", name="Redo segment 1").click()
    expect(page.get_by_role("alert")).to_contain_text("seed")
    wide.complaints.clear()  # the browser tells of the refusal
    page.get_by_label("Seed").fill("77")
    page.get_by_role("button", name="Redo segment 1").click()
    page.wait_for_url(lambda address: site.queued not in address)
    expect(page.locator("#head .state")).to_have_text("queued")
    with site.stage.at_work():
        expect(page.locator("#head .state")).to_have_text("completed", timeout=60_000)
        expect(page.locator("video")).to_be_visible()
    assert [part.get_attribute("class") for part in page.locator(".piece").all()] == [
        "piece s-complete reused",
        "piece s-complete",
    ]
    expect(page.locator(".prompt")).to_have_text("a storm comes up")
    page.get_by_role("link", name="Side by side").click()
    expect(page.locator("video")).to_have_count(2)
    expect(page.locator("#prompts")).to_contain_text("a storm comes up")


def test_videos_of_a_comparison_step_together_and_the_report_is_filtered(site: Site, wide: Window) -> None:
    page = wide.open(f"/compare?runs={','.join(site.runs)}")
    page.get_by_role("button", name="Join 4").click()
    expect(page.locator(".screen b span")).to_have_text(["4", "4"])
    page.get_by_role("button", name="Wipe").click()
    expect(page.locator(".stage")).to_have_class("stage wipe")
    page.get_by_label("Filter the report").fill("seed")
    expect(page.locator("#found")).to_contain_text("found")
    expect(page.locator("#flow")).to_be_hidden()


def test_the_report_is_copied_as_markdown(browser: Chromium, site: Site) -> None:
    with window(browser, site.served.address) as made:
        made.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = made.open(f"/compare?runs={','.join(site.runs)}")
        page.get_by_role("button", name="Copy as Markdown").click()
        expect(page.locator(".toast")).to_contain_text("clipboard")
        assert page.evaluate("navigator.clipboard.readText()").startswith("# Comparison of")


def test_the_queue_is_paused_and_a_run_is_moved_and_cancelled(site: Site, wide: Window) -> None:
    page = wide.open("/queue")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The queue is paused")).to_be_visible()
    row = site.stage.submit(site.stage.ground.trip(through(0, 3)))
    line = page.locator(f"tr[data-run='{row.run_id}']")
    line.get_by_role("button", name="Earlier: priority 1").click()
    expect(line.get_by_role("button", name="Earlier: priority 2")).to_be_visible()
    line.get_by_role("button", name="Cancel").click()
    expect(line).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_run_is_deleted_only_when_that_is_confirmed(site: Site, wide: Window) -> None:
    run = site.stage.ground.run(through(3, 2)).folder.run_id
    page = wide.open(f"/runs/{run}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    assert (site.stage.ground.home.runs / run).is_dir()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{wide.address}/")
    assert not (site.stage.ground.home.runs / run).exists()


def test_a_page_goes_on_where_it_was_after_the_server_was_away(browser: Chromium, site: Site) -> None:
    stage, asked = site.stage, list[Request]()
    row = stage.submit(stage.ground.trip(through(3, 1, 0)))
    stage.client.cancel(row.run_id)
    stage.client.resume(row.run_id)
    with Served.at(stage.ground.home.root, environment=stage.environment) as first:
        port = str(first.port)
        with window(browser, first.address) as made:
            page = made.page
            page.on("request", lambda request: asked.append(request) if request.url.endswith("/events") else None)
            with page.expect_response("**/events"):
                made.open(f"/runs/{row.run_id}")
            expect(page.locator("#head .state")).to_have_text("queued")
            first.stop()
            with (
                Served.at(stage.ground.home.root, "--port", port, environment=stage.environment),
                stage.at_work(),
            ):
                expect(page.locator("#head .state")).to_have_text("completed", timeout=60_000)
            last = [request.all_headers().get("last-event-id") for request in asked]
    assert last[0] is None
    assert int(last[-1] or 0) > 0
