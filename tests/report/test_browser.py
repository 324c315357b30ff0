"""The page in a browser: no complaint, and every control does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from report.browser import CHROMIUM, Browser, opened
from report.dossiers import of, run
from wayframe.core.diff import Filters
from wayframe.report.build import build_document
from wayframe.report.html import Media, data_address, html
from wayframe.workflow.compare import CompareOptions, Selection, gather
from wayframe.workflow.subjects import Reader
from workflow.rides import Ground, through

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
    pytest.mark.xdist_group("browser"),  # one browser for all of them
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The report of two runs that differ in a prompt and in LoRA weights."""
    dossier = of(run("first", prompt="a <b>lake</b>"), run("second", prompt="a sea", high=(0, 0.5, 0)))
    path = tmp_path / "report.html"
    path.write_text(html(build_document(dossier), media=Media(address=lambda video: video.path)), encoding="utf-8")
    return path


def test_the_page_has_nothing_to_complain_of(page: Path, browser: Browser) -> None:
    found = browser.ask(page, "answers.title = document.title; answers.bold = all('main b').length;")
    assert found.complaints == []
    assert found.answers == {"title": "Comparison of first, second", "bold": 0}


def test_the_filter_keeps_what_says_the_words_and_gives_everything_back(page: Path, browser: Browser) -> None:
    script = """
    const shown = () => all('main tbody tr').filter((row) => row.checkVisibility()).length;
    const box = one('#filter');
    const type = (text) => { box.value = text; box.dispatchEvent(new Event('input')); };
    answers.before = shown();
    type('a sea');
    answers.all_say_it = all('main tbody tr').filter((row) => row.checkVisibility())
      .every((row) => row.textContent.toLowerCase().includes('a sea'));
    answers.during = shown();
    answers.found = one('#found').textContent;
    type('nowhere to be found');
    answers.none = shown();
    type('');
    answers.after = shown();
    """
    found = browser.ask(page, script)
    assert found.complaints == []
    answers = found.answers
    assert answers["all_say_it"] is True
    assert str(answers["found"]).endswith(" found")
    assert answers["none"] == 0
    assert answers["before"] == answers["after"]
    assert isinstance(answers["during"], int)
    assert 0 < answers["during"] < int(str(answers["before"]))


def test_only_what_differs_leaves_the_equal_steps_out(page: Path, browser: Browser) -> None:
    script = """
    const rows = () => all('#steps tbody tr').filter((row) => row.checkVisibility()).length;
    answers.all = rows();
    one('#apart').click();
    answers.apart = rows();
    """
    assert browser.ask(page, script).answers == {"all": 3, "apart": 2}


def test_parts_open_and_close_and_print_whole(page: Path, browser: Browser) -> None:
    script = """
    const open = () => all('details').filter((part) => part.open).length;
    answers.first = open();
    dispatchEvent(new Event('beforeprint'));
    answers.printed = open() === all('details').length;
    dispatchEvent(new Event('afterprint'));
    answers.again = open() === answers.first;
    one('#fold').click();
    answers.all = open() === all('details').length;
    one('#fold').click();
    answers.none = open();
    """
    answers = browser.ask(page, script).answers
    assert answers.pop("first") != 0
    assert answers == {"printed": True, "again": True, "all": True, "none": 0}


def test_the_colours_are_those_of_the_system(page: Path, browser: Browser) -> None:
    script = (
        "answers.paper = getComputedStyle(document.body).backgroundColor; answers.button = one('#theme').textContent"
    )
    light, dark = (browser.ask(page, script, dark=dark).answers for dark in (False, True))
    assert light["paper"] != dark["paper"]
    assert (light["button"], dark["button"]) == ("Dark", "Light")


def test_the_switch_changes_the_colours(page: Path, browser: Browser) -> None:
    script = """
    const paper = () => getComputedStyle(document.body).backgroundColor;
    const before = paper();
    one('#theme').click();
    const dark = paper();
    one('#theme').click();
    answers.changed = before !== dark && paper() === before;
    """
    assert browser.ask(page, script).answers == {"changed": True}


def test_a_narrow_page_does_not_scroll_sideways(page: Path, browser: Browser) -> None:
    script = "answers.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;"
    assert browser.ask(page, script, width=500).answers == {"wide": 0}


@pytest.fixture(params=["inside", "beside"])
def videos(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The report of two runs of other lengths, with their videos."""
    ground = Ground.at(tmp_path)
    runs = [ground.run(through(0, 1, 2, segment_frames=frames)).folder for frames in (5, 9)]
    reader = Reader(home=ground.home, defaults={})
    options = CompareOptions(filters=Filters(), arguments=(), thumbnails=True)
    dossier = gather(Selection(subjects=tuple(map(reader.run, runs))), home=ground.home, options=options)
    path = tmp_path / "videos.html"
    media = Media(
        address=lambda video: (
            data_address(Path(video.path).read_bytes())
            if request.param == "inside"
            else str(Path(video.path).relative_to(tmp_path))
        )
    )
    path.write_text(html(build_document(dossier), media=media), encoding="utf-8")
    return path


def test_two_videos_move_under_one_set_of_controls(videos: Path, browser: Browser) -> None:
    script = """
    const [lead, follower] = all('video');
    await until(() => lead.readyState >= 2 && follower.readyState >= 2);
    answers.loaded = [lead.videoWidth, follower.videoWidth];
    const frames = () => all('.player output').map((place) => Number(place.textContent));
    const times = () => [lead, follower].map((video) => Math.floor(video.currentTime * 16));
    const press = (what) => one(`.player ${what}`).click();
    press('[data-do=forth]');
    answers.forth = frames();
    answers.times = times();
    press('[data-jump]');
    answers.join = frames();
    press('[data-do=back]');
    answers.back = frames();
    const seek = one('[data-do=seek]');
    seek.value = 8;
    seek.dispatchEvent(new Event('input'));
    answers.end = frames();
    press('[data-do=forth]');
    answers.beyond = frames();
    """
    found = browser.ask(videos, script)
    assert found.complaints == []
    assert found.answers == {
        "loaded": [64, 64],
        "forth": [1, 2],
        "times": [1, 2],
        "join": [4, 8],
        "back": [3, 6],
        "end": [8, 16],
        "beyond": [8, 16],
    }


def test_views_lay_one_video_over_the_other(videos: Path, browser: Browser) -> None:
    script = """
    const boxes = () => all('.pane').map((pane) => pane.getBoundingClientRect().left);
    const over = () => boxes()[0] === boxes()[1];
    answers.side = over();
    one('[data-mode=wipe]').click();
    answers.wipe = over();
    const wipe = one('[data-do=wipe]');
    answers.slider = wipe.checkVisibility();
    wipe.value = 25;
    wipe.dispatchEvent(new Event('input'));
    answers.clip = getComputedStyle(all('video')[1]).clipPath;
    one('[data-mode=difference]').click();
    answers.blend = getComputedStyle(all('video')[1]).mixBlendMode;
    answers.pressed = all('[data-mode][aria-pressed=true]').map((button) => button.textContent);
    """
    found = browser.ask(videos, script)
    assert found.complaints == []
    assert found.answers == {
        "side": False,
        "wipe": True,
        "slider": True,
        "clip": "inset(0px 0px 0px 25%)",
        "blend": "difference",
        "pressed": ["Difference"],
    }


def test_playing_goes_through_both_and_stops_at_the_end(videos: Path, browser: Browser) -> None:
    script = """
    const [lead, follower] = all('video');
    await until(() => lead.readyState >= 3 && follower.readyState >= 3);
    const play = one('[data-do=play]');
    play.click();
    answers.name = play.textContent;
    await until(() => lead.paused);
    answers.paused = [lead.paused, follower.paused];
    answers.again = play.textContent;
    answers.frames = all('.player output').map((place) => Number(place.textContent));
    """
    found = browser.ask(videos, script)
    assert found.complaints == []
    assert found.answers == {
        "name": "Pause",
        "paused": [True, True],
        "again": "Play",
        "frames": [8, 16],
    }
