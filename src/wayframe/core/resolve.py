"""Spec and catalogue to every value with its origin.

An origin is ``spec``, ``preset:NAME``, ``model:NAME``, ``default``, ``automatic`` (it follows from other values), or,
for a prompt that a model wrote, ``written:WRITER/MODEL``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from wayframe.core.bundles import chosen, settings_of, under
from wayframe.core.catalogue import Catalogue, Model, Preset
from wayframe.core.denoising import make_recipe
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.frames import Layout, fitted_size, lay_out_batch, lay_out_timeline
from wayframe.core.look import Look, check_looks, look_of
from wayframe.core.prompting import ChosenPrompt, WrittenPrompt, choose
from wayframe.core.recipe import Layer, Origins, Recipe, segment_view
from wayframe.core.spec import Fit, TravelSpec
from wayframe.errors import SpecError

_T = TypeVar("_T")
DEFAULT_FRAMES, DEFAULT_FPS, DEFAULT_MOTION, DEFAULT_AREA = 61, 16, 0.3, 768 * 576
DEFAULT_OVERLAP = {"independent": 1, "chained": 6}
EVEN = 2
KEYFRAMES_OF_A_SEGMENT = 2

POSITION_MOVED = rule(
    "position-moved",
    Severity.WARNING,
    title="A keyframe stands elsewhere than asked for",
    why="The model makes only lengths of its frame grid, so the keyframe went to the nearest place on it.",
    action="Write the position that the message names, or another one that the grid reaches.",
)
LENGTH_CHANGED = rule(
    "length-changed",
    Severity.WARNING,
    title="The video is longer or shorter than asked for",
    why="The last keyframe moved on the model's frame grid, and the video ends with it.",
    action="Move the last keyframe to a position that the grid reaches.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSegment:
    """One segment's own values; `written` is the key of the written prompt that is in `prompt`, or empty."""

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


def resolve(
    spec: TravelSpec,
    *,
    catalogue: Catalogue,
    first_size: tuple[int, int],
    written: Mapping[int, WrittenPrompt] | None = None,
) -> Resolved:
    """Fill in everything that `spec` leaves open; `first_size` is the first keyframe's width and height.

    `written` holds the prompts that a model wrote, by segment; where one is asked for and not there, the base prompt
    stands.

    Raises `SpecError` or `CatalogueError` for values that contradict each other, the model's grids or the catalogue.
    """
    origins = Origins(prefix="", entries={})
    preset = catalogue.preset(spec.preset) if spec.preset else None
    origins.note("preset", origin="spec" if preset else "default")
    model = _model(spec, preset=preset, catalogue=catalogue, origins=origins)
    chaining = _pick(origins, "chaining", (spec.chaining, "spec"), fallback="independent")
    fps: int | str = _pick(origins, "fps", (spec.fps, "spec"), _of(model, "fps"), fallback=DEFAULT_FPS)
    overlaps = _overlaps(spec, chaining=chaining, origins=origins)
    layout, findings = _layout(spec, overlaps=overlaps, fps=Fraction(fps), step=model.frame_step if model else 1)
    _note_layout(spec, origins=origins)
    return Resolved(
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
            spec, model=model, preset=preset, catalogue=catalogue, origins=origins, written=written or {}
        ),
        requested_switch=spec.phase_config.model_switch_phase if spec.phase_config else None,
        origins=origins.entries,
        findings=findings,
    )


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


def _overlaps(spec: TravelSpec, *, chaining: str, origins: Origins) -> tuple[int, ...]:
    joins = max(len(spec.keyframes) - 2, 0)
    overlap: int | tuple[int, ...] = _pick(
        origins, "overlap", (spec.overlap, "spec"), fallback=DEFAULT_OVERLAP[chaining]
    )
    overlaps = overlap if isinstance(overlap, tuple) else (overlap,) * joins
    if chaining == "chained" and 0 in overlaps:
        raise SpecError("overlap", "a chained segment starts from frames of the one before", 0, fix="use 1 or more")
    return overlaps


def _layout(
    spec: TravelSpec, *, overlaps: tuple[int, ...], fps: Fraction, step: int
) -> tuple[Layout, tuple[Finding, ...]]:
    if spec.mode != "timeline":
        count = max(len(spec.keyframes) - 1, 1)
        frames = DEFAULT_FRAMES if spec.segment_frames is None else spec.segment_frames
        lengths = frames if isinstance(frames, tuple) else (frames,) * count
        least = KEYFRAMES_OF_A_SEGMENT if len(spec.keyframes) > 1 else 1
        return lay_out_batch(lengths, overlaps=overlaps, step=step, least=least), ()
    asked = _asked_positions(spec, fps=fps)
    layout = lay_out_timeline(asked, overlaps=overlaps, step=step)
    return layout, tuple(_moved(asked, layout))


def _note_layout(spec: TravelSpec, *, origins: Origins) -> None:
    """Of lengths and positions, one is asked for and the other follows."""
    lengths = "spec" if spec.segment_frames is not None else "default"
    origins.note("segment_frames", origin="automatic" if spec.mode == "timeline" else lengths)
    origins.note("positions", origin="spec" if spec.mode == "timeline" else "automatic")


def _asked_positions(spec: TravelSpec, *, fps: Fraction) -> list[int]:
    asked = [keyframe.frame(fps) for keyframe in spec.keyframes]
    if asked[0] is None:
        asked[0] = 0
    if None in asked:
        raise SpecError(f"keyframes[{asked.index(None)}].at", "is required in mode timeline")
    return [position for position in asked if position is not None]


def _moved(asked: Sequence[int], layout: Layout) -> list[Finding]:
    found = [
        finding(
            POSITION_MOVED,
            f"keyframe {index} was asked for at frame {wanted} and stands at {got}",
            where=f"keyframes[{index}].at",
            evidence={"asked": wanted, "planned": got},
        )
        for index, (wanted, got) in enumerate(zip(asked, layout.positions, strict=True))
        if wanted != got
    ]
    if asked[-1] != layout.positions[-1]:
        found.append(
            finding(
                LENGTH_CHANGED,
                f"the video has {layout.total} frames, {asked[-1] + 1} were asked for",
                where="keyframes",
                evidence={"asked": asked[-1] + 1, "planned": layout.total},
            )
        )
    return found


def _resolution(spec: TravelSpec, *, step: int, first_size: tuple[int, int], origins: Origins) -> tuple[int, int]:
    if spec.resolution is None:
        origins.note("resolution", origin="automatic")
        return fitted_size(first_size, area=DEFAULT_AREA, step=step)
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


def _segments(
    spec: TravelSpec,
    *,
    model: Model | None,
    preset: Preset | None,
    catalogue: Catalogue,
    origins: Origins,
    written: Mapping[int, WrittenPrompt],
) -> tuple[ResolvedSegment, ...]:
    entries = (*catalogue.bundles.values(), *catalogue.presets.values(), *((preset,) if preset else ()))
    known = {lora.file: lora for entry in entries for lora in entry.loras}

    def recipe_of(said: TravelSpec, prefix: str) -> Recipe:
        noted = Origins(prefix=prefix, entries=origins.entries)
        layer = Layer(said=said, model=model, preset=preset, known_loras=known, origins=noted)
        names = said.bundles or ()
        bundles = chosen(names, catalogue=catalogue, model=model, field=layer.field("bundles"))
        settings = frozenset(settings_of(bundles))
        used = under(bundles, model=model) if model else None
        return make_recipe(replace(layer, model=used, bundles=bundles, brought=settings))

    shared: Recipe | None = None
    segments = []
    for index, keyframe in enumerate(spec.keyframes[: max(len(spec.keyframes) - 1, 1)]):
        view = segment_view(spec, keyframe)
        if view is not spec:
            recipe = recipe_of(view, f"segments[{index}].")
        else:
            recipe = shared = shared or recipe_of(spec, "")
        prompt = choose(spec, index, written=written)
        segments.append(_segment(spec, index=index, recipe=recipe, model=model, prompt=prompt, origins=origins))
    check_looks([segment.look for segment in segments], chaining=spec.chaining or "independent")
    return tuple(segments)


def _segment(
    spec: TravelSpec, *, index: int, recipe: Recipe, model: Model | None, prompt: ChosenPrompt, origins: Origins
) -> ResolvedSegment:
    keyframe = spec.keyframes[index]
    own = Origins(prefix=f"segments[{index}].", entries=origins.entries)
    seed = spec.seed or 0
    if spec.seed_policy == "increment":
        seed += index
    seed_origin = "spec" if spec.seed is not None else "default"
    look, said = look_of([keyframe.look, spec.look])
    for name in said:
        own.note(f"look.{name}", origin="spec")
    return ResolvedSegment(
        prompt=_pick(own, "prompt", (prompt.text, prompt.origin), fallback=""),
        negative_prompt=_pick(
            own,
            "negative_prompt",
            (keyframe.negative_prompt, "spec"),
            (spec.negative_prompt, "spec"),
            _of(model, "negative_prompt"),
            fallback="",
        ),
        seed=_pick(own, "seed", (keyframe.seed, "spec"), (seed, seed_origin), fallback=0),
        amount_of_motion=_pick(
            own,
            "amount_of_motion",
            (keyframe.amount_of_motion, "spec"),
            (spec.amount_of_motion, "spec"),
            fallback=DEFAULT_MOTION,
        ),
        recipe=recipe,
        written=prompt.key,
        look=look,
    )
