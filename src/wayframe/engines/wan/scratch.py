"""Unfinished segments between two experts, kept on the disk so that a crash costs no more than the expert at work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wayframe.engines.base import AppliedStep
from wayframe.files import atomic_path, remove_partial

_STEPS = TypeAdapter(tuple[AppliedStep, ...])
_LATENTS, _SOLVER = "latents", "solver."


@dataclass(frozen=True, slots=True, kw_only=True)
class Halfway:
    """A segment that the steps in `steps` were applied to: its latents, and what its solver remembers of them."""

    latents: Tensor
    solver: Mapping[str, Tensor]
    steps: tuple[AppliedStep, ...]


class Scratch:
    """One safetensors file per segment in `folder`, named by the segment's content key; without a folder, nothing.

    The key names everything that decides the latents, so a file of that name is right or damaged. Steps and a digest
    of the tensors stand in the file's metadata; a file that does not agree with them is as good as none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def save(self, key: str, halfway: Halfway) -> None:
        """Keep a segment; what was kept of it before is replaced. Does nothing for a segment without a key."""
        path = self._path(key)
        if path is None:
            return
        remembered = {f"{_SOLVER}{name}": tensor for name, tensor in halfway.solver.items()}
        tensors = {name: t.cpu().contiguous().clone() for name, t in {_LATENTS: halfway.latents, **remembered}.items()}
        metadata = {"key": key, "steps": _STEPS.dump_json(halfway.steps).decode(), "digest": _digest(tensors)}
        remove_partial(path)
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata)

    def load(self, key: str, *, device: torch.device) -> Halfway | None:
        """What was kept of a segment, on `device`; None when there is nothing, or nothing whole."""
        path = self._path(key)
        if path is None:
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata, names = file.metadata() or {}, file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            steps = _STEPS.validate_json(metadata["steps"])
        except (OSError, SafetensorError, KeyError, ValidationError):
            return None
        if _LATENTS not in tensors or (metadata.get("key"), metadata.get("digest")) != (key, _digest(tensors)):
            return None
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        latents = moved.pop(_LATENTS)
        solver = {name.removeprefix(_SOLVER): tensor for name, tensor in moved.items()}
        return Halfway(latents=latents, solver=solver, steps=steps)

    def remove(self, key: str) -> None:
        """Forget a segment: it is finished."""
        path = self._path(key)
        if path is not None:
            with suppress(FileNotFoundError):
                path.unlink()

    def _path(self, key: str) -> Path | None:
        return self._folder / f"{key}.safetensors" if self._folder is not None and key else None


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 over names, types, shapes and bytes: a safetensors file with flipped bytes reads without an error."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
