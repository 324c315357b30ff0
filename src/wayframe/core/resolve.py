"""Spec and catalogue to every value with its origin.

An origin is ``spec``, ``preset:NAME``, ``model:NAME``, ``default``, ``automatic`` (it follows from other values), or,
for a prompt that a model wrote, ``written:WRITER/MODEL``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from typing import Any, TypeVar

from wayframe.core.bundles import chosen, settings_of, under
from wayframe.core.catalogue import BundleLora, Catalogue, Model, Preset, PresetLora
from wayframe.core.clips import ClipFacts
from wayframe.core.denoising import make_recipe
from wayframe.core.findings import Finding
from wayframe.core.frames import Layout, fitted_size
from wayframe.core.look import Look, check_looks, look_of, still_look_of
from wayframe.core.prompting import ChosenPrompt, WrittenPrompt, choose
from wayframe.core.recipe import Layer, Origins, Recipe, segment_view
from wayframe.core.resolve_rest import blocks_of
from wayframe.core.resolve_shape import Basis, layout_of, parts_of
from wayframe.core.schedule import Solver
from wayframe.core.shape import Leg
from wayframe.core.shape_join import as_rate, common_rate, with_places
from wayframe.core.spec import Fit, TravelSpec
from wayframe.core.spec_stops import FreeSegment
from wayframe.errors import SpecError

_T = TypeVar("_T")
DEFAULT_FPS, DEFAULT_MOTION, DEFAULT_AREA = 16, 0.3, 768 * 576
DEFAULT_OVERLAP = {"independent": 1, "chained": 6}
EVEN = 2
STILL = Recipe(solver=Solver.EULER, flow_shift=1.0, phases=(), loras=(), boundary=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSegment:
    """One segment's own values; `written` is the key of the written prompt that is in `prompt`, or empty."""

    leg: Leg
    prompt: str
    negative_prompt: str
    seed: int
    amount_of_motion: float
    recipe: Recipe
    written: str = ""
    look: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The spec with every value filled in; `origins` maps field paths to where each value comes from."""

    mode: str
    chaining: str
    fps: int | str
    resolution: tuple[int, int]
    fit: Fit
    matte: str
    profile: str
    curve: str
    seed_policy: str
    engine: str
    model: Model | None
    preset: str | None
    layout: Layout
    segments: tuple[ResolvedSegment, ...]
    requested_switch: int | None
    origins: Mapping[str, str]
    findings: tuple[Finding, ...]
    blocks: Mapping[str, Any] = field(default_factory=dict)
    """Guides, bridges, and what is done to the finished video, of those that the spec has."""


def resolve(
    spec: TravelSpec,
    *,
    catalogue: Catalogue,
    first_size: tuple[int, int],
    written: Mapping[int, WrittenPrompt] | None = None,
    clips: Sequence[ClipFacts] = (),
) -> Resolved:
    """Fill in everything that `spec` leaves open; `first_size` is the first keyframe's width and height.

    `written` holds the prompts that a model wrote, by the keyframe where their segment begins; where one is asked for
    and not there, the base prompt stands. `clips` are the videos that the spec names.

    Raises `SpecError` or `CatalogueError` for values that contradict each other, the model's grids or the catalogue.
    """
    origins = Origins(prefix="", entries={})
    preset = catalogue.preset(spec.preset) if spec.preset else None
    origins.note("preset", origin="spec" if preset else "default")
    model = _model(spec, preset=preset, catalogue=catalogue, origins=origins)
    chaining = _chaining(spec, origins=origins)
    joined = common_rate(clips) if spec.join is not None and spec.fps is None else None
    rates = (spec.fps, "spec"), (as_rate(joined), "automatic"), _of(model, "fps")
    fps: int | str = _pick(origins, "fps", *rates, fallback=DEFAULT_FPS)
    overlap: int | tuple[int, ...] = _pick(
        origins, "overlap", (spec.overlap, "spec"), fallback=DEFAULT_OVERLAP[chaining]
    )
    step = model.frame_step if model else 1
    parts, overlaps = parts_of(spec, Basis(chaining=chaining, step=step, clips=clips), overlap=overlap)
    layout, findings = layout_of(spec, parts=parts, overlaps=overlaps, fps=Fraction(fps), step=step)
    _note_layout(spec, origins=origins)
    made = Resolved(
        mode=_pick(origins, "mode", (spec.mode, "spec"), fallback="batch"),
        chaining=chaining,
        fps=fps,
        resolution=_resolution(spec, step=model.size_step if model else EVEN, first_size=first_size, origins=origins),
        fit=_pick(origins, "fit", (spec.fit, "spec"), fallback="cover"),
        matte=_pick(origins, "matte", (spec.matte, "spec"), fallback="#000000").lower(),
        profile=_pick(origins, "profile", (spec.profile, "spec"), fallback="h264"),
        curve=_pick(origins, "curve", (spec.curve, "spec"), fallback="bell"),
        seed_policy=_pick(origins, "seed_policy", (spec.seed_policy, "spec"), fallback="same"),
        engine=_engine(spec, model=model, origins=origins),
        model=model,
        preset=preset.name if preset else None,
        layout=layout,
        segments=_segments(
            _Recipes(spec=spec, model=model, preset=preset, catalogue=catalogue, origins=origins),
            with_places(parts, layout),
            written=written or {},
            chaining=chaining,
        ),
        requested_switch=spec.phase_config.model_switch_phase if spec.phase_config else None,
        origins=origins.entries,
        findings=findings,
    )
    return _with_blocks(made, spec=spec, step=step, origins=origins)


def _with_blocks(made: Resolved, *, spec: TravelSpec, step: int, origins: Origins) -> Resolved:
    common = {"fps": made.fps, "profile": made.profile}
    return replace(made, blocks=blocks_of(spec, layout=made.layout, step=step, common=common, origins=origins))


def _pick(origins: Origins, name: str, *choices: tuple[Any, str], fallback: _T) -> _T:
    value, origin = next(((v, o) for v, o in choices if v is not None), (fallback, "default"))
    origins.note(name, origin=origin)
    return fallback if value is None else value


def _model(spec: TravelSpec, *, preset: Preset | None, catalogue: Catalogue, origins: Origins) -> Model | None:
    if spec.model:
        model = catalogue.model(spec.model)
        origins.note("model", origin="spec")
        if preset and model.name not in preset.models:
            fits = ", ".join(preset.models)
            raise SpecError("preset", f"{preset.name} is for {fits}, not for {model.name}", preset.name)
        return model
    if preset:
        origins.note("model", origin=f"preset:{preset.name}")
        return catalogue.model(preset.models[0])
    origins.note("model", origin="default")
    return None


def _engine(spec: TravelSpec, *, model: Model | None, origins: Origins) -> str:
    return _pick(origins, "engine", (spec.engine, "spec"), _of(model, "engine"), fallback="preview")


def _of(model: Model | None, name: str) -> tuple[Any, str]:
    """A model's value with its origin; an empty text counts as none."""
    return (getattr(model, name) or None, f"model:{model.name}") if model else (None, "")


def _chaining(spec: TravelSpec, *, origins: Origins) -> str:
    """What starts from frames without a keyframe is chained, unless the spec says otherwise."""
    starts_from_frames = spec.continue_from is not None or (spec.segments or 1) > 1
    implied = "chained" if starts_from_frames else None
    return _pick(origins, "chaining", (spec.chaining, "spec"), (implied, "automatic"), fallback="independent")


def _note_layout(spec: TravelSpec, *, origins: Origins) -> None:
    """Of lengths and positions, one is asked for and the other follows."""
    lengths = "spec" if spec.segment_frames is not None else "default"
    origins.note("segment_frames", origin="automatic" if spec.mode == "timeline" else lengths)
    origins.note("positions", origin="spec" if spec.mode == "timeline" else "automatic")


def _resolution(spec: TravelSpec, *, step: int, first_size: tuple[int, int], origins: Origins) -> tuple[int, int]:
    if spec.resolution is None:
        origins.note("resolution", origin="automatic")
        area = DEFAULT_AREA if spec.join is None else first_size[0] * first_size[1]
        return fitted_size(first_size, area=area, step=step)
    origins.note("resolution", origin="spec")
    width, height = (int(side) for side in spec.resolution.split("x"))
    for side in (width, height):
        if side % step:
            lower = max(side // step * step, step)
            raise SpecError(
                "resolution",
                f"sides must be multiples of {step}",
                spec.resolution,
                fix=f"use {lower} or {lower + step}",
            )
    return width, height


@dataclass(slots=True, kw_only=True)
class _Recipes:
    """How segments are denoised; those of which nothing is said share one recipe."""

    spec: TravelSpec
    model: Model | None
    preset: Preset | None
    catalogue: Catalogue
    origins: Origins
    _shared: Recipe | None = None

    def of(self, leg: Leg, *, index: int) -> Recipe:
        """The recipe of segment `index`."""
        view = segment_view(self.spec, leg.said)
        if view is not self.spec:
            return self._made(view, prefix=f"segments[{index}].", place=leg.place)
        self._shared = self._shared or self._made(self.spec, prefix="", place="")
        return self._shared

    def _made(self, said: TravelSpec, *, prefix: str, place: str) -> Recipe:
        noted, model = Origins(prefix=prefix, entries=self.origins.entries), self.model
        layer = Layer(said=said, model=model, preset=self.preset, known_loras=self._known(), origins=noted, place=place)
        names = said.bundles or ()
        bundles = chosen(names, catalogue=self.catalogue, model=model, field=layer.field("bundles"))
        settings = frozenset(settings_of(bundles))
        used = under(bundles, model=model) if model else None
        return make_recipe(replace(layer, model=used, bundles=bundles, brought=settings))

    def _known(self) -> dict[str, PresetLora | BundleLora]:
        presets = (*self.catalogue.presets.values(), *((self.preset,) if self.preset else ()))
        return {lora.file: lora for entry in (*self.catalogue.bundles.values(), *presets) for lora in entry.loras}


def _segments(
    recipes: _Recipes, parts: Sequence[Leg], *, written: Mapping[int, WrittenPrompt], chaining: str
) -> tuple[ResolvedSegment, ...]:
    segments, numbers, spec = list[ResolvedSegment](), count(), recipes.spec
    for index, leg in enumerate(parts):
        if not leg.is_rendered:
            segments.append(_held(spec, leg, own=recipes.origins.of_segment(index)))
            continue
        recipe, prompt = recipes.of(leg, index=index), choose(spec, leg, written=written)
        place = _Place(index=index, number=next(numbers), leg=leg)
        segments.append(
            _segment(spec, place, recipe=recipe, model=recipes.model, prompt=prompt, origins=recipes.origins)
        )
    check_looks([segment.look for segment in segments], chaining=chaining)
    return tuple(segments)


def _held(spec: TravelSpec, leg: Leg, *, own: Origins) -> ResolvedSegment:
    """A keyframe that stands still, or a piece of a video: nothing is asked of any engine."""
    stop = spec.stops[leg.first] if leg.hold and leg.first is not None else None
    look = _noted(still_look_of([stop.look, spec.look]), own=own) if stop else None
    return ResolvedSegment(
        leg=leg, prompt="", negative_prompt="", seed=0, amount_of_motion=0.0, recipe=STILL, look=look
    )


def _noted(found: tuple[Look | None, tuple[str, ...]], *, own: Origins) -> Look | None:
    """A look, with the origin of all that was said of it."""
    look, names = found
    for name in names:
        own.note(f"look.{name}", origin="spec")
    return look


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Segment `index` of the trip; it is number `number` of those that are rendered."""

    index: int
    number: int
    leg: Leg


def _segment(
    spec: TravelSpec, place: _Place, *, recipe: Recipe, model: Model | None, prompt: ChosenPrompt, origins: Origins
) -> ResolvedSegment:
    said = place.leg.said or FreeSegment.model_validate({})
    own = origins.of_segment(place.index)
    seed = spec.seed or 0
    if spec.seed_policy == "increment":
        seed += place.number
    seed_origin = "spec" if spec.seed is not None else "default"
    looks = [said.look] if place.leg.is_bridge else [said.look, spec.look]  # the frames of a bridge have the trip's
    look = _noted(look_of(looks), own=own)
    return ResolvedSegment(
        leg=place.leg,
        prompt=_pick(own, "prompt", (prompt.text, prompt.origin), fallback=""),
        negative_prompt=_pick(
            own,
            "negative_prompt",
            (said.negative_prompt, "spec"),
            (spec.negative_prompt, "spec"),
            _of(model, "negative_prompt"),
            fallback="",
        ),
        seed=_pick(own, "seed", (said.seed, "spec"), (seed, seed_origin), fallback=0),
        amount_of_motion=_pick(
            own,
            "amount_of_motion",
            (said.amount_of_motion, "spec"),
            (spec.amount_of_motion, "spec"),
            fallback=DEFAULT_MOTION,
        ),
        recipe=recipe,
        written=prompt.key,
        look=look,
    )
