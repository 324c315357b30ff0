"""What is known of a segment's frames."""

from __future__ import annotations

import numpy as np
import pytest

from contract.jobs import job, segment
from engines.wan.stock import frame, trip
from wayframe.engines.wan.canvas import Grid
from wayframe.engines.wan.guide import Guide, picture_digest

GRID = Grid(size_step=16, frame_step=4)


def known(frames: int, *, given: int = 0, last: bool = False, takes_end: bool = True) -> str:
    """One letter per frame of the canvas: first keyframe or given, end keyframe, or nothing known."""
    job = trip(frames=frames, last=2 if last else None, given=range(3, 3 + given))
    guide = Guide.of(job, grid=GRID, takes_end=takes_end)
    names = {picture_digest(frame(1)): "F", picture_digest(frame(2)): "E"}
    names |= {picture_digest(frame(3 + number)): str(number) for number in range(given)}
    shown = "".join("." if picture is None else names[picture_digest(picture)] for picture in guide.pictures())
    assert guide.known().tolist() == [float(letter != ".") for letter in shown]
    return shown


@pytest.mark.parametrize(
    ("frames", "given", "last", "shown"),
    [
        (9, 0, False, "F........"),
        (9, 0, True, "F.......E"),
        (9, 3, False, "012......"),
        (9, 3, True, "012.....E"),
        (1, 0, True, "F"),
        (1, 3, True, "0"),
        (2, 0, True, "FEEEE"),
        (3, 3, True, "012.."),
        (4, 3, True, "012EE"),
        (6, 0, True, "F....EEEE"),
        (6, 0, False, "F........"),
    ],
)
def test_known_pictures_stand_at_their_frames(frames: int, given: int, last: bool, shown: str) -> None:
    assert known(frames, given=given, last=last) == shown


@pytest.mark.parametrize(
    ("frames", "before", "after", "shown"),
    [(9, 2, 3, "01....234"), (6, 2, 3, "01.234444"), (9, 0, 2, ".......01"), (5, 2, 3, "01234"), (4, 3, 2, "01244")],
)
def test_what_is_given_for_the_end_stands_there(frames: int, before: int, after: int, shown: str) -> None:
    pictures = [frame(3 + number) for number in range(before + after)]
    names = {picture_digest(picture): str(number) for number, picture in enumerate(pictures)}
    given, given_after = tuple(pictures[:before]), tuple(pictures[before:])
    one = job(segment(frames=frames), first=None, last=None, given=given, given_after=given_after)
    guide = Guide.of(one, grid=GRID, takes_end=True)
    assert "".join("." if p is None else names[picture_digest(p)] for p in guide.pictures()) == shown


def test_a_model_that_takes_no_end_does_not_see_it() -> None:
    assert known(9, last=True, takes_end=False) == "F........"


def test_frames_after_the_shown_ones_make_another_guide() -> None:
    six, nine = (Guide.of(trip(frames=frames, last=2), grid=GRID, takes_end=True) for frames in (6, 9))
    assert six.key() != nine.key()
    assert six.key() == Guide.of(trip(frames=6, last=2), grid=GRID, takes_end=True).key()


def test_pictures_of_the_same_bytes_and_another_shape_differ() -> None:
    assert picture_digest(np.zeros((2, 3, 3), np.uint8)) != picture_digest(np.zeros((3, 2, 3), np.uint8))
