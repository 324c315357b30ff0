"""The catalogue from its TOML files: those of the package, and the user's own in the home folder."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from wayframe.core.catalogue import (
    Bundle,
    Catalogue,
    Fault,
    Model,
    Preset,
    check_bundle,
    check_preset,
    parse_bundle,
    parse_model,
    parse_preset,
)
from wayframe.errors import CatalogueError
from wayframe.store.home import Home

_Entry = TypeVar("_Entry", Model, Preset, Bundle)


def load_catalogue(home: Home) -> Catalogue:
    """All models, presets and bundles. A user's file may replace an entry of the package by giving its name.

    A file that cannot be used is left out and stands in the catalogue's faults: whoever asks for its name gets its
    error, and everybody else goes on.
    """
    shipped = resources.files("wayframe.store")
    models = _Shelf[Model](kind="model", parse=parse_model)
    presets = _Shelf[Preset](kind="preset", parse=parse_preset)
    bundles = _Shelf[Bundle](kind="bundle", parse=parse_bundle)
    for folder in (shipped / "models", home.models):
        models.take(folder)
    for folder in (shipped / "presets", home.presets):
        presets.take(folder)
    for folder in (shipped / "bundles", home.bundles):
        bundles.take(folder)
    presets.weed(lambda preset, source: check_preset(preset, models=models.entries, source=source))
    bundles.weed(lambda bundle, source: check_bundle(bundle, models=models.entries, source=source))
    return Catalogue(
        models=models.entries,
        presets=presets.entries,
        bundles=bundles.entries,
        faults=(*models.faults, *presets.faults, *bundles.faults),
    )


@dataclass(slots=True, kw_only=True)
class _Shelf(Generic[_Entry]):
    """The entries of one kind, the files that they are from, and what is wrong with the others."""

    kind: Literal["model", "preset", "bundle"]
    parse: Callable[..., _Entry]
    entries: dict[str, _Entry] = field(default_factory=dict)
    files: dict[str, Traversable | Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def take(self, folder: Traversable | Path) -> None:
        """Read the files of a folder."""
        if not folder.is_dir():
            return
        for file in sorted(folder.iterdir(), key=lambda item: item.name):
            if file.name.endswith(".toml"):
                self._read(file)

    def _read(self, file: Traversable | Path) -> None:
        name = None
        try:
            data = _table(file)
            name = data["name"] if isinstance(data.get("name"), str) else None
            entry = self.parse(data, source=str(file))
        except CatalogueError as error:
            self.leave_out(file, name=name, error=error)
            return
        self.entries[entry.name], self.files[entry.name] = entry, file

    def weed(self, check: Callable[[_Entry, str], None]) -> None:
        """Leave out what does not fit the rest of the catalogue; `check` gets an entry and its file's name."""
        for name, entry in list(self.entries.items()):
            try:
                check(entry, str(self.files[name]))
            except CatalogueError as error:
                self.leave_out(self.files[name], name=name, error=error)

    def leave_out(self, file: Traversable | Path, *, name: str | None, error: CatalogueError) -> None:
        """Enter a fault; what an earlier file says under this name is no longer what the user means."""
        short = f"{self.kind}s/{file.name}"
        self.faults.append(Fault(kind=self.kind, name=name, file=short, path=str(file), error=error))
        if name is not None:
            self.entries.pop(name, None)


def _table(file: Traversable | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CatalogueError(str(file), f"cannot be read: {error}") from error
