"""Videos that are joined by rendered bridges, as a spec says it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from wayframe.core.spec_part import Part
from wayframe.core.spec_recipe import MAX_SEED, RecipeSpec
from wayframe.core.spec_stops import MAX_FRAME, FreeSegment

Count = Annotated[int, Field(ge=0, le=MAX_FRAME)]
_RANGE = re.compile(r"([0-9]{0,8}):([0-9]{0,8})")


class ClipSpec(Part):
    """A video, or a part of it; a text alone is its path."""

    video: str = Field(min_length=1, description="path of a video, relative to the spec")
    frames: str | None = Field(None, description="START:STOP, without the last one; either may be left out")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"video": value} if isinstance(value, str) else value

    @field_validator("frames")
    @classmethod
    def _start_and_stop(cls, value: str | None) -> str | None:
        found = _RANGE.fullmatch(value) if value is not None else None
        if value is not None and (found is None or _empty(found)):
            raise ValueError("expected START:STOP such as 0:40 or 61:, with STOP after START")
        return value

    def range(self, frames: int) -> tuple[int, int]:
        """The first frame and the one behind the last, of a video that has `frames`."""
        start, _, stop = (self.frames or ":").partition(":")
        return int(start or 0), int(stop) if stop else frames


def _empty(found: re.Match[str]) -> bool:
    return found[2] != "" and int(found[1] or 0) >= int(found[2])


class JoinSpec(Part):
    """Videos one after the other, with a rendered bridge between neighbours."""

    clips: tuple[ClipSpec, ...] = Field(min_length=2, description="the videos in order")
    context: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames of each side that a bridge keeps")
    gap: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames that are rendered between them")
    replace: Count | tuple[Count, Count] | None = Field(
        None, description="frames that the gap takes out: of each side, or of the left and of the right one"
    )
    bridges: tuple[FreeSegment, ...] | None = Field(None, description="words of each bridge, one for each gap")


class BridgesSpec(RecipeSpec):
    """Bridges between the segments of a trip, and what they say of themselves in place of the trip's words."""

    context: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames of each segment that a bridge keeps")
    gap: int | None = Field(None, ge=1, le=MAX_FRAME, description="frames that are rendered between them")
    replace: Count | tuple[Count, Count] | None = Field(
        None, description="frames that the gap takes out: of each side, or of the left and of the right one"
    )
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    each: tuple[FreeSegment, ...] | None = Field(None, description="words of each bridge, one for each place")

    def words(self, number: int) -> FreeSegment:
        """What is said of bridge `number`: its own words, else those of all."""
        shared = self.model_dump(by_alias=True, exclude_unset=True, exclude={"context", "gap", "replace", "each"})
        own = self.each[number].model_dump(by_alias=True, exclude_unset=True) if self.each else {}
        return FreeSegment.model_validate({**shared, **own})
