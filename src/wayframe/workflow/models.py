"""The models of the catalogue, with what is here of their weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from wayframe.core.catalogue import Model
from wayframe.errors import StoreError
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.store.pull import PullPlan, plan_pull
from wayframe.store.weights import Weights, hub_source, look_for, look_on_hub, repository

State = Literal["here", "in part", "not here"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A model of the catalogue and whether its weights are here; `size_gb` is what a pull brings, in 10**9 bytes."""

    name: str
    title: str
    kind: str
    experts: int
    source: str
    license: str
    size_gb: float | None
    state: State
    folder: Path | None
    identity: str | None
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self) | {"folder": str(self.folder) if self.folder else None, "faults": list(self.faults)}


def list_models(home: Home) -> list[ModelRow]:
    """All models, by name. Without the network; of weights only the heads are read."""
    models = load_catalogue(home).models
    return [_row(models[name], look_for(models[name], home=home)) for name in sorted(models)]


def _row(model: Model, found: Weights | None) -> ModelRow:
    state: State = "not here" if found is None else "in part" if found.faults else "here"
    return ModelRow(
        name=model.name,
        title=model.title,
        kind=model.kind,
        experts=model.experts,
        source=model.source,
        license=model.license,
        size_gb=model.size_gb,
        state=state,
        folder=found.folder if found else None,
        identity=found.identity if found else None,
        faults=found.faults if found else (),
    )


def named_model(name: str, *, home: Home) -> Model:
    """A model of the catalogue; `CatalogueError` names the nearest one."""
    return load_catalogue(home).model(name)


def model_pull(name: str, *, home: Home) -> PullPlan:
    """What a pull of a model will do: one of the catalogue, or ``ORG/NAME[@REVISION]`` in the format of transformers.

    Raises `StoreError` for a model that does not come from the Hub.
    """
    if (remote := repository(name)) is not None:
        return plan_pull(remote)
    model = named_model(name, home=home)
    source = hub_source(model, home=home)
    if source is None:
        where = f"its weights are in the folder {model.source}" if model.source else "its file names no source"
        raise StoreError(f"{name} does not come from the Hub: {where}")
    return plan_pull(source)


def model_weights(name: str, *, home: Home) -> Weights:
    """What is here of a model, named as for `model_pull`, whole or not. Raises `StoreError` when nothing is."""
    remote = repository(name)
    found = look_for(named_model(name, home=home), home=home) if remote is None else look_on_hub(remote)
    if found is None:
        raise StoreError(f"nothing of {name} is here; wayframe models pull {name}")
    return found
