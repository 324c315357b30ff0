"""What the preview engine adds to the contract of all engines: how its pictures move."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from contract.jobs import OnDemand, job, picture, render, segment
from wayframe.engines.base import Frame
from wayframe.engines.preview import PreviewEngine

BLOCKS: Frame = (
    np.random.default_rng(2).integers(0, 256, (8, 12, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
)


def moved(frames: list[Frame]) -> list[float]:
    """Mean absolute change of the pixels from each frame to the next."""
    pairs = itertools.pairwise(frames)
    return [float(np.abs(after.astype(int) - before.astype(int)).mean()) for before, after in pairs]


def test_without_motion_a_lone_keyframe_stands_still() -> None:
    first = picture(1)
    shown = render(PreviewEngine(), job(segment(frames=5, amount_of_motion=0.0), first=first, last=None))
    assert all(np.array_equal(frame, first) for frame in shown)


def test_two_equal_keyframes_without_motion_stand_still() -> None:
    first = picture(1)
    shown = render(PreviewEngine(), job(segment(frames=5, amount_of_motion=0.0), first=first, last=first))
    assert all(np.abs(frame.astype(int) - first).max() <= 1 for frame in shown)


def test_more_motion_moves_more() -> None:
    first = picture(1)
    some, more = (
        sum(moved(render(PreviewEngine(), job(segment(frames=9, amount_of_motion=amount), first=first, last=None))))
        for amount in (0.3, 1.0)
    )
    assert 0 < some < more


def test_the_seed_decides_where_the_camera_drifts() -> None:
    one, other = (
        render(PreviewEngine(), job(segment(frames=5, seed=seed), first=picture(1), last=None))[-1] for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


def test_without_motion_the_seed_changes_nothing() -> None:
    one, other = (
        render(
            PreviewEngine(),
            job(segment(frames=5, seed=seed, amount_of_motion=0.0), first=picture(1), last=picture(1, shift=4)),
        )
        for seed in (1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_middle_frame_shows_the_middle_of_a_shift() -> None:
    plan = segment(frames=9, amount_of_motion=0.0)
    shown = render(PreviewEngine(), job(plan, first=picture(1), last=picture(1, shift=8)))
    inside = np.s_[8:-8, 16:-16]
    error = np.abs(shown[4][inside].astype(int) - picture(1, shift=4)[inside])
    dissolve = np.abs((picture(1)[inside].astype(int) + picture(1, shift=8)[inside]) // 2 - picture(1, shift=4)[inside])
    assert error.mean() < 3
    assert error.mean() < dissolve.mean() / 5


def test_motion_slows_down_at_the_keyframes_and_does_not_stop() -> None:
    plan = segment(frames=17, amount_of_motion=0.0)
    steps = moved(render(PreviewEngine(), job(plan, first=picture(1), last=picture(1, shift=8))))
    middle = max(steps)
    for end in (steps[0], steps[-1]):
        assert middle / 3 < end < middle


def test_pictures_that_do_not_belong_together_are_held_for_a_moment() -> None:
    first, plan = picture(1, width=192, height=128), segment(frames=17, amount_of_motion=0.0)
    coarse = np.random.default_rng(2).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    steps = moved(render(PreviewEngine(), job(plan, first=first, last=coarse.repeat(8, axis=0).repeat(8, axis=1))))
    assert max(steps[0], steps[-1]) < max(steps) / 20


def test_the_camera_neither_rests_nor_bounces_at_a_keyframe() -> None:
    plan = segment(frames=25, amount_of_motion=0.5)
    steps = moved(render(PreviewEngine(), job(plan, first=picture(1), last=picture(1))))
    assert 0.3 * max(steps) < steps[0] < 0.7 * max(steps)
    assert 0.3 * max(steps) < steps[-1] < 0.7 * max(steps)


def test_a_keyframe_is_no_sharper_than_the_frames_around_it() -> None:
    plan = segment(frames=17, amount_of_motion=0.3)
    fine = np.random.default_rng(1).integers(-24, 25, (128, 208, 3)) + picture(1, width=208, height=128)
    scene = cv2.GaussianBlur(np.clip(fine, 0, 255).astype(np.uint8), (0, 0), 0.7)
    shown = render(PreviewEngine(), job(plan, first=scene[:, 16:].copy(), last=scene[:, 8:-8].copy()))
    sharpness = [float(np.abs(np.diff(frame.astype(int), n=2, axis=1)).mean()) for frame in shown]
    assert sharpness[0] == pytest.approx(np.mean(sharpness[1:4]), rel=0.04)
    assert sharpness[-1] == pytest.approx(np.mean(sharpness[-4:-1]), rel=0.04)


def test_the_motion_of_given_frames_goes_on_without_a_jump() -> None:
    given = tuple(picture(1, shift=2 * number) for number in range(4))
    last = picture(1, shift=6 + 16)
    plan = segment(frames=4 + 12, amount_of_motion=0.0)
    steps = moved(render(PreviewEngine(), job(plan, first=given[-1], last=last, given=given)))
    assert 0.6 * steps[2] < steps[3] < 1.4 * steps[2]
    assert max(steps) < 1.6 * steps[2]


def test_the_motion_of_given_frames_runs_out_where_there_is_no_goal() -> None:
    given = tuple(picture(1, shift=2 * number) for number in range(4))
    plan = segment(frames=4 + 20, amount_of_motion=0.0)
    shown = render(PreviewEngine(), job(plan, first=given[-1], last=None, given=given))
    steps = moved(shown)
    assert steps[3] > 0.4 * steps[2]
    assert steps[-1] == 0


def test_one_job_is_held_at_a_time() -> None:
    jobs = OnDemand(4)
    for _ in PreviewEngine().render(jobs):
        pass
    assert jobs.asked == [0, 1, 2, 3]
    assert jobs.most_held == 1
