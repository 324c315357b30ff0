"""What a guide video shows: edges, and motion in Middlebury's colours."""

from __future__ import annotations

import numpy as np
import pytest

from media.clips import HEIGHT, WIDTH, texture
from wayframe.media.guides import edges, flow_colours, motion


def test_edges_are_white_on_black_and_stand_where_the_picture_changes():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[8:24, 8:24] = 200
    (found,) = edges([picture])
    assert set(np.unique(found)) == {0, 255}
    rows, columns = np.nonzero(found[..., 0])
    assert {min(rows), min(columns)} <= {7, 8}
    assert {max(rows), max(columns)} <= {23, 24}
    assert not found[12:20, 12:20].any()


@pytest.mark.parametrize(
    ("flow", "colour"),
    [((0, 0), (255, 255, 255)), ((9, 0), (255, 0, 0)), ((-9, 0), (0, 209, 255)), ((0, 9), (255, 231, 0))],
)
def test_the_colours_are_those_of_the_wheel(flow: tuple[float, float], colour: tuple[int, int, int]):
    field = np.zeros((1, 2, 2), np.float32)
    field[0, 0] = flow
    field[0, 1] = (9, 0)
    assert np.abs(flow_colours(field)[0, 0].astype(int) - colour).max() <= 12


def test_half_the_speed_has_half_the_colour():
    field = np.array([[[8, 0], [4, 0]]], np.float32)
    full, half = flow_colours(field)[0].astype(int)
    assert np.abs((255 - half) * 2 - (255 - full)).max() <= 1


def test_a_video_that_slides_to_the_right_is_red_in_as_many_frames():
    frames = [texture(3)[8 : 8 + HEIGHT, 40 - place * 4 : 40 - place * 4 + WIDTH] for place in range(4)]
    drawn = list(motion(frames))
    assert len(drawn) == 4
    assert np.array_equal(drawn[3], drawn[2])
    for frame in drawn:
        red, green, blue = np.median(frame.reshape(-1, 3), axis=0)
        assert red > 240
        assert max(green, blue) < 120


def test_one_frame_has_no_motion():
    assert [int(frame.min()) for frame in motion([texture(1)])] == [255]
    assert list(motion([])) == []
