"""The plan: what will be done, down to every step of every segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from wayframe.core.findings import Finding

PLAN_SCHEMA = "wayframe.plan/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One denoising step. `timestep` is sigma * 1000; `loras` holds every LoRA of the segment, weight 0 included."""

    index: int
    timestep: float
    sigma: float
    sigma_next: float
    phase: int
    expert: str
    guidance: float
    loras: Mapping[str, float]
    forwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """One segment. `start` and `end` (exclusive) are output frames, so neighbours share `overlap` of them."""

    index: int
    key: str
    start: int
    end: int
    frames: int
    overlap_before: int
    overlap_after: int
    seed: int
    prompt: str
    negative_prompt: str
    amount_of_motion: float
    forwards: int
    thresholds: tuple[float, ...]
    timesteps: tuple[float, ...]
    steps: tuple[Step, ...]

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames of this segment at which its file must be cuttable (an IDR frame stands there)."""
        after = self.frames - self.overlap_after if self.overlap_after > 1 else self.frames
        return tuple(sorted({cut for cut in (self.overlap_before, after) if 0 < cut < self.frames}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKeyframe:
    """An input image: `at` is its output frame, `digest` the sha256 of the file's bytes."""

    index: int
    at: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLora:
    """A LoRA: `target` (JSON "for") is the expert that it was made for, or "any"; `distilled`: it cuts steps."""

    file: str
    digest: str
    target: Annotated[str, Field(alias="for")]
    distilled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run will do; a pure function of spec, catalogue and keyframe facts."""

    schema: str = PLAN_SCHEMA
    mode: str
    chaining: str
    fps: int | str
    resolution: str
    frames: int
    forwards: int
    engine: str
    model: str | None
    fit: str
    matte: str
    profile: str
    curve: str
    keyframes: tuple[PlannedKeyframe, ...]
    loras: Mapping[str, PlannedLora]
    segments: tuple[SegmentPlan, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.resolution.split("x")
        return int(width), int(height)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)
