"""Guide videos as a spec and a plan name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator

from wayframe.core.spec_part import Part

GUIDE_VERSION = "guide/1"
"""Enters the content keys of guided segments; changes whenever what is made of a guide's frames may."""
GuideKind = Literal["raw", "canny", "flow"]
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s")
MOST_STRENGTH = 2


class GuideSpec(Part):
    """A guide video, or several one after the other."""

    video: str = Field(min_length=1, description="path of a video, relative to the spec")
    kind: GuideKind = Field("raw", description="shown as it is, as its edges, or as its motion")
    at: int | str | None = Field(None, description="output frame (52) or time (3.2s) where it begins")
    until: int | str | None = Field(None, description="output frame or time before which it ends")
    fit: Literal["adjust", "clip"] = Field("adjust", description="stretched to the place that it has, or cut")
    strength: float = Field(1.0, gt=0, le=MOST_STRENGTH, description="scale of VACE's branch where it guides")

    @field_validator("kind", mode="before")
    @classmethod
    def _no_depth(cls, value: object) -> object:
        if value == "depth":
            raise ValueError("depth: no depth model is read here; make a video of depth, and give it as kind: raw")
        return value

    @field_validator("at", "until", mode="before")
    @classmethod
    def _frame_or_time(cls, value: object) -> object:
        frame = isinstance(value, int) and value >= 0
        if value is None or frame or (isinstance(value, str) and _TIME.fullmatch(value)):
            return value
        raise ValueError("expected a frame such as 52, or a time such as 3.2s")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideSpan:
    """Frames of a segment that a guide steers: frame `at` + i is shown frame `sources[i]` of video `guide`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    guide: Annotated[int, Field(ge=0)]
    kind: GuideKind
    at: Annotated[int, Field(ge=0)]
    sources: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentGuide:
    """What guides a segment: spans that do not overlap, and the scale of VACE's branch."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    strength: Annotated[float, Field(gt=0, le=MOST_STRENGTH)]
    spans: Annotated[tuple[GuideSpan, ...], Field(min_length=1)]

    def key(self, digests: Sequence[str]) -> list[Any]:
        """What enters a content key; `digests` are those of the plan's guide videos."""
        spans = [[digests[span.guide], span.kind, span.at, list(span.sources)] for span in self.spans]
        return [GUIDE_VERSION, self.strength, spans]


def frame_of(place: int | str | None, *, fps: Fraction) -> int | None:
    """The output frame that a frame or a time names; None for None."""
    if not isinstance(place, str):
        return place
    seconds = _TIME.fullmatch(place)
    return round(Fraction(seconds.group(1)) * fps) if seconds else None
