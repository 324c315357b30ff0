"""The weights of a model brought from the Hub: only what is needed, resumed, and held against its digests."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wayframe.download import GIB, Terms
from wayframe.errors import StoreError
from wayframe.store import hub
from wayframe.store.model_folder import INDEX, components, faults, needed_at_once, needed_files

SPARE = GIB
"""Stays free on the disk."""
LARGEST = 200 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan:
    """What a pull will do: the files that make the model with their bytes, and how many bytes are not here yet.

    `license` is what the repository's card says, empty when it says nothing.
    """

    source: hub.HubFile
    commit: str
    license: str
    files: Mapping[str, int]
    large: frozenset[str]
    missing: int
    cache: Path

    @property
    def size(self) -> int:
        """All bytes of the model."""
        return sum(self.files.values())


def plan_pull(source: hub.HubFile) -> PullPlan:
    """Ask the Hub what makes the model; `source` is the file that tells its format: model_index.json or config.json.

    Raises `StoreError`: no such repository, gated, not in that format, ...
    """
    hub.need_hub()
    from huggingface_hub import HfApi, constants
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(library_name="wayframe")
    with hub.talking(source.repo):
        info = api.model_info(source.repo, revision=source.revision)
        commit = info.sha or source.revision
        tree = api.list_repo_tree(source.repo, revision=commit, recursive=True)
        listed = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        names = _needed(replace(source, revision=commit), listed=listed)
    files = {name: listed[name].size for name in names}
    here = {name for name in names if hub.cached(replace(source, revision=commit, path=name))}
    return PullPlan(
        source=source,
        commit=commit,
        license=str(info.card_data.get("license") or "") if info.card_data else "",
        files=files,
        large=frozenset(name for name in names if listed[name].lfs is not None),
        missing=sum(size for name, size in files.items() if name not in here),
        cache=Path(constants.HF_HUB_CACHE),
    )


def _needed(source: hub.HubFile, *, listed: Mapping[str, object]) -> tuple[str, ...]:
    from huggingface_hub import hf_hub_download

    if source.path not in listed:
        made_by = "diffusers" if source.path == INDEX else "transformers"
        raise StoreError(f"{source.repo} is no model in {made_by} format: it has no {source.path}")
    if source.path != INDEX:
        names = needed_at_once(listed)
        if not any(name.endswith(".safetensors") for name in names):
            raise StoreError(f"{source.repo} has no weights (model*.safetensors)")
        return names
    index = Path(hf_hub_download(source.repo, INDEX, revision=source.revision))
    return needed_files(listed, parts=components(index.read_bytes()))


def check_space(plan: PullPlan) -> None:
    """Raise `StoreError` unless the disk of the cache holds what is missing, and a GiB more."""
    place = next(path for path in (plan.cache, *plan.cache.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if plan.missing + SPARE > free:
        sizes = f"{plan.missing / GIB:.1f} GiB are to come, {free / GIB:.1f} GiB are free in {plan.cache}"
        raise StoreError(f"no space for {plan.source.repo}: {sizes}; make space, or set HF_HOME to a larger disk")


def pull(plan: PullPlan, terms: Terms) -> Path:
    """Bring what is missing, and give back the folder of the snapshot.

    `terms.progress` gets the bytes of the model that are here, and all. What an earlier pull began goes on. Raises
    `StoreError`, and `CancelledError` (what came is kept).
    """
    check_space(plan)
    _snapshot(plan, revision=plan.commit, names=[name for name in plan.files if name not in plan.large])
    base = plan.size - plan.missing
    for name in sorted(plan.large):
        file = replace(plan.source, path=name, revision=plan.commit)
        if hub.cached(file) is None:
            hub.fetch(file, _within(terms, base=base, total=plan.size))
            base += plan.files[name]
    folder = _snapshot(plan, revision=plan.source.revision, names=list(plan.files))
    if wrong := list(faults(folder)):
        raise StoreError(f"{plan.source.repo} is not whole after the pull: {wrong[0]}; report it to its makers")
    terms.progress(plan.size, plan.size)
    return folder


def _snapshot(plan: PullPlan, *, revision: str, names: list[str]) -> Path:
    """Have the library bring files, and enter the revision into its cache: from then on this version is meant by it."""
    from huggingface_hub import snapshot_download

    with hub.talking(plan.source.repo):
        return Path(snapshot_download(plan.source.repo, revision=revision, allow_patterns=names))


def _within(terms: Terms, *, base: int, total: int) -> Terms:
    """The terms of one file, whose progress counts on from what is here."""
    return replace(terms, limit=LARGEST, progress=lambda done, _total: terms.progress(base + done, total))
