"""The options of the writer `qwen`, and what they say of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wayframe.errors import SpecError

IDENTITY = "qwen/1"
"""The writer and its version: it goes up when the same model is asked in another way."""
_DECIDES_ANSWERS = ("dtype", "temperature", "seed")


class QwenOptions(BaseModel):
    """How the model is held and asked.

    `dtype` is that of all weights. `device` `auto` is CUDA, else Apple's GPU, else the processor. With `temperature` 0
    the likeliest token is taken each time; above it, tokens are drawn, from `seed` for every answer. `revision` is a
    branch, tag or commit of a model of the Hub.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    seed: int = Field(default=0, ge=0, lt=2**63)
    revision: str = Field(default="main", min_length=1)

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """The options from the user's words; `SpecError` names the option that is unknown or cannot be so."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise SpecError(f"option {name}", "writer qwen has no such option", fix=f"it has {known}") from error
            raise SpecError(f"option {name}", first["msg"], first["input"]) from error

    def identity(self) -> str:
        """`qwen/1` and the options that decide answers, where they differ from the default: `qwen/1 dtype=float32`."""
        plain = type(self)()
        changed = [name for name in _DECIDES_ANSWERS if getattr(self, name) != getattr(plain, name)]
        return " ".join((IDENTITY, *(f"{name}={getattr(self, name)}" for name in changed)))
