"""How one segment is denoised, as data: phases, solver, shift and LoRAs; and the layer that it is resolved from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayframe.core.catalogue import Bundle, BundleLora, Model, Preset, PresetLora
from wayframe.core.loras import Multiplier
from wayframe.core.schedule import Solver
from wayframe.core.spec import TravelSpec
from wayframe.core.spec_recipe import RecipeSpec

BY_BOUNDARY = "boundary"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipePhase:
    """A phase as it will run; `expert` is high, low, only, or `BY_BOUNDARY` (the model's boundary decides per step)."""

    steps: int
    guidance: float
    expert: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeLora:
    """A LoRA as it will run; `target` is high, low or any, `bundle` the name of the bundle that brings it, or empty."""

    file: str
    multiplier: Multiplier
    target: str
    distilled: bool
    partial: bool = False
    bundle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about denoising of one segment; no phases: nothing is denoised.

    `bundles` holds each bundle that is on with the payload's switch for it, empty where it has none.
    """

    solver: Solver
    flow_shift: float
    phases: tuple[RecipePhase, ...]
    loras: tuple[RecipeLora, ...]
    boundary: float | None
    cfg_star: bool = False
    cfg_zero: int = 0
    bundles: tuple[tuple[str, str], ...] = ()

    @property
    def steps_per_phase(self) -> tuple[int, ...]:
        """Steps of each phase."""
        return tuple(phase.steps for phase in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Writes down where each value comes from, under `prefix`."""

    prefix: str
    entries: dict[str, str]

    def note(self, name: str, *, origin: str) -> None:
        """Remember the origin of a value."""
        self.entries[f"{self.prefix}{name}"] = origin

    def of_segment(self, index: int) -> Origins:
        """The same, for the values of one segment."""
        return Origins(prefix=f"segments[{index}].", entries=self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The spec as one segment sees it: what its keyframe says, else what the spec says, over preset and model.

    `model` has the settings of the bundles in the place of its own; `brought` names the fields that they decide.
    """

    said: TravelSpec
    model: Model | None
    preset: Preset | None
    known_loras: Mapping[str, PresetLora | BundleLora]
    origins: Origins
    bundles: tuple[Bundle, ...] = ()
    brought: frozenset[str] = frozenset()
    place: str = ""

    def field(self, name: str) -> str:
        """The path of a field for errors: `place` is what speaks of the segment, such as ``keyframes[2]``."""
        return f"{self.place}.{name}" if self.place else name

    def of_model(self, field: str) -> str:
        """The origin of a value that the model or a bundle decides; ``default`` without a model."""
        if field in self.brought:
            return "automatic"
        return f"model:{self.model.name}" if self.model else "default"


RECIPE_FIELDS = (
    *("steps", "guidance", "flow_shift", "sample_solver", "loras", "phase_config", "phases"),
    *("bundles", "cfg_star", "cfg_zero"),
)


def segment_view(spec: TravelSpec, own_words: RecipeSpec | None) -> TravelSpec:
    """`spec` with the denoising fields that a segment's own words say in its place.

    Phases among them replace everything that the spec says of phases, in whatever form. Where bundles are on, their
    amount_of_motion counts too.
    """
    if own_words is None:
        return spec
    fields = (*RECIPE_FIELDS, "amount_of_motion") if own_words.bundles or spec.bundles else RECIPE_FIELDS
    own = {name: getattr(own_words, name) for name in fields if name in own_words.model_fields_set}
    if not own:
        return spec
    if own_words.phases is not None:
        own = {"phase_config": None, "steps": None, **own}
    config = own_words.phase_config
    if config is not None:
        twice_said = [name for name in ("flow_shift", "sample_solver") if name in config.model_fields_set]
        own = {**dict.fromkeys(["phases", "steps", "guidance", *twice_said]), **own}
    return spec.model_copy(update=own)


def lora_files(recipes: Sequence[Recipe]) -> Iterator[str]:
    """Every LoRA file of some recipes, once, in order of appearance."""
    return iter(dict.fromkeys(lora.file for recipe in recipes for lora in recipe.loras))
