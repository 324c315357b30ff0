"""Schedules against upstream's numbers, to the last bit, and what a spec may not say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.core import schedule
from wayframe.core.schedule import Solver
from wayframe.core.spec import parse_spec
from wayframe.errors import PayloadError, SpecError

Case = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden" / "phase_config.json"
CASES: dict[str, Case] = {case["name"]: case for case in json.loads(GOLDEN.read_text())["cases"]}
DISAGREEMENT = {
    "three counts for two phases": r"phase_config: num_phases is 2, but phases has 3 entries",
    "three counts for one phase": r"phase_config: num_phases is 1, but phases has 3 entries",
    "no phases": r"phase_config\.phases: needs at least 1 \(got \[\]\)",
}
COUNTS_DISAGREE = set(DISAGREEMENT)
STEPLESS = {"steps 6 0 0", "steps 0 3 3"}
WIRE_SOLVERS = {"dpm++_sde", "causvid", "lcm", "empty solver"}
SEED = (1000.0, 952.4376343861677, 882.5258807285231, 769.6741514473969, 556.7879372571325, 4.9800796812749)

ROUNDING = 3e-15

solvers = st.sampled_from(Solver)
shifts = st.floats(0.1, 100)
phase_counts = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def solver_of(case: Case) -> str:
    return str(case["phase_config"].get("sample_solver", schedule.WIRE_SOLVER))


def shift_of(case: Case) -> float:
    return float(case["phase_config"].get("flow_shift", schedule.WIRE_SHIFT))


def counts_of(case: Case) -> list[int]:
    return list(case["phase_config"].get("steps_per_phase", schedule.WIRE_STEPS_PER_PHASE))


def named(names: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [CASES[name] for name in sorted(names)], ids=sorted(names))


READ_BY_UPSTREAM = {name for name, case in CASES.items() if case["timesteps"]}
ACCEPTED_BY_UPSTREAM = {name for name, case in CASES.items() if case["output"]}


def test_every_golden_case_is_there():
    assert len(CASES) == 108
    assert set(CASES) - READ_BY_UPSTREAM == COUNTS_DISAGREE


@named(READ_BY_UPSTREAM - WIRE_SOLVERS)
def test_timesteps_equal_upstreams_to_the_last_bit(case: Case):
    ours = schedule.timesteps(Solver(solver_of(case)), steps=case["steps"], shift=shift_of(case))
    assert list(ours) == case["timesteps"]


@named(READ_BY_UPSTREAM)
def test_wire_timesteps_equal_upstreams_to_the_last_bit(case: Case):
    wire = schedule.wire_timesteps(solver_of(case), steps=case["steps"], shift=shift_of(case))
    assert list(wire) == case["timesteps"]
    assert list(schedule.shown(wire)) == case["shown"]


@named(ACCEPTED_BY_UPSTREAM - WIRE_SOLVERS - STEPLESS)
def test_thresholds_equal_upstreams_to_the_last_bit(case: Case):
    counts = counts_of(case)
    ours = schedule.thresholds(case["timesteps"], counts)
    assert list(ours) == case["output"]["thresholds"][: len(counts) - 1]


@named(ACCEPTED_BY_UPSTREAM)
def test_wire_thresholds_equal_upstreams_to_the_last_bit(case: Case):
    counts = counts_of(case)
    wire = schedule.wire_thresholds(solver_of(case), steps_per_phase=counts, shift=shift_of(case))
    assert [*wire, None][:2] == case["output"]["thresholds"]


@named(WIRE_SOLVERS)
def test_solver_names_of_the_wire_are_not_solvers_of_a_spec(case: Case):
    with pytest.raises(ValueError, match="is not a valid Solver"):
        Solver(solver_of(case))


@named(STEPLESS)
def test_phase_without_a_step_is_refused_everywhere(case: Case):
    counts = counts_of(case)
    for refused in (
        lambda: schedule.thresholds(case["timesteps"], counts),
        lambda: schedule.phase_of_step(counts),
    ):
        with pytest.raises(SpecError, match="every phase needs at least 1 step") as caught:
            refused()
        assert caught.value.value == counts
    with pytest.raises(SpecError, match=r"phase_config\.steps_per_phase\[\d\]: .* \(got 0\)"):
        asked(case)


@named(COUNTS_DISAGREE)
def test_counts_that_disagree_are_refused(case: Case):
    with pytest.raises(SpecError, match=DISAGREEMENT[str(case["name"])]):
        asked(case)


def asked(case: Case) -> None:
    """Ask for the phases of a case, without its LoRAs, in a spec of our own."""
    bare = [{"guidance_scale": phase["guidance_scale"]} for phase in case["phase_config"]["phases"]]
    config = {**case["phase_config"], "phases": bare, "steps_per_phase": counts_of(case)}
    parse_spec({"keyframes": [{"image": "a.png"}, {"image": "b.png"}], "phase_config": config})


def test_seed_case_has_the_timesteps_and_thresholds_of_its_log():
    timesteps = schedule.timesteps(Solver.EULER, steps=6, shift=5)
    assert timesteps == SEED
    assert schedule.shown(timesteps) == ("1000.0", "952.4", "882.5", "769.7", "556.8", "5.0")
    assert schedule.thresholds(timesteps, [2, 2, 2]) == (917.4817575573454, 663.2310443522647)


def test_steps_that_do_not_add_up_are_refused():
    with pytest.raises(SpecError, match=r"steps_per_phase: adds up to 7, expected 6 \(got \[2, 2, 3\]\)"):
        schedule.thresholds(SEED, [2, 2, 3])


def test_no_phases_are_refused():
    with pytest.raises(SpecError, match="every phase needs at least 1 step"):
        schedule.phase_of_step([])


def test_one_phase_has_no_threshold():
    assert schedule.thresholds(SEED, [6]) == ()


def test_five_phases_have_four_thresholds():
    assert schedule.thresholds((1000.0, 800.0, 600.0, 300.0, 200.0, 50.0), [1, 1, 1, 1, 2]) == (900, 700, 450, 250)


def test_phase_of_step_counts_from_one():
    assert schedule.phase_of_step([2, 1, 3]) == (1, 1, 2, 3, 3, 3)


def test_sigmas_are_timesteps_over_1000_and_end_at_0():
    assert schedule.sigmas((1000.0, 952.4376343861677, 5.0)) == (1.0, 0.9524376343861677, 0.005, 0.0)


def test_trailing_of_four_steps_without_shift_is_even_and_stops_a_stride_above_0():
    assert schedule.timesteps(Solver.TRAILING, steps=4, shift=1) == (1000.0, 750.0, 500.0, 250.0)


def test_trailing_of_four_steps_with_the_shift_of_the_distilled_models():
    # 5 t / (1 + 4 t) at t = 1, 3/4, 1/2, 1/4
    assert schedule.timesteps(Solver.TRAILING, steps=4, shift=5) == pytest.approx(
        (1000, 937.5, 2500 / 3, 625), abs=1e-9
    )


@pytest.mark.parametrize("shift", [1, 3, 5, 5.5, 8, 12])
def test_run_starts_at_exactly_1000_with_the_shifts_in_use(shift: float):
    assert schedule.timesteps(Solver.EULER, steps=6, shift=shift)[0] == 1000
    assert schedule.sigmas(schedule.timesteps(Solver.EULER, steps=6, shift=shift))[0] == 1


@pytest.mark.parametrize("solver", Solver)
def test_single_step_starts_at_pure_noise(solver: Solver):
    assert schedule.timesteps(solver, steps=1, shift=5) == (1000.0,)


def test_name_that_upstream_does_not_know_is_not_shifted():
    even = (1000.0, 800.2000122070312, 600.4000244140625, 400.6000061035156, 200.8000030517578, 1.0)
    assert schedule.wire_timesteps("trailing", steps=6, shift=5) == even
    assert schedule.wire_timesteps("no such solver", steps=6, shift=12) == even


def test_boundary_before_the_first_step_wraps_around_on_the_wire():
    first, second = schedule.wire_thresholds("euler", steps_per_phase=[0, 3, 3], shift=5)
    assert first == (SEED[-1] + SEED[0]) / 2
    assert second == (SEED[2] + SEED[3]) / 2


def test_boundary_at_the_end_has_no_threshold_on_the_wire():
    assert schedule.wire_thresholds("euler", steps_per_phase=[6, 0, 0], shift=5) == (None, None)


def test_negative_count_of_steps_is_refused_on_the_wire():
    with pytest.raises(PayloadError, match="fewer than 0 steps"):
        schedule.wire_thresholds("euler", steps_per_phase=[-1, 7], shift=5)


@pytest.mark.parametrize("shift", [0.0, -5.0, float("nan"), float("inf")])
def test_shift_that_is_not_a_positive_number_is_refused(shift: float):
    with pytest.raises(SpecError, match="flow_shift: expected a number above 0"):
        schedule.timesteps(Solver.EULER, steps=6, shift=shift)
    for name in ("euler", "causvid"):
        with pytest.raises(PayloadError, match="flow_shift: expected a number above 0"):
            schedule.wire_timesteps(name, steps=6, shift=shift)


def test_shift_that_makes_steps_fall_together_is_refused():
    with pytest.raises(SpecError, match="flow_shift: is too extreme to keep 6 steps apart"):
        schedule.timesteps(Solver.EULER, steps=6, shift=1e20)


def test_no_steps_are_refused():
    with pytest.raises(SpecError, match="steps: expected at least 1"):
        schedule.timesteps(Solver.EULER, steps=0, shift=5)
    with pytest.raises(PayloadError, match="steps: expected at least 1"):
        schedule.wire_thresholds("euler", steps_per_phase=[0, 0], shift=5)


@pytest.mark.parametrize(
    ("thresholds", "phases", "expected"),
    [
        ((917.48, 663.23), 3, (2, 4)),
        ((883.0, 558.0), 3, (2, 4)),
        ((917.48, 663.23), 2, (2, 6)),
        ((917.48, 663.23), 1, (6, 6)),
        ((769.6741514473969,), 2, (3, 6)),
        ((502.49, 826.1), 3, (5, 3)),
        ((), 3, (6, 6)),
    ],
)
def test_wangp_enters_a_phase_at_the_first_timestep_not_above_its_threshold(
    thresholds: tuple[float, ...], phases: int, expected: tuple[int, int]
):
    assert schedule.wire_switch_steps(SEED, thresholds=thresholds, phases=phases) == expected


@given(solver=solvers, steps=st.integers(1, 200), shift=shifts)
def test_timesteps_fall_strictly_from_1000_and_stay_above_0(solver: Solver, steps: int, shift: float):
    timesteps = schedule.timesteps(solver, steps=steps, shift=shift)
    assert len(timesteps) == steps
    assert timesteps[0] == pytest.approx(1000, rel=ROUNDING)
    assert timesteps[-1] > 0
    assert all(before > after for before, after in pairwise(timesteps))


@given(steps=st.integers(1, 100), shift=shifts)
def test_dpmpp_and_trailing_stand_at_the_same_noise_levels(steps: int, shift: float):
    trailing = schedule.timesteps(Solver.TRAILING, steps=steps, shift=shift)
    assert schedule.timesteps(Solver.DPMPP, steps=steps, shift=shift) == pytest.approx(trailing, rel=1e-5)


@given(solver=solvers, counts=phase_counts, shift=shifts)
def test_thresholds_lie_strictly_between_the_steps_that_they_part(solver: Solver, counts: list[int], shift: float):
    timesteps = schedule.timesteps(solver, steps=sum(counts), shift=shift)
    phases = schedule.phase_of_step(counts)
    parted = [(timesteps[i - 1], timesteps[i]) for i in range(1, len(phases)) if phases[i] != phases[i - 1]]
    thresholds = schedule.thresholds(timesteps, counts)
    assert len(thresholds) == len(parted) == len(counts) - 1
    assert all(before > level > after for level, (before, after) in zip(thresholds, parted, strict=True))


@given(solver=solvers, counts=st.lists(st.integers(1, 12), min_size=2, max_size=3), shift=shifts)
def test_comparing_with_thresholds_finds_the_steps_that_phases_begin_at(
    solver: Solver, counts: list[int], shift: float
):
    timesteps = schedule.timesteps(solver, steps=sum(counts), shift=shift)
    found = schedule.wire_switch_steps(timesteps, thresholds=schedule.thresholds(timesteps, counts), phases=len(counts))
    assert found == (counts[0], counts[0] + counts[1])


@given(solver=solvers, steps=st.integers(1, 100), shift=shifts)
def test_sigmas_give_their_timesteps_back(solver: Solver, steps: int, shift: float):
    timesteps = schedule.timesteps(solver, steps=steps, shift=shift)
    sigmas = schedule.sigmas(timesteps)
    assert sigmas[-1] == 0
    assert [sigma * 1000 for sigma in sigmas[:-1]] == pytest.approx(list(timesteps), rel=ROUNDING)


@pytest.mark.parametrize("shift", [5e-324, 3.95e-199, 1e-17])
def test_a_shift_that_vanishes_beside_one_is_refused_like_zero(shift: float):
    with pytest.raises(SpecError, match="flow_shift: expected a number above 0"):
        schedule.timesteps(Solver.UNIPC, steps=4, shift=shift)
    with pytest.raises(PayloadError, match="flow_shift: expected a number above 0"):
        schedule.wire_timesteps("euler", steps=1, shift=shift)


@given(solver=solvers, steps=st.integers(2, 40), shift=st.sampled_from([1.0, 3.0, 5.0, 7.25, 12.0]))
def test_the_shift_of_a_grid_is_found_again(solver: Solver, steps: int, shift: float):
    assert schedule.shift_of(solver, schedule.timesteps(solver, steps=steps, shift=shift)) == shift


@given(solver=solvers, steps=st.integers(2, 40), shift=st.floats(0.5, 30))
def test_any_shift_is_found_but_for_rounding(solver: Solver, steps: int, shift: float):
    times = schedule.timesteps(solver, steps=steps, shift=shift)
    assert schedule.shift_of(solver, times) == pytest.approx(shift, rel=1e-9)


def test_times_of_no_grid_have_no_shift():
    with pytest.raises(SpecError, match="are no grid of euler with a shift"):
        schedule.shift_of(Solver.EULER, (1000.0, 900.0, 100.0))
    assert schedule.shift_of(Solver.EULER, (1000.0,)) == 1.0
