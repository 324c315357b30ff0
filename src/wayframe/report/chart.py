"""Where the parts of a step chart stand: a lane for each run and level, a row for each of its quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wayframe.core.diff import same
from wayframe.core.subject import StepRow
from wayframe.report.document import Chart, ChartLane

WIDTH, LABEL, ROW, GAP, HEAD = 760, 170, 26, 12, 22
WIDEST_CELL, NARROWEST_TEXT = 84, 30
COLOURS = 6
EXPERTS = {"high": "high", "low": "low", "only": "only"}

Reading: TypeAlias = Callable[[StepRow], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One step of a row: its box, the bar in it (from the bottom), its text and what a pointer shows."""

    x: float
    y: float
    width: float
    height: float
    bar: float
    text: str
    hint: str
    kind: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A text beside a row or above a lane."""

    y: float
    text: str
    head: bool = False
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart ready to draw."""

    title: str
    width: float
    height: float
    label: float
    labels: tuple[Label, ...]
    cells: tuple[Cell, ...]
    aside: tuple[tuple[float, float], ...]
    """Top and height of the lanes that were only asked for."""


def draw(chart: Chart) -> Drawing:
    """Lay out a chart; a step that differs from the first lane's is marked."""
    rows = _rows(chart.lanes)
    steps = max((len(lane.table.rows) for lane in chart.lanes), default=0)
    cell = min(WIDEST_CELL, (WIDTH - LABEL) / max(steps, 1))
    labels: list[Label] = []
    cells: list[Cell] = []
    aside: list[tuple[float, float]] = []
    top = 0.0
    for lane in chart.lanes:
        labels.append(Label(y=top + HEAD / 2, text=lane.label, head=True, aside=lane.aside))
        start = top
        top += HEAD
        for name, kind, reading, most in rows:
            labels.append(Label(y=top + ROW / 2, text=name, aside=lane.aside))
            cells += _cells(lane, chart.lanes[0], reading=reading, kind=kind, most=most, place=(top, cell))
            top += ROW
        if lane.aside:
            aside.append((start, top - start))
        top += GAP
    return Drawing(
        title=chart.title,
        width=LABEL + cell * max(steps, 1),
        height=top,
        label=LABEL,
        labels=tuple(labels),
        cells=tuple(cells),
        aside=tuple(aside),
    )


def _rows(lanes: Sequence[ChartLane]) -> list[tuple[str, str, Reading | None, float]]:
    """The rows that every lane has, each with its scale."""
    steps = [row for lane in lanes for row in lane.table.rows]
    rows: list[tuple[str, str, Reading | None, float]] = [("expert", "expert", None, 1.0)]
    rows.append(("guidance", "guidance", lambda row: row.guidance, max((row.guidance for row in steps), default=1.0)))
    names = list(dict.fromkeys(name for row in steps for name in row.loras))
    most = max((abs(weight) for row in steps for weight in row.loras.values()), default=1.0)
    for at, name in enumerate(names):
        rows.append((name, f"lora c{at % COLOURS}", _weight(name), max(most, 1.0)))
    return rows


def _weight(name: str) -> Reading:
    return lambda row: row.loras.get(name)


def _cells(
    lane: ChartLane,
    first: ChartLane,
    *,
    reading: Reading | None,
    kind: str,
    most: float,
    place: tuple[float, float],
) -> Iterator[Cell]:
    top, width = place
    for step, row in enumerate(lane.table.rows):
        other = first.table.rows[step] if step < len(first.table.rows) else None
        if reading is None:
            value, share, text = row.expert, 1.0, row.expert
            differs = other is None or other.expert != row.expert
            kind = f"expert {EXPERTS.get(row.expert, 'only')}"
        else:
            found = reading(row)
            value = "absent" if found is None else f"{found:g}"
            share, text = abs(found or 0.0) / max(most, 1e-9), "-" if found is None else f"{found:g}"
            differs = other is None or not same(reading(other) or 0.0, found or 0.0)
        yield Cell(
            x=LABEL + step * width,
            y=top,
            width=width - 2,
            height=ROW - 4,
            bar=share * (ROW - 4),
            text=text if width >= NARROWEST_TEXT else "",
            hint=f"{lane.label}, step {step}, timestep {row.timestep:.1f}, phase {row.phase}: {value}",
            kind=kind,
            differs=differs,
        )
