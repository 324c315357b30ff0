"""What writers are asked: data files, and a user's own in their place."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wayframe.errors import SpecError


class _InstructionFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int = Field(ge=1)
    system: str
    question: str = Field(min_length=1)
    with_prompt: str = "{prompt}"
    in_language: str = "Answer in {language}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a writer is told (`system`) and asked (`question`) about one segment."""

    system: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """An instruction file: its name and version, and its texts with the marks that `ask` fills in."""

    name: str
    version: int
    system: str
    question: str
    with_prompt: str
    in_language: str

    def ask(self, *, prompt: str, max_words: int, language: str | None) -> Question:
        """The question with the user's prompt (left out when empty), the length and the language (None: not named)."""
        parts = [self.question]
        parts += [self.with_prompt] if prompt.strip() else []
        parts += [self.in_language] if language else []
        marks = {"{max_words}": str(max_words), "{language}": language or "", "{prompt}": prompt.strip()}
        filled = [_filled(part, marks=marks) for part in (self.system, "\n".join(part.strip() for part in parts))]
        return Question(system=filled[0], question=filled[1])


def load_instruction(name: str, *, folder: Path | None = None) -> Instruction:
    """The instruction `pair` or `single`: the user's `folder`/NAME.toml, else the one that ships with wayframe.

    Raises `SpecError` that names the file and what is wrong with it.
    """
    own = folder / f"{name}.toml" if folder else None
    if own is not None and own.is_file():
        return _parsed(own.read_text(encoding="utf-8"), source=str(own), name=name)
    shipped = resources.files("wayframe.prompts.instructions") / f"{name}.toml"
    return _parsed(shipped.read_text(encoding="utf-8"), source=shipped.name, name=name)


def _parsed(text: str, *, source: str, name: str) -> Instruction:
    try:
        file = _InstructionFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(source, f"is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SpecError(f"{source}: {where}", first["msg"], fix="see docs/prompts.md") from error
    if file.name != name:
        raise SpecError(f"{source}: name", f"expected {name!r}", file.name)
    return Instruction(**file.model_dump())


def _filled(text: str, *, marks: dict[str, str]) -> str:
    """Text with its marks replaced; the prompt comes last, so that marks in it stay as they are."""
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text.strip()
