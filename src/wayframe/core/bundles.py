"""Bundles: LoRAs and settings that a spec, or a payload's switch, asks for by one name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wayframe.core.catalogue import Bundle, BundleLora, Catalogue, Model
from wayframe.core.loras import ABSENT, Multiplier, parse_multiplier
from wayframe.core.recipe import BY_BOUNDARY, Layer, RecipeLora, RecipePhase
from wayframe.errors import SpecError

SETTINGS = ("steps", "guidance", "flow_shift", "sample_solver")
EXPERTS = ("high", "low")


def chosen(names: Iterable[str], *, catalogue: Catalogue, model: Model | None, field: str) -> tuple[Bundle, ...]:
    """The bundles of these names.

    Raises `CatalogueError` for a name that is not known, `SpecError` (at `field`) for one that is named twice, for a
    model that it is not for, and without a model.
    """
    bundles: list[Bundle] = []
    for name in names:
        bundle = catalogue.bundle(name, field=field)
        if bundle in bundles:
            raise SpecError(field, "names a bundle twice", name)
        if model is None:
            raise SpecError(field, "a bundle needs a model", name, fix="name a model or a preset")
        if bundle.models and model.name not in bundle.models:
            raise SpecError(field, f"{name} is for {', '.join(bundle.models)}, not for {model.name}", name)
        bundles.append(bundle)
    return tuple(bundles)


def settings_of(bundles: Sequence[Bundle]) -> dict[str, object]:
    """The settings that bundles bring, by the names that a model has for them; of two bundles the first counts."""
    pairs = ((name, getattr(bundle, name)) for bundle in reversed(bundles) for name in SETTINGS)
    return {name: value for name, value in pairs if value is not None}


def under(bundles: Sequence[Bundle], *, model: Model) -> Model:
    """The model with the settings of bundles in the place of its own: spec and preset still stand over them."""
    settings = settings_of(bundles)
    if "guidance" in settings:
        settings["guidance_low"] = None
    return model.model_copy(update=settings) if settings else model


def bundle_lora(
    bundle: Bundle, lora: BundleLora, *, layer: Layer, phases: Sequence[RecipePhase], below: RecipeLora | None
) -> RecipeLora:
    """A LoRA of a bundle with its weights by phase: 0 in the phases of an expert that it is not for.

    One whose weight follows from amount_of_motion has it in the first phase, and keeps in the others what the same file
    (`below`) has there by the preset, else 0. Raises `SpecError` where nothing says which expert a phase runs on, and
    where the motion is not said.
    """
    field = layer.field("bundles")
    if lora.target in EXPERTS and any(phase.expert == BY_BOUNDARY for phase in phases):
        problem = f"{bundle.name} is for the {lora.target} expert, and one phase runs on both"
        raise SpecError(field, problem, bundle.name, fix="write phases, or leave out guidance")
    if lora.motion is None:
        parts = [str(lora.multiplier)] * len(phases)
    else:
        parts = [_of_motion(bundle, lora.motion, layer=layer), *_kept(below, count=len(phases))[1:]]
    fitting = [
        part if phase.expert in (lora.target, "only") or lora.target == "any" else ABSENT
        for part, phase in zip(parts, phases, strict=True)
    ]
    return RecipeLora(
        file=lora.file,
        multiplier=_joined(fitting, field=field),
        target=lora.target,
        distilled=lora.distilled,
        partial=lora.partial,
        bundle=bundle.name,
    )


def _of_motion(bundle: Bundle, motion: tuple[float, float], *, layer: Layer) -> str:
    """The weight at amount_of_motion, between those at 0 and at 1, with two decimals as upstream has it."""
    amount = layer.said.amount_of_motion
    if amount is None:
        problem = f"{bundle.name} follows from amount_of_motion, which is not said"
        raise SpecError(layer.field("bundles"), problem, bundle.name, fix="write amount_of_motion: 0.5")
    still, lively = motion
    return f"{still + (lively - still) * amount:.2f}"


def _kept(below: RecipeLora | None, *, count: int) -> list[str]:
    """What the preset gives a LoRA in each phase, or 0."""
    if below is None:
        return [ABSENT] * count
    parts = below.multiplier.text.split(";")
    return parts if len(parts) == count else parts * count


def _joined(parts: Sequence[str], *, field: str) -> Multiplier:
    """One text where all phases have the same single value, else one part for each phase."""
    same = len(set(parts)) == 1 and "," not in parts[0]
    return parse_multiplier(parts[0] if same else ";".join(parts), field=field)
