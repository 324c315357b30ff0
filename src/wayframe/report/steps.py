"""Step tables in a report: side by side, in words, and as lanes of a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan

from wayframe.core.comparison import Comparison
from wayframe.core.derived import TableComparison
from wayframe.core.diff import same
from wayframe.core.dossier import Dossier
from wayframe.core.subject import Basis, Level, StepRow, StepTable, Subject, SubjectSegment
from wayframe.report.document import (
    Block,
    Bullets,
    Chart,
    ChartLane,
    Paragraph,
    Row,
    Table,
    Text,
    Tone,
    code,
    faint,
    strong,
    words,
)
from wayframe.report.values import letter, level_words, number, segments_text, value_text, weights

BASES = {
    Basis.APPLIED: "applied, read back from the model",
    Basis.SENT: "derived from what was sent to the engine",
    Basis.PLANNED: "planned",
    Basis.REQUESTED: "derived from what was requested",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableGroup:
    """Paired segments whose tables are the same on both sides."""

    tables: tuple[TableComparison, ...]

    @property
    def first(self) -> TableComparison:
        """The table that stands for all."""
        return self.tables[0]

    @property
    def segments(self) -> list[int]:
        """The segments, by the numbers of the first run."""
        return [table.pair.a or 0 for table in self.tables]


def table_groups(comparison: Comparison) -> tuple[TableGroup, ...]:
    """Paired segments by their tables; those that differ first."""
    groups: list[list[TableComparison]] = []
    for table in comparison.tables:
        home = next((group for group in groups if _alike(group[0], table)), None)
        if home is None:
            groups.append([table])
        else:
            home.append(table)
    return tuple(TableGroup(tables=tuple(group)) for group in sorted(groups, key=lambda group: group[0].equal))


def _alike(left: TableComparison, right: TableComparison) -> bool:
    return left.a.rows == right.a.rows and left.b.rows == right.b.rows


def step_table(table: TableComparison, *, names: tuple[str, str]) -> Table:
    """The steps of two segments in one table: one column for what agrees, two for what does not."""
    columns = [
        ("timestep", [_pair(left.timestep, right.timestep) for left, right in _steps(table)], table.timesteps),
        ("phase", [_pair(left.phase, right.phase) for left, right in _steps(table)], _phases_agree(table)),
        ("expert", [(left.expert, right.expert) for left, right in _steps(table)], table.experts),
        ("guidance", [_pair(left.guidance, right.guidance) for left, right in _steps(table)], table.guidance),
    ]
    for name in dict.fromkeys(name for side in (table.a, table.b) for row in side.rows for name in row.loras):
        cells = [_pair(left.loras.get(name), right.loras.get(name)) for left, right in _steps(table)]
        columns.append((name, cells, name not in table.loras))
    head = ["step"]
    for title, _, agrees in columns:
        head += [title] if agrees else [f"{title} {names[0]}", f"{title} {names[1]}"]
    count = max(len(table.a.rows), len(table.b.rows))
    return Table(
        head=tuple(head),
        rows=tuple(_step_row(step, columns) for step in range(count)),
        caption=_caption(table, names),
    )


def _step_row(step: int, columns: Sequence[tuple[str, list[tuple[str, str]], bool]]) -> Row:
    cells, apart = [words(str(step))], False
    for _, values, agrees in columns:
        left, right = values[step]
        if agrees:
            cells.append(words(left))
        else:
            apart = apart or left != right
            cells += [words(left), words(strong(right) if left != right else right)]
    return Row(cells=tuple(cells), tone=Tone.DIFFERS if apart else Tone.NONE)


def _steps(table: TableComparison) -> Iterator[tuple[StepRow, StepRow]]:
    """Steps side by side; the shorter table ends with its last row, which `_pair` never shows beyond its end."""
    count = max(len(table.a.rows), len(table.b.rows))
    for step in range(count):
        yield _row(table.a, step), _row(table.b, step)


NO_STEP = StepRow(timestep=nan, sigma_drop=0.0, phase=0, expert="-", guidance=nan, loras={})


def _row(table: StepTable, step: int) -> StepRow:
    return table.rows[step] if step < len(table.rows) else NO_STEP


def _pair(left: float | None, right: float | None) -> tuple[str, str]:
    return _cell(left), _cell(right)


def _cell(value: float | None) -> str:
    """A number; a dash for a LoRA that is not there, and beyond the end of the shorter table."""
    return "-" if value is None or isnan(value) else number(value)


def _phases_agree(table: TableComparison) -> bool:
    return [row.phase for row in table.a.rows] == [row.phase for row in table.b.rows]


def _caption(table: TableComparison, names: tuple[str, str]) -> str:
    if table.a.basis is table.b.basis:
        return f"level: {BASES[table.a.basis]}"
    return f"level: {names[0]} {BASES[table.a.basis]}; {names[1]} {BASES[table.b.basis]}"


def agreement(table: TableComparison) -> str:
    """What agrees and what does not, in one sentence."""
    aspects = {
        "timesteps": table.timesteps,
        "experts": table.experts,
        "guidance": table.guidance,
        "LoRA weights": not table.loras,
    }
    agree = [name for name, yes in aspects.items() if yes]
    apart = [name for name, yes in aspects.items() if not yes]
    if not apart:
        return "Every step is the same in both."
    if not agree:
        return f"{_and(apart).capitalize()} all differ."
    return f"{_and(agree)[:1].upper()}{_and(agree)[1:]} agree at every step; {_and(apart)} differ."


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def steps_blocks(comparison: Comparison, *, names: tuple[str, str]) -> Iterator[Block]:
    """Every distinct pair of step tables, with what it shows."""
    for group in table_groups(comparison):
        where = segments_text(group.segments)
        yield Paragraph(text=words(strong(f"{where[:1].upper()}{where[1:]}. "), agreement(group.first)))
        yield step_table(group.first, names=names)


def charts(dossier: Dossier) -> Iterator[Chart]:
    """A chart for each distinct set of tables that belong together, those that differ first: every run, each level."""
    compared = {table.pair.a or 0 for comparison in dossier.comparisons for table in comparison.tables}
    partners = [{pair.a: pair.b for pair in comparison.pairs} for comparison in dossier.comparisons]
    groups: list[tuple[list[ChartLane], list[int]]] = []
    for index in sorted(compared):
        lanes = list(_lanes(dossier.subjects[0].segments[index], run=letter(0)))
        for at, (comparison, partner) in enumerate(zip(dossier.comparisons, partners, strict=True), start=1):
            other = partner[index]
            lanes += _lanes(comparison.b.segments[other], run=letter(at)) if other is not None else []
        home = next((indices for found, indices in groups if _drawn(found) == _drawn(lanes)), None)
        if home is None:
            groups.append((lanes, [index]))
        else:
            home.append(index)
    for lanes, indices in sorted(groups, key=lambda group: _all_alike(group[0])):
        yield Chart(title=f"Steps of {segments_text(indices)}", lanes=tuple(lanes))


def _drawn(lanes: Sequence[ChartLane]) -> list[tuple[str, tuple[StepRow, ...]]]:
    return [(lane.label, lane.table.rows) for lane in lanes]


def _all_alike(lanes: Sequence[ChartLane]) -> bool:
    return all(lane.table.rows == lanes[0].table.rows for lane in lanes)


def chart_lines(chart: Chart) -> list[str]:
    """A chart as text: a line for each lane, experts as letters, weights in a row."""
    lines = [chart.title]
    for lane in chart.lanes:
        rows = lane.table.rows
        lines.append(f"  {lane.label}")
        lines.append(f"    {'expert':<24} {' '.join(row.expert[:1].upper() for row in rows)}")
        lines.append(f"    {'guidance':<24} {weights(row.guidance for row in rows)}")
        lines += [
            f"    {name:<24} {weights(row.loras[name] for row in rows)}" for name in (rows[0].loras if rows else ())
        ]
    return lines


def narrow_steps(group: TableGroup, *, names: tuple[str, str]) -> Chart:
    """The steps of two segments as lanes, for a page that is too narrow for their table."""
    sides = zip(names, (group.first.a, group.first.b), strict=True)
    lanes = tuple(ChartLane(label=f"{name} {LANES[table.basis]}", table=table) for name, table in sides)
    return Chart(title=f"steps of {segments_text(group.segments)}", lanes=lanes)


LANES = {
    Basis.APPLIED: "applied",
    Basis.SENT: "sent",
    Basis.PLANNED: "planned",
    Basis.REQUESTED: "requested",
}


def _lanes(segment: SubjectSegment, *, run: str) -> Iterator[ChartLane]:
    wanted, steps = segment.wanted, segment.steps
    if wanted is not None and steps is not None and wanted is not steps:
        equal = _same_rows(wanted, steps)
        if not equal:
            yield ChartLane(label=f"{run} {LANES[wanted.basis]}", table=wanted, aside=True)
        label = f"{run} {LANES[steps.basis]}" + (f", as {LANES[wanted.basis]}" if equal else "")
        yield ChartLane(label=label, table=steps)
    elif steps is not None:
        yield ChartLane(label=f"{run} {LANES[steps.basis]}", table=steps)


def _same_rows(a: StepTable, b: StepTable) -> bool:
    left, right = ([(row.expert, row.guidance, dict(row.loras)) for row in table.rows] for table in (a, b))
    return len(left) == len(right) and all(
        x[0] == y[0] and same(x[1], y[1]) and same(x[2], y[2]) for x, y in zip(left, right, strict=True)
    )


def phase_words(table: StepTable) -> tuple[Text, ...]:
    """Each phase in words: its steps, expert, guidance and the LoRAs that act in it."""
    return tuple(
        _phase(phase, list(rows)) for phase, rows in groupby(enumerate(table.rows), key=lambda row: row[1].phase)
    )


def _phase(phase: int, rows: Sequence[tuple[int, StepRow]]) -> Text:
    first, last = rows[0][0], rows[-1][0]
    steps = f"step {first}" if first == last else f"steps {first} to {last}"
    experts = list(dict.fromkeys(row.expert for _, row in rows))
    scales = list(dict.fromkeys(row.guidance for _, row in rows))
    expert = (
        "the only transformer" if experts == ["only"] else f"{_and(experts)} expert{'s' if len(experts) > 1 else ''}"
    )
    text = f"phase {phase} ({steps}): {expert}, guidance {' then '.join(number(scale) for scale in scales)}"
    return words(text, *_acting([row for _, row in rows]))


def _acting(rows: Sequence[StepRow]) -> Iterator[Text]:
    names = [name for name in rows[0].loras if any(row.loras[name] for row in rows)]
    if not names:
        yield words(", no LoRA" if rows[0].loras else "")
    for name in names:
        values = list(dict.fromkeys(row.loras[name] for row in rows))
        yield words(", ", code(name), f" {' then '.join(f'{value:g}' for value in values)}")


def multiplier_blocks(subject: Subject) -> Iterator[Block]:
    """Multipliers as text, each level by itself; what they mean stands in the table of weights."""
    for level, key in ((Level.REQUESTED, "lora_multipliers"), (Level.APPLIED, "loras_multipliers")):
        groups: dict[str, tuple[object, list[int]]] = {}
        for segment in subject.segments:
            found = segment.values.get(level, {}).get(key)
            if found is not None:
                groups.setdefault(repr(found), (found, []))[1].append(segment.index)
        rows = [Row(cells=(words(segments_text(at)), value_text(found))) for found, at in groups.values()]
        if rows:
            yield Table(head=("where", key), rows=tuple(rows), caption=level_words(level, subject))


def distinct_tables(subject: Subject) -> list[tuple[list[int], SubjectSegment]]:
    """The segments of a subject by what their steps are."""
    groups: list[tuple[list[int], SubjectSegment]] = []
    for segment in subject.segments:
        key = segment.steps, segment.wanted
        home = next((found for found, first in groups if (first.steps, first.wanted) == key), None)
        if home is None:
            groups.append(([segment.index], segment))
        else:
            home.append(segment.index)
    return groups


def phases_blocks(subject: Subject) -> Iterator[Block]:
    """The phases of a run in words, each level by itself, and each LoRA's weight at every step."""
    yield from multiplier_blocks(subject)
    for indices, segment in distinct_tables(subject):
        levels = [table for table in (segment.wanted, segment.steps) if table is not None]
        for table in dict.fromkeys(id(table) for table in levels):
            shown = next(level for level in levels if id(level) == table)
            yield Bullets(
                items=(words(strong(f"{segments_text(indices)}, {BASES[shown.basis]}:")), *phase_words(shown))
            )
        if any(row.loras for table in levels for row in table.rows):
            yield _lora_table(segment, levels)


def _lora_table(segment: SubjectSegment, levels: Sequence[StepTable]) -> Table:
    tables = list({id(table): table for table in levels}.values())
    rows = []
    for table in tables:
        for name in table.rows[0].loras:
            values = [row.loras.get(name, 0.0) for row in table.rows]
            effect = words("acts at ", f"{sum(map(bool, values))} of {len(values)} steps")
            rows.append(
                Row(
                    cells=(
                        words(code(name)),
                        words(LANES[table.basis]),
                        words(code(weights(values))),
                        effect if any(values) else words(faint("no effect")),
                    )
                )
            )
    head = ("LoRA", "level", "weight at each step", "effect")
    return Table(head=head, rows=tuple(rows), caption=f"LoRA weights of segment {segment.index}, each level by itself")


def timestep_blocks(subject: Subject) -> Iterator[Block]:
    """Timesteps and thresholds of a run."""
    rows = []
    for indices, segment in distinct_tables(subject):
        if segment.steps is not None:
            table = segment.steps
            phases = [str(len(list(found))) for _, found in groupby(row.phase for row in table.rows)]
            rows.append(
                Row(
                    cells=(
                        words(segments_text(indices)),
                        words(code(", ".join(f"{row.timestep:.1f}" for row in table.rows))),
                        words(", ".join(f"{limit:.2f}" for limit in table.thresholds) or "none"),
                        words("/".join(phases)),
                        words(str(table.forwards)),
                    )
                )
            )
    if rows:
        head = ("where", "timesteps", "thresholds", "steps of each phase", "forwards")
        basis = next(segment.steps.basis for segment in subject.segments if segment.steps is not None)
        yield Table(head=head, rows=tuple(rows), caption=f"level: {BASES[basis]}")
