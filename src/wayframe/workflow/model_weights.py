"""The weights that a plan is rendered with: found before it is run, and held against the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wayframe.core.catalogue import Model
from wayframe.core.plan import EngineFacts, Plan
from wayframe.errors import SpecError, StoreError
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.store.weights import Weights, find_weights, hub_source, need_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWeights:
    """A model of the catalogue, and the folder that holds its weights; `identity` as in `store.weights`."""

    model: Model
    folder: Path
    identity: str


def weights_identity(model: Model | None, *, engine: EngineFacts, home: Home) -> str | None:
    """What identifies the weights here, for a plan; None when they are not here, or not those of this engine."""
    if model is None or not engine.denoises or model.engine != engine.name:
        return None
    found = find_weights(model, home=home)
    return found.identity if found else None


def planned_model(plan: Plan, *, home: Home) -> Model | None:
    """The catalogue's entry of a plan's model; None when it names none. Raises `CatalogueError`."""
    return load_catalogue(home).model(plan.model) if plan.model else None


def weights_of(plan: Plan, *, home: Home) -> ModelWeights | None:
    """The weights that a plan is rendered with; None when its engine does not take those of the catalogue.

    Raises `StoreError` that says how to get them when they are not here, and `SpecError` when they are not those that
    were planned with. A plan that was made where there were none takes what is here.
    """
    model = planned_model(plan, home=home)
    if model is None or model.engine != plan.engine:
        return None
    found = _needed(model, home=home)
    if plan.weights not in (None, found.identity):
        fix = "plan again here, or get those of the plan"
        raise SpecError("weights", f"those of {model.name} here are {found.identity}", plan.weights, fix=fix)
    return ModelWeights(model=model, folder=found.folder, identity=found.identity)


def _needed(model: Model, *, home: Home) -> Weights:
    try:
        return need_weights(model, home=home)
    except StoreError as error:
        if model.size_gb is None or hub_source(model, home=home) is None:
            raise
        raise StoreError(f"{error} ({model.size_gb:g} GB)") from error
