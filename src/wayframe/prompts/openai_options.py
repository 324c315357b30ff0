"""The options of the writer `openai`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from wayframe.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIOptions:
    """How an endpoint is asked: seconds until an answer is given up, requests at once, how often one is sent at most.

    `pause` is the wait before the first repetition in seconds, doubled for each further one; a server's Retry-After
    takes its place. A server that asks for more than `longest_pause` is not waited for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    timeout: Annotated[float, Field(gt=0)] = 120.0
    concurrency: Annotated[int, Field(ge=1)] = 4
    attempts: Annotated[int, Field(ge=1)] = 4
    pause: Annotated[float, Field(ge=0)] = 1.0
    longest_pause: Annotated[float, Field(ge=0)] = 60.0

    @classmethod
    def parse(cls, words: Mapping[str, str]) -> OpenAIOptions:
        """The options from the user's words; raises `SpecError` that names the one that is unknown or wrong."""
        try:
            return _OPTIONS.validate_python(dict(words))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name, unknown = str(first["loc"][0]), first["type"] == "unexpected_keyword_argument"
            known = ", ".join(field.name for field in fields(cls))
            problem = f"writer openai knows {known}" if unknown else first["msg"]
            raise SpecError(f"option {name}", problem, first["input"]) from error


_OPTIONS = TypeAdapter(OpenAIOptions)
