"""Guide videos as a spec and a plan name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from wayframe.core.spec_part import Part

GUIDE_VERSION = "guide/1"
"""Enters the content keys of guided segments; changes whenever what is made of a guide's frames may."""
GuideKind = Literal["raw", "canny", "flow", "depth"]
DEPTH_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
"""Makes depth where a guide names no model: the one of its family under Apache 2.0."""
MOST_CONTRAST = 4
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?s")
MOST_STRENGTH = 2


class GuideSpec(Part):
    """A guide video, or several one after the other."""

    video: str = Field(min_length=1, description="path of a video, relative to the spec")
    kind: GuideKind = Field("raw", description="shown as it is, as its edges, its motion or its depth")
    model: str | None = Field(None, min_length=1, description="of kind depth: a folder, or ORG/NAME of the Hub")
    contrast: float = Field(1.0, gt=0, le=MOST_CONTRAST, description="of kind depth: spread around the middle grey")
    at: int | str | None = Field(None, description="output frame (52) or time (3.2s) where it begins")
    until: int | str | None = Field(None, description="output frame or time before which it ends")
    fit: Literal["adjust", "clip"] = Field("adjust", description="stretched to the place that it has, or cut")
    strength: float = Field(1.0, gt=0, le=MOST_STRENGTH, description="scale of VACE's branch where it guides")

    @field_validator("model", "contrast")
    @classmethod
    def _for_depth(cls, value: object, info: ValidationInfo) -> object:
        if value not in (None, 1.0) and info.data.get("kind", "depth") != "depth":
            raise ValueError(f"is for kind: depth, and this guide is of kind {info.data['kind']}")
        return value

    @field_validator("at", "until", mode="before")
    @classmethod
    def _frame_or_time(cls, value: object) -> object:
        frame = isinstance(value, int) and value >= 0
        if value is None or frame or (isinstance(value, str) and _TIME.fullmatch(value)):
            return value
        raise ValueError("expected a frame such as 52, or a time such as 3.2s")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideDepth:
    """How depth is made: `model` identifies the weights as `store.weights` does, and is a mere name where none were
    here when it was planned; `contrast` spreads the greys around the middle one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1)]
    contrast: Annotated[float, Field(gt=0, le=MOST_CONTRAST)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideSpan:
    """Frames of a segment that a guide steers: frame `at` + i is shown frame `sources[i]` of video `guide`.

    `depth` is there for kind depth.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    guide: Annotated[int, Field(ge=0)]
    kind: GuideKind
    at: Annotated[int, Field(ge=0)]
    sources: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    depth: Annotated[GuideDepth | None, Field(exclude_if=lambda value: value is None)] = None

    def key(self, digest: str) -> list[Any]:
        """What enters a content key; `digest` is that of the video."""
        depth = [[self.depth.model, self.depth.contrast]] if self.depth else []
        return [digest, self.kind, self.at, list(self.sources), *depth]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentGuide:
    """What guides a segment: spans that do not overlap, and the scale of VACE's branch."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    strength: Annotated[float, Field(gt=0, le=MOST_STRENGTH)]
    spans: Annotated[tuple[GuideSpan, ...], Field(min_length=1)]

    def key(self, digests: Sequence[str]) -> list[Any]:
        """What enters a content key; `digests` are those of the plan's guide videos."""
        return [GUIDE_VERSION, self.strength, [span.key(digests[span.guide]) for span in self.spans]]


def frame_of(place: int | str | None, *, fps: Fraction) -> int | None:
    """The output frame that a frame or a time names; None for None."""
    if not isinstance(place, str):
        return place
    seconds = _TIME.fullmatch(place)
    return round(Fraction(seconds.group(1)) * fps) if seconds else None
