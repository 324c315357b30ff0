"""Where the weights of a model are on this disk, whether they are whole, and what identifies them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from wayframe.core.catalogue import Model
from wayframe.errors import StoreError
from wayframe.store import hub
from wayframe.store.home import Home
from wayframe.store.model_folder import CONFIG, INDEX, faults, fingerprint, folder_files

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model's weights in a folder in diffusers format; `size` in bytes.

    `identity` is ``ORG/NAME@COMMIT`` for a snapshot of the Hub, ``folder:`` and a fingerprint for another folder; it
    holds no path. `faults` says what is missing or cut off, by name; empty when the weights are whole.
    """

    folder: Path
    identity: str
    size: int
    faults: tuple[str, ...] = ()


def hub_source(model: Model, *, home: Home) -> hub.HubFile | None:
    """The index file of a model that comes from the Hub; None for one in a folder, or without a source."""
    if not model.source or local_folder(model, home=home) is not None or not _REPOSITORY.fullmatch(model.source):
        return None
    return hub.HubFile(repo=model.source, revision=model.revision or hub.MAIN, path=INDEX)


def repository(name: str) -> hub.HubFile | None:
    """The config of a model in the format of transformers, ``ORG/NAME`` or ``ORG/NAME@REVISION`` of the Hub.

    None for a name of another form.
    """
    repo, _, revision = name.partition("@")
    return hub.HubFile(repo=repo, revision=revision or hub.MAIN, path=CONFIG) if _REPOSITORY.fullmatch(repo) else None


def local_folder(model: Model, *, home: Home) -> Path | None:
    """The folder that a model's source means: absolute, or relative to the home folder or its model files.

    None when the source is a repository of the Hub. ``./NAME`` is always a folder; of a word that can be both, an
    existing folder is meant.
    """
    path = Path(model.source).expanduser()
    if not model.source or path.is_absolute():
        return path if model.source else None
    there = next((base / path for base in (home.models, home.root) if (base / path).is_dir()), None)
    explicit = model.source.startswith(".") or not _REPOSITORY.fullmatch(model.source)
    return there or (home.models / path if explicit else None)


def look_for(model: Model, *, home: Home) -> Weights | None:
    """The weights of a model, whole or not; None when nothing of them is here. No network, and only heads are read."""
    folder = local_folder(model, home=home)
    if folder is not None:
        return _weights(folder, identity=None) if (folder / INDEX).is_file() else None
    source = hub_source(model, home=home)
    return look_on_hub(source) if source else None


def look_on_hub(source: hub.HubFile) -> Weights | None:
    """What the Hub's cache has of the model whose format `source` tells; None when that file was never pulled."""
    copy = hub.cached(source)
    if copy is not None:
        return _weights(copy.path.parent, identity=f"{source.repo}@{copy.commit or source.revision}")
    copy = hub.begun(source)
    if copy is None:
        return None
    part = _weights(copy.path.parent, identity=f"{source.repo}@{copy.commit or source.revision}")
    return replace(part, faults=part.faults or (f"{source.revision} of {source.repo} is not pulled",))


def find_weights(model: Model, *, home: Home) -> Weights | None:
    """The weights of a model when they are here and whole, else None."""
    found = look_for(model, home=home)
    return found if found and not found.faults else None


def need_weights(model: Model, *, home: Home) -> Weights:
    """The whole weights of a model; `StoreError` says what is missing, and the command that brings it."""
    found = look_for(model, home=home)
    if found is not None and not found.faults:
        return found
    remote = hub_source(model, home=home)
    if remote is not None and not hub.is_installed():
        raise StoreError(
            f"the weights of {model.name} come from the Hub; {hub.INSTALL}, then wayframe models pull {model.name}"
        )
    fix = f"wayframe models pull {model.name}" if remote else f"its source is {model.source or 'not given'}"
    if found is None:
        raise StoreError(f"the weights of {model.name} are not here; {fix}")
    more = f" and {len(found.faults) - 1} more" if len(found.faults) > 1 else ""
    raise StoreError(f"the weights of {model.name} are not whole: {found.faults[0]}{more}; {fix}")


def _weights(folder: Path, *, identity: str | None) -> Weights:
    wrong = tuple(faults(folder))
    try:
        names = folder_files(folder)
        size = sum((folder / name).stat().st_size for name in names)
        return Weights(folder=folder, identity=identity or fingerprint(folder), size=size, faults=wrong)
    except (OSError, StoreError) as error:
        return Weights(folder=folder, identity=identity or "", size=0, faults=wrong or (str(error),))
