from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.errors import MediaError
from wayframe.media.blend import CURVES, bell, curve_named, linear, upstream

DARK = np.full((96, 64), 16, np.uint8)
LIGHT = np.full((96, 64), 216, np.uint8)


def values(name: str, steps: int) -> list[int]:
    curve = curve_named(name)
    return [int(curve(left=DARK, right=LIGHT, step=step, steps=steps)[40, 30]) for step in range(steps)]


def test_a_bell_of_three_frames_passes_the_middle_in_the_middle():
    # (1 - cos(pi/4)) / 2 = 0.1464 of 200 above 16
    assert values("bell", 3) == [45, 116, 187]


def test_a_linear_blend_of_three_frames_goes_by_quarters():
    assert values("linear", 3) == [66, 116, 166]


def test_upstreams_blend_ends_on_the_right_side_alone():
    # eased thirds: 0.25, 0.75, 1; a flat picture has nothing to sharpen
    assert values("upstream", 3) == [66, 166, 216]


def test_upstreams_blend_sharpens_luma_but_not_chroma():
    edge = np.full((96, 64), 100, np.uint8)
    edge[:, 32:] = 150
    last = upstream(left=edge, right=edge, step=5, steps=6)
    assert last[20, 31] < 100
    assert last[20, 32] > 150
    assert np.array_equal(last[64:], edge[64:])
    assert np.array_equal(bell(left=edge, right=edge, step=5, steps=6), edge)


@given(steps=st.integers(1, 30), seed=st.integers(0, 9))
def test_bell_and_linear_read_the_same_backwards(steps: int, seed: int):
    left, right = np.random.default_rng(seed).integers(0, 256, (2, 6, 4), dtype=np.uint8)
    for curve in (bell, linear):
        for step in range(steps):
            there = curve(left=left, right=right, step=step, steps=steps).astype(int)
            back = curve(left=right, right=left, step=steps - 1 - step, steps=steps).astype(int)
            assert np.abs(there - back).max() <= 1


@given(name=st.sampled_from(sorted(CURVES)), steps=st.integers(1, 30), value=st.integers(0, 255))
def test_a_blend_of_equal_pictures_is_that_picture(name: str, steps: int, value: int):
    flat = np.full((96, 64), value, np.uint8)
    for step in range(steps):
        assert np.array_equal(curve_named(name)(left=flat, right=flat, step=step, steps=steps), flat)


def test_an_unknown_curve_is_an_error_that_lists_them():
    with pytest.raises(MediaError, match="blend curve 'cubic' is not known; there are bell, linear, upstream"):
        curve_named("cubic")
