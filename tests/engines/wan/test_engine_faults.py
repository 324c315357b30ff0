"""Faults that are planted into the model while it works: the read-back tells of them, and the record calls them so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.wan.runs import Outcome, engine_of, loras, planned, rendered, seed_phases, setup, trip
from engines.wan.tiny import TinyModels
from wayframe.core.plan import SegmentPlan
from wayframe.engines.base import EngineEvent, StepDone
from wayframe.engines.wan import solvers
from wayframe.engines.wan.components import Components
from wayframe.engines.wan.engine import WanEngine
from wayframe.engines.wan.layout import ExpertName
from wayframe.errors import EngineError

Fault = Callable[[WanEngine], None]


def with_fault(tiny: TinyModels, folder: Path, fault: Fault, *, after: int) -> tuple[SegmentPlan, Outcome]:
    """Run 2 of the seed, with a fault that happens when step `after` was told."""
    (plan,) = planned(tiny, "t2v", phase_config=seed_phases())
    told: list[EngineEvent] = []
    with engine_of(setup(tiny, "t2v", loras=loras(tiny, "t2v", folder=folder))) as engine:
        for event in engine.render(trip([plan])):
            told.append(event)
            if isinstance(event, StepDone) and event.step.index == after:
                fault(engine)
    return plan, Outcome(events=told)


def expert(engine: WanEngine, name: ExpertName) -> torch.nn.Module:
    assert engine._open is not None
    return engine._open.components.expert(name)


def lose_a_patch(engine: WanEngine) -> None:
    """What a library does that puts a module's own forward back."""
    del expert(engine, "high").blocks[0].attn1.to_q.__dict__["forward"]


def replace_a_module(engine: WanEngine) -> None:
    """What quantising a layer after the fact does."""
    block = expert(engine, "high").blocks[1].attn2
    fresh = torch.nn.Linear(block.to_k.in_features, block.to_k.out_features)
    fresh.load_state_dict(block.to_k.state_dict())
    block.to_k = fresh


def change_a_weight(engine: WanEngine) -> None:
    assert engine._open is not None
    _, patches = engine._open._experts.ready("high", loras=["fast"])
    patches.set({"fast": 0.5})


def test_without_a_fault_nothing_is_found(tiny: TinyModels, tmp_path: Path) -> None:
    plan, outcome = with_fault(tiny, tmp_path, lambda _: None, after=0)
    assert outcome.differences(plan) == []


@pytest.mark.parametrize("fault", [lose_a_patch, replace_a_module])
def test_a_module_that_loses_its_patch_is_counted_out(tiny: TinyModels, tmp_path: Path, fault: Fault) -> None:
    plan, outcome = with_fault(tiny, tmp_path, fault, after=0)
    assert [step.modules.get("fast") for step in outcome.steps()[:4]] == [(16, 16), (15, 16), (15, 16), (15, 16)]
    found = outcome.differences(plan)
    assert {finding.code for finding in found} == {"applied-differs"}
    assert found[0].message == (
        "segment 0, step 1: the weight of fast is held by 15 of the 16 modules that it is attached to"
    )


def test_a_weight_that_changes_between_two_steps_is_told(tiny: TinyModels, tmp_path: Path) -> None:
    plan, outcome = with_fault(tiny, tmp_path, change_a_weight, after=0)
    assert [step.loras["fast"] for step in outcome.steps()[:4]] == [0.75, 0.5, 1.0, 1.0]
    assert [finding.where for finding in outcome.differences(plan)] == ["segments[0].steps[1]"]


def test_a_weight_that_changes_within_a_step_is_an_error(tiny: TinyModels, tmp_path: Path) -> None:
    def between_the_forwards(engine: WanEngine) -> None:
        expert(engine, "high").register_forward_hook(lambda *_: change_a_weight(engine))

    with pytest.raises(EngineError, match=r"step 1: its forwards disagree: loras was \{'fast': 0.75\}, then .*0.5"):
        with_fault(tiny, tmp_path, between_the_forwards, after=0)


def test_an_expert_in_the_place_of_the_other_is_told_by_its_own_name(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Components.expert
    swapped: dict[ExpertName, ExpertName] = {"high": "low", "low": "high"}
    monkeypatch.setattr(Components, "expert", lambda self, name: right(self, swapped[name]))
    (plan,) = planned(tiny, "t2v", steps=4)
    with engine_of(setup(tiny, "t2v")) as engine:
        outcome = rendered(engine, trip([plan]))
    assert [step.expert for step in plan.steps] == ["high", "high", "low", "low"]
    assert [step.expert for step in outcome.steps()] == ["low", "low", "high", "high"]
    assert len(outcome.differences(plan)) == 4


class _Altering(solvers.SchedulerSolver):
    """Moves a level when the step before it is done."""

    def step(self, index: int, *, velocity: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        stepped = super().step(index, velocity=velocity, latents=latents)
        if index == 0:
            self.scheduler.sigmas[2] = 0.5
        return stepped


@pytest.mark.parametrize("solver", ["unipc", "dpm++"])
def test_a_scheduler_that_alters_its_levels_under_way_is_told(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch, solver: str
) -> None:
    monkeypatch.setattr(solvers, "SchedulerSolver", _Altering)
    (plan,) = planned(tiny, "t2v21", steps=4, sample_solver=solver)
    with engine_of(setup(tiny, "t2v21")) as engine:
        outcome = rendered(engine, trip([plan]))
    assert [step.sigma_next for step in outcome.steps()][1] == 0.5
    assert [step.sigma for step in outcome.steps()][2] == 0.5
    assert {finding.where for finding in outcome.differences(plan)} == {"segments[0].steps[1]", "segments[0].steps[2]"}


def test_another_timestep_than_was_planned_is_told(tiny: TinyModels, tmp_path: Path) -> None:
    def later(engine: WanEngine) -> None:
        def change(_: object, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, given | {"timestep": given["timestep"] - 100}

        expert(engine, "high").register_forward_pre_hook(change, with_kwargs=True, prepend=True)

    plan, outcome = with_fault(tiny, tmp_path, later, after=2)
    assert outcome.steps()[3].timestep == pytest.approx(plan.steps[3].timestep - 100)
    assert [finding.where for finding in outcome.differences(plan)] == ["segments[0].steps[3]"]


def test_an_expert_whose_hook_is_gone_is_an_error(tiny: TinyModels, tmp_path: Path) -> None:
    def unhook(engine: WanEngine) -> None:
        expert(engine, "high")._forward_pre_hooks.clear()

    with pytest.raises(EngineError, match="step 1: no forward of an expert was seen"):
        with_fault(tiny, tmp_path, unhook, after=0)
