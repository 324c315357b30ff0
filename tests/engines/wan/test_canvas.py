"""Canvases: sizes and lengths that a model can do around those that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.engines.wan.canvas import Canvas, Grid
from wayframe.errors import EngineError

GRID = Grid(size_step=16, frame_step=4)


def around(width: int, height: int, frames: int) -> Canvas:
    return Canvas.around(width=width, height=height, frames=frames, grid=GRID)


def test_what_stands_on_the_grid_is_its_own_canvas() -> None:
    canvas = around(832, 480, 81)
    assert (canvas.width, canvas.height, canvas.frames) == (832, 480, 81)


def test_what_does_not_gets_the_next_larger_one() -> None:
    canvas = around(65, 47, 6)
    assert (canvas.width, canvas.height, canvas.frames) == (80, 48, 9)
    assert (canvas.shown_width, canvas.shown_height, canvas.shown_frames) == (65, 47, 6)


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 200))
def test_a_canvas_is_on_the_grid_and_less_than_a_step_larger(width: int, height: int, frames: int) -> None:
    canvas = around(width, height, frames)
    GRID.check(width=canvas.width, height=canvas.height, frames=canvas.frames)
    assert 0 <= canvas.width - width < 16
    assert 0 <= canvas.height - height < 16
    assert 0 <= canvas.frames - frames < 4


def test_a_picture_goes_on_with_its_last_pixels() -> None:
    picture = np.arange(47 * 65 * 3, dtype=np.uint32).astype(np.uint8).reshape(47, 65, 3)
    filled = around(65, 47, 5).fill(picture)
    assert filled.shape == (48, 80, 3)
    assert np.array_equal(filled[:47, :65], picture)
    assert np.array_equal(filled[47, 64:], np.repeat(picture[46:, 64], 16, axis=0))


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(EngineError, match=r"a picture of 64x48 came with a segment of 65x47"):
        around(65, 47, 5).fill(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("width", "height", "frames", "told"),
    [
        (65, 48, 5, r"width: the model makes a multiple of 16 \(got 65\); use 64 or 80"),
        (64, 40, 5, r"height: the model makes a multiple of 16 \(got 40\); use 32 or 48"),
        (64, 48, 60, r"frames: the model makes 4n\+1 \(got 60\); use 57 or 61"),
        (7, 48, 5, r"width: .* \(got 7\); use 16"),
        (64, 48, 0, r"frames: .* \(got 0\); use 1"),
    ],
)
def test_a_number_off_the_grid_is_named_with_its_neighbours(width: int, height: int, frames: int, told: str) -> None:
    with pytest.raises(EngineError, match=f"^{told}$"):
        GRID.check(width=width, height=height, frames=frames)
