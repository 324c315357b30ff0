"""What a spec says of the final file, and what of it is done."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from wayframe.core.after import After, Sound, Trim, Upscale, after_of, parse_after
from wayframe.errors import SpecError

DIGESTS = {"m.wav": "aa", "x4.safetensors": "bb", "flownet.pkl": "cc"}


def after(data: dict[str, Any], *, frames: int = 97) -> After | None:
    return after_of(parse_after(data), fps=Fraction(16), frames=frames, digests=DIGESTS)


def test_everything_that_is_said_is_done():
    found = after(
        {
            "trim": {"start": 10, "end": "5s"},
            "upscale": {"factor": 4, "file": "x4.safetensors"},
            "fps": "24000/1001",
            "rife": "flownet.pkl",
            "audio": {"file": "m.wav", "start": 1.5, "fade_out": 2},
            "profile": "prores",
        }
    )
    assert found == After(
        trim=Trim(start=10, end=80),
        upscale=Upscale(factor=4, digest="bb"),
        fps="24000/1001",
        rife="cc",
        audio=Sound(digest="aa", start=1.5, fade_out=2),
        profile="prores",
    )
    assert (found.digests, found.suffix) == (("bb", "cc", "aa"), ".mov")


@pytest.mark.parametrize(
    "data", [{}, {"trim": {}}, {"trim": {"start": 0, "end": 97}}, {"fps": 16}, {"fps": 16, "rife": "flownet.pkl"}]
)
def test_what_changes_nothing_is_nothing(data: dict[str, Any]):
    assert after(data) is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"trim": {"start": 90, "end": 90}}, r"after\.trim: ends where it begins, or before .*frames 90 to 90"),
        ({"trim": {"start": "5s", "end": "1s"}}, r"after\.trim: ends where it begins, or before .*frames 80 to 16"),
        ({"trim": {"end": 98}}, r"after\.trim: is not in the video of 97 frames .*0:98"),
        ({"trim": {"start": "soon"}}, r"after\.trim\.start.*time such as 3\.2s.*soon"),
        ({"upscale": {"factor": 1}}, r"after\.upscale\.factor.*greater than 1"),
        ({"upscale": {"model": "x"}}, r"after\.upscale\.model"),
        ({"fps": 0}, r"after\.fps.*above 0"),
        ({"rife": "flownet.pkl"}, r"after\.rife: makes the frames between two; say with `fps`.*flownet\.pkl"),
        ({"fps": 32, "rife": "flownet.bin"}, r"after\.rife: expected a file that ends in \.safetensors, \.pkl, \.pth"),
        ({"audio": {}}, r"after\.audio\.file: is missing"),
        ({"audio": {"file": "m.wav", "gain": 99}}, r"after\.audio\.gain"),
        ({"profile": "h265"}, r"after\.profile.*prores"),
    ],
)
def test_a_wrong_word_is_an_error_with_its_field(data: dict[str, Any], problem: str):
    with pytest.raises(SpecError, match=problem):
        after(data)
