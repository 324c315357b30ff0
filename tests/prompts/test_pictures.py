"""What a writer is shown."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from prompt_server import COLOURS, colour_at, found
from wayframe.prompts.pictures import LONGEST, framed, framing_of


def tile(name: str, *, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), COLOURS[name], np.uint8)


def seen(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


@pytest.mark.parametrize(("width", "height", "beside"), [(768, 432, False), (432, 768, True), (500, 500, True)])
def test_both_keyframes_stand_below_their_labels(width: int, height: int, beside: bool):
    pixels = seen(framed(first=tile("red", width=width, height=height), last=tile("blue", width=width, height=height)))
    start, end = found("START", pixels), found("END", pixels)
    assert start is not None
    assert end is not None
    assert (colour_at(pixels, start), colour_at(pixels, end)) == ("red", "blue")
    assert (start[1] == end[1]) == beside
    assert (pixels.shape[1] > 2 * width) == beside
    assert (pixels.shape[0] > 2 * height) != beside


def test_a_lone_keyframe_is_shown_as_it_is():
    pixels = seen(framed(first=tile("green", width=64, height=48), last=None))
    assert pixels.shape == (48, 64, 3)
    assert found("START", pixels) is None


def test_the_same_keyframes_give_the_same_bytes():
    first, last = tile("red", width=96, height=64), tile("blue", width=96, height=64)
    assert framed(first=first, last=last) == framed(first=first, last=last)
    assert framed(first=first, last=last) != framed(first=last, last=first)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((832, 480), (768, 444)),
        ((416, 240), (768, 444)),
        ((480, 832), (444, 768)),
        ((16, 16), (768, 768)),
        ((4000, 2), (768, 2)),
    ],
)
def test_a_draft_and_the_whole_video_are_framed_alike(size: tuple[int, int], expected: tuple[int, int]):
    framing = framing_of(size, fit="cover", matte="#000000")
    assert (framing.width, framing.height) == expected
    assert max(expected) == LONGEST
