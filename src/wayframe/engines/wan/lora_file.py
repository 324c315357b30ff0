"""Opening the file of a LoRA: safetensors and nothing else, and every way in which it can be bad told in one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open

from wayframe.errors import SpecError

_PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl"})
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")  # a bare pickle; the zip that torch.save writes
_NOT_SAFE = "is a pickle, and reading a pickle runs whatever code it holds"
_CONVERT = "get its .safetensors version, or convert it on a machine that you can lose"
_FLOATS = {"F64": torch.float32, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_FLOATS |= dict.fromkeys(("F8_E4M3", "F8_E5M2"), torch.bfloat16)  # bfloat16 holds every value of both
_METADATA = "lora_adapter_metadata"
_MODULE = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What peft's configuration, written into the file by diffusers, says of alpha; empty: alpha is the rank."""

    alpha: float | None = None
    alphas: Mapping[str, float] = field(default_factory=dict)
    stabilised: bool = False

    def of(self, module: str, *, rank: int) -> float:
        """What the product of a module's factors, of this rank, is multiplied with.

        alpha / rank, or alpha / sqrt(rank) for a rank-stabilised LoRA, as in `peft.LoraConfig`; there an entry of
        `alpha_pattern` holds for all modules whose name ends with it.
        """
        own = (alpha for end, alpha in self.alphas.items() if f".{module}".endswith(f".{end}"))
        alpha = next(own, self.alpha)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.stabilised else rank)


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...

    def get_dtype(self) -> str: ...


class _File(Protocol):
    """What is used of an open `safetensors.safe_open`, which comes without types."""

    def keys(self) -> list[str]: ...

    def metadata(self) -> dict[str, str] | None: ...

    def get_slice(self, name: str, /) -> _Slice: ...

    def get_tensor(self, name: str, /) -> torch.Tensor: ...


class LoraTensors:
    """The tensors of an open file: shapes first, the numbers of one tensor when it is asked for."""

    def __init__(self, file: _File, *, field: str) -> None:
        self._file, self._field = file, field
        self.keys: tuple[str, ...] = tuple(file.keys())

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a tensor; nothing of it is read."""
        return tuple(self._file.get_slice(key).get_shape())

    def is_float(self, key: str) -> bool:
        """Whether a tensor holds numbers of a kind that weights are stored in."""
        return self._file.get_slice(key).get_dtype() in _FLOATS

    def read(self, key: str) -> torch.Tensor:
        """A tensor on the CPU, as it is stored; 8-bit floats come as bfloat16 and doubles as float32."""
        return self._file.get_tensor(key).to(_FLOATS[self._file.get_slice(key).get_dtype()])

    def scaling(self, *, second: bool) -> Scaling:
        """The file's own word on alpha, for one of the two transformers that a pipeline has."""
        text = (self._file.metadata() or {}).get(_METADATA)
        if text is None:
            return Scaling()
        try:
            return _scaling(json.loads(text), prefix="transformer_2." if second else "transformer.")
        except (ValueError, AttributeError) as error:
            raise SpecError(
                self._field, f"its {_METADATA} cannot be read ({error})", fix="save the LoRA again with diffusers"
            ) from error


def _scaling(said: Mapping[str, object], *, prefix: str) -> Scaling:
    own = {key.removeprefix(prefix): value for key, value in said.items() if key.startswith(prefix)}
    alpha, alphas = own.get("lora_alpha"), own.get("alpha_pattern") or {}
    if not isinstance(alphas, dict) or not all(_MODULE.fullmatch(end) for end in alphas):
        raise ValueError("alpha_pattern holds more than names of modules")  # a stranger's expression is not run
    return Scaling(
        alpha=None if alpha is None else _finite(alpha),
        alphas={end: _finite(value) for end, value in alphas.items()},
        stabilised=own.get("use_rslora") is True,
    )


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"alpha {value!r}")
    return float(value)


@contextmanager
def open_lora(path: Path) -> Iterator[LoraTensors]:
    """The tensors of a LoRA file while the block runs. SpecError for a file that is not a sound safetensors file."""
    field = f"LoRA {path.name}"
    if path.suffix.lower() in _PICKLES:
        raise SpecError(field, _NOT_SAFE, fix=_CONVERT)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield LoraTensors(file, field=field)
    except SafetensorError as error:
        if _starts_as_pickle(path):
            raise SpecError(field, f"{_NOT_SAFE}; only its name says safetensors", fix=_CONVERT) from error
        raise SpecError(field, f"is damaged or not a safetensors file ({error})", fix="fetch the file again") from error
    except OSError as error:
        raise SpecError(field, f"cannot be read ({error.strerror or error})", fix="check the path") from error


def _starts_as_pickle(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4).startswith(_PICKLE_STARTS)
