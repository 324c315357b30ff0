"""Batches of segments through a loaded model, expert by expert.

All segments of a batch go through the expert that comes first before any goes through the next, so that each expert is
loaded once per batch; what has no steps left is decoded and handed out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise, takewhile
from typing import cast

import torch

from wayframe.core.plan import Step
from wayframe.engines.base import EngineEvent, EngineReport, EngineSetup, FrameDone, SegmentDone, SegmentJob, StepDone
from wayframe.engines.wan.components import IMAGE_ENCODER, TEXT_ENCODER, Components
from wayframe.engines.wan.conditions import Conditions, Traits
from wayframe.engines.wan.experts import Experts
from wayframe.engines.wan.latents import LatentSpace, VideoCodec, noise
from wayframe.engines.wan.layout import ExpertName
from wayframe.engines.wan.options import WanOptions
from wayframe.engines.wan.placing import use
from wayframe.engines.wan.readback import ReadBack
from wayframe.engines.wan.sampler import Denoising, Sampler
from wayframe.engines.wan.scratch import Halfway, Scratch
from wayframe.engines.wan.solvers import make_solver
from wayframe.engines.wan.tally import Tally
from wayframe.engines.wan.text import TextEmbeddings, TextEncoder, Tokenizer
from wayframe.engines.wan.vision import PictureEmbeddings
from wayframe.errors import CancelledError, EngineError

_NOISE_FALLS: tuple[ExpertName, ...] = ("only", "high", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """A job and how far it is."""

    job: SegmentJob
    denoising: Denoising

    @property
    def number(self) -> int:
        return self.job.segment.index

    @property
    def waits_for(self) -> ExpertName | None:
        """The expert of its next step; None: it is to be decoded."""
        left = self.denoising.left
        return cast("ExpertName", left[0].expert) if left else None

    def turn(self) -> tuple[Step, ...]:
        """Its next steps, as far as they are of one expert."""
        expert = self.waits_for
        return tuple(takewhile(lambda step: step.expert == expert, self.denoising.left))


class Rendering:
    """A model that is open, and the caches that live as long as it.

    `setup` must name model and weights. `tally` counts what is done; one from before goes on.
    """

    def __init__(self, setup: EngineSetup, *, options: WanOptions, tally: Tally | None = None) -> None:
        if setup.model is None or setup.weights is None:
            raise EngineError("engine wan has no model to render with; name one in the spec: model: wan2.2-i2v-a14b")
        self._setup = setup
        self.components = Components(setup.weights, model=setup.model, options=options, tally=tally)
        self.tally = self.components.tally
        self._readback = ReadBack(count=self.tally.add)
        self._experts = Experts(components=self.components, files=setup.loras, readback=self._readback)
        self._text = _text(self.components, experts=self._experts)
        self._conditions = _conditions(self.components)
        self._scratch = Scratch(setup.scratch)

    def batch(self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
        """The events of jobs that are held at once; `cancelled` is asked before every forward and every encoding.

        A segment that an earlier process left between two experts goes on from there: its steps are told first.
        """
        use(self.components.device)
        for job in jobs:
            self._check(job)
        waiting = self._prepared(jobs, cancelled=cancelled)
        for segment in waiting:
            yield from (StepDone(segment=segment.number, step=step) for step in segment.denoising.applied)
        while waiting:
            expert = min((name for s in waiting if (name := s.waits_for)), key=_NOISE_FALLS.index)
            for segment in [s for s in waiting if s.waits_for == expert]:
                yield from self._turn(segment, among=waiting, cancelled=cancelled)
                if segment.waits_for is None:
                    waiting.remove(segment)
                    yield from self._handed_out(segment)

    def report(self, versions: Mapping[str, str]) -> EngineReport:
        """The device, what was counted so far, and what of LoRAs was left out."""
        return EngineReport(
            device=device_name(self.components.device),
            versions=versions,
            counts=self.tally.as_counts(),
            left_out=self._experts.left_out,
        )

    def close(self) -> None:
        """Free the model and all that is on the device."""
        self._experts.close()
        self.components.close()

    def _check(self, job: SegmentJob) -> None:
        """Raise `EngineError` for a job that the model or the setup cannot serve, before anything is loaded."""
        plan = job.segment
        if not plan.steps:
            raise EngineError(f"segment {plan.index} has no steps; name a model in the spec and plan again")
        experts = {step.expert for step in plan.steps} - set(self.components.experts)
        if experts:
            here = " and ".join(self.components.experts)
            model = self.components.layout.model.name
            raise EngineError(f"segment {plan.index}: steps for the expert {min(experts)}, but {model} has {here}")
        missing = {name for step in plan.steps for name, weight in step.loras.items() if weight} - set(
            self._setup.loras
        )
        if missing:
            raise EngineError(f"segment {plan.index}: no file was given for the LoRA {min(missing)}; plan again")
        if not self._conditions.takes(job):
            problem = f"begins with no picture, and {self.components.layout.model.name} looks at no other"
            raise EngineError(f"segment {plan.index} {problem}; give it one, or take a model that looks at an end")

    def _prepared(self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool]) -> list[_Segment]:
        """Texts first, after which the encoder is freed; then conditions and noise."""
        _go_on(cancelled)
        self._text.of({text for job in jobs for text in _texts(job)})
        prepared = []
        for job in jobs:
            _go_on(cancelled)
            prepared.append(_Segment(job=job, denoising=self._begun(job)))
        self.components.free(IMAGE_ENCODER)
        return prepared

    def _begun(self, job: SegmentJob) -> Denoising:
        plan, device = job.segment, self.components.device
        condition = self._conditions.condition(job)
        negative = _texts(job)[1:]
        begun = Denoising(
            plan=plan,
            condition=condition,
            prompt=self._text.get(plan.prompt),
            negative=self._text.get(plan.negative_prompt) if negative else None,
            solver=make_solver(plan.solver, _levels(plan.steps)),
            latents=noise(seed=plan.seed, shape=condition.latents_shape).to(device),
        )
        kept = self._scratch.load(plan.key, device=device)
        if kept is not None and _fits(kept, begun):
            begun.latents, begun.applied = kept.latents, list(kept.steps)
            begun.solver.restore(kept.solver)
        return begun

    def _turn(
        self, segment: _Segment, *, among: Sequence[_Segment], cancelled: Callable[[], bool]
    ) -> Iterator[EngineEvent]:
        """All steps of a segment that are the next expert's; the LoRAs are weighed anew where their weights change."""
        steps, denoising = segment.turn(), segment.denoising
        name = cast("ExpertName", segment.waits_for)
        used = {lora for other in among for step in other.denoising.plan.steps for lora in _active(step, expert=name)}
        expert, patches = self._experts.ready(name, loras=used)
        sampler = Sampler(expert=expert, readback=self._readback, cancelled=cancelled)
        for weights, group in groupby(steps, key=partial(_active, expert=name)):
            patches.set(weights)
            for applied in sampler.denoise(denoising, tuple(group)):
                yield StepDone(segment=segment.number, step=applied)
        if segment.waits_for is not None:
            kept = Halfway(latents=denoising.latents, solver=denoising.solver.state(), steps=tuple(denoising.applied))
            self._scratch.save(denoising.plan.key, kept)

    def _handed_out(self, segment: _Segment) -> Iterator[EngineEvent]:
        """Decode a segment; the frames that it was given for both ends are put back into their places."""
        job, number, latents = segment.job, segment.number, segment.denoising.finished()
        if not bool(latents.isfinite().all()):
            raise EngineError(f"segment {number}: its latents are no numbers any more; try --option dtype=bfloat16")
        frames = self._conditions.decode(latents, job=job)
        for index, pixels in enumerate(frames):
            kept = job.kept(index)
            yield FrameDone(segment=number, index=index, pixels=pixels if kept is None else kept.copy())
        yield SegmentDone(segment=number)
        self._scratch.remove(job.segment.key)


def _go_on(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise CancelledError("rendering was cancelled")


def _texts(job: SegmentJob) -> tuple[str, ...]:
    """What must be encoded: the prompt and, where a step makes two forwards, the negative prompt."""
    plan = job.segment
    return (plan.prompt, plan.negative_prompt) if any(step.forwards > 1 for step in plan.steps) else (plan.prompt,)


def _levels(steps: Sequence[Step]) -> list[float]:
    """The noise levels of a plan, one more than steps; `EngineError` where a step does not start where one ended."""
    for before, after in pairwise(steps):
        if before.sigma_next != after.sigma:
            problem = f"starts at sigma {after.sigma}, but the step before ends at {before.sigma_next}"
            raise EngineError(f"step {after.index} {problem}; plan again")
    return [steps[0].sigma, *(step.sigma_next for step in steps)]


def _active(step: Step, *, expert: ExpertName) -> dict[str, float]:
    """The LoRAs that a step gives a weight on an expert."""
    return {name: weight for name, weight in step.loras.items() if weight} if step.expert == expert else {}


def _fits(kept: Halfway, begun: Denoising) -> bool:
    """Whether what was kept stands at the border of two experts of this plan."""
    steps, done = begun.plan.steps, len(kept.steps)
    in_order = [step.index for step in kept.steps] == [step.index for step in steps[:done]]
    at_border = 0 < done < len(steps) and steps[done - 1].expert != steps[done].expert
    return in_order and at_border and kept.latents.shape == begun.latents.shape


def _text(components: Components, *, experts: Experts) -> TextEmbeddings:
    def load() -> tuple[Tokenizer, TextEncoder]:
        experts.make_way()
        return components.text()

    return TextEmbeddings(
        load=load,
        free=partial(components.free, TEXT_ENCODER),
        device=components.device,
        count=components.tally.add,
        length=components.options.text_length,
    )


def _conditions(components: Components) -> Conditions:
    layout, device, count = components.layout, components.device, components.tally.add
    space = LatentSpace.of(layout.vae, patch=layout.transformer.patch_size[1])
    codec = VideoCodec(vae=components.vae, space=space, device=device, count=count)
    eyes = PictureEmbeddings(load=components.image_encoder, device=device, count=count)
    return Conditions(traits=Traits.of(layout), codec=codec, embeddings=eyes, device=device, dtype=components.dtype)


def device_name(device: torch.device) -> str:
    """The device as a record names it: `cpu`, `mps`, or `cuda:0 NVIDIA H100`."""
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)
