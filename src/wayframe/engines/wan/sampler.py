"""The loop: steps of the plan applied to one segment's latents, each read back as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wayframe.core.plan import TRAIN_TIMESTEPS, SegmentPlan, Step
from wayframe.engines.base import AppliedStep
from wayframe.engines.wan.conditions import Condition
from wayframe.engines.wan.guidance import guided
from wayframe.engines.wan.readback import Forward, LoraState, ReadBack, agreed
from wayframe.engines.wan.solvers import Solver
from wayframe.errors import CancelledError


@dataclass(slots=True, kw_only=True)
class Denoising:
    """A segment on its way from noise to latents of a video.

    `latents` are float32; `prompt` and `negative` are [1, tokens, width], `negative` None where no step needs it.
    """

    plan: SegmentPlan
    condition: Condition
    prompt: Tensor
    negative: Tensor | None
    solver: Solver
    latents: Tensor
    applied: list[AppliedStep] = field(default_factory=list)

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that were not applied yet."""
        return self.plan.steps[len(self.applied) :]

    def finished(self) -> Tensor:
        """The latents to decode, with the frames that are known in their place."""
        first = self.condition.first
        return self.latents if first is None else first.put_into(self.latents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """A transformer that is ready to run: `name` is what the plan calls it, `dtype` what it computes in."""

    name: str
    module: nn.Module
    patch: tuple[int, int, int]
    dtype: torch.dtype
    loras: LoraState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Applies steps with one expert. `cancelled` is asked before every forward."""

    expert: Expert
    readback: ReadBack
    cancelled: Callable[[], bool]

    def denoise(self, segment: Denoising, steps: Sequence[Step]) -> Iterator[AppliedStep]:
        """Apply `steps`, the next ones of the segment; yields each as it was applied.

        Raises `CancelledError` before the next forward once `cancelled()` is true, and `EngineError` when the forwards
        of one step were not given the same. The expert's LoRAs must have the weights of these steps.
        """
        for step in steps:
            applied = self._apply(segment, step)
            segment.applied.append(applied)
            yield applied

    @torch.no_grad()
    def _apply(self, segment: Denoising, step: Step) -> AppliedStep:
        self.readback.take()
        velocity, guidance = self._velocity(segment, step)
        solver, forwards = segment.solver, self.readback.take()
        sigma, sigma_next = solver.sigma(step.index), solver.sigma_next(step.index)
        segment.latents = solver.step(step.index, velocity=velocity, latents=segment.latents)
        seen = agreed(forwards, step=step.index) if step.forwards else self._idle(sigma)
        return AppliedStep(
            index=step.index,
            timestep=seen.timestep,
            expert=seen.expert,
            guidance=guidance,
            loras={**dict.fromkeys(step.loras, 0.0), **seen.loras},
            forwards=len(forwards),
            sigma=sigma,
            sigma_next=sigma_next,
            modules=seen.modules,
        )

    def _velocity(self, segment: Denoising, step: Step) -> tuple[Tensor, float]:
        """The velocity of a step, float32, and the guidance that is in it; zero is any guidance times zero."""
        if not step.forwards:
            return torch.zeros_like(segment.latents), step.guidance
        hidden, timestep = self._input(segment, step)
        cond = self._forward(segment, hidden=hidden, timestep=timestep, text=segment.prompt)
        if segment.negative is None or step.forwards == 1:
            return cond.float(), 1.0
        uncond = self._forward(segment, hidden=hidden, timestep=timestep, text=segment.negative)
        return guided(cond=cond, uncond=uncond, scale=step.guidance, star=segment.plan.cfg_star), step.guidance

    def _input(self, segment: Denoising, step: Step) -> tuple[Tensor, Tensor]:
        """Latents and timestep as the expert takes them: one timestep, or one per token where frames are known."""
        latents, condition = segment.latents, segment.condition
        if condition.first is not None:
            frames, rows, columns = self.expert.patch
            mask = condition.first.mask[0, 0, ::frames, ::rows, ::columns]
            return condition.first.put_into(latents), (mask * step.timestep).flatten()[None]
        timestep = torch.full((1,), step.timestep, dtype=torch.float32, device=latents.device)
        return latents if condition.channels is None else torch.cat([latents, condition.channels], dim=1), timestep

    def _forward(self, segment: Denoising, *, hidden: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        if self.cancelled():
            raise CancelledError("rendering was cancelled")
        velocity: Tensor = self.expert.module(
            hidden_states=hidden.to(self.expert.dtype),
            timestep=timestep,
            encoder_hidden_states=text.to(self.expert.dtype),
            return_dict=False,
            **segment.condition.extra,
        )[0]
        return velocity

    def _idle(self, sigma: float) -> Forward:
        """What stands for a step without a forward: no expert was given anything, its LoRAs are read all the same."""
        weights, modules = self.expert.loras.read()
        return Forward(expert=self.expert.name, timestep=sigma * TRAIN_TIMESTEPS, loras=weights, modules=modules)
