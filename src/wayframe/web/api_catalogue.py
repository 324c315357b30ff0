"""Models, presets, bundles and engines that a spec may name, and the schema of specs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from wayframe.core.catalogue import Bundle, Model, Preset
from wayframe.core.spec import spec_schema
from wayframe.engines.registry import names
from wayframe.store.catalogue import load_catalogue
from wayframe.web.answers import json_answer
from wayframe.web.drafts import OPTIONS
from wayframe.web.site import Here

router = APIRouter(tags=["catalogue"])


class CatalogueAnswer(BaseModel):
    """Everything that a spec may name; `loras` are the files of the server's own folder."""

    models: list[dict[str, Any]]
    presets: list[dict[str, Any]]
    bundles: list[dict[str, Any]]
    engines: list[str]
    options: list[str]
    loras: list[str]


@router.get("/catalogue", response_model=CatalogueAnswer)
def get_catalogue(request: Request, site: Here) -> Response:
    """Models, presets, bundles, engines, and the options and LoRAs that a client may name."""
    found = load_catalogue(site.home)
    folder = site.settings.loras
    loras = sorted(path.name for path in folder.glob("*.safetensors")) if folder else []
    answer = CatalogueAnswer(
        models=_sorted(found.models.values()),
        presets=_sorted(found.presets.values()),
        bundles=_sorted(found.bundles.values()),
        engines=list(names()),
        options=list(OPTIONS),
        loras=loras,
    )
    return json_answer(request, answer)


@router.get("/schema", response_model=dict[str, Any])
def get_schema(request: Request) -> Response:
    """The JSON schema of specs."""
    return json_answer(request, spec_schema())


def _sorted(entries: Iterable[Model | Preset | Bundle]) -> list[dict[str, Any]]:
    shown = [entry.model_dump(mode="json", by_alias=True) for entry in entries]
    return sorted(shown, key=lambda entry: str(entry["name"]))
