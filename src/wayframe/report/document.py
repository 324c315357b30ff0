"""The blocks that a report is made of, before anybody decides whether they become Markdown or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from wayframe.core.dossier import Clip, Thumbnail
from wayframe.core.subject import StepTable


class Style(StrEnum):
    """How a piece of text is set."""

    PLAIN = "plain"
    CODE = "code"
    STRONG = "strong"
    ADDED = "added"
    REMOVED = "removed"
    FAINT = "faint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of text in one style."""

    text: str
    style: Style = Style.PLAIN


Text: TypeAlias = tuple[Span, ...]


def words(*parts: str | Span | Text) -> Text:
    """A text of its parts."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, str):
            spans.append(Span(text=part))
        elif isinstance(part, Span):
            spans.append(part)
        else:
            spans += part
    return tuple(spans)


def code(text: str) -> Span:
    """Text as it stands in a file or on a command line."""
    return Span(text=text, style=Style.CODE)


def strong(text: str) -> Span:
    """Text that stands out."""
    return Span(text=text, style=Style.STRONG)


def faint(text: str) -> Span:
    """Text that steps back."""
    return Span(text=text, style=Style.FAINT)


def ticked(text: str) -> Text:
    """A sentence of ours in which code stands between backticks."""
    return tuple(
        Span(text=part, style=(Style.PLAIN, Style.CODE)[at % 2]) for at, part in enumerate(text.split("`")) if part
    )


def plain(text: Text) -> str:
    """A text without its styles."""
    return "".join(span.text for span in text)


def listed(parts: Iterable[Text], *, between: str = ", ") -> Text:
    """Texts in a row."""
    joined: list[Span] = []
    for number, part in enumerate(parts):
        joined += [*([Span(text=between)] if number else []), *part]
    return tuple(joined)


class Tone(StrEnum):
    """What a row or a paragraph stands for; renderers colour by it."""

    NONE = ""
    DIFFERS = "differs"
    SAME = "same"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph."""

    text: Text
    tone: Tone = Tone.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """A list; numbered where the order counts."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table."""

    cells: tuple[Text, ...]
    tone: Tone = Tone.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `caption` says of which level its values are."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines as they stand: commands, JSON, lines of a log."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLane:
    """The steps of one run in a chart, on one level (`label`)."""

    label: str
    table: StepTable
    aside: bool = False
    """Only asked for or planned: drawn fainter than what was sent or applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Guidance, expert and LoRA weights over the steps, a lane for each run and level."""

    title: str
    lanes: tuple[ChartLane, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Keyframes as the runs' videos show them: for each run its label and thumbnails."""

    runs: tuple[tuple[str, tuple[Thumbnail, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Two videos under one set of controls; `spans` align them, first and last frame of each part in both."""

    labels: tuple[str, str]
    clips: tuple[Clip, Clip]
    spans: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report; `folded` parts are opened by those who want to know."""

    title: str
    blocks: tuple[Block, ...]
    anchor: str
    folded: bool = False


Block: TypeAlias = Paragraph | Bullets | Table | Code | Chart | Strip | Player | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A report: its title, what it says first, and its parts."""

    title: str
    verdict: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]


def section(title: str, blocks: Iterable[Block], *, anchor: str, folded: bool = False) -> Sequence[Section]:
    """The section, or nothing when there is nothing to say in it."""
    kept = tuple(blocks)
    return (Section(title=title, blocks=kept, anchor=anchor, folded=folded),) if kept else ()
