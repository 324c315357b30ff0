"""The LoRAs of one segment: those that the spec names, those that bundles bring, and those of the preset."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wayframe.core.bundles import bundle_lora
from wayframe.core.catalogue import BundleLora, PresetLora
from wayframe.core.loras import merge_phase_loras, parse_multiplier
from wayframe.core.recipe import Layer, RecipeLora, RecipePhase
from wayframe.core.spec_recipe import LoraUse, PhaseLora
from wayframe.errors import SpecError

_HIGH = re.compile(r"(?i)high[_-]?noise|(?:^|[_\-.])high(?:[_\-.]|$)")
_LOW = re.compile(r"(?i)low[_-]?noise|(?:^|[_\-.])low(?:[_\-.]|$)")
_DISTILLED = re.compile(r"(?i)lightning|lightx2v|lighti2x|causvid|accvid|fusionx|\d+[_-]?steps?[_-]?lora|distill")


def merged(layer: Layer, phases: Sequence[Sequence[PhaseLora]]) -> tuple[LoraUse, ...]:
    """LoRAs named inside phases, as LoRAs with one multiplier part per phase ("0" where a phase leaves one out).

    Raises `SpecError` for a LoRA that a phase names twice.
    """
    for index, phase in enumerate(phases):
        files = [lora.file for lora in phase]
        twice = next((file for file in files if files.count(file) > 1), None)
        if twice:
            raise SpecError(layer.field(f"phases[{index}].loras"), "names a LoRA twice", twice)
    names, texts = merge_phase_loras([[(lora.file, lora.multiplier) for lora in phase] for phase in phases])
    first = {lora.file: lora for phase in reversed(phases) for lora in reversed(phase)}
    return tuple(
        LoraUse.model_validate(
            {
                "file": name,
                "multiplier": text,
                "for": first[name].target,
                "distilled": first[name].distilled,
                "partial": first[name].partial,
            }
        )
        for name, text in zip(names, texts, strict=True)
    )


def loras_of(layer: Layer, phase_loras: Sequence[LoraUse], *, phases: Sequence[RecipePhase]) -> tuple[RecipeLora, ...]:
    """Every LoRA once: those of phases, the spec's own, those of its bundles, those of the preset.

    The first that names a file wins; only the strength that follows from the motion changes what the preset says.
    Raises `SpecError` for a LoRA that the spec names twice, and for a bundle that does not fit the phases.
    """
    said = [*phase_loras, *(layer.said.loras or ())]
    files = [lora.file for lora in said]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice:
        raise SpecError(layer.field("loras"), "names a LoRA twice", twice)
    recipe = [_described(lora, known=layer.known_loras) for lora in said]
    own = not (layer.said.phases or layer.said.phase_config)
    preset = {lora.file: _from_preset(lora) for lora in (layer.preset.loras if layer.preset and own else ())}
    for bundle in layer.bundles:
        for lora in bundle.loras:
            if all(known.file != lora.file for known in recipe):
                recipe.append(bundle_lora(bundle, lora, layer=layer, phases=phases, below=preset.get(lora.file)))
    taken = {lora.file for lora in recipe}
    recipe += [lora for file, lora in preset.items() if file not in taken]
    _note_loras(layer, said=said, recipe=recipe)
    return tuple(recipe)


_LORA_VALUES: Mapping[str, str] = {
    "file": "file",
    "multiplier": "multiplier",
    "for": "target",
    "distilled": "distilled",
}


def _note_loras(layer: Layer, *, said: Sequence[LoraUse], recipe: Sequence[RecipeLora]) -> None:
    """Write down the origins of the LoRAs' values: those of `said` come first, then the bundles', then the preset's."""
    if not recipe:
        layer.origins.note("loras", origin="default" if layer.said.loras is None else "spec")
    preset = f"preset:{layer.preset.name}" if layer.preset else ""
    for index, lora in enumerate(recipe):
        for name, field in _LORA_VALUES.items():
            given = index < len(said) and field in said[index].model_fields_set
            known = given and getattr(said[index], field) is not None
            brought = "automatic" if lora.bundle else preset
            origin = brought if index >= len(said) else "spec" if known else "automatic"
            layer.origins.note(f"loras[{index}].{name}", origin=origin)
        if lora.partial:
            layer.origins.note(f"loras[{index}].partial", origin="automatic" if lora.bundle else "spec")


def _from_preset(lora: PresetLora) -> RecipeLora:
    multiplier = parse_multiplier(lora.multiplier, field=f"preset lora {lora.file}")
    return RecipeLora(file=lora.file, multiplier=multiplier, target=lora.target, distilled=lora.distilled)


def _described(lora: LoraUse, *, known: Mapping[str, PresetLora | BundleLora]) -> RecipeLora:
    entry = known.get(lora.file)
    target = lora.target or (entry.target if entry else _target_by_name(lora.file))
    distilled = lora.distilled
    if distilled is None:
        distilled = entry.distilled if entry else bool(_DISTILLED.search(lora.file))
    multiplier = parse_multiplier(lora.multiplier, field=f"loras[{lora.file}].multiplier")
    return RecipeLora(file=lora.file, multiplier=multiplier, target=target, distilled=distilled, partial=lora.partial)


def _target_by_name(file: str) -> str:
    """The expert that a file's name speaks of (``..._high_noise...``), else any."""
    name = file.rsplit("/", 1)[-1]
    if _LOW.search(name):
        return "low"
    return "high" if _HIGH.search(name) else "any"
