"""What the page that composes trips offers to choose from, and the charts of a plan's steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, get_args

from wayframe.core.after import FinalProfile
from wayframe.core.catalogue import Bundle, Catalogue, Model, Preset
from wayframe.core.spec import TravelSpec
from wayframe.core.steptable import planned_table
from wayframe.engines.wan.options import Attention
from wayframe.report.chart import draw
from wayframe.report.document import Chart, ChartLane

CHOICES = ("fit", "chaining", "seed_policy", "sample_solver", "profile", "curve")
MOST_CHARTS = 6
"""Segments that are denoised in yet other ways are not drawn: nobody reads seven charts beside a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOption:
    """An option of engines that can be set here: in words, and the values that it may have (none: any number)."""

    name: str
    title: str
    values: tuple[str, ...] = ()


ENGINE_OPTIONS = (
    EngineOption(name="offload", title="Kept off the device", values=("none", "model", "blocks")),
    EngineOption(name="dtype", title="Computed in", values=("bfloat16", "float16", "float32")),
    EngineOption(name="weights", title="Weights", values=("bf16", "fp8")),
    EngineOption(name="attention", title="Attention", values=get_args(Attention)),
    EngineOption(name="vae_tiling", title="VAE in tiles", values=("true", "false")),
    EngineOption(name="compile", title="Compiled", values=("true", "false")),
    EngineOption(name="batch", title="Segments at once"),
    EngineOption(name="text_length", title="Tokens of text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be chosen; `facts` is what the page's script must know of models and presets."""

    models: tuple[Model, ...]
    presets: tuple[Preset, ...]
    bundles: tuple[Bundle, ...]
    engines: tuple[str, ...]
    facts: Mapping[str, Any]
    words: Mapping[str, tuple[str, ...]]
    options: tuple[EngineOption, ...] = ENGINE_OPTIONS


def offer_of(catalogue: Catalogue, *, engines: Sequence[str]) -> Offer:
    """The catalogue in the order of names, with what each field of a spec allows (`words`, by the field's name)."""
    models = tuple(sorted(catalogue.models.values(), key=lambda model: model.name))
    presets = tuple(sorted(catalogue.presets.values(), key=lambda preset: preset.name))
    return Offer(
        models=models,
        presets=presets,
        bundles=tuple(sorted(catalogue.bundles.values(), key=lambda bundle: bundle.name)),
        engines=tuple(engines),
        facts={
            "models": {model.name: {"experts": model.experts, "step": model.frame_step} for model in models},
            "presets": {preset.name: list(preset.models) for preset in presets},
        },
        words={name: _words(name) for name in CHOICES} | {"after.profile": get_args(FinalProfile)},
    )


def _words(name: str) -> tuple[str, ...]:
    """The texts that a field of the spec may hold, as its type lists them."""
    return tuple(_literals(TravelSpec.model_fields[name].annotation))


def _literals(annotation: object) -> Iterator[str]:
    for part in get_args(annotation):
        if isinstance(part, str):
            yield part
        else:
            yield from _literals(part)


def charts(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A drawing for each way in which segments of a plan (as JSON) are denoised, in the order of their first ones."""
    ways: dict[str, list[Mapping[str, Any]]] = {}
    for segment in plan["segments"]:
        if segment["steps"]:
            ways.setdefault(repr((segment["solver"], segment["steps"])), []).append(segment)
    alone = len(ways) == 1
    return [_drawing(segments, alone=alone) for segments in list(ways.values())[:MOST_CHARTS]]


def _drawing(segments: Sequence[Mapping[str, Any]], *, alone: bool) -> dict[str, Any]:
    title = "Steps of all segments" if alone else f"Steps of segments {listed([part['index'] for part in segments])}"
    table, label = planned_table(segments[0]), f"planned, {segments[0]['solver']}"
    lanes = () if table is None else (ChartLane(label=label, table=table),)
    return asdict(draw(Chart(title=title, lanes=lanes)))


def listed(numbers: Sequence[int]) -> str:
    """Rising numbers in words, runs of them shortened: ``0 to 3, 5``."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
