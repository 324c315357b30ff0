"""Saturation, brightness and the keyframes in the corners."""

from __future__ import annotations

import numpy as np
import pytest

from media.clips import texture
from wayframe.media.look import toned, with_banner

RED = np.zeros((2, 2, 3), np.uint8)
RED[...] = (200, 40, 40)


def test_no_saturation_leaves_grey_of_the_same_luma():
    grey = toned(RED, saturation=0, brightness=0)
    assert np.unique(grey).tolist() == [74]  # 0.2126 * 200 + 0.7874 * 40


@pytest.mark.parametrize(("brightness", "value"), [(0.1, (220, 44, 44)), (-0.5, (100, 20, 20)), (1, (255, 80, 80))])
def test_brightness_is_a_share_of_each_value_and_stops_at_white(brightness: float, value: tuple[int, int, int]):
    assert toned(RED, saturation=1, brightness=brightness)[0, 0].tolist() == list(value)


def test_more_saturation_goes_away_from_grey():
    assert toned(RED, saturation=1.25, brightness=0)[0, 0].tolist() == [231, 31, 31]


def test_a_banner_stands_in_the_upper_corners_of_a_copy():
    picture, first, last = texture(1), texture(2), texture(3)
    before = picture.copy()
    shown = with_banner(picture, first=first, last=last)
    height, width = picture.shape[0] // 5, picture.shape[1] // 5
    assert np.array_equal(picture, before)
    assert np.array_equal(shown[height:], picture[height:])
    assert np.array_equal(shown[:height, width:-width], picture[:height, width:-width])
    means = [corner.mean(axis=(0, 1)) for corner in (shown[1 : height - 1, 1 : width - 1], first)]
    assert np.abs(means[0] - means[1]).max() < 12
    assert not np.array_equal(shown[:height, -width:], shown[:height, :width])


def test_a_segment_without_a_last_keyframe_has_a_banner_on_the_left_only():
    picture = texture(1)
    shown = with_banner(picture, first=texture(2), last=None)
    assert np.array_equal(shown[:, picture.shape[1] // 5 :], picture[:, picture.shape[1] // 5 :])
