"""Where the LoRAs of a plan are: beside the spec, in folders that are searched, or fetched from their address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wayframe.core.events import LoraFetching, LoraReady, RunEvent
from wayframe.core.plan import Plan, PlannedLora
from wayframe.core.plan_keys import keyed
from wayframe.download import Terms
from wayframe.engines.base import LoraFile
from wayframe.errors import SpecError
from wayframe.store.digests import BY_NAME, DigestCache
from wayframe.store.home import Home
from wayframe.store.lora_places import find_place, public_address
from wayframe.store.loras import LARGEST, LoraShelf

SUFFIX, BY_CONTENT = ".safetensors", "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Who is told how far a download is, what stops it, and which addresses may lead into a private network."""

    listen: Callable[[RunEvent], None] = lambda _event: None
    cancelled: Callable[[], bool] = lambda: False
    private: Callable[[str], bool] = lambda _address: True


def used_loras(plan: Plan) -> dict[str, PlannedLora]:
    """The LoRAs that have a weight at any step, by id; the others need no file."""
    weighted = {name for part in plan.segments for step in part.steps for name, weight in step.loras.items() if weight}
    return {name: lora for name, lora in plan.loras.items() if name in weighted}


def is_remote(file: str) -> bool:
    """Whether the `file` of a LoRA is an address."""
    return "://" in file


def check_loras(plan: Plan, files: Mapping[str, Path]) -> None:
    """Raise `SpecError` when a LoRA has no file: a plan can do without, a run that denoises cannot."""
    used = used_loras(plan)
    named = [lora.digest.removeprefix(BY_NAME) for lora in used.values() if lora.digest.startswith(BY_NAME)]
    if named:
        fix = "put them beside the payload or the spec"
        raise SpecError("loras", f"{len(named)} of them are not here: {', '.join(named)}", fix=fix)
    gone = [public_address(lora.file) for name, lora in used.items() if name not in files]
    if gone:
        fix = "name the folder that holds them with --keyframes"
        raise SpecError("loras", f"{len(gone)} of them are not here: {', '.join(gone)}", fix=fix)


def remote_loras(plan: Plan, files: Mapping[str, Path]) -> dict[str, PlannedLora]:
    """The LoRAs with a weight that are addresses and have no file here, by id."""
    return {name: lora for name, lora in used_loras(plan).items() if is_remote(lora.file) and name not in files}


def fetch_loras(plan: Plan, files: Mapping[str, Path], *, home: Home, fetch: Fetch) -> None:
    """Fetch the LoRAs of a plan that are only known by an address.

    Raises `SpecError` or `StoreError` that names the LoRA, and `CancelledError`; what came so far is kept.
    """
    for name, lora in remote_loras(plan, files).items():
        progress = partial(_told, fetch.listen, name)
        private = fetch.private(lora.file)
        terms = Terms(limit=LARGEST, progress=progress, cancelled=fetch.cancelled, allow_private=private)
        LoraShelf(home=home, base=Path(), terms=terms).locate(lora.file, field=f"loras.{name}")


def _told(listen: Callable[[RunEvent], None], name: str, done: int, size: int | None) -> None:
    listen(LoraFetching(lora=name, done=done, size=size))


def ready_loras(
    plan: Plan, files: Mapping[str, Path], *, home: Home, emit: Callable[[RunEvent], None]
) -> dict[str, LoraFile]:
    """What an engine is given of the LoRAs that have a weight; each one's bytes are told with `LoraReady`.

    Raises `SpecError` when a file is not there any more, or is not the one that was planned with.
    """
    check_loras(plan, files)
    ready = {}
    for name, lora in used_loras(plan).items():
        remote = is_remote(lora.file) and (name not in files or find_place(lora.file, home=home) is not None)
        shelf = LoraShelf(home=home, base=Path())
        copy = shelf.locate(lora.file if remote else str(files[name]), field=f"loras.{name}")
        if lora.digest.startswith(BY_CONTENT) and copy.digest != lora.digest:
            raise SpecError(f"loras.{name}", "was changed since the plan was made", copy.path.name, fix="start again")
        emit(LoraReady(lora=name, sha256=copy.sha256, commit=copy.commit))
        ready[name] = LoraFile(path=copy.path, partial=lora.partial)
    return ready


def found_loras(plan: Plan, *, folders: Sequence[Path], home: Home) -> tuple[Plan, dict[str, Path]]:
    """The files of a plan's LoRAs that are here, by id, and the plan with the digests of those that had none.

    Local ones are found in the folders by their digest, those of the planned name first; one that the plan knows by its
    name only, by that; remote ones where they were fetched to. What is not found is left out.
    """
    digests, files = DigestCache(home), {}
    known: dict[str, PlannedLora] = {}
    for name, lora in used_loras(plan).items():
        found = _found(lora, folders=folders, digests=digests, home=home)
        if found is not None:
            files[name] = found
            own = lora.digest if lora.digest.startswith(BY_CONTENT) else f"{BY_CONTENT}{digests.sha256(found)}"
            known[name] = replace(lora, digest=own)
    loras = {**plan.loras, **known}
    return plan if loras == plan.loras else keyed(replace(plan, loras=loras)), files


def _found(lora: PlannedLora, *, folders: Sequence[Path], digests: DigestCache, home: Home) -> Path | None:
    if is_remote(lora.file):
        place = find_place(lora.file, home=home)
        return place.path if place else None
    if lora.digest.startswith(BY_NAME):
        return next((path for folder in folders if (path := folder / lora.file).is_file()), None)
    near = sorted(_files(folders), key=lambda path: path.name != lora.file)
    return next((path for path in near if lora.digest == f"{BY_CONTENT}{digests.sha256(path)}"), None)


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
