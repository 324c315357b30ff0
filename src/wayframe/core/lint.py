"""Rules over a plan: what is allowed, but probably not meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

from wayframe.core.catalogue import TWO_EXPERTS, Model
from wayframe.core.findings import RANK, Finding, Severity, finding, rule
from wayframe.core.look_rules import look_findings
from wayframe.core.model_rules import model_limits, recipe_limits
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, SegmentPlan, Step, lora_name
from wayframe.core.resolve import Resolved
from wayframe.core.shape_rules import shape_findings
from wayframe.core.spec import Fit
from wayframe.core.spec_recipe import PHASE_MARK
from wayframe.core.wording import ranges

ASPECT_TOLERANCE = 0.03
IDLE_SIGMA = 0.02
HEAVIEST = 2.0
LATENT_STRIDE = 4
VACE_NEEDS, WHOLE_NEEDS = 2, 1
"""Kept frames that the first latent frame needs: VACE looks at the frame nearest to its middle."""
HUB_REVISION = re.compile(r"://[^/]+/[^/]+/[^/]+/(?:resolve|blob|raw)/(?P<revision>(?:refs/[^/]+/)?[^/]+)/")
FIXED_REVISION = re.compile(r"[0-9a-f]{7,40}|v?\d+(\.\d+)+\S*")
"""A commit, or a name as versions are tagged with; any other may be a branch."""
FITTING: Mapping[Fit, str] = MappingProxyType(
    {
        "cover": "cover cuts off {:.0f} % of it",
        "contain": "contain adds bars on {:.0f} % of the frame",
        "stretch": "stretch distorts it by {:.0f} %",
    }
)

KEYFRAMES_IDENTICAL = rule(
    "keyframes-identical",
    Severity.CRITICAL,
    title="Two neighbouring keyframes are the same picture",
    why="A segment that begins and ends with the same picture gives the model nothing to do: it freezes or wanders.",
    action="Replace one of the two, or leave one out.",
)
GUIDANCE_ON_DISTILLED = rule(
    "guidance-on-distilled",
    Severity.WARNING,
    title="Guidance above 1 with a step-distilled LoRA",
    why="Distilled LoRAs are trained for guidance 1; above it colours burn, and every step costs two forwards.",
    action="Set guidance 1 in that phase, or lower the LoRA there if the stronger motion is wanted.",
)
LORA_WRONG_EXPERT = rule(
    "lora-wrong-expert",
    Severity.CRITICAL,
    title="A LoRA is active on the expert that it was not made for",
    why="High-noise and low-noise LoRAs hold different weights; on the other expert they disturb the picture.",
    action="Give it weight 0 in the phases of the other expert, such as `1.0;0`.",
)
SWITCH_NEVER = rule(
    "switch-never",
    Severity.CRITICAL,
    title="The switch between the experts never happens",
    why="A model with two experts needs the high one for layout and the low one for detail.",
    action="Let the last phases run on the low expert and the first ones on the high expert.",
)
LORA_WITHOUT_EFFECT = rule(
    "lora-without-effect",
    Severity.WARNING,
    title="A LoRA has weight 0 at every step",
    why="It is loaded and never used.",
    action="Give it a weight, or leave it out.",
)
LAST_STEP_IDLE = rule(
    "last-step-idle",
    Severity.INFO,
    title="The last step does almost nothing",
    why="On the euler grid the last step removes under 2 % of the noise, for the price of a full forward.",
    action="Use sample_solver: trailing, which the step-distilled models were trained for.",
)
GUIDANCE_BELOW_ONE = rule(
    "guidance-below-one",
    Severity.WARNING,
    title="Guidance below 1",
    why="It mixes the negative prompt into the picture, and costs two forwards a step.",
    action="Use 1 for no guidance, or more than 1.",
)
KEYFRAME_SMALL = rule(
    "keyframe-small",
    Severity.WARNING,
    title="A keyframe is smaller than the output",
    why="It is enlarged, so the video starts from a soft picture.",
    action="Use a larger picture or a smaller resolution.",
)
KEYFRAME_ASPECT = rule(
    "keyframe-aspect",
    Severity.WARNING,
    title="A keyframe has another shape than the output",
    why="Fit `cover` cuts its edges off, `contain` adds bars, `stretch` distorts it.",
    action="Crop the picture to the output's shape yourself, or choose the fit that you want.",
)
PROMPTS_EMPTY = rule(
    "prompts-empty",
    Severity.WARNING,
    title="No segment has a prompt",
    why="A diffusion model without a prompt drifts between the keyframes at random.",
    action="Write what happens in each segment.",
)
OVERLAP_EXPOSES_TWICE = rule(
    "overlap-double-exposed",
    Severity.WARNING,
    title="Independent segments overlap by more than one frame",
    why="Two different motions are blended into a double exposure, and no frame shows the keyframe alone.",
    action="Use overlap 1, or chaining: chained.",
)
OVERLAP_WASTES = rule(
    "overlap-wastes-frames",
    Severity.INFO,
    title="The chained overlap does not fill the latent frames of VACE or the 5B",
    why="They know kept frames as whole latent frames: 2-5 keep one with VACE, 1-4 with the 5B; 4 more keep one more.",
    action="Use an overlap of 2, 6 or 10 with VACE (one alone keeps none there), and of 1, 5 or 9 with the 5B.",
)
WEIGHT_UNUSUAL = rule(
    "weight-unusual",
    Severity.WARNING,
    title="A LoRA weight below 0 or above 2",
    why="Such weights are legal, and rarely meant.",
    action="Check the multiplier.",
)
RAMP_OVER_PHASES = rule(
    "ramp-over-phases",
    Severity.WARNING,
    title="A comma list runs across all phases",
    why="`,` spreads values over steps; `;` separates phases. `0.75,0.0` is a ramp, not two phases.",
    action="Write one part for each phase, such as `0.75;0.75;0`.",
)
ENGINE_IGNORES = rule(
    "engine-does-not-denoise",
    Severity.INFO,
    title="The engine runs no denoising steps",
    why="Prompts, phases, guidance and LoRAs are planned and recorded, but nothing of them reaches the picture.",
    action="Choose an engine that denoises when the look matters.",
)
LORA_UNPINNED = rule(
    "lora-unpinned",
    Severity.INFO,
    title="A LoRA's address may change its content",
    why="The URL names a branch, not a commit, so the same plan may run with another file one day.",
    action="Use a URL with a commit in place of `main`, or a local file.",
)
SEGMENT_LONG = rule(
    "segment-long",
    Severity.WARNING,
    title="A segment is longer than the model was trained for",
    why="Past its training length the model repeats or drifts, and memory grows.",
    action="Put a keyframe in between, or shorten the segment.",
)
MODEL_TAKES_NO_PICTURES = rule(
    "model-takes-no-pictures",
    Severity.CRITICAL,
    title="A text-to-video model is asked to travel between pictures",
    why="T2V weights have no input for keyframes: they would be ignored.",
    action="Use an I2V, FLF2V or VACE model.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What the rules look at."""

    plan: Plan
    resolved: Resolved
    keyframes: Sequence[KeyframeFacts]
    engine: EngineFacts


def lint(look: Lint) -> tuple[Finding, ...]:
    """All findings about a plan, gravest first; those that resolving made are included."""
    found = [*look.plan.findings, *(item for check in CHECKS for item in check(look))]
    return tuple(sorted(found, key=lambda item: -RANK[item.severity]))


def with_findings(look: Lint) -> Plan:
    """The plan with the findings about it inside."""
    return replace(look.plan, findings=lint(look))


def _alike(look: Lint) -> Iterator[tuple[SegmentPlan, Sequence[int]]]:
    """Each distinct recipe once: its first segment and the numbers of all segments that share it."""
    groups: dict[int, tuple[SegmentPlan, list[int]]] = {}
    for segment in look.plan.segments:
        groups.setdefault(id(segment.steps), (segment, []))[1].append(segment.index)
    return iter(groups.values())


def _place(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"segments[{first}]"
    together = len(numbers) == last - first + 1
    return f"segments[{first}..{last}]" if together else f"segments[{','.join(str(number) for number in numbers)}]"


def _identical(look: Lint) -> Iterator[Finding]:
    for index, (left, right) in enumerate(pairwise(look.keyframes)):
        if left.digest == right.digest:
            yield finding(
                KEYFRAMES_IDENTICAL,
                f"keyframes {index} and {index + 1} are the same file",
                where=f"keyframes[{index + 1}]",
                evidence={"digest": left.digest},
            )


def _pictures(look: Lint) -> Iterator[Finding]:
    for _, facts in _shown(look):
        yield from facts.findings


def _shown(look: Lint) -> Iterator[tuple[int, KeyframeFacts]]:
    """The keyframes with their numbers, without the first one where a trip ends with it again."""
    facts = look.keyframes
    returns = len(facts) > 1 and facts[0].digest == facts[-1].digest
    return enumerate(facts[:-1] if returns else facts)


def _sizes(look: Lint) -> Iterator[Finding]:
    width, height = look.plan.size
    for index, facts in _shown(look):
        evidence = {"keyframe": f"{facts.width}x{facts.height}", "output": look.plan.resolution}
        where = f"keyframes[{index}]"
        short = (facts.width < width, facts.height < height)
        if all(short) if look.plan.fit == "contain" else any(short):
            message = f"keyframe {index} is {facts.width}x{facts.height}, the output {look.plan.resolution}"
            yield finding(KEYFRAME_SMALL, message, where=where, evidence=evidence)
        narrow, wide = sorted((facts.width * height, facts.height * width))
        if wide / narrow - 1 > ASPECT_TOLERANCE:
            share = wide / narrow - 1 if look.plan.fit == "stretch" else 1 - narrow / wide
            message = f"keyframe {index} is {facts.width}x{facts.height}: {FITTING[look.plan.fit].format(100 * share)}"
            yield finding(KEYFRAME_ASPECT, message, where=where, evidence={**evidence, "share": round(share, 4)})


def _phases_of(steps: Sequence[Step]) -> dict[int, list[Step]]:
    phases: dict[int, list[Step]] = {}
    for step in steps:
        phases.setdefault(step.phase, []).append(step)
    return phases


def _guidance(look: Lint) -> Iterator[Finding]:
    for segment, numbers in _alike(look):
        for number, steps in _phases_of(segment.steps).items():
            scale, where = steps[0].guidance, f"{_place(numbers)}.phases[{number - 1}]"
            active = [n for n, lora in look.plan.loras.items() if lora.distilled and any(s.loras.get(n) for s in steps)]
            if scale > 1 and active:
                message = f"phase {number} has guidance {scale:g} with {', '.join(active)}"
                yield finding(
                    GUIDANCE_ON_DISTILLED, message, where=where, evidence={"guidance": scale, "loras": active}
                )
            if scale < 1:
                message = f"phase {number} has guidance {scale:g}"
                yield finding(GUIDANCE_BELOW_ONE, message, where=where, evidence={"guidance": scale})


def _loras(look: Lint) -> Iterator[Finding]:
    for segment, numbers in _alike(look):
        for name in segment.steps[0].loras if segment.steps else ():
            weights = [step.loras[name] for step in segment.steps]
            where, evidence = f"{_place(numbers)}.loras[{name}]", {"weights": weights}
            if not any(weights):
                yield finding(LORA_WITHOUT_EFFECT, f"{name} has weight 0 at all steps", where=where, evidence=evidence)
            target = look.plan.loras[name].target
            wrong = [s.index for s in segment.steps if target not in ("any", s.expert) and s.expert != "only"]
            wrong = [index for index in wrong if weights[index]]
            if wrong:
                other = segment.steps[wrong[0]].expert
                at = f"step{'' if len(wrong) == 1 else 's'} {ranges(wrong)}"
                message = f"{name} is for the {target} expert and active on the {other} one at {at}"
                yield finding(LORA_WRONG_EXPERT, message, where=where, evidence={**evidence, "steps": wrong})
            if any(weight < 0 or weight > HEAVIEST for weight in weights):
                message = f"{name} has weights from {min(weights):g} to {max(weights):g}"
                yield finding(WEIGHT_UNUSUAL, message, where=where, evidence=evidence)


def _ramps(look: Lint) -> Iterator[Finding]:
    for segment, numbers in _alike(look):
        recipe = look.resolved.segments[segment.index].recipe
        for lora in recipe.loras:
            text = str(lora.multiplier)
            if len(recipe.phases) > 1 and "," in text and PHASE_MARK not in text:
                message = f"{text} is a ramp over all {len(segment.steps)} steps, not one value a phase"
                where = f"{_place(numbers)}.loras[{lora_name(lora.file)}]"
                yield finding(RAMP_OVER_PHASES, message, where=where, evidence={"multiplier": text})


def _experts(look: Lint) -> Iterator[Finding]:
    model = look.resolved.model
    for segment, numbers in _alike(look):
        used = {step.expert for step in segment.steps}
        if model and model.experts == TWO_EXPERTS and len(used) == 1:
            message = f"all {len(segment.steps)} steps run on the {used.pop()} expert of {model.name}"
            yield finding(SWITCH_NEVER, message, where=_place(numbers))
    switch = look.resolved.requested_switch
    if switch is not None and model and model.experts != TWO_EXPERTS:
        message = f"model_switch_phase {switch} has no effect: {model.name} has one transformer"
        yield finding(SWITCH_NEVER, message, where="phase_config.model_switch_phase", evidence={"switch": switch})


def _last_step(look: Lint) -> Iterator[Finding]:
    for segment, numbers in _alike(look):
        if segment.steps and segment.steps[-1].sigma < IDLE_SIGMA:
            last = segment.steps[-1]
            message = f"the last step goes from sigma {last.sigma:.3f} to 0"
            where = f"{_place(numbers)}.steps[{last.index}]"
            yield finding(LAST_STEP_IDLE, message, where=where, evidence={"sigma": last.sigma})


def _engine(look: Lint) -> Iterator[Finding]:
    plan = look.plan
    prompted = any(segment.prompt.strip() for segment in plan.segments)
    if look.engine.denoises and not prompted:
        yield finding(PROMPTS_EMPTY, "every prompt is empty", where="prompt")
    if not look.engine.denoises and (plan.forwards or plan.loras or prompted):
        yield finding(ENGINE_IGNORES, f"engine {plan.engine} does not denoise", where="engine")
    if look.engine.denoises and look.resolved.model and look.resolved.model.kind == "t2v":
        message = f"{look.resolved.model.name} takes no keyframes"
        yield finding(MODEL_TAKES_NO_PICTURES, message, where="model")


def _overlaps(look: Lint) -> Iterator[Finding]:
    chained, model = look.plan.chaining == "chained", look.resolved.model
    for index, kept in enumerate(look.resolved.layout.overlaps):
        pair = look.plan.segments[index : index + 2]
        if not all(segment.is_rendered for segment in pair) or any(segment.needs for segment in pair):
            continue
        where, evidence = f"joins[{index}]", {"overlap": kept}
        if not chained and kept > 1:
            message = f"join {index} blends {kept} frames of two different motions"
            yield finding(OVERLAP_EXPOSES_TWICE, message, where=where, evidence=evidence)
        needs = _latent_needs(model)
        if chained and needs is not None and (kept - needs) % LATENT_STRIDE:
            latents = (kept + LATENT_STRIDE - needs) // LATENT_STRIDE
            message = f"{kept} kept frames hold {latents} latent frame{'' if latents == 1 else 's'}"
            yield finding(OVERLAP_WASTES, message, where=where, evidence={**evidence, "latents": latents})


def _latent_needs(model: Model | None) -> int | None:
    """How many kept frames fill the first latent frame; None for models that are told of every frame by itself."""
    if model is None or model.kind == "t2v":
        return None
    if model.kind == "vace":
        return VACE_NEEDS
    return WHOLE_NEEDS if model.whole_latents else None


def _lengths(look: Lint) -> Iterator[Finding]:
    model = look.resolved.model
    for segment in look.plan.segments if model else ():
        if model and segment.is_rendered and segment.frames > model.max_frames:
            message = (
                f"segment {segment.index} has {segment.frames} frames, {model.name} was trained for {model.max_frames}"
            )
            yield finding(SEGMENT_LONG, message, where=f"segments[{segment.index}]")


def _limits(look: Lint) -> Iterator[Finding]:
    yield from model_limits(look.plan, model=look.resolved.model, denoises=look.engine.denoises)
    yield from shape_findings(look.plan, model=look.resolved.model, denoises=look.engine.denoises)
    yield from look_findings(look.plan)
    for _, numbers in _alike(look):
        yield from recipe_limits(look.resolved.segments[numbers[0]].recipe, place=_place(numbers))


def _pins(look: Lint) -> Iterator[Finding]:
    for name, lora in look.plan.loras.items():
        named = HUB_REVISION.search(lora.file) if lora.digest.startswith("url:") else None
        if named and not FIXED_REVISION.fullmatch(named["revision"]):
            message = f"{name} is taken from branch {named['revision']}"
            yield finding(LORA_UNPINNED, message, where=f"loras[{name}]", evidence={"file": lora.file})


CHECKS: tuple[Callable[[Lint], Iterator[Finding]], ...] = (
    _identical,
    _pictures,
    _sizes,
    _guidance,
    _loras,
    _ramps,
    _experts,
    _last_step,
    _engine,
    _overlaps,
    _lengths,
    _limits,
    _pins,
)
