"""Colours are pulled to a picture's, by as much as was asked for and no further than a screen goes."""

from __future__ import annotations

import numpy as np
import pytest

from media.clips import texture
from wayframe.media.colour_match import ColourStats, matched

PICTURE = (texture(1) // 2 + 60).astype(np.uint8)
WARM = np.clip(PICTURE.astype(np.float32) * [0.9, 0.75, 0.5] + [20, 10, 0], 0, 255).astype(np.uint8)


def apart(a: ColourStats, b: ColourStats) -> float:
    """The largest difference of means, in units of L*a*b* (2.3 can just be noticed)."""
    return float(np.abs(a.mean - b.mean).max())


def test_a_picture_that_drifted_gets_the_colours_of_the_one_it_is_matched_to():
    target = ColourStats.of(PICTURE)
    before = ColourStats.of(WARM)
    after = ColourStats.of(matched(WARM, target=target, strength=1))
    assert apart(before, target) > 15
    assert apart(after, target) < 2
    assert np.abs(after.spread - target.spread).max() < np.abs(before.spread - target.spread).max()


def test_half_the_strength_goes_half_the_way():
    target = ColourStats.of(PICTURE)
    half = ColourStats.of(matched(WARM, target=target, strength=0.5))
    assert apart(half, target) == pytest.approx(apart(ColourStats.of(WARM), target) / 2, rel=0.15)


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_a_picture_matched_to_itself_stays_as_it_is(strength: float):
    assert np.array_equal(matched(PICTURE, target=ColourStats.of(PICTURE), strength=strength), PICTURE)


def test_colours_beyond_what_a_screen_shows_stop_there_and_do_not_wrap_around():
    bright = np.clip(PICTURE.astype(np.int32) + 80, 0, 255).astype(np.uint8)
    found = matched(PICTURE, target=ColourStats.of(bright), strength=1)
    assert found.min() > 0
    assert found.max() == 255
    brightest = PICTURE.sum(axis=2) > np.percentile(PICTURE.sum(axis=2), 99)
    assert found[brightest].mean() > PICTURE[brightest].mean()


def test_a_flat_picture_moves_and_gets_no_contrast_out_of_nothing():
    flat = np.full((32, 32, 3), 90, np.uint8)
    found = matched(flat, target=ColourStats.of(PICTURE), strength=1)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 1
    assert apart(ColourStats.of(found), ColourStats.of(PICTURE)) < 1


def test_between_two_pictures_stand_colours_between_theirs():
    start, end = ColourStats.of(PICTURE), ColourStats.of(WARM)
    assert np.allclose(start.toward(end, t=0).mean, start.mean)
    assert np.allclose(start.toward(end, t=1).spread, end.spread)
    assert np.allclose(start.toward(end, t=0.25).mean, start.mean * 0.75 + end.mean * 0.25)
