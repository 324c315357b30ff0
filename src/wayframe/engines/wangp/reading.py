"""What WanGP says it ran with, read by WanGP's own rules: steps as applied, and what differs from what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isclose
from typing import Any

from wayframe.core.schedule import sigmas
from wayframe.core.steptable import ModelDefaults, sent_table
from wayframe.engines.base import AppliedStep
from wayframe.errors import EngineError

_HELD = (
    *("model_type", "prompt", "negative_prompt", "seed", "resolution", "video_length", "image_prompt_type"),
    *("video_prompt_type", "skip_steps_cache_type", "temporal_upsampling", "spatial_upsampling"),
    *("film_grain_intensity", "RIFLEx_setting", "NAG_scale", "apg_switch", "cfg_star_switch", "cfg_zero_step"),
)
"""Settings beside the steps that decide the picture: what is reported of them must be what was sent."""


def applied_steps(
    settings: Mapping[str, Any], *, definition: Mapping[str, Any], ids: Mapping[str, str], experts: int
) -> tuple[AppliedStep, ...]:
    """The steps that follow from the settings that WanGP reported, as WanGP reads them.

    `ids` are the plan's LoRAs by file name; one that it does not know goes by its file's name. `definition` holds what
    the model's definition brings along. Nothing was read back from the model's modules, and `modules` is empty to say
    so. Raises `EngineError` for a report that says too little.
    """
    brought = ModelDefaults(
        loras=tuple(map(file_name, _listed(definition.get("loras")))),
        multipliers=tuple(_listed(definition.get("loras_multipliers"))),
        experts=experts,
    )
    named = [ids.get(file_name(file), file_name(file)) for file in _listed(settings.get("activated_loras"))]
    names = [*brought.loras, *named]
    table = sent_table({**settings, "activated_loras": named}, defaults=brought)
    if table is None:
        raise EngineError("WanGP's report of its settings does not say which steps it made; use another version of it")
    levels = sigmas([row.timestep for row in table.rows])
    return tuple(
        AppliedStep(
            index=index,
            timestep=row.timestep,
            expert=row.expert,
            guidance=row.guidance,
            loras=_added_up(zip(names, row.loras.values(), strict=True)),
            forwards=row.forwards,
            sigma=levels[index],
            sigma_next=levels[index + 1],
        )
        for index, row in enumerate(table.rows)
    )


def unlike_sent(settings: Mapping[str, Any], *, sent: Mapping[str, Any]) -> Iterator[str]:
    """What WanGP reported otherwise than it was sent, one clause each; what it does not report is passed over."""
    for name in _HELD:
        if name in sent and settings.get(name) is not None and not _alike(settings[name], sent[name]):
            yield f"{name} {settings[name]!r} instead of {sent[name]!r}"


def _added_up(weights: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The weight of each LoRA by name; one that stands there twice has both."""
    total: dict[str, float] = {}
    for name, weight in weights:
        total[name] = total.get(name, 0.0) + weight
    return total


def file_name(path: str) -> str:
    """The name of a file or address without its folder."""
    return path.split("?")[0].replace("\\", "/").rsplit("/", 1)[-1]


def _listed(value: object) -> Sequence[str]:
    """A list of texts; WanGP's definitions and settings hold one text, too, and nothing where there is nothing."""
    if isinstance(value, str):
        return value.split()
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _alike(reported: object, sent: object) -> bool:
    """Equal, numbers also as text, and texts but for their blanks."""
    if isinstance(reported, str) and isinstance(sent, str):
        return reported.split() == sent.split()
    try:
        return isclose(float(str(reported)), float(str(sent)))
    except ValueError:
        return reported == sent
