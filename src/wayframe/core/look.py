"""What is done to the colours of a segment's frames after they were rendered and before they are encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from wayframe.core.spec_part import Part
from wayframe.errors import SpecError

LOOK_VERSION = "look/1"
"""Enters the content keys where a look is set; changes whenever its pixels may."""
MOST_SATURATION = 4
_OF_A_STILL = ("saturation", "brightness")


class LookSpec(Part):
    """The look of the whole trip, or of the segment that begins at a keyframe."""

    colour_match: float | None = Field(None, ge=0, le=1, description="pull the colours to the keyframes', 0 to 1")
    saturation: float | None = Field(None, ge=0, le=MOST_SATURATION, description="1 changes nothing, 0 is grey")
    brightness: float | None = Field(None, ge=-1, le=1, description="0 changes nothing, 0.1 is a tenth brighter")
    banner: bool | None = Field(None, description="show the segment's keyframes in the corners, for checking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A segment's look: strength of the colour match (0 to 1), saturation (a factor), brightness (1 + it is a factor).

    `banner` draws the segment's keyframes into the upper corners.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    colour_match: Annotated[float, Field(ge=0, le=1)] = 0.0
    saturation: Annotated[float, Field(ge=0, le=MOST_SATURATION)] = 1.0
    brightness: Annotated[float, Field(ge=-1, le=1)] = 0.0
    banner: bool = False

    @property
    def key(self) -> list[str | float]:
        """What enters a content key."""
        return [LOOK_VERSION, self.colour_match, self.saturation, self.brightness, int(self.banner)]


def look_of(said: Sequence[LookSpec | None]) -> tuple[Look | None, tuple[str, ...]]:
    """The look that comes of `said`, the nearest first, and the names that were said at all.

    None when it changes nothing.
    """
    values: dict[str, Any] = {
        name: value for name in LookSpec.model_fields if (value := _first(name, said)) is not None
    }
    look = Look(**values)
    return (None if look == Look() else look), tuple(values)


def still_look_of(said: Sequence[LookSpec | None]) -> tuple[Look | None, tuple[str, ...]]:
    """As `look_of`, for a keyframe that stands still: it has its own colours, and needs no banner to be known by."""
    look, names = look_of(said)
    own = replace(look, colour_match=0.0, banner=False) if look else None
    return (None if own == Look() else own), tuple(name for name in names if name in _OF_A_STILL)


def _first(name: str, said: Sequence[LookSpec | None]) -> float | bool | None:
    given: Iterator[float | bool | None] = (getattr(one, name) for one in said if one)
    return next((value for value in given if value is not None), None)


def check_looks(looks: Sequence[Look | None], *, chaining: str) -> None:
    """Raise `SpecError` for a banner in a chained trip: the next segment would start from frames that show it."""
    if chaining == "chained" and any(look and look.banner for look in looks):
        raise SpecError(
            "look.banner",
            "chained segments would start from frames with a banner in them",
            True,
            fix="say chaining: independent, or leave the banner out",
        )
