"""In-betweens of two pictures by optical flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.jobs import picture
from wayframe.camera import Picture, View, look
from wayframe.flow import FlowPair, smooth

MIDDLE = np.s_[16:-16, 24:-24]


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def distance(one: Picture, other: Picture) -> float:
    return float(np.abs(one[MIDDLE].astype(int) - other[MIDDLE]).mean())


def blocks(seed: int, *, width: int, height: int) -> Picture:
    """A picture with hard edges, unlike `picture`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))


def test_the_ends_are_the_pictures_themselves() -> None:
    first, last = picture(1), picture(1, shift=6)
    pair = FlowPair.of(first=first, last=last)
    assert np.array_equal(pair.frame(0.0), first)
    assert np.array_equal(pair.frame(1.0), last)


@given(t=st.floats(0, 1), width=st.integers(4, 70), height=st.integers(4, 70))
@settings(max_examples=25, deadline=None)
def test_every_time_and_size_gives_a_picture_of_that_size(t: float, width: int, height: int) -> None:
    first, last = picture(1, width=width, height=height), picture(1, width=width, height=height, shift=2)
    frame = FlowPair.of(first=first, last=last).frame(t)
    assert frame.shape == (height, width, 3)
    assert frame.dtype == np.uint8


@pytest.mark.parametrize("shift", [3, 8, 20])
def test_a_shifted_picture_is_found_halfway_in_the_middle(shift: int) -> None:
    first, last = picture(1, width=192, height=128), picture(1, width=192, height=128, shift=2 * shift)
    pair = FlowPair.of(first=first, last=last)
    assert pair.trust > 0.5
    assert pair.warp == 1
    assert pair.way == pytest.approx((2 * shift, 0), abs=0.6)
    assert distance(pair.frame(0.5), picture(1, width=192, height=128, shift=shift)) < 3


def test_an_enlarged_picture_is_followed() -> None:
    first = picture(1, width=192, height=128)
    nearer = [look(first, view=View(scale=1 / zoom, left=96 - 96 / zoom, top=64 - 64 / zoom)) for zoom in (1.25, 1.12)]
    pair = FlowPair.of(first=first, last=nearer[0])
    assert distance(pair.frame(0.48), nearer[1]) < 5


def test_the_same_place_at_another_hour_is_still_the_same_place() -> None:
    first = picture(1, width=192, height=128)
    later = (picture(1, width=192, height=128, shift=8) * 0.45 + 10).astype(np.uint8)
    pair = FlowPair.of(first=first, last=later)
    assert pair.warp == 1
    assert pair.way == pytest.approx((8, 0), abs=0.6)


def test_pictures_that_do_not_belong_together_dissolve() -> None:
    first, last = picture(1, width=192, height=128), blocks(2, width=192, height=128)
    pair = FlowPair.of(first=first, last=last)
    assert pair.warp == 0
    assert pair.way == (0, 0)
    mean = (first.astype(int) + last) / 2
    assert np.abs(pair.frame(0.5) - mean).max() <= 1


def test_flat_pictures_dissolve_without_fuss() -> None:
    black, grey = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 100, np.uint8)
    assert FlowPair.of(first=black, last=grey).frame(0.5).mean() == 50


def test_a_picture_and_itself_stay_itself() -> None:
    first = picture(3)
    frame = FlowPair.of(first=first, last=first).frame(0.3)
    assert np.abs(frame.astype(int) - first).max() <= 1


def test_the_first_instant_is_next_to_the_first_picture() -> None:
    first, last = picture(1), picture(1, shift=8)
    pair = FlowPair.of(first=first, last=last)
    assert distance(pair.frame(0.002), first) < 0.5
    assert distance(pair.frame(0.998), last) < 0.5


def test_backwards_in_time_is_the_same_way_back() -> None:
    first, last = picture(1), picture(1, shift=8)
    there, back = FlowPair.of(first=first, last=last), FlowPair.of(first=last, last=first)
    assert distance(there.frame(0.25), back.frame(0.75)) < 1


@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_does_not_change_a_byte() -> None:
    first, last = picture(1, width=400, height=300), picture(1, width=400, height=300, shift=9)
    seen = set()
    for threads in (1, 2, 3, 8):
        cv2.setNumThreads(threads)
        seen.add(FlowPair.of(first=first, last=last).frame(0.4, view=View(scale=0.95, left=3, top=2)).tobytes())
    assert len(seen) == 1


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one size.*\(64, 96, 3\).*\(48, 64, 3\)"):
        FlowPair.of(first=picture(1), last=picture(1, width=64, height=48))


def test_a_pair_is_seen_through_a_view_as_a_picture_is() -> None:
    first, last = picture(1, width=192, height=128), picture(1, width=192, height=128, shift=6)
    view = View(scale=0.9, left=8, top=6)
    pair = FlowPair.of(first=first, last=last)
    assert distance(pair.frame(0.5, view=view), look(pair.frame(0.5), view=view)) < 2


@given(t=st.floats(-1, 2))
def test_smooth_stays_between_0_and_1_and_is_symmetric(t: float) -> None:
    assert 0 <= smooth(t) <= 1
    assert smooth(t) + smooth(1 - t) == pytest.approx(1)


def test_light_changes_evenly_where_only_one_picture_is_believed() -> None:
    first = picture(1, width=192, height=128) // 2
    pair = FlowPair.of(first=first, last=first + 80)
    doubted = pair.ahead.weight.copy()
    doubted[:, :96] *= 0.01
    middle = replace(pair, ahead=replace(pair.ahead, weight=doubted)).frame(0.5)
    assert np.abs(middle.astype(int) - first - 40).max() <= 3
