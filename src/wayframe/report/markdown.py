"""A document as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape as html

from wayframe.report.document import (
    Block,
    Bullets,
    Chart,
    Code,
    Document,
    Paragraph,
    Player,
    Section,
    Span,
    Strip,
    Style,
    Table,
    Text,
    Tone,
)
from wayframe.report.steps import chart_lines

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#])")
MARKS = {Tone.CRITICAL: "❗ ", Tone.WARNING: "⚠ "}
DEEPEST = 6


def markdown(document: Document) -> str:
    """The document; texts of users are escaped, so that they show as they are."""
    parts = [f"# {escape(document.title)}", *_blocks(document.lead, depth=2)]
    for part in document.sections:
        parts += _section(part, depth=2)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def _blocks(blocks: Sequence[Block], *, depth: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, depth=depth)


def _block(block: Block, *, depth: int) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield MARKS.get(block.tone, "") + inline(block.text)
    elif isinstance(block, Bullets):
        yield "\n".join(
            f"{f'{number}.' if block.numbered else '-'} {inline(item)}"
            for number, item in enumerate(block.items, start=1)
        )
    elif isinstance(block, Table):
        yield _table(block)
    elif isinstance(block, Code):
        fence = "`" * max(3, _longest_fence(block.text) + 1)
        yield f"{fence}{block.language}\n{block.text}\n{fence}"
    elif isinstance(block, Section):
        yield from _section(block, depth=depth)
    elif isinstance(block, Chart):
        yield _chart(block)
    elif isinstance(block, Strip | Player):
        return  # pictures and videos are in the HTML


def _section(block: Section, *, depth: int) -> Iterator[str]:
    if block.folded:
        yield f"<details><summary>{html(block.title)}</summary>"
        yield from _blocks(block.blocks, depth=depth + 1)
        yield "</details>"
        return
    if depth > DEEPEST:
        yield f"**{escape(block.title)}**"
    else:
        yield f"{'#' * depth} {escape(block.title)}"
    yield from _blocks(block.blocks, depth=depth + 1)


def _table(table: Table) -> str:
    head = [escape(name) or " " for name in table.head]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row([inline(cell, in_table=True) for cell in row.cells]) for row in table.rows]
    caption = f"*{escape(table.caption)}*\n\n" if table.caption else ""
    return caption + "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _chart(chart: Chart) -> str:
    return "```text\n" + "\n".join(chart_lines(chart)) + "\n```"


def inline(text: Text, *, in_table: bool = False) -> str:
    """A text with its styles."""
    return "".join(_span(span, in_table=in_table) for span in text)


def _span(span: Span, *, in_table: bool) -> str:
    if not span.text:
        return ""
    if span.style is Style.CODE:
        return _code(span.text, in_table=in_table)
    shown = escape(span.text)
    wraps = {Style.STRONG: "**", Style.REMOVED: "~~", Style.ADDED: "**", Style.FAINT: "*"}
    mark = wraps.get(span.style)
    if mark is None:
        return shown
    inner = shown.strip()
    if not inner:
        return shown
    before, after = shown[: len(shown) - len(shown.lstrip())], shown[len(shown.rstrip()) :]
    return f"{before}{mark}{inner}{mark}{after}"


def _code(text: str, *, in_table: bool) -> str:
    flat = text.replace("\n", " ")
    if in_table:
        flat = flat.replace("|", "\\|")
    fence = "`" * (_longest_fence(flat) + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") or not flat.strip() else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _longest_fence(text: str) -> int:
    return max((len(found) for found in re.findall(r"`+", text)), default=0)
