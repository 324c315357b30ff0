from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayframe.errors import SpecError
from wayframe.media.fit import Fit, fit_image


def stripes(width: int, height: int) -> np.ndarray:
    """Left third red, middle green, right blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel in range(3):
        pixels[:, channel * width // 3 : (channel + 1) * width // 3, channel] = 255
    return pixels


def test_cover_crops_evenly_on_both_sides():
    fitted = fit_image(stripes(90, 30), width=30, height=30, fit="cover")
    assert fitted.shape == (30, 30, 3)
    assert (fitted[:, 2:-2] == (0, 255, 0)).all()


def test_contain_shows_everything_on_the_matte():
    fitted = fit_image(stripes(90, 30), width=90, height=90, fit="contain", matte="#0a141e")
    assert fitted[0, 0].tolist() == fitted[-1, -1].tolist() == [10, 20, 30]
    assert np.array_equal(fitted[30:60], stripes(90, 30))


def test_stretch_keeps_the_whole_picture_and_gives_up_the_aspect():
    fitted = fit_image(stripes(90, 30), width=30, height=60, fit="stretch")
    assert [fitted[30, x].tolist() for x in (4, 15, 25)] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_a_picture_of_the_right_size_stays_as_it_is(fit: Fit):
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(fit_image(noise, width=30, height=20, fit=fit), noise)


def test_shrinking_averages_instead_of_skipping_pixels():
    checks = np.indices((128, 128)).sum(axis=0) % 2 * 255
    fitted = fit_image(np.dstack([checks] * 3).astype(np.uint8), width=16, height=16, fit="stretch")
    assert np.abs(fitted.astype(int) - 128).max() <= 3


@settings(max_examples=80, deadline=None)
@given(
    have=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    want=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    fit=st.sampled_from(["cover", "contain", "stretch"]),
)
def test_the_size_is_exact_and_a_flat_picture_stays_flat(have: tuple[int, int], want: tuple[int, int], fit: Fit):
    flat = np.full((have[1], have[0], 3), (40, 90, 200), np.uint8)
    fitted = fit_image(flat, width=want[0], height=want[1], fit=fit, matte="#285ac8")
    assert fitted.shape == (want[1], want[0], 3)
    assert (fitted == (40, 90, 200)).all()


def test_an_unknown_fit_is_refused():
    with pytest.raises(SpecError, match="fit: is not known"):
        fit_image(stripes(9, 9), width=3, height=3, fit=cast(Fit, "zoom"))
