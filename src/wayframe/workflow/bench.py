"""The engine of a run, and what it needs before it renders: the model's weights, and the files of LoRAs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from wayframe.core.events import EngineReported, FindingMade, RunEvent, WeightsReady
from wayframe.core.guides import is_looked_at
from wayframe.core.levels import used_in_part
from wayframe.engines.base import ChecksPlans, Engine, EngineSetup
from wayframe.engines.registry import load_engine
from wayframe.errors import SpecError
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import Home
from wayframe.workflow.depth import check_depth
from wayframe.workflow.engine_options import way_to
from wayframe.workflow.lora_files import check_loras, ready_loras
from wayframe.workflow.model_weights import ModelWeights, planned_model, weights_of
from wayframe.workflow.trip import Trip


def check_engine(trip: Trip) -> bool:
    """Whether the engine of a trip denoises.

    Raises `SpecError` when the engine here is not the one of the plan: its frames would get another's keys. Raises
    `EngineError` when it cannot do what the plan says.
    """
    plan = trip.plan
    with closing(load_engine(plan.engine, EngineSetup(options=trip.options))) as engine:
        if engine.identity != plan.engine_identity:
            fix = way_to(plan.engine_identity, here=engine.identity)
            raise SpecError("engine_identity", f"the engine here is {engine.identity}", plan.engine_identity, fix=fix)
        if isinstance(engine, ChecksPlans):
            engine.check(plan)
        return engine.denoises


def check_supplies(trip: Trip, *, home: Home, store: ArtifactStore) -> None:
    """Raise `SpecError` or `StoreError` when a denoising run lacks a LoRA's file, a depth model or the weights of its
    model, and `EngineError` when its engine cannot be made with them, since packages are not installed.

    A run whose segments are all in the store needs none of them.
    """
    if any(store.find(segment.key) is None for segment in trip.plan.segments):
        check_loras(trip.plan, trip.loras)
        if is_looked_at(trip.plan):
            check_depth(trip.plan, trip.depth)
        found = weights_of(trip.plan, home=home)
        if found is not None:
            setup = EngineSetup(options=trip.options, model=found.model, weights=found.folder)
            load_engine(trip.plan.engine, setup).close()


@dataclass(slots=True, kw_only=True)
class Bench:
    """Makes the engine when the first segment is to be rendered, and tells what it reports when it is closed."""

    trip: Trip
    home: Home
    denoises: bool
    scratch: Callable[[], Path]
    emit: Callable[[RunEvent], None]
    _engine: Engine | None = field(default=None, init=False)

    def engine(self) -> Engine:
        """The engine with all that it needs. Raises `SpecError` or `StoreError` for what is missing, or is not what was
        planned with.
        """
        if self._engine is None:
            self._engine = load_engine(self.trip.plan.engine, self._setup())
        return self._engine

    def close(self) -> None:
        """Free the engine; what it counted until then is told, however its work ended."""
        engine, self._engine = self._engine, None
        if engine is not None:
            with closing(engine):
                report = engine.report()
                self.emit(EngineReported(device=report.device, versions=report.versions, counts=report.counts))
                for name, modules in report.left_out.items():
                    self.emit(FindingMade(finding=used_in_part(name, modules)))

    def _setup(self) -> EngineSetup:
        if not self.denoises:
            return EngineSetup(options=self.trip.options)
        found = self._weights()
        return EngineSetup(
            options=self.trip.options,
            model=found.model if found else planned_model(self.trip.plan, home=self.home),
            weights=found.folder if found else None,
            loras=ready_loras(self.trip.plan, self.trip.loras, home=self.home, emit=self.emit),
            scratch=self.scratch(),
        )

    def _weights(self) -> ModelWeights | None:
        found = weights_of(self.trip.plan, home=self.home)
        if found is not None:
            self.emit(WeightsReady(model=found.model.name, identity=found.identity))
        return found
