"""The resolved level of a record as an export reads it, with the spec that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wayframe.core.schedule import Solver
from wayframe.core.spec import TravelSpec, field_path
from wayframe.errors import PayloadError


class _Level(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ResolvedPhase(_Level):
    """A phase of the resolved level."""

    steps: int
    guidance: float
    expert: str


class ResolvedLora(_Level):
    """A LoRA of the resolved level; `bundle` is the name of the bundle that brings it, or empty."""

    file: str
    multiplier: str
    bundle: str = ""


class ResolvedSegment(_Level):
    """A segment of the resolved level."""

    prompt: str
    negative_prompt: str
    seed: int
    amount_of_motion: float
    sample_solver: Solver
    flow_shift: float
    phases: tuple[ResolvedPhase, ...]
    loras: tuple[ResolvedLora, ...]
    cfg_star: bool = False
    cfg_zero: int = 0
    bundles: dict[str, str] = Field(default_factory=dict)
    look: dict[str, float | bool] | None = None
    hold: int = 0
    given: dict[str, int] | None = None
    ends: tuple[int | None, int | None] | None = None

    @property
    def named(self) -> tuple[ResolvedLora, ...]:
        """The LoRAs without those that a switch of the payload brings."""
        return tuple(lora for lora in self.loras if not self.bundles.get(lora.bundle))

    @property
    def is_bridge(self) -> bool:
        """Whether it is rendered between two other segments of the trip."""
        return bool(self.given and self.given.get("segment"))

    @property
    def recipe(self) -> tuple[object, ...]:
        """All that decides how it is denoised."""
        return self.sample_solver, self.flow_shift, self.phases, self.loras

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps of each phase."""
        return tuple(phase.steps for phase in self.phases)


class ResolvedValues(_Level):
    """The resolved level of a record: every value that a run goes by."""

    mode: str
    chaining: str
    overlap: tuple[int, ...]
    segment_frames: tuple[int, ...]
    fps: int | str
    resolution: str
    model: str | None
    segments: tuple[ResolvedSegment, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """What an export is made of: the spec, and every resolved value with its origin."""

    spec: TravelSpec
    values: ResolvedValues
    origins: Mapping[str, str]

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures in order, in a loop with the first one again at the end."""
        return tuple(stop.image for stop in self.spec.stops)

    @property
    def carried(self) -> Mapping[str, Any]:
        """What an import carried along."""
        return self.spec.carried or {}

    @property
    def continued(self) -> int:
        """Frames of another video that the trip starts from; 0 where there is none."""
        given = self.values.segments[0].given
        return given["frames"] if given and self.spec.continue_from else 0

    @property
    def without_bridges(self) -> Exportable:
        """The trip whose segments the bridges join: they share no frames."""
        values = self.values
        kept = [index for index, segment in enumerate(values.segments) if not segment.is_bridge]
        if len(kept) == len(values.segments):
            return self
        trip: dict[str, Any] = {
            "segments": tuple(values.segments[index] for index in kept),
            "segment_frames": tuple(values.segment_frames[index] for index in kept),
            "overlap": (0,) * (len(kept) - 1),
        }
        return replace(self, values=values.model_copy(update=trip))

    def said(self, word: str) -> bool:
        """Whether a value of any segment was asked for, and is not a default of ours."""
        return any(path.endswith(f"].{word}") and said != "default" for path, said in self.origins.items())


def read_values(values: object) -> ResolvedValues:
    """The values of a record's resolved level. Raises `PayloadError` when they are not what they should be."""
    try:
        return ResolvedValues.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PayloadError(f"resolved.{field_path(first['loc'])}", first["msg"], first["input"]) from error
