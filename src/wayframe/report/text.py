"""The short form for a terminal: verdict, causes, the steps that differ, what stands out, where to read more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text as Line

from wayframe.core.comparison import Verdict
from wayframe.core.dossier import Dossier
from wayframe.report.document import Block, Bullets, Chart, Paragraph, Style, Table, Text, Tone
from wayframe.report.findings import told_findings
from wayframe.report.next import tries
from wayframe.report.steps import TableGroup, chart_lines, narrow_steps, step_table, table_groups
from wayframe.report.summary import agreements, cause_lines, outstanding, subjects_block, verdict_block
from wayframe.report.values import MOST_STEPS, letter, segments_text
from wayframe.report.videos import video_blocks, without_effect

STYLES = {
    Style.CODE: "cyan",
    Style.STRONG: "bold",
    Style.FAINT: "dim",
    Style.ADDED: "green",
    Style.REMOVED: "red strike",
    Style.PLAIN: "",
}
TONES = {
    Tone.CRITICAL: "red",
    Tone.WARNING: "yellow",
    Tone.SAME: "green",
    Tone.INFO: "",
    Tone.DIFFERS: "",
    Tone.NONE: "",
}


def print_report(dossier: Dossier, *, console: Console) -> None:
    """Print the short form of the report."""
    for block in _blocks(dossier, width=console.width):
        _print(block, console)
    attempts = list(tries(dossier))
    if attempts:
        console.print(Line("\nnext: ", style="bold").append(attempts[0].title, style=""), soft_wrap=True)
    hidden = sum(comparison.hidden for comparison in dossier.comparisons)
    more = f"{hidden} differences left out; " if hidden else ""
    console.print(Line(f"\n{more}everything: --format html --out report.html", style="dim"), soft_wrap=True)


def _steps(group: TableGroup, *, names: tuple[str, str], width: int) -> Block:
    """The steps as a table, or as lines where the table is too wide or too long."""
    table = step_table(group.first, names=names)
    if (
        len(table.rows) > MOST_STEPS
        or Measurement.get(Console(width=WIDEST), Console(width=WIDEST).options, _grid(table)).maximum > width
    ):
        return narrow_steps(group, names=names)
    return replace(table, caption=f"steps of {segments_text(group.segments)}, {table.caption}")


WIDEST = 1000


def _blocks(dossier: Dossier, *, width: int) -> Iterator[Block]:
    told = told_findings(dossier)
    yield subjects_block(dossier)
    for at, comparison in enumerate(dossier.comparisons, start=1):
        names = letter(0), letter(at)
        yield verdict_block(comparison, names=names)
        if comparison.verdict is not Verdict.IDENTICAL:
            yield from cause_lines(comparison, names=names)
        apart = [group for group in table_groups(comparison) if not group.first.equal]
        for group in apart[:1]:
            yield _steps(group, names=names, width=width)
    yield from without_effect(dossier)
    yield from outstanding(told)
    yield from agreements(told)
    yield from (block for block in video_blocks(dossier) if isinstance(block, Paragraph))


def _print(block: Block, console: Console) -> None:
    if isinstance(block, Paragraph):
        console.print(Line("\n").append_text(_line(block.text, style=TONES.get(block.tone, ""))), soft_wrap=True)
    elif isinstance(block, Bullets):
        console.print()
        for number, item in enumerate(block.items, start=1):
            console.print(Line(f"{number}. " if block.numbered else "- ").append_text(_line(item)), soft_wrap=True)
    elif isinstance(block, Table):
        console.print()
        if block.caption:
            console.print(Line(block.caption, style="dim"))
        console.print(_grid(block))
    elif isinstance(block, Chart):
        console.print()
        console.print(Line("\n".join(chart_lines(block))), soft_wrap=True)


def _grid(block: Table) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for name in block.head:
        grid.add_column(Line(name), overflow="fold")
    for row in block.rows:
        grid.add_row(*(_line(cell) for cell in row.cells))
    return grid


def _line(text: Text, *, style: str = "") -> Line:
    line = Line(style=style)
    for span in text:
        line.append(span.text, style=STYLES[span.style])
    return line
