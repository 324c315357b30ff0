"""A model's files: of diffusers (model_index.json, a folder for each component), or of transformers (all in one)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from wayframe.errors import StoreError
from wayframe.files import sample_sha256
from wayframe.store.tensorfile import tensor_fault

INDEX = "model_index.json"
CONFIG = "config.json"
"""What tells a model of transformers, where there is no model_index.json."""
PICTURES = "preprocessor_config.json"
SHARDS = "*.safetensors.index.json"
MIB = 1024**2
_NEEDED = ("*.json", "*.safetensors", "*.model", "*.txt")
_LEGAL = ("LICENSE*", "NOTICE*")
_NEEDED_AT_ONCE = ("*.json", "model*.safetensors", "*.txt", "*.jinja", "*.model", *_LEGAL)
_HALF_PRECISION = (".fp16.", ".bf16.")
_CONFIGS = {
    "Scheduler": "scheduler_config.json",
    "Processor": "*processor_config.json",
    "FeatureExtractor": "*processor_config.json",
}
_OF_PICTURES = "ForDepthEstimation"
_VOCABULARIES = ("tokenizer.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "vocab.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a model, such as `transformer_2`, and the name of its class."""

    name: str
    kind: str


def components(text: str | bytes) -> tuple[Component, ...]:
    """The components of a model_index.json; those that the model does without (``[null, null]``) are left out.

    Raises `StoreError` when the text is no such file.
    """
    try:
        data = json.loads(text)
        entries = [
            (name, value) for name, value in data.items() if isinstance(value, list) and not name.startswith("_")
        ]
    except (ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{INDEX} cannot be read: it is no JSON table") from error
    return tuple(Component(name=name, kind=str(value[1])) for name, value in entries if value[1:] and value[1])


def needed_files(names: Iterable[str], *, parts: Iterable[Component]) -> tuple[str, ...]:
    """Which files of a repository make the model: those of its components, its index, its licence; sorted.

    Pickled weights (.bin, .pth, ...) are never among them, and of weights that are there twice the plain ones are
    taken, not those in half precision.
    """
    every = sorted(set(names))
    folders = {part.name for part in parts}
    return tuple(name for name in every if _is_needed(PurePosixPath(name), folders) and not _is_second(name, every))


def _is_needed(path: PurePosixPath, folders: set[str]) -> bool:
    if len(path.parts) == 1:
        return path.name == INDEX or any(fnmatch(path.name, pattern) for pattern in _LEGAL)
    return path.parts[0] in folders and any(fnmatch(path.name, pattern) for pattern in _NEEDED)


def _is_second(name: str, every: list[str]) -> bool:
    mark = next((mark for mark in _HALF_PRECISION if mark in name), None)
    folder = name.rpartition("/")[0]
    return mark is not None and any(
        other.startswith(f"{folder}/") and other.endswith(".safetensors") and mark not in other for other in every
    )


def needed_at_once(names: Iterable[str]) -> tuple[str, ...]:
    """Which files of a repository in the format of transformers make the model; sorted. They lie at its top.

    Pickled weights are never among them, and of ``.safetensors`` only those that `from_pretrained` reads.
    """
    every = (name for name in set(names) if "/" not in name)
    return tuple(sorted(name for name in every if any(fnmatch(name, pattern) for pattern in _NEEDED_AT_ONCE)))


def is_of_transformers(folder: Path) -> bool:
    """Whether a folder holds a model in the format of transformers."""
    return (folder / CONFIG).is_file() and not (folder / INDEX).exists()


def sees_only(folder: Path) -> bool:
    """Whether a model of transformers takes pictures and no text, such as one of depth: it has no vocabulary."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        return any(str(name).endswith(_OF_PICTURES) for name in config.get("architectures") or ())
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return False


def folder_files(folder: Path) -> tuple[str, ...]:
    """The files of a folder that make the model, as names relative to it; sorted. Raises `StoreError`."""
    if is_of_transformers(folder):
        return needed_at_once(path.name for path in folder.iterdir() if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return needed_files(names, parts=folder_components(folder))


def folder_components(folder: Path) -> tuple[Component, ...]:
    """The components that a folder's index names. Raises `StoreError` when there is none or it cannot be read."""
    try:
        return components((folder / INDEX).read_bytes())
    except OSError as error:
        raise StoreError(f"{folder} is no model in diffusers format: it has no {INDEX}") from error


def faults(folder: Path) -> Iterator[str]:
    """What a model's folder lacks or has damaged, by name, without reading more than the heads of weights."""
    if is_of_transformers(folder):
        if sees_only(folder):
            yield from () if (folder / PICTURES).is_file() else (f"{PICTURES} is missing",)
        else:
            yield from _vocabulary_faults(folder, name="the model")
        yield from _weight_faults(folder, name="the model", pattern="model*.safetensors", prefix="")
        return
    try:
        parts = folder_components(folder)
    except StoreError as error:
        yield str(error)
        return
    for part in parts:
        yield from _part_faults(folder / part.name, part.kind)


def _part_faults(folder: Path, kind: str) -> Iterator[str]:
    if "Tokenizer" in kind:
        yield from _vocabulary_faults(folder, name=folder.name)
        return
    config = next((name for word, name in _CONFIGS.items() if word in kind), CONFIG)
    if not any(folder.glob(config)):
        yield f"{folder.name}/{config} is missing"
    if config == CONFIG:
        yield from _weight_faults(folder, name=folder.name, pattern="*.safetensors", prefix=f"{folder.name}/")


def _vocabulary_faults(folder: Path, *, name: str) -> Iterator[str]:
    if not any((folder / file).is_file() for file in _VOCABULARIES):
        yield f"{name} has no vocabulary"


def _weight_faults(folder: Path, *, name: str, pattern: str, prefix: str) -> Iterator[str]:
    indexes = sorted(folder.glob(SHARDS))
    announced = sorted({shard for index in indexes for shard in _shards(index)})
    files = announced or sorted(path.name for path in folder.glob(pattern))
    if not files:
        yield f"{name} has no weights (.safetensors)"
    for file in files:
        path = folder / file
        fault = tensor_fault(path) if path.is_file() else "is missing"
        if fault:
            yield f"{prefix}{file} {fault}"


def _shards(index: Path) -> Iterator[str]:
    try:
        table = json.loads(index.read_bytes())["weight_map"]
        yield from {PurePosixPath(str(name)).name for name in table.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield f"(what {index.name} names: it cannot be read)"


def fingerprint(folder: Path) -> str:
    """What tells a local model from another, as ``folder:`` and 64 hex digits; a moment even for 60 GB.

    It is the sha256 over the sorted names, sizes and digests of the model's files. Of a file above 16 MiB the first and
    the last MiB are read: the head of a .safetensors file names every tensor with its place, and training or merging
    changes all of the data. So a weight that was changed by hand in the middle of a file goes unnoticed here;
    `wayframe models check` reads everything.
    """
    total = hashlib.sha256()
    for name in folder_files(folder):
        path = folder / name
        size = path.stat().st_size
        total.update(json.dumps([name, size, sample_sha256(path)]).encode())
    return f"folder:{total.hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """One file that was read from its first byte to its last: `fault` in a few words, None when it is good.

    `verified` tells whether there was a digest to hold it against. `place` is where the bytes are: in the Hub's cache,
    `name` is a link to it.
    """

    name: str
    place: Path
    size: int
    fault: str | None
    verified: bool


def check_files(folder: Path, *, progress: Callable[[int], None] = lambda _bytes: None) -> Iterator[FileCheck]:
    """Read every file of a model and hold it against its digest, where the Hub's cache knows one.

    A file of the cache is a link to a blob whose name is its ETag: the sha256 of a large file, the git hash of a small
    one. A plain folder has no digests: then only heads and lengths of the weights are checked.
    """
    for name in folder_files(folder):
        path = folder / name
        size = path.stat().st_size
        fault = tensor_fault(path) if path.suffix == ".safetensors" else None
        blob = path.resolve().name if path.is_symlink() else ""
        digest = _git_or_sha256(path, size=size, etag=blob)
        progress(size)
        if fault is None and digest is not None and digest != blob:
            fault = f"is damaged: its digest is {digest[:12]}..., the Hub's is {blob[:12]}..."
        yield FileCheck(name=name, place=path.resolve(), size=size, fault=fault, verified=digest is not None)


_BY_LENGTH: Mapping[int, str] = {40: "sha1", 64: "sha256"}


def _git_or_sha256(path: Path, *, size: int, etag: str) -> str | None:
    """The digest of a file in the form of its ETag; None when the ETag is no digest."""
    kind = _BY_LENGTH.get(len(etag))
    if kind is None or not all(letter in "0123456789abcdef" for letter in etag):
        return None
    hashed = hashlib.new(kind, usedforsecurity=False)
    if kind == "sha1":
        hashed.update(f"blob {size}\0".encode())
    with path.open("rb") as stream:
        while chunk := stream.read(MIB):
            hashed.update(chunk)
    return hashed.hexdigest()
