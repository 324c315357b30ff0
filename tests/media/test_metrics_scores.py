from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wayframe.media.metrics_scores import FrozenRange, JoinPlace, flicker, frozen, motion, score_joins
from wayframe.media.metrics_series import Series

levels = st.lists(st.floats(16, 235), min_size=1, max_size=60)


def series(frames: int, **given: NDArray[np.float64] | list[float] | list[bool]) -> Series:
    """A calm video of `frames` frames, but for what is given."""
    calm = {name: np.full(frames, 1.0) for name in ("raw", "compensated", "motion", "sharpness", "luma")}
    calm["repeated"] = np.zeros(frames, np.bool_)
    return Series(**{**calm, **{name: np.asarray(values) for name, values in given.items()}})


@given(levels)
def test_light_that_only_rises_or_only_falls_does_not_flicker(values: list[float]):
    rising = sorted(values)
    assert flicker(series(len(rising), luma=rising)) == 0
    assert flicker(series(len(rising), luma=rising[::-1])) == 0


def test_flicker_is_the_mean_stray_from_the_neighbours():
    assert flicker(series(7, luma=[100, 100, 100, 110, 100, 100, 100])) == pytest.approx(10 / 5)
    assert flicker(series(6, luma=[100, 104, 100, 104, 100, 104])) == pytest.approx(4)
    assert flicker(series(2, luma=[16, 235])) == 0


def test_motion_is_counted_from_the_first_step_on():
    found = motion(series(5, motion=[0, 0.01, 0.02, 0.03, 0.01]))
    assert found.median == pytest.approx(0.015)
    assert 0.025 < found.high <= 0.03
    assert motion(series(1)).median == 0


def test_frozen_ranges_are_the_runs_of_repeats():
    repeated = [False, False, True, True, False, True, False, False, True]
    assert frozen(series(9, repeated=repeated)) == (
        FrozenRange(start=2, stop=4),
        FrozenRange(start=5, stop=6),
        FrozenRange(start=8, stop=9),
    )
    assert frozen(series(4)) == ()


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_frozen_ranges_hold_every_repeat_once_and_never_touch(repeated: list[bool]):
    ranges = frozen(series(len(repeated), repeated=repeated))
    assert [frame for part in ranges for frame in range(part.start, part.stop)] == np.flatnonzero(repeated).tolist()
    assert all(before.stop < after.start for before, after in pairwise(ranges))


def test_a_join_like_its_surroundings_scores_one():
    (seam,) = score_joins(series(40), joins=[JoinPlace(start=20, overlap=4)])
    assert (seam.start, seam.overlap, seam.score) == (20, 4, 1)


@pytest.mark.parametrize("place", [20, 22, 24])
def test_any_step_from_the_last_single_frame_to_the_next_belongs_to_the_join(place: int):
    steps = np.full(40, 2.0)
    steps[place] = 10
    (seam,) = score_joins(series(40, compensated=steps), joins=[JoinPlace(start=20, overlap=4)])
    assert seam.compensated.inside == 10
    assert seam.score == pytest.approx(5)


@pytest.mark.parametrize("place", [19, 25])
def test_a_step_beside_the_join_is_not_held_against_it(place: int):
    steps = np.full(40, 2.0)
    steps[place] = 10
    (seam,) = score_joins(series(40, compensated=steps), joins=[JoinPlace(start=20, overlap=4)])
    assert seam.score == pytest.approx(1)


def test_a_drop_of_sharpness_counts_in_powers():
    sharpness = np.r_[np.full(20, 999.0), np.full(20, 99.0)]  # (999 + 1) / (99 + 1): one power of ten
    (seam,) = score_joins(series(40, sharpness=sharpness), joins=[JoinPlace(start=20, overlap=0)])
    assert seam.sharpness.inside == pytest.approx(np.log(10))
    assert seam.score == pytest.approx(np.log(10) / 0.05)


def test_a_jump_of_light_counts_in_grey_levels():
    luma = np.r_[np.full(20, 100.0), np.full(20, 106.0)]
    (seam,) = score_joins(series(40, luma=luma), joins=[JoinPlace(start=19, overlap=1)])
    assert (seam.luma.inside, seam.luma.around, seam.luma.ratio) == (6, 0, 12)


def test_steps_too_small_to_be_seen_make_no_seam():
    steps = np.full(40, 0.01)
    steps[20] = 0.4
    (seam,) = score_joins(series(40, compensated=steps), joins=[JoinPlace(start=20, overlap=0)])
    assert seam.score == 1


def test_frozen_frames_and_other_joins_are_not_the_usual_step():
    steps, repeated = np.full(60, 2.0), np.zeros(60, np.bool_)
    steps[21:30], repeated[21:30] = 0, True
    steps[34] = steps[20] = 10
    first, second = score_joins(
        series(60, compensated=steps, repeated=repeated),
        joins=[JoinPlace(start=20, overlap=0), JoinPlace(start=34, overlap=0)],
    )
    assert first.compensated.around == second.compensated.around == 2
    assert first.score == second.score == pytest.approx(5)


def test_a_join_without_surroundings_is_held_against_what_can_be_seen():
    (seam,) = score_joins(series(3, compensated=[0, 1, 1]), joins=[JoinPlace(start=1, overlap=1)])
    assert seam.score == pytest.approx(2)


@pytest.mark.parametrize(("jump", "verdict"), [(0.9, "even"), (1.1, "slight"), (2.1, "visible")])
def test_a_score_is_told_in_a_word_with_the_signal_that_stands_out(jump: float, verdict: str):
    luma = np.r_[np.full(20, 100.0), np.full(20, 100.0 + jump)]  # half a grey level counts one
    (seam,) = score_joins(series(40, luma=luma), joins=[JoinPlace(start=20, overlap=0)])
    assert (seam.verdict, seam.signal) == (verdict, "luma")
