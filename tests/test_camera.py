"""What the camera shows of a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from contract.jobs import picture
from wayframe.camera import WHOLE, Picture, View, crisp, look, reading, softness


def detail(one: Picture) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), cv2.CV_16S).std())


def places(view: View) -> tuple[np.ndarray, np.ndarray]:
    still = np.zeros((64, 96), np.float32)
    return reading(view, x=still, y=still)


def test_a_view_shows_the_place_that_it_names() -> None:
    first = picture(1, width=192, height=128)
    assert np.array_equal(look(first, view=View(left=10, top=5))[:-5, :-10], first[5:, 10:])


def test_the_whole_view_is_a_copy_of_every_pixel() -> None:
    first = picture(1)
    seen = look(first, view=WHOLE)
    assert np.array_equal(seen, first)
    assert not np.shares_memory(seen, first)


@pytest.mark.parametrize(("left", "lost"), [(0.0, 0.0), (3.0, 0.0), (0.5, 1.0), (7.25, 0.5)])
def test_what_reading_between_pixels_loses_goes_from_none_to_halfway(left: float, lost: float) -> None:
    assert softness(places(View(left=left))) == pytest.approx(lost, abs=1e-4)
    assert softness(places(View(left=left, top=0.5))) == pytest.approx(lost + 1, abs=1e-4)


@pytest.mark.parametrize("view", [View(left=0.5, top=0.5), View(left=0.5), View(scale=0.97, left=1, top=1)], ids=str)
def test_a_picture_between_the_pixels_is_nearly_as_sharp_as_on_them(view: View) -> None:
    first = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (128, 192, 3), dtype=np.uint8), (0, 0), 0.7)
    assert detail(look(first, view=view)) == pytest.approx(detail(first), rel=0.06)


def test_what_lost_nothing_is_left_alone_and_what_is_even_stays_even() -> None:
    assert np.array_equal(crisp(picture(1), lost=0), picture(1))
    grey = np.full((48, 64, 3), 100, np.uint8)
    assert np.array_equal(crisp(grey, lost=2), grey)
