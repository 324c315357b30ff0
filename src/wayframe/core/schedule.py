"""The schedule: timesteps of every solver, the flow shift, and where phases meet.

The base grid of a solver is rounded to float32 and everything after that is float64, as upstream computes it, so that
every number equals upstream's to the last bit. A timestep is a noise level times 1000: 1000 is noise, 0 the picture.

The functions whose names begin with `wire_` read what payloads and logs hold, including what a spec may not say.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate, pairwise

from wayframe.errors import InputError, PayloadError, SpecError

SCALE = 1000.0
UNIPC_SIGMA_MIN = 0.001
_MOST_DIGITS, _ROUNDED = 17, 1e-11  # of a float64, and after some operations on it

WIRE_STEPS_PER_PHASE = (2, 2, 2)
WIRE_SHIFT = 5.0
WIRE_SOLVER = "euler"
WIRE_SWITCH_PHASE = 2


class Solver(StrEnum):
    """How the noise is taken away. `dpm++` and `trailing` differ in how they step; their grids are the same levels."""

    EULER = "euler"
    UNIPC = "unipc"
    DPMPP = "dpm++"
    TRAILING = "trailing"


_WIRE_SOLVERS = {
    "euler": Solver.EULER,
    "unipc": Solver.UNIPC,
    "": Solver.UNIPC,
    "dpm++": Solver.DPMPP,
    "dpm++_sde": Solver.DPMPP,
}


def timesteps(solver: Solver, *, steps: int, shift: float) -> tuple[float, ...]:
    """Give the timestep at which each step starts: `steps` strictly decreasing numbers, the first 1000.

    With a shift below 0.5 the first can be off by a rounding error, as it is upstream.
    Raises SpecError when there is no step, when `shift` is not a positive number, or when it is so extreme that
    neighbouring steps would fall on one number.
    """
    return _shifted(solver, steps=steps, shift=shift, error=SpecError)


def wire_timesteps(solver: str, *, steps: int, shift: float) -> tuple[float, ...]:
    """Give the timesteps that upstream computes for a solver's name as it stands in a payload.

    ``dpm++_sde`` has the grid of ``dpm++`` and an empty name means ``unipc``. A name that upstream does not know
    (``trailing`` is one) gets 1000 to 1 in even steps, without any shift and in float32. Raises PayloadError.
    """
    if solver in _WIRE_SOLVERS:
        return _shifted(_WIRE_SOLVERS[solver], steps=steps, shift=shift, error=PayloadError)
    _check(steps=steps, shift=shift, error=PayloadError)
    return _linspace(start=SCALE, stop=1.0, count=steps)


def sigmas(timesteps: Sequence[float]) -> tuple[float, ...]:
    """Give the noise level at the start of each step, and the 0 at which the last one ends: one more than timesteps.

    A level is the timestep over 1000, correctly rounded; the unit value that was scaled up to the timestep can differ
    from it in the last bit. The quotient is used because a log holds timesteps only, because upstream steps by
    differences of timesteps over 1000, and because one rule then serves plans and logs alike.
    """
    return (*(t / SCALE for t in timesteps), 0.0)


def thresholds(timesteps: Sequence[float], steps_per_phase: Sequence[int]) -> tuple[float, ...]:
    """Give the midpoint of the two timesteps at each boundary of phases: one number fewer than there are phases.

    For display and for the wire only: steps belong to phases by their index (`phase_of_step`). Raises SpecError for a
    phase without a step and for a sum other than the number of timesteps.
    """
    _check_phases(steps_per_phase)
    _check_sum(steps_per_phase, steps=len(timesteps))
    return tuple((timesteps[i - 1] + timesteps[i]) / 2 for i in _boundaries(steps_per_phase))


def wire_thresholds(solver: str, *, steps_per_phase: Sequence[int], shift: float) -> tuple[float | None, ...]:
    """Give the thresholds that upstream computes and logs, one fewer than there are phases, for any counts of steps.

    A boundary at the very end has none (None). A boundary before the first step, as in [0, 3, 3], takes the midpoint of
    the first and the *last* timestep, because upstream's index wraps around. For a solver that upstream does not know
    the arithmetic is float32, like its grid. Raises PayloadError for a negative count or when there are no steps.
    """
    if any(count < 0 for count in steps_per_phase):
        raise PayloadError("steps_per_phase", "a phase cannot have fewer than 0 steps", list(steps_per_phase))
    grid = wire_timesteps(solver, steps=sum(steps_per_phase), shift=shift)
    middle = _middle if solver in _WIRE_SOLVERS else _middle_single
    return tuple(middle((grid[i - 1], grid[i])) if i < len(grid) else None for i in _boundaries(steps_per_phase))


def wire_switch_steps(timesteps: Sequence[float], *, thresholds: Sequence[float], phases: int) -> tuple[int, int]:
    """Give the index at which WanGP enters the second and the third phase, which it finds by comparing timesteps.

    `thresholds` are its switch_threshold and switch_threshold2; one that is missing or that `phases` leaves unused
    gives the number of steps, which is never reached.
    """
    used = [*thresholds[: max(phases - 1, 0)], -math.inf, -math.inf][:2]
    first, second = (next((i for i, t in enumerate(timesteps) if t <= level), len(timesteps)) for level in used)
    return first, second


def shift_of(solver: Solver, times: Sequence[float]) -> float:
    """Give the shift from which `timesteps` makes these times; one step has any, and 1 is given.

    It follows from one step in the middle: shift = s (1 - t) / (t (1 - s)), with the level t of the base grid that
    became s. The shortest number that makes the times to the last bit is taken, else the one that makes them but for
    rounding. Raises SpecError for times that no shift makes.
    """
    if len(times) == 1:
        return 1.0
    at = (len(times) + 1) // 2
    base, level = _grid(solver, steps=len(times))[at], times[at] / SCALE
    near = level * (1 - base) / (base * (1 - level)) if 0 < level < 1 else 0.0
    tried = [shift for digits in range(3, _MOST_DIGITS + 1) if (shift := float(f"{near:.{digits}g}")) > 0]
    for tolerance in (0.0, _ROUNDED):
        for shift in tried:
            made = timesteps(solver, steps=len(times), shift=shift)
            if all(math.isclose(one, other, rel_tol=tolerance) for one, other in zip(made, times, strict=True)):
                return shift
    raise SpecError("timesteps", f"are no grid of {solver.value} with a shift", list(times))


def phase_of_step(steps_per_phase: Sequence[int]) -> tuple[int, ...]:
    """Give the phase of every step, counted from 1: [2, 1] gives 1, 1, 2. Raises SpecError for a phase of no steps."""
    _check_phases(steps_per_phase)
    return tuple(phase for phase, count in enumerate(steps_per_phase, start=1) for _ in range(count))


def shown(timesteps: Sequence[float]) -> tuple[str, ...]:
    """Give the timesteps as upstream's logs show them, with one decimal."""
    return tuple(f"{t:.1f}" for t in timesteps)


def _shifted(solver: Solver, *, steps: int, shift: float, error: type[InputError]) -> tuple[float, ...]:
    _check(steps=steps, shift=shift, error=error)
    result = tuple(_warp(t, shift=shift) * SCALE for t in _grid(solver, steps=steps))
    if not all(before > after for before, after in pairwise(result)):
        raise error("flow_shift", f"is too extreme to keep {steps} steps apart", shift, fix="use a value near 5")
    return result


def _warp(t: float, *, shift: float) -> float:
    return shift * t / (1 + (shift - 1) * t)


def _grid(solver: Solver, *, steps: int) -> tuple[float, ...]:
    """Noise levels in [0, 1] before the shift. euler's are rounded on the scale of 1000, the others' on that of 1."""
    match solver:
        case Solver.EULER:
            return tuple(t / SCALE for t in _linspace(start=SCALE, stop=1.0, count=steps))
        case Solver.UNIPC:
            return _linspace(start=1.0, stop=UNIPC_SIGMA_MIN, count=steps + 1)[:-1]
        case Solver.DPMPP:
            return _linspace(start=1.0, stop=0.0, count=steps + 1)[:-1]
        case Solver.TRAILING:
            return _linspace(start=1.0, stop=1.0 / steps, count=steps)


def _linspace(*, start: float, stop: float, count: int) -> tuple[float, ...]:
    """`numpy.linspace(start, stop, count, dtype=float32)` to the bit: float64 inside, the last point set exactly."""
    if count == 1:
        return (_single(start),)
    stride = (stop - start) / (count - 1)
    return (*(_single(i * stride + start) for i in range(count - 1)), _single(stop))


def _single(value: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return float(rounded)


def _middle(pair: tuple[float, float]) -> float:
    return (pair[0] + pair[1]) / 2


def _middle_single(pair: tuple[float, float]) -> float:
    return _single(_single(pair[0] + pair[1]) / 2)


def _boundaries(steps_per_phase: Sequence[int]) -> tuple[int, ...]:
    """Give the index of the first step of every phase but the first."""
    return tuple(accumulate(steps_per_phase))[:-1]


def _check(*, steps: int, shift: float, error: type[InputError]) -> None:
    if steps < 1:
        raise error("steps", "expected at least 1", steps)
    if not (math.isfinite(shift) and shift > 0 and 1 + (shift - 1) > 0):  # the warp divides by the last at t = 1
        raise error("flow_shift", "expected a number above 0", shift)


def _check_phases(steps_per_phase: Sequence[int]) -> None:
    if not steps_per_phase or min(steps_per_phase) < 1:
        fix = "leave out a phase that does nothing"
        raise SpecError("steps_per_phase", "every phase needs at least 1 step", list(steps_per_phase), fix=fix)


def _check_sum(steps_per_phase: Sequence[int], *, steps: int) -> None:
    total = sum(steps_per_phase)
    if total != steps:
        problem = f"adds up to {total}, expected {steps}"
        raise SpecError(
            "steps_per_phase", problem, list(steps_per_phase), fix="change the phases or the number of steps"
        )
