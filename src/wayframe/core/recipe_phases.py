"""Phases, solver and shift of one segment, from the spec, its preset, its bundles and its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from wayframe.core.catalogue import TWO_EXPERTS, Model, Preset
from wayframe.core.recipe import BY_BOUNDARY, Layer, RecipePhase
from wayframe.core.recipe_loras import merged
from wayframe.core.schedule import SCALE, Solver, timesteps
from wayframe.core.spec_recipe import LoraUse, PhaseConfig, PhaseLora, PhaseSpec
from wayframe.core.wording import counted
from wayframe.errors import SpecError

_T = TypeVar("_T")
DEFAULT_SHIFT = 5.0


def phases_of(layer: Layer) -> tuple[tuple[RecipePhase, ...], tuple[LoraUse, ...]]:
    """The phases of a segment, and the LoRAs that the spec names inside them.

    Raises `SpecError` for experts, guidance or steps that contradict each other, the preset or the model.
    """
    said = layer.said
    if said.phases is not None:
        return _own_phases(layer, said.phases), merged(layer, [phase.loras for phase in said.phases])
    if said.phase_config is not None:
        wire = [
            [PhaseLora.model_validate({"file": lora.url, "multiplier": lora.multiplier}) for lora in phase.loras]
            for phase in said.phase_config.phases
        ]
        return _wire_phases(layer, said.phase_config), merged(layer, wire)
    if layer.preset is not None and layer.preset.phases:
        return _preset_phases(layer, layer.preset), ()
    return _one_phase(layer), ()


def _own_phases(layer: Layer, phases: Sequence[PhaseSpec]) -> tuple[RecipePhase, ...]:
    experts = _own_experts(layer, phases)
    fallback, origin = layer.said.guidance, "spec"
    if fallback is None:
        fallback, origin = (layer.model.guidance if layer.model else 1.0), layer.of_model("guidance")
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
        steps="spec" if said.steps else layer.of_model("steps"),
        guidance=layer.of_model("guidance") if said.guidance is None else "spec",
        expert="automatic",
    )
    return (RecipePhase(steps=steps, guidance=guidance, expert=_switched(layer, count=1, switch=None)[0]),)


def _phase_per_expert(layer: Layer, model: Model, steps: int) -> tuple[RecipePhase, ...]:
    """One phase for each expert, each with its own guidance, parted where the timesteps cross the model's boundary."""
    times = timesteps(solver_of(layer), steps=steps, shift=flow_shift_of(layer))
    high = sum(time >= (model.boundary or 0) * SCALE for time in times)
    scales = {"high": model.guidance, "low": model.guidance if model.guidance_low is None else model.guidance_low}
    counts = {"high": high, "low": steps - high}
    experts = [expert for expert in ("high", "low") if counts[expert]]
    for index, _ in enumerate(experts):
        steps_origin = "spec" if layer.said.steps else layer.of_model("steps")
        _note_phase(layer, index, steps=steps_origin, guidance=layer.of_model("guidance"), expert="automatic")
    return tuple(RecipePhase(steps=counts[name], guidance=scales[name], expert=name) for name in experts)


def _picked(layer: Layer, name: str, choices: Sequence[tuple[_T | None, str]]) -> _T:
    for value, origin in choices:
        if value is not None:
            layer.origins.note(name, origin=origin)
            return value
    raise SpecError(layer.field(name), "is required")


def solver_of(layer: Layer) -> Solver:
    """The grid of noise levels; `SpecError` where a phase_config and the spec beside it disagree."""
    said, config = layer.said.sample_solver, layer.said.phase_config
    named = config.sample_solver if config and "sample_solver" in config.model_fields_set else None
    if said and named and said != named:
        raise SpecError(layer.field("sample_solver"), f"phase_config says {named}", said)
    preset, model = layer.preset, layer.model
    choices: list[tuple[str | None, str]] = [
        (said or named, "spec"),
        (config.sample_solver if config else None, "default"),
        (preset.sample_solver if preset else None, f"preset:{preset.name}" if preset else ""),
        (model.sample_solver if model else None, layer.of_model("sample_solver")),
        (Solver.EULER, "default"),
    ]
    return Solver(_picked(layer, "sample_solver", choices))


def flow_shift_of(layer: Layer) -> float:
    """The shift towards high noise; `SpecError` where a phase_config and the spec beside it disagree."""
    said, config = layer.said.flow_shift, layer.said.phase_config
    wire = config.flow_shift if config else None
    if said is not None and wire is not None and said != wire:
        raise SpecError(layer.field("flow_shift"), f"phase_config says {wire:g}", said)
    preset, model = layer.preset, layer.model
    choices: list[tuple[float | None, str]] = [
        (said, "spec"),
        (wire, "spec"),
        (preset.flow_shift if preset else None, f"preset:{preset.name}" if preset else ""),
        (model.flow_shift if model else None, layer.of_model("flow_shift")),
        (DEFAULT_SHIFT, "default"),
    ]
    return float(_picked(layer, "flow_shift", choices))
