"""Prompts that a vision model writes: which segments get one, and what stands in the plan in the end.

The order of precedence for a segment: its own prompt, else a written one, else the base prompt of the spec. With
``write: all`` a segment's own prompt is what the writer goes by, and the written one takes its place. `text_before` and
`text_after` go around the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from wayframe.core.findings import Severity, rule
from wayframe.core.shape import Leg, legs
from wayframe.core.spec_part import Part

if TYPE_CHECKING:
    from wayframe.core.spec import TravelSpec
    from wayframe.core.spec_recipe import RecipeSpec

Write = Literal["off", "missing", "all"]
OnFailure = Literal["stop", "base-prompt"]
DEFAULT_WORDS, MOST_WORDS = 60, 400

PROMPT_UNWRITTEN = rule(
    "prompt-unwritten",
    Severity.WARNING,
    title="A prompt is still to be written by a model",
    why="The spec asks for it, and a plan asks no model: the base prompt stands in its place. A run writes it first, "
    "and the segment's content key changes with it.",
    action="Run it, or write the prompts now with `wayframe plan --write-prompts`.",
)
PROMPT_FAILED = rule(
    "prompt-failed",
    Severity.WARNING,
    title="A prompt could not be written, and the base prompt took its place",
    why="The writer did not answer, or its answers were no prompts; `on_failure: base-prompt` lets the run go on.",
    action="Look at the reason; a new run asks again for the prompts that are missing, and only for these.",
)


class PromptSpec(Part):
    """Which prompts a vision model writes, which one, and what happens when it fails."""

    write: Write = Field("off", description="off; missing: for segments without a prompt of their own; all")
    writer: Literal["openai", "qwen"] = Field("qwen", description="an endpoint, or a model on this machine")
    model: str | None = Field(None, min_length=1, description="the writer's model; its default when left out")
    base_url: str | None = Field(None, description="the endpoint of writer openai, such as http://localhost:8000/v1")
    language: str | None = Field(None, min_length=1, description="the language of the prompts, such as English")
    max_words: int = Field(DEFAULT_WORDS, ge=5, le=MOST_WORDS, description="the most words of a prompt")
    on_failure: OnFailure = Field("stop", description="stop, or go on with the base prompt and a finding")
    budget: int | None = Field(None, ge=0, description="the most requests of one run to the endpoint of writer openai")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            plain = bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)
        except ValueError:
            parts, plain = urlsplit(""), False
        if parts.scheme not in ("http", "https") or not plain:
            raise ValueError("expected an address such as http://localhost:8000/v1, without user, key or query")
        return value

    @model_validator(mode="after")
    def _words_of_an_endpoint(self) -> Self:
        asks = {"base_url": "has none", "budget": "makes no requests"}
        said = [name for name in asks if getattr(self, name) is not None]
        if said and self.writer != "openai":
            raise ValueError(f"{said[0]}: writer {self.writer} {asks[said[0]]}; say writer: openai, or leave it out")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrompt:
    """A prompt that a model wrote: who wrote it, and the key under which the store keeps it."""

    text: str
    writer: str
    model: str
    key: str

    @property
    def origin(self) -> str:
        """The origin of the prompt: ``written:WRITER/MODEL``."""
        return f"written:{self.writer}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPrompt:
    """A segment's prompt as the plan has it, its origin, and the key of the written one that is in it, or empty."""

    text: str
    origin: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPrompt:
    """A segment's prompt with its origin; of a written one also what its writer saw, was asked and answered.

    `picture` names the JPEG file that the model was shown, and `jpeg` holds it; both are empty when it is not here.
    """

    segment: int
    prompt: str
    origin: str
    written: str = ""
    question: str = ""
    took: str = ""
    picture: str = ""
    jpeg: bytes = b""

    def to_json(self) -> dict[str, object]:
        """Plain JSON data; what is not known is left out."""
        more = {"written": self.written, "question": self.question, "took": self.took, "picture": self.picture}
        said = {name: text for name, text in more.items() if text}
        return {"segment": self.segment, "prompt": self.prompt, "origin": self.origin, **said}


def wanted(spec: TravelSpec) -> tuple[int, ...]:
    """The segments whose prompts a model is to write."""
    write = spec.prompts.write if spec.prompts else "off"
    if spec.join is not None:
        return ()
    segments = sorted({leg.begins for leg in legs(spec) if leg.begins is not None})
    if write == "missing":
        return tuple(index for index in segments if not _own(spec, index).strip())
    return tuple(segments) if write == "all" else ()


def wish(spec: TravelSpec, index: int) -> str:
    """What the user says of segment `index`: what its writer goes by, and what stands there without a writer."""
    return _own(spec, index) if _own(spec, index).strip() else spec.prompt or ""


def choose(spec: TravelSpec, leg: Leg, *, written: Mapping[int, WrittenPrompt]) -> ChosenPrompt:
    """The prompt of a segment with `text_before` and `text_after` around it."""
    layers: tuple[RecipeSpec, ...] = (spec,) if leg.said is None else (leg.said, spec)
    said = next((layer.prompt for layer in layers if layer.prompt is not None), None)
    chosen = ChosenPrompt(text=said or "", origin="default" if said is None else "spec")
    found = None if leg.begins is None else written.get(leg.begins)
    if found is not None:
        chosen = ChosenPrompt(text=found.text, origin=found.origin, key=found.key)
    elif leg.begins is not None and leg.begins in wanted(spec):
        chosen = ChosenPrompt(text=wish(spec, leg.begins), origin=chosen.origin)
    before = next((layer.text_before for layer in layers if layer.text_before is not None), "")
    after = next((layer.text_after for layer in layers if layer.text_after is not None), "")
    text = around(chosen.text, before=before, after=after)
    return ChosenPrompt(text=text, origin=chosen.origin, key=chosen.key)


def around(text: str, *, before: str, after: str) -> str:
    """A prompt with what stands before and after it, parted by blanks; as it is when nothing does."""
    before, after = before.strip(), after.strip()
    return " ".join(part for part in (before, text, after) if part) if before or after else text


def _own(spec: TravelSpec, index: int) -> str:
    return spec.keyframes[index].prompt or ""
