"""How one segment is denoised, put together from the spec, its preset, its bundles and its model."""

from __future__ import annotations

from collections.abc import Sequence

from wayframe.core.recipe import Layer, Recipe, RecipePhase
from wayframe.core.recipe_loras import loras_of
from wayframe.core.recipe_phases import flow_shift_of, phases_of, solver_of
from wayframe.errors import SpecError


def make_recipe(layer: Layer) -> Recipe:
    """Resolve one segment's denoising; raises `SpecError` where the parts contradict each other."""
    phases, phase_loras = phases_of(layer)
    _steps_agree(layer, phases)
    loras = loras_of(layer, phase_loras, phases=phases)
    for lora in loras:
        lora.multiplier.per_step([phase.steps for phase in phases], field=layer.field(f"loras[{lora.file}]"))
    return Recipe(
        solver=solver_of(layer),
        flow_shift=flow_shift_of(layer),
        phases=phases,
        loras=loras,
        boundary=layer.model.boundary if layer.model else None,
        cfg_star=_cfg_star(layer),
        cfg_zero=_cfg_zero(layer, phases),
        bundles=_bundles(layer),
    )


def _steps_agree(layer: Layer, phases: Sequence[RecipePhase]) -> None:
    total = sum(phase.steps for phase in phases)
    if layer.said.steps is not None and phases and layer.said.steps != total:
        parts = "+".join(str(phase.steps) for phase in phases)
        raise SpecError(
            layer.field("steps"), f"the phases add up to {total} ({parts})", layer.said.steps, fix="leave steps out"
        )


def _cfg_star(layer: Layer) -> bool:
    if layer.said.cfg_star is not None:
        layer.origins.note("cfg_star", origin="spec")
    return bool(layer.said.cfg_star)


def _cfg_zero(layer: Layer, phases: Sequence[RecipePhase]) -> int:
    """Guided steps at which nothing is predicted; some step has to be left that does."""
    zero = layer.said.cfg_zero
    if zero is None:
        return 0
    layer.origins.note("cfg_zero", origin="spec")
    total = sum(phase.steps for phase in phases)
    if phases and zero >= total and all(phase.guidance != 1 for phase in phases):
        raise SpecError(layer.field("cfg_zero"), f"leaves none of {total} steps to denoise", zero, fix="use 1 or 2")
    return zero


def _bundles(layer: Layer) -> tuple[tuple[str, str], ...]:
    """The bundles that are on, each with the payload's switch for it."""
    if layer.said.bundles:
        layer.origins.note("bundles", origin="spec")
    return tuple((bundle.name, bundle.switches[0] if bundle.switches else "") for bundle in layer.bundles)
