"""What the null engine adds to the contract of all engines."""

from __future__ import annotations

import numpy as np

from contract.jobs import job, picture, render, segment
from wayframe.engines.null import NullEngine


def test_a_frame_is_one_colour_with_its_number_on_it() -> None:
    shown = render(NullEngine(), job(segment(frames=3), first=picture(1), last=None))
    corners = {tuple(frame[0, 0]) for frame in shown}
    assert len(corners) == 1
    for frame in shown:
        inked = (frame == 255).all(axis=2)
        assert 0.02 < inked.mean() < 0.5
    assert not np.array_equal(shown[0], shown[1])


def test_segments_and_seeds_differ_in_colour() -> None:
    plans = [segment(0, seed=1), segment(1, seed=1), segment(0, seed=2)]
    colours = {tuple(render(NullEngine(), job(plan, first=picture(1), last=None))[0][0, 0]) for plan in plans}
    assert len(colours) == 3


def test_a_number_of_three_digits_stays_inside_the_frame() -> None:
    shown = render(NullEngine(), job(segment(frames=101), first=picture(1), last=None))
    background = shown[100][0, 0]
    border = np.concatenate([shown[100][0], shown[100][-1], shown[100][:, 0], shown[100][:, -1]])
    assert (border == background).all()
