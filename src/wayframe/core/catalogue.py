"""Models and presets as data. The TOML files that describe them are read by `store.catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wayframe.core.schedule import Solver
from wayframe.core.spec import Expert, LoraTarget, Multiplier, field_path
from wayframe.errors import CatalogueError

TWO_EXPERTS = 2


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Model(_Entry):
    """Weights and what they can do. Lengths must be a multiple of `frame_step` plus one, sides of `size_step`.

    `guidance_low` is the guidance of the low expert where it is not that of the high one.
    """

    name: str
    title: str
    kind: Literal["t2v", "i2v", "flf2v", "vace"]
    experts: Literal[1, 2]
    boundary: float | None = Field(None, gt=0, lt=1)
    frame_step: int = Field(4, ge=1)
    max_frames: int = Field(81, ge=1)
    size_step: int = Field(16, ge=2)
    fps: int = Field(16, ge=1)
    steps: int = Field(ge=1)
    guidance: float = Field(ge=0)
    guidance_low: float | None = Field(None, ge=0)
    flow_shift: float = Field(gt=0)
    sample_solver: Solver = Solver.UNIPC
    negative_prompt: str = ""
    engine: str = "wan"
    source: str = ""

    @model_validator(mode="after")
    def _boundary_parts_two_experts(self) -> Self:
        if (self.experts == TWO_EXPERTS) != (self.boundary is not None):
            raise ValueError("boundary: a model with two experts has one, a model with one has none")
        if self.guidance_low is not None and self.experts != TWO_EXPERTS:
            raise ValueError("guidance_low: only a model with two experts has one")
        return self


class PresetLora(_Entry):
    """A LoRA of a preset, with the expert that it is for and whether it distils steps."""

    file: str
    multiplier: Multiplier
    target: LoraTarget = Field(alias="for")
    distilled: bool


class PresetPhase(_Entry):
    """A phase of a preset."""

    steps: int = Field(ge=1)
    guidance: float = Field(ge=0)
    expert: Expert


class Preset(_Entry):
    """A named set of defaults on top of a model; the first of `models` is taken when the spec names none."""

    name: str
    title: str
    models: tuple[str, ...] = Field(min_length=1)
    flow_shift: float | None = Field(None, gt=0)
    sample_solver: Solver | None = None
    phases: tuple[PresetPhase, ...] = ()
    loras: tuple[PresetLora, ...] = ()


_Named = TypeVar("_Named", Model, Preset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All models and presets that are known, by name."""

    models: Mapping[str, Model] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """The model of that name; `CatalogueError` names the nearest one."""
        return _known(self.models, name, field="model")

    def preset(self, name: str) -> Preset:
        """The preset of that name; `CatalogueError` names the nearest one."""
        return _known(self.presets, name, field="preset")


def parse_model(data: Mapping[str, object], *, source: str) -> Model:
    """A model from the data of its file; `source` is the file's name for errors."""
    return _parsed(Model, data, source=source)


def parse_preset(data: Mapping[str, object], *, source: str) -> Preset:
    """A preset from the data of its file; `source` is the file's name for errors."""
    return _parsed(Preset, data, source=source)


def _parsed(kind: type[_Named], data: Mapping[str, object], *, source: str) -> _Named:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = f"{source}: {field_path(first['loc'])}".rstrip(": ")
        unknown = first["type"] == "extra_forbidden"
        problem = "unknown key" if unknown else first["msg"].removeprefix("Value error, ")
        raise CatalogueError(place, problem, first["input"]) from error


def _known(entries: Mapping[str, _Named], name: str, *, field: str) -> _Named:
    if name in entries:
        return entries[name]
    close = get_close_matches(name, entries, n=1, cutoff=0.5)
    advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(entries))}"
    raise CatalogueError(field, "is not in the catalogue", name, fix=advice)
