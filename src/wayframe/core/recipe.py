"""How one segment is denoised: phases, solver, shift and LoRAs, from the spec, its preset and its model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from wayframe.core.catalogue import TWO_EXPERTS, Model, Preset, PresetLora
from wayframe.core.loras import Multiplier, merge_phase_loras, parse_multiplier
from wayframe.core.schedule import SCALE, Solver, timesteps
from wayframe.core.spec import Keyframe, LoraUse, PhaseConfig, PhaseLora, PhaseSpec, TravelSpec
from wayframe.core.wording import counted
from wayframe.errors import SpecError

_T = TypeVar("_T")
BY_BOUNDARY = "boundary"
DEFAULT_SHIFT = 5.0
_HIGH = re.compile(r"(?i)high[_-]?noise|(?:^|[_\-.])high(?:[_\-.]|$)")
_LOW = re.compile(r"(?i)low[_-]?noise|(?:^|[_\-.])low(?:[_\-.]|$)")
_DISTILLED = re.compile(r"(?i)lightning|lightx2v|lighti2x|causvid|accvid|fusionx|\d+[_-]?steps?[_-]?lora|distill")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipePhase:
    """A phase as it will run; `expert` is high, low, only, or `BY_BOUNDARY` (the model's boundary decides per step)."""

    steps: int
    guidance: float
    expert: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeLora:
    """A LoRA as it will run; `target` is high, low or any."""

    file: str
    multiplier: Multiplier
    target: str
    distilled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about denoising of one segment; no phases: nothing is denoised."""

    solver: Solver
    flow_shift: float
    phases: tuple[RecipePhase, ...]
    loras: tuple[RecipeLora, ...]
    boundary: float | None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The spec as one segment sees it: what its keyframe says, else what the spec says, over preset and model."""

    said: TravelSpec
    model: Model | None
    preset: Preset | None
    known_loras: Mapping[str, PresetLora]
    origins: Origins

    def field(self, name: str) -> str:
        """The path of a field for errors: segment i is described by keyframe i."""
        return f"{self.origins.prefix.replace('segments', 'keyframes')}{name}"

    def of_model(self, name: str) -> str:
        """The origin of a value that the model decides when there is one."""
        return f"model:{self.model.name}" if self.model else name


RECIPE_FIELDS = ("steps", "guidance", "flow_shift", "sample_solver", "loras", "phase_config", "phases")


def segment_view(spec: TravelSpec, keyframe: Keyframe) -> TravelSpec:
    """`spec` with the denoising fields that `keyframe` says in its place.

    Phases of the keyframe replace everything that the spec says of phases, in whatever form.
    """
    own = {name: getattr(keyframe, name) for name in RECIPE_FIELDS if name in keyframe.model_fields_set}
    if not own:
        return spec
    if keyframe.phases is not None:
        own = {"phase_config": None, "steps": None, **own}
    config = keyframe.phase_config
    if config is not None:
        twice_said = [name for name in ("flow_shift", "sample_solver") if name in config.model_fields_set]
        own = {**dict.fromkeys(["phases", "steps", "guidance", *twice_said]), **own}
    return spec.model_copy(update=own)


def make_recipe(layer: Layer) -> Recipe:
    """Resolve one segment's denoising; raises `SpecError` where the parts contradict each other."""
    phases, phase_loras = _phases(layer)
    _steps_agree(layer, phases)
    loras = _loras(layer, phase_loras)
    for lora in loras:
        lora.multiplier.per_step([phase.steps for phase in phases], field=layer.field(f"loras[{lora.file}]"))
    return Recipe(
        solver=_solver(layer),
        flow_shift=_flow_shift(layer),
        phases=phases,
        loras=loras,
        boundary=layer.model.boundary if layer.model else None,
    )


def _phases(layer: Layer) -> tuple[tuple[RecipePhase, ...], tuple[LoraUse, ...]]:
    said = layer.said
    if said.phases is not None:
        return _own_phases(layer, said.phases), _merged(layer, [phase.loras for phase in said.phases])
    if said.phase_config is not None:
        wire = [
            [PhaseLora.model_validate({"file": lora.url, "multiplier": lora.multiplier}) for lora in phase.loras]
            for phase in said.phase_config.phases
        ]
        return _wire_phases(layer, said.phase_config), _merged(layer, wire)
    if layer.preset is not None and layer.preset.phases:
        return _preset_phases(layer, layer.preset), ()
    return _one_phase(layer), ()


def _own_phases(layer: Layer, phases: Sequence[PhaseSpec]) -> tuple[RecipePhase, ...]:
    experts = _own_experts(layer, phases)
    fallback, origin = layer.said.guidance, "spec"
    if fallback is None:
        fallback, origin = (layer.model.guidance if layer.model else 1.0), layer.of_model("default")
    for index, phase in enumerate(phases):
        guidance = origin if phase.guidance is None else "spec"
        _note_phase(layer, index, guidance=guidance, expert="spec" if phase.expert else "automatic")
    return tuple(
        RecipePhase(
            steps=phase.steps, guidance=fallback if phase.guidance is None else phase.guidance, expert=experts[index]
        )
        for index, phase in enumerate(phases)
    )


def _note_phase(layer: Layer, index: int, *, guidance: str, expert: str, steps: str = "spec") -> None:
    """Write down the origins of a phase's values."""
    for name, origin in (("steps", steps), ("guidance", guidance), ("expert", expert)):
        layer.origins.note(f"phases[{index}].{name}", origin=origin)


def _own_experts(layer: Layer, phases: Sequence[PhaseSpec]) -> list[str]:
    said = [phase.expert for phase in phases]
    named = [expert for expert in said if expert is not None]
    if not named:
        return _switched(layer, count=len(phases), switch=None)
    if len(named) < len(said):
        raise SpecError(layer.field(f"phases[{said.index(None)}].expert"), "name it for every phase or for none")
    allowed = {"only"} if layer.model and layer.model.experts != TWO_EXPERTS else {"high", "low"}
    for index, expert in enumerate(named):
        if layer.model and expert not in allowed:
            expected = " or ".join(sorted(allowed))
            raise SpecError(layer.field(f"phases[{index}].expert"), f"{layer.model.name} has {expected}", expert)
        if index and expert == "high" and named[index - 1] == "low":
            raise SpecError(layer.field(f"phases[{index}].expert"), "noise only falls: high cannot follow low", expert)
    return list(named)


def _wire_phases(layer: Layer, config: PhaseConfig) -> tuple[RecipePhase, ...]:
    experts = _switched(layer, count=len(config.phases), switch=config.model_switch_phase)
    first = config.phases[0].guidance_scale
    if layer.said.guidance is not None and layer.said.guidance != first:
        raise SpecError(
            layer.field("guidance"),
            f"phase_config's first phase has {first:g}",
            layer.said.guidance,
            fix="leave it out",
        )
    two = layer.model is None or layer.model.experts == TWO_EXPERTS
    for index, phase in enumerate(config.phases):
        guidance = "spec" if "guidance_scale" in phase.model_fields_set else "default"
        _note_phase(
            layer, index, guidance=guidance, expert="spec" if config.model_switch_phase and two else "automatic"
        )
    return tuple(
        RecipePhase(steps=config.steps_per_phase[index], guidance=phase.guidance_scale, expert=experts[index])
        for index, phase in enumerate(config.phases)
    )


def _switched(layer: Layer, *, count: int, switch: int | None) -> list[str]:
    model = layer.model
    if (model and model.experts != TWO_EXPERTS) or (model is None and switch is None):
        return ["only"] * count
    if switch is None and count == 1:
        return [BY_BOUNDARY]
    if switch is None:
        switch = count - 1
    if switch >= count:
        raise SpecError(
            layer.field("phase_config.model_switch_phase"),
            f"the low expert never runs in {counted(count, 'phase')}",
            switch,
            fix=f"use {', '.join(map(str, range(1, count)))}" if count > 1 else "leave it out",
        )
    return ["high" if number <= switch else "low" for number in range(1, count + 1)]


def _preset_phases(layer: Layer, preset: Preset) -> tuple[RecipePhase, ...]:
    origin = f"preset:{preset.name}"
    for index in range(len(preset.phases)):
        _note_phase(layer, index, steps=origin, guidance=origin, expert=origin)
    scales = "/".join(f"{phase.guidance:g}" for phase in preset.phases)
    if layer.said.guidance is not None and layer.said.guidance != preset.phases[0].guidance:
        raise SpecError(
            layer.field("guidance"), f"preset {preset.name} sets {scales}", layer.said.guidance, fix="write phases"
        )
    return tuple(
        RecipePhase(steps=phase.steps, guidance=phase.guidance, expert=phase.expert) for phase in preset.phases
    )


def _one_phase(layer: Layer) -> tuple[RecipePhase, ...]:
    said, model = layer.said, layer.model
    if model is None and said.steps is None:
        layer.origins.note("phases", origin="default")
        return ()
    steps = said.steps or (model.steps if model else 1)
    if model and model.guidance_low is not None and said.guidance is None:
        return _phase_per_expert(layer, model, steps)
    guidance = said.guidance
    if guidance is None:
        guidance = model.guidance if model else 1.0
    _note_phase(
        layer,
        0,
        steps="spec" if said.steps else layer.of_model("default"),
        guidance=layer.of_model("default") if said.guidance is None else "spec",
        expert="automatic",
    )
    return (RecipePhase(steps=steps, guidance=guidance, expert=_switched(layer, count=1, switch=None)[0]),)


def _phase_per_expert(layer: Layer, model: Model, steps: int) -> tuple[RecipePhase, ...]:
    """One phase for each expert, each with its own guidance, parted where the timesteps cross the model's boundary."""
    times = timesteps(_solver(layer), steps=steps, shift=_flow_shift(layer))
    high = sum(time >= (model.boundary or 0) * SCALE for time in times)
    scales = {"high": model.guidance, "low": model.guidance if model.guidance_low is None else model.guidance_low}
    counts = {"high": high, "low": steps - high}
    experts = [expert for expert in ("high", "low") if counts[expert]]
    for index, _ in enumerate(experts):
        origin = layer.of_model("default")
        _note_phase(layer, index, steps="spec" if layer.said.steps else origin, guidance=origin, expert="automatic")
    return tuple(RecipePhase(steps=counts[name], guidance=scales[name], expert=name) for name in experts)


def _picked(layer: Layer, name: str, choices: Sequence[tuple[_T | None, str]]) -> _T:
    for value, origin in choices:
        if value is not None:
            layer.origins.note(name, origin=origin)
            return value
    raise SpecError(layer.field(name), "is required")


def _steps_agree(layer: Layer, phases: Sequence[RecipePhase]) -> None:
    total = sum(phase.steps for phase in phases)
    if layer.said.steps is not None and phases and layer.said.steps != total:
        parts = "+".join(str(phase.steps) for phase in phases)
        raise SpecError(
            layer.field("steps"), f"the phases add up to {total} ({parts})", layer.said.steps, fix="leave steps out"
        )


def _solver(layer: Layer) -> Solver:
    said, config = layer.said.sample_solver, layer.said.phase_config
    named = config.sample_solver if config and "sample_solver" in config.model_fields_set else None
    if said and named and said != named:
        raise SpecError(layer.field("sample_solver"), f"phase_config says {named}", said)
    preset, model = layer.preset, layer.model
    choices: list[tuple[str | None, str]] = [
        (said or named, "spec"),
        (config.sample_solver if config else None, "default"),
        (preset.sample_solver if preset else None, f"preset:{preset.name}" if preset else ""),
        (model.sample_solver if model else None, f"model:{model.name}" if model else ""),
        (Solver.EULER, "default"),
    ]
    return Solver(_picked(layer, "sample_solver", choices))


def _flow_shift(layer: Layer) -> float:
    said, config = layer.said.flow_shift, layer.said.phase_config
    wire = config.flow_shift if config else None
    if said is not None and wire is not None and said != wire:
        raise SpecError(layer.field("flow_shift"), f"phase_config says {wire:g}", said)
    preset, model = layer.preset, layer.model
    choices: list[tuple[float | None, str]] = [
        (said, "spec"),
        (wire, "spec"),
        (preset.flow_shift if preset else None, f"preset:{preset.name}" if preset else ""),
        (model.flow_shift if model else None, f"model:{model.name}" if model else ""),
        (DEFAULT_SHIFT, "default"),
    ]
    return float(_picked(layer, "flow_shift", choices))


def _merged(layer: Layer, phases: Sequence[Sequence[PhaseLora]]) -> tuple[LoraUse, ...]:
    """LoRAs named inside phases, as LoRAs with one multiplier part per phase ("0" where a phase leaves one out)."""
    for index, phase in enumerate(phases):
        files = [lora.file for lora in phase]
        twice = next((file for file in files if files.count(file) > 1), None)
        if twice:
            raise SpecError(layer.field(f"phases[{index}].loras"), "names a LoRA twice", twice)
    names, texts = merge_phase_loras([[(lora.file, lora.multiplier) for lora in phase] for phase in phases])
    first = {lora.file: lora for phase in reversed(phases) for lora in reversed(phase)}
    return tuple(
        LoraUse.model_validate(
            {"file": name, "multiplier": text, "for": first[name].target, "distilled": first[name].distilled}
        )
        for name, text in zip(names, texts, strict=True)
    )


def _loras(layer: Layer, phase_loras: Sequence[LoraUse]) -> tuple[RecipeLora, ...]:
    """Every LoRA once: those of phases, the spec's own, then those of the preset that the spec does not speak of."""
    said = [*phase_loras, *(layer.said.loras or ())]
    files = [lora.file for lora in said]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice:
        raise SpecError(layer.field("loras"), "names a LoRA twice", twice)
    own = not (layer.said.phases or layer.said.phase_config)
    brought = [lora for lora in (layer.preset.loras if layer.preset and own else ()) if lora.file not in files]
    recipe = [_described(lora, known=layer.known_loras) for lora in said]
    recipe += [_from_preset(lora) for lora in brought]
    _note_loras(layer, said=said, count=len(recipe))
    return tuple(recipe)


_LORA_VALUES: Mapping[str, str] = {
    "file": "file",
    "multiplier": "multiplier",
    "for": "target",
    "distilled": "distilled",
}


def _note_loras(layer: Layer, *, said: Sequence[LoraUse], count: int) -> None:
    """Write down the origins of the LoRAs' values: those of `said` come first, the rest is the preset's."""
    if not count:
        layer.origins.note("loras", origin="default" if layer.said.loras is None else "spec")
    preset = f"preset:{layer.preset.name}" if layer.preset else ""
    for index in range(count):
        for name, field in _LORA_VALUES.items():
            given = index < len(said) and field in said[index].model_fields_set
            known = given and getattr(said[index], field) is not None
            origin = preset if index >= len(said) else "spec" if known else "automatic"
            layer.origins.note(f"loras[{index}].{name}", origin=origin)


def _from_preset(lora: PresetLora) -> RecipeLora:
    multiplier = parse_multiplier(lora.multiplier, field=f"preset lora {lora.file}")
    return RecipeLora(file=lora.file, multiplier=multiplier, target=lora.target, distilled=lora.distilled)


def _described(lora: LoraUse, *, known: Mapping[str, PresetLora]) -> RecipeLora:
    entry = known.get(lora.file)
    target = lora.target or (entry.target if entry else _target_by_name(lora.file))
    distilled = lora.distilled
    if distilled is None:
        distilled = entry.distilled if entry else bool(_DISTILLED.search(lora.file))
    multiplier = parse_multiplier(lora.multiplier, field=f"loras[{lora.file}].multiplier")
    return RecipeLora(file=lora.file, multiplier=multiplier, target=target, distilled=distilled)


def _target_by_name(file: str) -> str:
    """The expert that a file's name speaks of (``..._high_noise...``), else any."""
    name = file.rsplit("/", 1)[-1]
    if _LOW.search(name):
        return "low"
    return "high" if _HIGH.search(name) else "any"


def lora_files(recipes: Sequence[Recipe]) -> Iterator[str]:
    """Every LoRA file of some recipes, once, in order of appearance."""
    return iter(dict.fromkeys(lora.file for recipe in recipes for lora in recipe.loras))
