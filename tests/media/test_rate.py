"""Frames at another rate: those that were there stay, those between stand where the motion says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from media.clips import HEIGHT, WIDTH, moving, texture
from wayframe.media.rate import retimed, retimed_count


def quality(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return -10 * float(np.log10(np.mean((a.astype(float) - b) ** 2) + 1e-9))


def sliding(frames: int, *, step: int) -> list[NDArray[np.uint8]]:
    """A window that slides `step` pixels a frame over a pattern."""
    return [texture(3)[8 : 8 + HEIGHT, place * step : place * step + WIDTH] for place in range(frames)]


@pytest.mark.parametrize(
    ("frames", "fps", "target", "count"),
    [
        (25, 16, 32, 49),
        (25, 16, 16, 25),
        (25, 16, 24, 37),
        (25, 16, 8, 13),
        (24, 16, 8, 12),
        (1, 16, 60, 1),
        (2, 16, 60, 4),
    ],
)
def test_the_last_frame_is_the_last_that_is_not_after_the_end(frames: int, fps: int, target: int, count: int):
    made = list(retimed(moving(frames), fps=Fraction(fps), target=Fraction(target)))
    assert len(made) == retimed_count(frames, fps=Fraction(fps), target=Fraction(target)) == count


def test_frames_that_stand_at_a_time_of_the_new_rate_are_handed_over_as_they_are():
    given = list(moving(5))
    doubled = list(retimed(given, fps=Fraction(16), target=Fraction(32)))
    assert all(np.array_equal(made, was) for made, was in zip(doubled[::2], given, strict=True))
    halved = list(retimed(given, fps=Fraction(16), target=Fraction(8)))
    assert all(np.array_equal(made, was) for made, was in zip(halved, given[::2], strict=True))


def test_a_frame_between_two_is_nearer_to_the_truth_than_their_mean():
    true = sliding(9, step=2)
    made = list(retimed(true[::2], fps=Fraction(16), target=Fraction(32)))
    for at in (3, 5):
        mean = ((true[at - 1].astype(int) + true[at + 1]) // 2).astype(np.uint8)
        assert quality(made[at], true[at]) > quality(mean, true[at]) + 3


def test_a_cut_stays_a_cut():
    dark, light = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    made = list(retimed([dark, light], fps=Fraction(16), target=Fraction(64)))
    assert [int(frame.mean()) for frame in made] == [0, 0, 255, 255, 255]
