"""Videos that a trip is made with: what a plan must know of them, and stretches of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What a plan must know of a video's file: sha256 of its bytes, frames, size in pixels and frames a second."""

    digest: str
    frames: int
    width: int
    height: int
    fps: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClip:
    """A video: `digest` is the sha256 of the file's bytes, `resolution` its size in pixels."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    index: int
    digest: str
    frames: int
    resolution: str
    fps: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpan:
    """Frames `start` to `start + frames` (exclusive) of the video `clip`.

    Where `segment` is true, `clip` is the number of a segment of the same plan, and frames count in its own file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    clip: int
    start: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=1)]
    segment: Annotated[bool, Field(exclude_if=lambda value: not value)] = False

    @property
    def stop(self) -> int:
        """The first frame behind it."""
        return self.start + self.frames


def planned_clip(index: int, facts: ClipFacts) -> PlannedClip:
    """A video as a plan names it."""
    size = f"{facts.width}x{facts.height}"
    return PlannedClip(index=index, digest=facts.digest, frames=facts.frames, resolution=size, fps=facts.fps)
