"""The options of the engine `wan`, as `--option NAME=VALUE` gives them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from wayframe.errors import SpecError

Attention: TypeAlias = Literal["sdpa", "math", "efficient", "cudnn", "flex", "flash", "flash3", "sage", "xformers"]

BACKENDS: Mapping[Attention, str] = {
    "sdpa": "native",
    "math": "_native_math",
    "efficient": "_native_efficient",
    "cudnn": "_native_cudnn",
    "flex": "flex",
    "flash": "flash",
    "flash3": "_flash_3",
    "sage": "sage",
    "xformers": "xformers",
}
"""What diffusers calls these ways to compute attention. Those that fetch and run code from the Hub are left out."""

IDENTITY = "wan/1"

TRAINED_TEXT = 512
"""The tokens of text that Wan's transformers were trained on."""

_GGUF_MAGIC = b"GGUF"
_MIB = 2**20
_TWO_FILES = re.compile(r"high=(?P<high>[^,]+),low=(?P<low>[^,]+)|low=(?P<low_first>[^,]+),high=(?P<high_last>[^,]+)")
_DECIDES_PIXELS = ("dtype", "weights", "vae_tiling", "attention", "compile", "text_length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What to try after the device ran out of memory. `alters_pixels`: finished segments would be rendered again."""

    change: str
    alters_pixels: bool

    def __str__(self) -> str:
        """The advice in one clause."""
        again = "which changes the pixels: finished segments are rendered again"
        return f"try {self.change}, {again if self.alters_pixels else 'which keeps the pixels and what is finished'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFiles:
    """Transformers in GGUF files, by expert (`only`, or `high` and `low`). Equal when their contents are."""

    paths: Mapping[str, Path] = field(compare=False)
    marks: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Self:
        """The files; `SpecError` for one that is not there or is no GGUF file."""
        paths = {expert: Path(text).expanduser().absolute() for expert, text in named.items()}
        return cls(paths=paths, marks=tuple((expert, _mark(path)) for expert, path in sorted(paths.items())))

    def __str__(self) -> str:
        """How they stand in the engine's identity: content decides, not the place."""
        return ",".join(f"{expert}:gguf:{mark}" for expert, mark in self.marks)


def _mark(path: Path) -> str:
    """16 hex digits of a sha256 over size, first and last MiB: header with all tensors' names and types, and weights.

    The whole file would take longer to read than a plan may.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(_MIB)
            stream.seek(max(0, size - _MIB))
            tail = stream.read(_MIB)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise SpecError("option weights", problem, str(path), fix="give the path of a file") from error
    if not head.startswith(_GGUF_MAGIC):
        raise SpecError("option weights", "is not a GGUF file", str(path), fix="give the path of a .gguf file")
    return hashlib.sha256(b"%d " % size + head + tail).hexdigest()[:16]


def _gguf_files(value: object) -> object:
    """The files that `weights` names: `PATH.gguf`, or `high=PATH.gguf,low=PATH.gguf` for a model with two experts."""
    if not isinstance(value, str) or value in ("bf16", "fp8"):
        return value
    if two := _TWO_FILES.fullmatch(value):
        return GgufFiles.of({"high": two["high"] or two["high_last"], "low": two["low"] or two["low_first"]})
    if value.endswith(".gguf") and not value.startswith(("high=", "low=")):
        return GgufFiles.of({"only": value})
    expected = "must be bf16, fp8, PATH.gguf, or high=PATH.gguf,low=PATH.gguf for a model with two experts"
    raise SpecError("option weights", expected, value)


class WanOptions(BaseModel):
    """How a model is held and computed.

    `dtype` is that of the transformers and the text encoder; the VAE always runs in float32. `weights` is `bf16` (as
    the files are, in `dtype`), `fp8` (kept in float8, computed in `dtype`), or GGUF files by expert: `only`, or `high`
    and `low`. `offload` says what stays on the device: `none` everything, `model` the transformer or text encoder in
    use, `blocks` one block of it at a time. `keep` holds what left the device in main memory instead of reading it
    again. `batch` is the number of segments held at once, `text_length` the tokens that a prompt is padded and cut to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    weights: Annotated[Literal["bf16", "fp8"] | GgufFiles, BeforeValidator(_gguf_files)] = "bf16"
    offload: Literal["none", "model", "blocks"] = "none"
    keep: bool = False
    vae_tiling: bool = False
    attention: Attention = "sdpa"
    compile: bool = False
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")
    batch: int = Field(default=32, ge=1)
    text_length: int = Field(default=TRAINED_TEXT, ge=1, le=TRAINED_TEXT)

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """The options from the user's words; `SpecError` names the option that is unknown or cannot be so."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise _refused(error.errors(include_url=False)[0]) from error

    def identity(self) -> str:
        """`wan/1` and the options that decide pixels, where they differ from the default: `wan/1 dtype=float32`."""
        plain = type(self)()
        changed = [name for name in _DECIDES_PIXELS if getattr(self, name) != getattr(plain, name)]
        return " ".join((IDENTITY, *(f"{name}={_shown(getattr(self, name))}" for name in changed)))

    def relief(self) -> Relief:
        """The next thing to try after out of memory: what keeps the pixels comes first."""
        steps = (
            (self.offload == "none", "--option offload=model", False),
            (self.offload == "model", "--option offload=blocks", False),
            (self.weights == "bf16" and self.dtype == "float32", "--option dtype=bfloat16", True),
            (self.weights == "bf16", "--option weights=fp8 (or the path of a GGUF file)", True),
            (not self.vae_tiling, "--option vae_tiling=true", True),
        )
        for open_to_us, change, alters in steps:
            if open_to_us:
                return Relief(change=change, alters_pixels=alters)
        return Relief(change="a smaller resolution or shorter segments", alters_pixels=True)


def _refused(first: ErrorDetails) -> SpecError:
    name = first["loc"][0]
    if first["type"] == "extra_forbidden":
        known = ", ".join(WanOptions.model_fields)
        return SpecError(f"option {name}", "engine wan has no such option", first["input"], fix=f"it has {known}")
    if name == "device":
        return SpecError("option device", "must be auto, cpu, cuda, cuda:N or mps", first["input"])
    return SpecError(f"option {name}", first["msg"].replace("Input should be", "must be"), first["input"])


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
