"""The catalogue from its TOML files: those of the package, and the user's own in the home folder."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from wayframe.core.catalogue import Catalogue, Model, Preset, parse_model, parse_preset
from wayframe.errors import CatalogueError
from wayframe.store.home import Home

_Entry = TypeVar("_Entry", Model, Preset)


def load_catalogue(home: Home) -> Catalogue:
    """All models and presets. A user's file may replace an entry of the package by giving its name.

    Raises `CatalogueError` for a file that cannot be read and for a preset whose model is not there.
    """
    shipped = resources.files("wayframe.store")
    models = _load([shipped / "models", home.models], parse_model)
    presets = _load([shipped / "presets", home.presets], parse_preset)
    for preset in presets.values():
        missing = next((name for name in preset.models if name not in models), None)
        if missing:
            raise CatalogueError(f"preset {preset.name}: models", "is not in the catalogue", missing)
    return Catalogue(models=models, presets=presets)


def _load(folders: list[Traversable | Path], parse: Callable[..., _Entry]) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for folder in folders:
        for name, data in _tables(folder):
            entry = parse(data, source=name)
            entries[entry.name] = entry
    return entries


def _tables(folder: Traversable | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            try:
                yield file.name, tomllib.loads(file.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
                raise CatalogueError(file.name, f"cannot be read: {error}") from error
