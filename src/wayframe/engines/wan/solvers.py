"""The solvers: one step from a noise level down to the next, along the velocity that the model predicts.

In flow matching (arXiv 2210.02747) the latents at noise level sigma are (1 - sigma) * picture + sigma * noise, and the
velocity is noise - picture. Solvers are fed with the plan's sigmas, which are shifted already: nothing shifts twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

from wayframe.core.plan import TRAIN_TIMESTEPS
from wayframe.core.schedule import Solver as SolverName
from wayframe.errors import EngineError

State: TypeAlias = dict[str, torch.Tensor]

ALTERED = 1.2e-6
"""How far a level that a scheduler holds may lie from the plan's: UniPC takes 1 - 1e-6 for 1, whose logarithm of signal
to noise would be infinite; the rest is the rounding to float32."""
_ORDER = 2


class Solver(Protocol):
    """Steps one segment's latents. A solver of several steps remembers, so every segment has its own."""

    def step(self, index: int, *, velocity: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The latents at `sigma_next(index)`, from those at `sigma(index)` and the velocity there; float32."""
        ...

    def sigma(self, index: int) -> float:
        """The noise level at which step `index` starts, as it is really used."""
        ...

    def sigma_next(self, index: int) -> float:
        """The noise level at which step `index` ends, as it is really used."""
        ...

    def state(self) -> State:
        """What is remembered of the steps so far; `restore` of another solver goes on from it to the last bit."""
        ...

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where `state` was taken; its tensors must be on the device of the latents."""
        ...


def make_solver(name: str, sigmas: Sequence[float]) -> Solver:
    """The solver of that name for these noise levels: one more than there are steps, falling, the last one 0.

    Raises `EngineError` for an unknown name, and when a scheduler does not hold the levels that it was given.
    """
    match name:
        case SolverName.EULER | SolverName.TRAILING:
            return EulerSolver(sigmas)
        case SolverName.UNIPC:
            return checked(SchedulerSolver(unipc(sigmas)), sigmas)
        case SolverName.DPMPP:
            return checked(SchedulerSolver(dpmpp(sigmas)), sigmas)
        case _:
            known = ", ".join(SolverName)
            raise EngineError(f"solver: the wan engine has none of this name (got {name!r}); use one of {known}")


class EulerSolver:
    """Euler's method: straight on along the velocity. It remembers nothing."""

    def __init__(self, sigmas: Sequence[float]) -> None:
        self.sigmas = tuple(sigmas)

    def step(self, index: int, *, velocity: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """See `Solver`."""
        return latents + (self.sigma_next(index) - self.sigma(index)) * velocity

    def sigma(self, index: int) -> float:
        """See `Solver`."""
        return self.sigmas[index]

    def sigma_next(self, index: int) -> float:
        """See `Solver`."""
        return self.sigmas[index + 1]

    def state(self) -> State:
        """Nothing is remembered."""
        return {}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Nothing is remembered."""


class SchedulerSolver:
    """A multistep scheduler of diffusers, whose steps are counted here and not found by their timestep."""

    def __init__(self, scheduler: UniPCMultistepScheduler | DPMSolverMultistepScheduler) -> None:
        self.scheduler = scheduler

    def step(self, index: int, *, velocity: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """See `Solver`; raises `EngineError` when steps are left out or come twice."""
        due = self.scheduler.step_index or 0
        if index != due:
            raise EngineError(f"step {index}: the solver is at step {due}; its steps must come in order")
        timestep = self.scheduler.timesteps[index]
        stepped: torch.Tensor = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
        return stepped

    def sigma(self, index: int) -> float:
        """See `Solver`."""
        return float(self.scheduler.sigmas[index])

    def sigma_next(self, index: int) -> float:
        """See `Solver`."""
        return float(self.scheduler.sigmas[index + 1])

    def state(self) -> State:
        """The predictions and the sample that the next step looks back to, and the counters."""
        scheduler = self.scheduler
        outputs = {f"output.{at}": kept for at, kept in enumerate(scheduler.model_outputs) if kept is not None}
        sample = getattr(scheduler, "last_sample", None)
        counters = (scheduler.step_index or 0, scheduler.lower_order_nums, getattr(scheduler, "this_order", 0))
        return outputs | ({} if sample is None else {"sample": sample}) | {"counters": torch.tensor(counters)}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Solver`."""
        scheduler = self.scheduler
        step_index, lower_order_nums, this_order = (int(number) for number in state["counters"])
        scheduler.model_outputs = [state.get(f"output.{at}") for at in range(_ORDER)]
        scheduler.set_begin_index(step_index)
        scheduler._step_index = step_index
        scheduler.lower_order_nums = lower_order_nums
        if isinstance(scheduler, UniPCMultistepScheduler):
            scheduler.last_sample = state.get("sample")
            scheduler.this_order = this_order


def unipc(sigmas: Sequence[float]) -> UniPCMultistepScheduler:
    """UniPC of order 2 with B2(h) (arXiv 2302.04867), as the published Wan models are configured."""
    scheduler = UniPCMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        solver_order=_ORDER,
        solver_type="bh2",
        predict_x0=True,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(sigmas=np.array(sigmas[:-1], dtype=np.float64))
    scheduler.set_begin_index(0)
    return scheduler


def dpmpp(sigmas: Sequence[float]) -> DPMSolverMultistepScheduler:
    """DPM-Solver++(2M) (arXiv 2211.01095); its `set_timesteps` takes no sigmas, so what that would set is set here."""
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        solver_order=_ORDER,
        algorithm_type="dpmsolver++",
        solver_type="midpoint",
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        final_sigmas_type="zero",
    )
    scheduler.num_inference_steps = len(sigmas) - 1
    scheduler.sigmas = torch.tensor(sigmas, dtype=torch.float32)
    scheduler.timesteps = scheduler.sigmas[:-1] * TRAIN_TIMESTEPS
    scheduler.set_begin_index(0)
    return scheduler


def checked(solver: Solver, sigmas: Sequence[float]) -> Solver:
    """The solver; EngineError when it does not step between the levels that it was given."""
    held = [solver.sigma(0), *(solver.sigma_next(index) for index in range(len(sigmas) - 1))]
    for index, (given, level) in enumerate(zip(sigmas, held, strict=True)):
        if not math.isclose(given, level, rel_tol=0, abs_tol=ALTERED):
            raise EngineError(f"sigmas[{index}]: {given} was planned, and the scheduler holds {level}")
    return solver
