"""Models, presets and bundles as data. The TOML files that describe them are read by `store.catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wayframe.core.loras import parse_multiplier
from wayframe.core.payload_keys import Switch
from wayframe.core.schedule import Solver
from wayframe.core.spec import field_path
from wayframe.core.spec_recipe import Expert, LoraTarget, Multiplier, PhaseMultiplier
from wayframe.errors import CatalogueError, SpecError

TWO_EXPERTS = 2


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Model(_Entry):
    """Weights and what they can do. Lengths must be a multiple of `frame_step` plus one, sides of `size_step`.

    `guidance_low` is the guidance of the low expert where it is not that of the high one. `max_frames` and `max_area`
    (pixels) are what it was trained for. `takes_end`: a segment's last frame can be given, too. `whole_latents`: kept
    frames are known to it as whole latent frames only (the 5B). `source` is a repository in diffusers format (a folder
    or a Hub id), `revision` its commit or branch, `size_gb` what it holds in units of 10**9 bytes.
    """

    name: str
    title: str
    kind: Literal["t2v", "i2v", "flf2v", "vace"]
    experts: Literal[1, 2]
    boundary: float | None = Field(None, gt=0, lt=1)
    frame_step: int = Field(4, ge=1)
    max_frames: int = Field(81, ge=1)
    max_area: int = Field(1280 * 720, ge=1)
    takes_end: bool = True
    whole_latents: bool = False
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
    revision: str = ""
    license: str = ""
    size_gb: float | None = Field(None, gt=0)

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


class BundleLora(_Entry):
    """A LoRA of a bundle: one weight for all phases of its expert, or one in the first phase that follows from motion.

    `motion` holds the weights at amount_of_motion 0 and 1; what lies between is in proportion.
    """

    file: str
    multiplier: PhaseMultiplier | None = None
    motion: tuple[float, float] | None = None
    target: LoraTarget = Field(alias="for")
    distilled: bool
    partial: bool = False

    @model_validator(mode="after")
    def _one_strength(self) -> Self:
        if (self.multiplier is None) == (self.motion is None):
            raise ValueError("multiplier: give it, or motion, and not both")
        return self


class Bundle(_Entry):
    """LoRAs, and settings in the place of the model's, that one name asks for; no `models`: it is for every model.

    `switches` are the keys of upstream's payloads that ask for it.
    """

    name: str
    title: str
    switches: tuple[Switch, ...] = ()
    models: tuple[str, ...] = ()
    steps: int | None = Field(None, ge=1)
    guidance: float | None = Field(None, ge=0)
    flow_shift: float | None = Field(None, gt=0)
    sample_solver: Solver | None = None
    loras: tuple[BundleLora, ...] = ()


_Named = TypeVar("_Named", Model, Preset, Bundle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A file that is left out of the catalogue: what is wrong with it, and the name that it speaks of.

    `name` is None where it cannot be told: the file may then be about any of its kind. `file` is short
    (``models/mine.toml``), `path` is full, as in `error`.
    """

    kind: Literal["model", "preset", "bundle"]
    name: str | None
    file: str
    path: str
    error: CatalogueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All models, presets and bundles that are known, by name, and the files that are left out."""

    models: Mapping[str, Model] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def model(self, name: str) -> Model:
        """The model of that name; `CatalogueError` names the nearest one, or a wrong file that may be about it."""
        self._blame("model", name, known=name in self.models)
        return _known(self.models, name, field="model")

    def preset(self, name: str) -> Preset:
        """The preset of that name; `CatalogueError` names the nearest one, or a wrong file that may be about it."""
        self._blame("preset", name, known=name in self.presets)
        return _known(self.presets, name, field="preset")

    def bundle(self, name: str, *, field: str = "bundles") -> Bundle:
        """The bundle of that name; `CatalogueError` (of `field`) names the nearest one, or a wrong file of it."""
        self._blame("bundle", name, known=name in self.bundles)
        return _known(self.bundles, name, field=field)

    def _blame(self, kind: str, name: str, *, known: bool) -> None:
        for fault in self.faults:
            if fault.kind == kind and fault.name in (None, name):
                raise fault.error
        if not known and (wrong := next((fault for fault in self.faults if fault.kind == kind), None)):
            raise wrong.error


def parse_model(data: Mapping[str, object], *, source: str) -> Model:
    """A model from the data of its file; `source` is the file's name for errors."""
    return _parsed(Model, data, source=source)


def parse_preset(data: Mapping[str, object], *, source: str) -> Preset:
    """A preset from the data of its file; `source` is the file's name for errors."""
    return _parsed(Preset, data, source=source)


def parse_bundle(data: Mapping[str, object], *, source: str) -> Bundle:
    """A bundle from the data of its file; `source` is the file's name for errors."""
    return _parsed(Bundle, data, source=source)


def check_bundle(bundle: Bundle, *, models: Mapping[str, Model], source: str) -> None:
    """Raise `CatalogueError` unless the bundle's models are in the catalogue."""
    for name in bundle.models:
        if name not in models:
            raise CatalogueError(f"{source}: models", "is not in the catalogue", name)


def check_preset(preset: Preset, *, models: Mapping[str, Model], source: str) -> None:
    """Raise `CatalogueError` unless the preset's phases and multipliers fit each other and each of its models."""
    for name in preset.models:
        if name not in models:
            raise CatalogueError(f"{source}: models", "is not in the catalogue", name)
        _check_experts(preset, models[name], source=source)
    if not preset.phases:
        return
    for index, lora in enumerate(preset.loras):
        place = f"{source}: loras[{index}].multiplier"
        try:
            parse_multiplier(lora.multiplier, field=place).per_step([p.steps for p in preset.phases], field=place)
        except SpecError as error:
            raise CatalogueError(error.field, error.problem, error.value, fix=error.fix) from error


def _check_experts(preset: Preset, model: Model, *, source: str) -> None:
    allowed = ("high", "low") if model.experts == TWO_EXPERTS else ("only",)
    for index, phase in enumerate(preset.phases):
        place = f"{source}: phases[{index}].expert"
        if phase.expert not in allowed:
            raise CatalogueError(place, f"{model.name} has {' and '.join(allowed)}", phase.expert)
        if index and (preset.phases[index - 1].expert, phase.expert) == ("low", "high"):
            raise CatalogueError(place, "noise only falls: high cannot follow low", phase.expert)


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
