"""The plan: what will be done, down to every step of every segment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, chain, count
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from wayframe.core.after import After
from wayframe.core.clips import ClipFacts, ClipSpan, PlannedClip, planned_clip
from wayframe.core.findings import Finding
from wayframe.core.guide_spec import SegmentGuide
from wayframe.core.look import Look
from wayframe.core.plan_keys import keyed
from wayframe.core.recipe import BY_BOUNDARY, Recipe, lora_files
from wayframe.core.resolve import Resolved
from wayframe.core.schedule import phase_of_step, sigmas, thresholds, timesteps
from wayframe.core.spec import Fit

PLAN_SCHEMA = "wayframe.plan/1"
TRAIN_TIMESTEPS = 1000
NO_OTHER_KEYS = ConfigDict(extra="forbid", allow_inf_nan=False)
UNSAID = Field(exclude_if=lambda value: not value)
"""For fields that a plan's JSON leaves out at their default, so that plans from before they existed stay equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One denoising step. `timestep` is sigma * 1000; `loras` holds every LoRA of the segment, weight 0 included."""

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHER_KEYS

    index: int
    timestep: float
    sigma: float
    sigma_next: float
    phase: int
    expert: str
    guidance: float
    loras: Mapping[str, float]
    forwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """One segment. `start` and `end` (exclusive) are output frames, so neighbours share `overlap` of them.

    `cfg_star` scales the unguided velocity before it is subtracted; at the first `cfg_zero` steps that are guided the
    velocity is zero, and no forward is made (CFG-Zero*, arXiv 2503.18886).

    `ends` are the numbers of the keyframes that it begins and ends with, where they are not those of `Plan.ends`. A
    `still` one shows its keyframe in every frame, and a `piece` is frames of a video as they are: no engine is asked.
    `given` are frames of a video, or of the segment before, that it starts from, `given_after` those that it leads to.
    `replaced` are frames of its beginning and of its end that bridges stand in the place of: they are not shown.
    """

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHER_KEYS

    index: int
    key: str = ""
    start: int
    end: int
    frames: int
    overlap_before: int
    overlap_after: int
    seed: int
    prompt: str
    negative_prompt: str
    amount_of_motion: float
    solver: str
    forwards: int
    thresholds: tuple[float, ...]
    timesteps: tuple[float, ...]
    steps: tuple[Step, ...]
    cfg_star: Annotated[bool, UNSAID] = False
    cfg_zero: Annotated[int, UNSAID] = 0
    look: Annotated[Look | None, UNSAID] = None
    guide: Annotated[SegmentGuide | None, UNSAID] = None
    ends: Annotated[tuple[int | None, int | None] | None, UNSAID] = None
    still: Annotated[bool, UNSAID] = False
    given: Annotated[ClipSpan | None, UNSAID] = None
    given_after: Annotated[ClipSpan | None, UNSAID] = None
    piece: Annotated[ClipSpan | None, UNSAID] = None
    replaced: Annotated[tuple[int, int] | None, UNSAID] = None

    @property
    def is_rendered(self) -> bool:
        """Whether an engine is asked for it."""
        return not self.still and self.piece is None

    @property
    def needs(self) -> tuple[int, ...]:
        """The numbers of the segments of which it is given frames, beside that of a chained one."""
        return tuple(span.clip for span in (self.given, self.given_after) if span is not None and span.segment)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames of this segment at which its file must be cuttable (an IDR frame stands there)."""
        if self.piece is not None:
            return ()
        if self.needs and self.given and self.given_after:
            return (self.given.frames, self.frames - self.given_after.frames)
        cut_after = self.overlap_after > 1 or self.given_after is not None
        after = self.frames - self.overlap_after if cut_after else self.frames
        first, last = self.replaced or (0, 0)
        cuts = (self.overlap_before, after, first, self.frames - last)
        return tuple(sorted({cut for cut in cuts if 0 < cut < self.frames}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKeyframe:
    """An input image: `at` is its output frame, `digest` the sha256 of the file's bytes."""

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHER_KEYS

    index: int
    at: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLora:
    """A LoRA: `target` (JSON "for") is the expert that it was made for, or "any"; `distilled`: it cuts steps."""

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHER_KEYS

    file: str
    digest: str
    target: Annotated[str, Field(alias="for")]
    distilled: bool
    partial: Annotated[bool, UNSAID] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run will do; a pure function of spec, catalogue and the facts of pictures and videos.

    `weights` is the identity of the model's weights where it is known (`store.weights`); it enters the content keys.
    """

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHER_KEYS

    schema: str = PLAN_SCHEMA
    mode: str
    chaining: str
    fps: int | str
    resolution: str
    frames: int
    forwards: int
    engine: str
    engine_identity: str
    model: str | None
    kind: str | None
    fit: Fit
    matte: str
    profile: str
    curve: str
    keyframes: tuple[PlannedKeyframe, ...]
    loras: Mapping[str, PlannedLora]
    segments: tuple[SegmentPlan, ...]
    weights: Annotated[str | None, UNSAID] = None
    clips: Annotated[tuple[PlannedClip, ...], UNSAID] = ()
    guides: Annotated[tuple[PlannedClip, ...], UNSAID] = ()
    after: Annotated[After | None, UNSAID] = None
    findings: tuple[Finding, ...] = field(default=())

    def ends(self, segment: SegmentPlan) -> tuple[int | None, int | None]:
        """The keyframes that a segment begins and ends with: segment i leads from keyframe i to the one after it."""
        return usual_ends(segment.index, keyframes=len(self.keyframes)) if segment.ends is None else segment.ends

    @property
    def shown(self) -> Mapping[int, int]:
        """The numbers of the keyframes by their output frame, without those that bridges stand in the place of."""
        hidden = {self.ends(segment)[1] for segment in self.segments if segment.replaced and segment.replaced[1]}
        return {keyframe.at: keyframe.index for keyframe in self.keyframes if keyframe.index not in hidden}

    def starts_from_before(self, segment: SegmentPlan) -> bool:
        """Whether a segment starts from the last frames of the one before it."""
        return self.chaining == "chained" and segment.index > 0 and segment.is_rendered and segment.given is None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.resolution.split("x")
        return int(width), int(height)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyframeFacts:
    """What a plan must know of a keyframe's file: sha256 of its bytes, upright size in pixels, what loading changes."""

    digest: str
    width: int
    height: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What a plan must know of an engine; `identity` enters the content keys."""

    name: str
    identity: str
    denoises: bool


def make_plan(
    resolved: Resolved,
    *,
    keyframes: Sequence[KeyframeFacts],
    lora_digests: Mapping[str, str],
    engine: EngineFacts,
    weights: str | None = None,
    clips: Sequence[ClipFacts] = (),
) -> Plan:
    """Plan every step of every segment. `lora_digests` maps each LoRA's file to its digest.

    `weights` is the identity of the model's weights where it is known, `clips` are the videos that the spec names.

    The plan carries the findings of resolving; `core.lint` adds what it finds in the plan.
    """
    layout, model = resolved.layout, resolved.model
    ids = lora_ids(lora_files([segment.recipe for segment in resolved.segments]))
    segments = _segments(resolved, ids)
    width, height = resolved.resolution
    plan = Plan(
        mode=resolved.mode,
        chaining=resolved.chaining,
        fps=resolved.fps,
        resolution=f"{width}x{height}",
        frames=layout.total,
        forwards=sum(segment.forwards for segment in segments),
        engine=engine.name,
        engine_identity=engine.identity,
        model=model.name if model else None,
        kind=model.kind if model else None,
        fit=resolved.fit,
        matte=resolved.matte,
        profile=resolved.profile,
        curve=resolved.curve,
        keyframes=tuple(
            PlannedKeyframe(index=index, at=layout.positions[index], digest=facts.digest)
            for index, facts in enumerate(keyframes)
        ),
        loras=_planned_loras(resolved, ids, digests=lora_digests),
        segments=segments,
        weights=weights,
        clips=tuple(planned_clip(index, facts) for index, facts in enumerate(clips)),
        findings=resolved.findings,
    )
    return keyed(plan)


def lora_name(file: str) -> str:
    """The name of a LoRA's file without its folder or site."""
    return file.replace("\\", "/").rsplit("/", 1)[-1]


def lora_ids(files: Iterable[str]) -> dict[str, str]:
    """A short id for each LoRA file: its name without folder and suffix, numbered where two share it."""
    ids: dict[str, str] = {}
    for file in files:
        stem = lora_name(file).split("?")[0].removesuffix(".safetensors") or "lora"
        taken = set(ids.values())
        ids[file] = next(name for name in chain([stem], (f"{stem}-{n}" for n in count(2))) if name not in taken)
    return ids


def _planned_loras(resolved: Resolved, ids: Mapping[str, str], *, digests: Mapping[str, str]) -> dict[str, PlannedLora]:
    by_file = {lora.file: lora for segment in resolved.segments for lora in segment.recipe.loras}
    return {
        ids[file]: PlannedLora(
            file=file if "://" in file else lora_name(file),
            digest=digests[file],
            target=lora.target,
            distilled=lora.distilled,
            partial=lora.partial,
        )
        for file, lora in by_file.items()
    }


def plan_steps(recipe: Recipe, *, ids: Mapping[str, str]) -> tuple[Step, ...]:
    """All steps of a recipe; which expert runs a step is decided here, by index."""
    if not recipe.phases:
        return ()
    times = timesteps(recipe.solver, steps=sum(recipe.steps_per_phase), shift=recipe.flow_shift)
    noise = sigmas(times)
    numbers = phase_of_step(recipe.steps_per_phase)
    guidance = [recipe.phases[number - 1].guidance for number in numbers]
    forwards = forwards_of(guidance, cfg_zero=recipe.cfg_zero)
    weights = {ids[lora.file]: lora.multiplier.per_step(recipe.steps_per_phase, field="loras") for lora in recipe.loras}
    return tuple(
        Step(
            index=index,
            timestep=time,
            sigma=noise[index],
            sigma_next=noise[index + 1],
            phase=numbers[index],
            expert=_expert(recipe, phase=numbers[index], timestep=time),
            guidance=guidance[index],
            loras={name: values[index] for name, values in weights.items()},
            forwards=forwards[index],
        )
        for index, time in enumerate(times)
    )


def forwards_of(guidance: Sequence[float], *, cfg_zero: int) -> tuple[int, ...]:
    """Forwards of each step: one where guidance is 1, else two, and none at the first `cfg_zero` guided steps."""
    guided = accumulate(scale != 1 for scale in guidance)
    return tuple(
        1 if scale == 1 else 0 if number <= cfg_zero else 2 for scale, number in zip(guidance, guided, strict=True)
    )


def _expert(recipe: Recipe, *, phase: int, timestep: float) -> str:
    expert = recipe.phases[phase - 1].expert
    if expert != BY_BOUNDARY or recipe.boundary is None:
        return expert
    return "high" if timestep >= recipe.boundary * TRAIN_TIMESTEPS else "low"


def _segments(resolved: Resolved, ids: Mapping[str, str]) -> tuple[SegmentPlan, ...]:
    """All segments, still without keys; segments of one recipe share their steps."""
    starts = resolved.layout.starts()
    steps_of = {segment.recipe: plan_steps(segment.recipe, ids=ids) for segment in resolved.segments}
    return tuple(
        _segment(resolved, index=index, start=starts[index], steps=steps_of[segment.recipe])
        for index, segment in enumerate(resolved.segments)
    )


def _segment(resolved: Resolved, *, index: int, start: int, steps: tuple[Step, ...]) -> SegmentPlan:
    layout, segment = resolved.layout, resolved.segments[index]
    leg = segment.leg
    times = tuple(step.timestep for step in steps)
    return SegmentPlan(
        index=index,
        key="",
        start=start,
        end=start + layout.frames[index],
        frames=layout.frames[index],
        overlap_before=layout.before(index),
        overlap_after=layout.after(index),
        seed=segment.seed,
        prompt=segment.prompt,
        negative_prompt=segment.negative_prompt,
        amount_of_motion=segment.amount_of_motion,
        solver=segment.recipe.solver.value,
        forwards=sum(step.forwards for step in steps),
        thresholds=thresholds(times, segment.recipe.steps_per_phase) if steps else (),
        timesteps=times,
        steps=steps,
        cfg_star=segment.recipe.cfg_star,
        cfg_zero=segment.recipe.cfg_zero,
        look=segment.look,
        ends=None if leg.ends == usual_ends(index, keyframes=len(layout.positions)) else leg.ends,
        still=leg.hold > 0,
        given=leg.given,
        given_after=leg.given_after,
        piece=leg.piece,
        replaced=leg.replaced if any(leg.replaced) else None,
    )


def usual_ends(segment: int, *, keyframes: int) -> tuple[int | None, int | None]:
    """The ends of a segment of which nothing else is said."""
    first, last = (number if number < keyframes else None for number in (segment, segment + 1))
    return first, last
