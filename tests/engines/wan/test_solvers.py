"""Solvers against the formulas of their papers, on a flow whose end is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wayframe.core.schedule import Solver as SolverName
from wayframe.core.schedule import sigmas, timesteps
from wayframe.engines.wan import solvers
from wayframe.engines.wan.solvers import SchedulerSolver, Solver, make_solver
from wayframe.errors import EngineError

MEAN, SPREAD = 0.7, 0.4
NAMES = tuple(SolverName)


def levels(steps: int, *, shift: float = 3.0, name: str = "trailing") -> tuple[float, ...]:
    return sigmas(timesteps(SolverName(name), steps=steps, shift=shift))


def velocity(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The exact velocity where the pictures are normally distributed: (x - E[picture | x]) / sigma."""
    signal = 1 - sigma
    gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + sigma**2)
    return (x - (MEAN + gain * (x - signal * MEAN))) / sigma


def noise() -> torch.Tensor:
    return torch.randn(2, 3, 2, 2, 2, generator=torch.Generator().manual_seed(1))


def solved(solver: Solver, steps: int) -> torch.Tensor:
    x = noise()
    for index in range(steps):
        x = solver.step(index, velocity=velocity(x, solver.sigma(index)), latents=x)
    return x


def error(name: str, steps: int) -> float:
    exact = MEAN + SPREAD * noise()
    return float((solved(make_solver(name, levels(steps)), steps) - exact).abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_more_steps_come_closer_to_the_end_of_the_flow(name: str) -> None:
    assert error(name, 64) < error(name, 16) < error(name, 8)
    assert error(name, 64) < 0.06


@pytest.mark.parametrize("name", ["unipc", "dpm++"])
def test_solvers_of_second_order_beat_euler_by_far(name: str) -> None:
    assert error(name, 64) < error("euler", 64) / 5


def test_euler_and_trailing_step_alike() -> None:
    assert torch.equal(solved(make_solver("euler", levels(6)), 6), solved(make_solver("trailing", levels(6)), 6))


def test_one_euler_step_is_the_line_along_the_velocity() -> None:
    solver = make_solver("euler", [1.0, 0.25, 0.0])
    stepped = solver.step(0, velocity=torch.tensor([2.0]), latents=torch.tensor([3.0]))
    assert stepped.item() == 3.0 - 0.75 * 2.0


Array = NDArray[np.float64]


def half_log_snr(sigma: float) -> float:
    """lambda of the papers for alpha = 1 - sigma."""
    return math.log((1 - sigma) / sigma) if sigma else math.inf


def dpmpp_2m(grid: Sequence[float], flow: Callable[[Array, float], Array]) -> Array:
    """Algorithm 2 of arXiv 2211.01095 in float64, with a first order step at the start and at the end."""
    x, before, steps = noise().double().numpy(), None, len(grid) - 1
    for index in range(steps):
        now, after = grid[index], grid[index + 1]
        picture = x - now * flow(x, now)
        h = half_log_snr(after) - half_log_snr(now)
        direction = picture
        if before is not None and index < steps - 1:
            r = (half_log_snr(now) - half_log_snr(grid[index - 1])) / h
            direction = (1 + 1 / (2 * r)) * picture - 1 / (2 * r) * before
        x = after / now * x - (1 - after) * math.expm1(-h) * direction
        before = picture
    return x


def unipc_2(grid: Sequence[float], flow: Callable[[Array, float], Array]) -> Array:
    """UniPC-2 with B2(h) of arXiv 2302.04867 (predictor, then corrector at the next step) in float64."""
    x, pictures, steps = noise().double().numpy(), [], len(grid) - 1
    start = x
    for index in range(steps):
        now = grid[index]
        picture = x - now * flow(x, now)
        if index:
            x = start = corrected(grid, index, start=start, pictures=pictures, picture=picture)
        else:
            start = x
        pictures.append(picture)
        order = 1 if index in (0, steps - 1) else 2
        x = predicted(grid, index, start=start, pictures=pictures, order=order)
    return x


def predicted(grid: Sequence[float], index: int, *, start: Array, pictures: list[Array], order: int) -> Array:
    now, after = grid[index], grid[index + 1]
    h = half_log_snr(after) - half_log_snr(now)
    x = after / now * start - (1 - after) * math.expm1(-h) * pictures[-1]
    if order == 2:
        r = (half_log_snr(grid[index - 1]) - half_log_snr(now)) / h
        x = x - (1 - after) * math.expm1(-h) * 0.5 * (pictures[-2] - pictures[-1]) / r
    return x


def corrected(grid: Sequence[float], index: int, *, start: Array, pictures: list[Array], picture: Array) -> Array:
    before, now = grid[index - 1], grid[index]
    h = half_log_snr(now) - half_log_snr(before)
    x = now / before * start - (1 - now) * math.expm1(-h) * pictures[-1]
    change = picture - pictures[-1]
    if index == 1:
        return x - (1 - now) * math.expm1(-h) * 0.5 * change
    r = (half_log_snr(grid[index - 2]) - half_log_snr(before)) / h
    phi = (math.expm1(-h) / -h - 1, (math.expm1(-h) / -h - 1) / -h - 0.5)
    known = [phi[0] / math.expm1(-h), 2 * phi[1] / math.expm1(-h)]
    rho = np.linalg.solve(np.array([[1, 1], [r, 1]]), np.array(known))
    return x - (1 - now) * math.expm1(-h) * (rho[0] * (pictures[-2] - pictures[-1]) / r + rho[1] * change)


def flow(x: Array, sigma: float) -> Array:
    return velocity(torch.from_numpy(x), sigma).numpy()


@pytest.mark.parametrize(("name", "reference"), [("dpm++", dpmpp_2m), ("unipc", unipc_2)])
@pytest.mark.parametrize("steps", [1, 2, 3, 6, 10])
def test_a_scheduler_steps_by_the_formula_of_its_paper(
    name: str, reference: Callable[[Sequence[float], Callable[[Array, float], Array]], Array], steps: int
) -> None:
    grid = (1 - 1e-6, *levels(steps)[1:])  # at 1 lambda is infinite
    solver = make_solver(name, grid)
    expected = torch.from_numpy(reference(grid, flow))
    assert torch.allclose(solved(solver, steps).double(), expected, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 6, 20])
def test_a_solver_holds_the_levels_of_the_plan(name: str, steps: int) -> None:
    grid = levels(steps, shift=5.0, name=name)
    solver = make_solver(name, grid)
    held = [solver.sigma(0), *(solver.sigma_next(index) for index in range(steps))]
    assert held[1:] == pytest.approx(grid[1:], abs=1e-7)
    assert held[0] == pytest.approx(grid[0], abs=1.2e-6)
    assert held[-1] == 0


def test_a_scheduler_that_shifts_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = solvers.unipc

    def shifting(grid: Sequence[float]) -> object:
        scheduler = right(grid)
        scheduler.register_to_config(flow_shift=5.0)
        scheduler.set_timesteps(sigmas=np.array(grid[:-1]))
        return scheduler

    monkeypatch.setattr(solvers, "unipc", shifting)
    with pytest.raises(EngineError, match=r"sigmas\[1\]: 0\.\d+ was planned, and the scheduler holds 0\.9"):
        make_solver("unipc", levels(6))


def test_levels_that_do_not_end_at_zero_are_refused_by_schedulers_that_always_do() -> None:
    with pytest.raises(EngineError, match=r"sigmas\[2\]: 0.25 was planned, and the scheduler holds 0.0"):
        make_solver("unipc", [1.0, 0.5, 0.25])


def test_an_unknown_solver_is_named_with_those_that_are_here() -> None:
    with pytest.raises(EngineError, match=r"'heun'.*euler, unipc, dpm\+\+, trailing"):
        make_solver("heun", levels(4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [1, 2, 5])
def test_a_solver_goes_on_to_the_last_bit_where_another_stopped(name: str, stop: int) -> None:
    steps, grid = 6, levels(6)
    whole = solved(make_solver(name, grid), steps)
    first, second = make_solver(name, grid), make_solver(name, grid)
    x = noise()
    for index in range(stop):
        x = first.step(index, velocity=velocity(x, first.sigma(index)), latents=x)
    second.restore({key: value.clone() for key, value in first.state().items()})
    for index in range(stop, steps):
        x = second.step(index, velocity=velocity(x, second.sigma(index)), latents=x)
    assert torch.equal(x, whole)


@pytest.mark.parametrize("name", ["unipc", "dpm++"])
def test_the_state_of_a_multistep_solver_is_needed(name: str) -> None:
    grid = levels(6)
    whole = solved(make_solver(name, grid), 6)
    solver, fresh = make_solver(name, grid), make_solver(name, grid)
    x = noise()
    for index in range(3):
        x = solver.step(index, velocity=velocity(x, solver.sigma(index)), latents=x)
    fresh.restore({"counters": torch.tensor([3, 0, 0])})
    for index in range(3, 6):
        x = fresh.step(index, velocity=velocity(x, fresh.sigma(index)), latents=x)
    assert not torch.allclose(x, whole, atol=1e-4)


@pytest.mark.parametrize("name", ["unipc", "dpm++"])
def test_a_step_that_is_left_out_is_refused(name: str) -> None:
    solver = make_solver(name, levels(6))
    assert isinstance(solver, SchedulerSolver)
    with pytest.raises(EngineError, match="step 2: the solver is at step 0"):
        solver.step(2, velocity=noise(), latents=noise())
