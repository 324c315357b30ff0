"""Where a Qwen-VL model is on this disk, whether it is one, and what identifies its weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wayframe.errors import PromptError
from wayframe.files import sample_sha256

INSTALL = 'pip install "wayframe[vlm]"'
DEFAULT_MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"
KINDS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""The `model_type` of the models that take pictures in this one way."""
CONFIG, PICTURES = "config.json", "preprocessor_config.json"
_INDEX = "model.safetensors.index.json"
_MADE_OF = ("*.json", "*.safetensors", "*.txt", "*.jinja")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenWeights:
    """A model in a folder in the format of transformers.

    `identity` is ``ORG/NAME@COMMIT`` for a snapshot of the Hub, ``folder:`` and a fingerprint for another folder: it
    holds no path.
    """

    folder: Path
    identity: str


def shown_name(name: str) -> str:
    """What a model is called in plans and records: a folder by its last name, since others have it elsewhere."""
    path = Path(name).expanduser()
    return path.name if path.is_absolute() or name.startswith(".") else name


def find_qwen(name: str, *, models: Path | None, revision: str) -> QwenWeights:
    """The model that `name` means: a folder (absolute, ``./...``, or in `models`), else ``ORG/NAME`` of the Hub.

    The latter is looked for in the Hub's cache. Only JSON and the ends of the weights are read, and nobody is asked.
    Raises `PromptError` for a model that is not here, is not whole, or is none of `KINDS`.
    """
    folder = _local_folder(name, models=models)
    if folder is not None:
        _check(folder, name=name, fix="give a folder with a whole Qwen-VL model")
        return QwenWeights(folder=folder, identity=_fingerprint(folder))
    if not _REPOSITORY.fullmatch(name):
        raise PromptError(f"prompts.model: {name} is no folder here and no ORG/NAME of the Hub; give one of them")
    if find_spec("huggingface_hub") is None:
        raise PromptError(f"the model {name} comes from the Hub; {INSTALL}")
    pull = f"wayframe models pull {name}" + ("" if revision == "main" else f"@{revision}")
    snapshot = _snapshot(name, revision=revision)
    if snapshot is None:
        raise PromptError(f"the model {name} is not on this disk; {pull}")
    _check(snapshot, name=name, fix=pull)
    commit = snapshot.name if _COMMIT.fullmatch(snapshot.name) else revision
    return QwenWeights(folder=snapshot, identity=f"{name}@{commit}")


def _local_folder(name: str, *, models: Path | None) -> Path | None:
    path = Path(name).expanduser()
    if path.is_absolute() or name.startswith("."):
        return path.absolute()
    inside = models / path if models else None
    return inside if inside and inside.is_dir() else None


def _snapshot(name: str, *, revision: str) -> Path | None:
    """The folder of the model in the Hub's cache; None when nothing of it is there."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(name, CONFIG, revision=revision, cache_dir=constants.HF_HUB_CACHE)
    return Path(found).parent if isinstance(found, str) else None


def _check(folder: Path, *, name: str, fix: str) -> None:
    kind = _table(folder / CONFIG, name=name, fix=fix).get("model_type")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise PromptError(f"{name} is {kind or 'no model of transformers'}; writer qwen takes {known}")
    lacking = [part for part in (PICTURES, *_shards(folder, name=name, fix=fix)) if not (folder / part).is_file()]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise PromptError(f"the model {name} is not whole: it lacks {lacking[0]}{more}; {fix}")


def _shards(folder: Path, *, name: str, fix: str) -> Iterator[str]:
    """The files with weights, by the index of a model that is in several."""
    if not (folder / _INDEX).is_file():
        yield "model.safetensors"
        return
    table = _table(folder / _INDEX, name=name, fix=fix).get("weight_map")
    if not isinstance(table, dict):
        raise PromptError(f"{_INDEX} of {name} names no weights; {fix}")
    yield from sorted({Path(str(file)).name for file in table.values()})


def _table(path: Path, *, name: str, fix: str) -> dict[str, object]:
    try:
        table = json.loads(path.read_bytes())
    except OSError as error:
        raise PromptError(f"the model {name} is not whole: it lacks {path.name}; {fix}") from error
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{path.name} of {name} is no JSON; {fix}") from error
    if not isinstance(table, dict):
        raise PromptError(f"{path.name} of {name} is no JSON table; {fix}")
    return table


def _fingerprint(folder: Path) -> str:
    """``folder:`` and a sha256 over names, sizes and digests of the model's files.

    As for video models (`wayframe.store.model_folder`): of a file above 16 MiB the first and the last MiB are read.
    """
    total = hashlib.sha256()
    files = {path for pattern in _MADE_OF for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(files):
        total.update(json.dumps([path.name, path.stat().st_size, sample_sha256(path)]).encode())
    return f"folder:{total.hexdigest()}"
