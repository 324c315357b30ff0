from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media.clips import Library, moving, write_video
from wayframe.errors import MediaError
from wayframe.media.colour import Rgb
from wayframe.media.drawing import GROUND, KEYFRAME
from wayframe.media.metrics import JoinPlace, measure
from wayframe.media.metrics_scores import FrozenRange, JoinScore, Step
from wayframe.media.plot import frozen_text, join_text, plot_metrics

WIDTH = 800
RED, GREEN, VIOLET = (255, 107, 107), (126, 211, 160), (186, 146, 255)

Picture = NDArray[np.int64]
Plot = Callable[..., Picture]


@pytest.fixture
def plot(tmp_path: Path) -> Plot:
    def plotted(video: Path, *, joins: tuple[JoinPlace, ...] = (), keyframes: tuple[int, ...] = ()) -> Picture:
        metrics = measure(video, joins=joins)
        plot_metrics(video, metrics=metrics, target=tmp_path / "plot.png", keyframes=keyframes, width=WIDTH)
        with Image.open(tmp_path / "plot.png") as image:
            assert (image.format, image.mode, image.width) == ("PNG", "RGB", WIDTH)
            return np.asarray(image).astype(np.int64)

    return plotted


def columns_of(picture: Picture, colour: Rgb, *, least: int = 6) -> list[int]:
    """Where at least some pixels of exactly this colour stand above each other."""
    return np.flatnonzero((picture == colour).all(axis=2).sum(axis=0) >= least).tolist()


def shaded(picture: Picture, colour: Rgb, *, row: int) -> NDArray[np.intp]:
    """The columns of a row whose ground leans towards `colour`."""
    lean = np.array(colour) - GROUND
    above = picture[row] - GROUND
    return np.flatnonzero((above @ lean > 500) & (np.abs(above - above.max(axis=1, keepdims=True)).max(axis=1) > 4))


def test_the_film_shows_frames_in_their_order(plot: Plot, tmp_path: Path):
    looks = [(250, 30, 30), (30, 250, 30), (30, 30, 250), (240, 240, 240)]
    write_video(tmp_path / "looks.mp4", [np.full((64, 96, 3), look, np.uint8) for look in looks for _ in range(10)])
    picture = plot(tmp_path / "looks.mp4")
    row = picture[56 + 30]  # half way down the strip, which begins at 112 of 1600
    places = [np.flatnonzero(np.abs(row - look).sum(axis=1) < 40) for look in looks]
    assert all(len(place) > 100 for place in places)
    assert all(left.max() < right.min() for left, right in itertools.pairwise(places))


def test_keyframes_are_marked_at_their_time(plot: Plot, library: Library):
    video = library.piece(33)
    assert columns_of(plot(video), KEYFRAME) == []
    dots = columns_of(plot(video, keyframes=(0, 16, 99))[121:140], KEYFRAME)  # the row under the film
    assert min(dots) in range(40, 54)
    assert max(dots) in range(410, 424)  # half way between 52 and 778


def test_a_visible_join_is_red_and_an_even_one_green_at_their_place(plot: Plot, tmp_path: Path):
    write_video(tmp_path / "cut.mp4", [*moving(32), *list(moving(64, look=4))[32:]])
    picture = plot(tmp_path / "cut.mp4", joins=(JoinPlace(start=16, overlap=1), JoinPlace(start=32, overlap=0)))
    green, red = columns_of(picture, GREEN), columns_of(picture, RED)
    assert min(green) < 52 + (778 - 52) * 16 / 63 < max(green)
    assert min(red) < 52 + (778 - 52) * 32 / 63 < max(red)
    assert max(green) < min(red)


@pytest.mark.parametrize(("change", "written"), [(0.98, "join 1.0"), (4.24, "join 4.2 change")])
def test_a_join_is_called_a_join_and_one_that_shows_is_told_by_what(change: float, written: str):
    scores = [Step(inside=1, around=1, ratio=ratio) for ratio in (change, 0.5, 0.5)]
    join = JoinScore(start=4, overlap=1, score=change, compensated=scores[0], sharpness=scores[1], luma=scores[2])
    assert join_text(join) == written


@pytest.mark.parametrize(("stop", "written"), [(7, "frozen 6"), (10, "frozen 6 to 9")])
def test_one_frozen_frame_is_one_number(stop: int, written: str):
    assert frozen_text(FrozenRange(start=6, stop=stop)) == written


def test_frozen_frames_are_shaded(plot: Plot, tmp_path: Path):
    pictures = list(moving(41))
    write_video(tmp_path / "calm.mp4", pictures)
    calm = plot(tmp_path / "calm.mp4")
    pictures[11:31] = [pictures[10]] * 20
    write_video(tmp_path / "frozen.mp4", pictures)
    row = -70  # between the last two curves of the panel of luma and its lower end
    violet = shaded(plot(tmp_path / "frozen.mp4"), VIOLET, row=row)
    assert len(shaded(calm, VIOLET, row=row)) < 20
    assert violet.min() == pytest.approx(52 + 726 * 10.5 / 40, abs=3)
    assert violet.max() == pytest.approx(52 + 726 * 30.5 / 40, abs=3)


def test_one_frame_and_thousands_of_steps_are_drawn(plot: Plot, tmp_path: Path):
    write_video(tmp_path / "one.mp4", list(moving(1)))
    assert plot(tmp_path / "one.mp4", keyframes=(0,)).shape[1] == WIDTH
    rng = np.random.default_rng(1)
    noisy = [np.full((16, 16, 3), level, np.uint8) for level in rng.integers(60, 180, 1700)]
    write_video(tmp_path / "many.mp4", noisy, profile="draft")
    picture = plot(tmp_path / "many.mp4", joins=tuple(JoinPlace(start=at, overlap=1) for at in range(50, 1700, 50)))
    assert len(columns_of(picture, RED) + columns_of(picture, GREEN)) > 100


def test_a_plot_that_cannot_be_made_is_an_error_and_leaves_nothing(library: Library, tmp_path: Path):
    video = library.piece(13)
    metrics = measure(video)
    with pytest.raises(MediaError, match="a plot of 100 pixels is too narrow; use at least 400"):
        plot_metrics(video, metrics=metrics, target=tmp_path / "plot.png", width=100)
    with pytest.raises(MediaError, match=r"gone\.mp4: cannot read this video"):
        plot_metrics(tmp_path / "gone.mp4", metrics=metrics, target=tmp_path / "plot.png")
    (tmp_path / "plot.png").mkdir()
    with pytest.raises(MediaError, match=r"plot\.png: cannot draw this video"):
        plot_metrics(video, metrics=metrics, target=tmp_path / "plot.png")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]
