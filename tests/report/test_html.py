"""The page is one file, escapes every text, and asks no network for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from report.dossiers import clip, of, run, steps, with_videos
from wayframe.core.dossier import Dossier, VideoPair
from wayframe.report.build import build_document
from wayframe.report.chart import draw
from wayframe.report.document import Chart, ChartLane
from wayframe.report.html import Media, data_address, html

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \" ' {{ 7 * 7 }} &amp;"


class Page(HTMLParser):
    """Elements, ids, what is loaded, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "input", "img", "br", "rect"}:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in {"src", "href", "poster", "srcset"} and not str(value).startswith("#"):
                self.loaded.append(str(value))
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.text += data


def page(dossier: Dossier) -> Page:
    return Page(html(build_document(dossier), media=Media(address=lambda video: video.path)))


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    found = page(of(run("a", prompt="x"), run(HOSTILE, prompt=HOSTILE)))
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert found.handlers == []
    assert HOSTILE in found.text


def test_nothing_is_loaded_from_anywhere() -> None:
    text = html(build_document(of(run("a"), run("b", prompt="y"))), media=Media(address=lambda video: video.path))
    found = Page(text)
    assert found.loaded == []
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?://", text)


def test_every_part_can_be_reached_and_has_its_own_id() -> None:
    found = page(of(run("a"), run("b", prompt="y", high=(0, 0, 0)), run("c", prompt="z")))
    assert len(found.ids) == len(set(found.ids))
    text = html(build_document(of(run("a"), run("b"))), media=Media(address=lambda video: video.path))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(Page(text).ids)


def test_elements_are_closed() -> None:
    assert page(of(run("a"), run("b", prompt="y"))).open == []


def test_two_videos_get_a_player_that_knows_where_they_meet(tmp_path: Path) -> None:
    clips = [clip(tmp_path / name, joins=[(4, 1)], spans=[(0, 4), (4, 8)]) for name in ("a.mp4", "b.mp4")]
    found = page(with_videos(of(run("a"), run("b")), clips=clips, pair=VideoPair(same_packets=True)))
    assert found.loaded == [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    assert "join 4" in found.text


def test_a_single_video_gets_no_player(tmp_path: Path) -> None:
    dossier = of(run("a"), run("b"))
    lone = Dossier(
        comparisons=dossier.comparisons,
        filters=dossier.filters,
        arguments=(),
        clips=(clip(tmp_path / "a.mp4"), None),
        videos=(None,),
    )
    assert "video" not in page(lone).tags


def test_a_video_can_be_inside() -> None:
    assert data_address(b"abc") == "data:video/mp4;base64,YWJj"


def test_a_chart_marks_the_steps_that_are_not_as_in_the_first_lane() -> None:
    lanes = (ChartLane(label="A", table=steps((1, 1, 0))), ChartLane(label="B", table=steps((1, 0.5, 0))))
    drawing = draw(Chart(title="t", lanes=lanes))
    assert [cell.hint for cell in drawing.cells if cell.differs] == ["B, step 1, timestep 800.0, phase 2: 0.5"]
    assert all(cell.x + cell.width <= drawing.width for cell in drawing.cells)
    assert all(0 <= cell.bar <= cell.height for cell in drawing.cells)
    half = next(cell for cell in drawing.cells if cell.differs)
    assert half.bar == half.height / 2
