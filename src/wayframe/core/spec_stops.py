"""What a trip passes through, as a spec says it: keyframes, and segments that have one on one side only."""

from __future__ import annotations

import re
from fractions import Fraction

from pydantic import Field, field_validator

from wayframe.core.spec_recipe import MAX_SEED, RecipeSpec

MAX_FRAME = 10**7
SHORTEST_HOLD = 2
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s")
_OF_THE_PICTURE = ("image", "at", "hold")


def is_moment(value: object) -> bool:
    """Whether a value names an output frame, or a time such as ``3.2s``."""
    frame = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FRAME
    return frame or (isinstance(value, str) and _TIME.fullmatch(value) is not None)


def frame_of(moment: int | str, fps: Fraction) -> int:
    """The output frame of a moment; a time goes to the nearest frame."""
    seconds = _TIME.fullmatch(moment) if isinstance(moment, str) else None
    return int(moment) if seconds is None else round(Fraction(seconds.group(1)) * fps)


class Keyframe(RecipeSpec):
    """An input image; every field but `image`, `at` and `hold` speaks of the segment that begins here."""

    image: str = Field(min_length=1, description="path of a picture, relative to the spec")
    at: int | str | None = Field(None, description="output frame (52) or time (3.2s)")
    hold: int | None = Field(None, ge=SHORTEST_HOLD, le=MAX_FRAME, description="frames that it stands still for")
    frames: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames of the segment that begins here (batch)")
    seed: int | None = Field(None, ge=0, le=MAX_SEED)

    @field_validator("at", mode="before")
    @classmethod
    def _frame_or_time(cls, value: object) -> object:
        if value is None or is_moment(value):
            return value
        raise ValueError(f"expected a frame number of 0 to {MAX_FRAME} such as 52, or a time such as 3.2s")

    def frame(self, fps: Fraction) -> int | None:
        """The output frame that `at` names, or None; a time goes to the nearest frame."""
        return None if self.at is None else frame_of(self.at, fps)

    def speaks_of_a_segment(self) -> list[str]:
        """Names of the fields given here that need a segment to begin here."""
        return [
            name for name in type(self).model_fields if name not in _OF_THE_PICTURE and name in self.model_fields_set
        ]


class FreeSegment(RecipeSpec):
    """A segment that leads to the first keyframe, or away from the last one."""

    frames: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames of this segment")
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
