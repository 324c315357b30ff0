"""Differences in a report: by severity, the same one over many segments told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wayframe.core.comparison import KEYFRAMES_PATH, Comparison
from wayframe.core.diff import PROMPTS, Difference, same
from wayframe.core.impact import Impact
from wayframe.core.subject import Level, Subject
from wayframe.report.document import Block, Row, Section, Table, Text, code, faint, section, words
from wayframe.report.values import level_words, line_text, path_text, pictures_text, segments_text, value_text, weights

HEADINGS = {
    Impact.WORKFLOW: "Changes the workflow",
    Impact.PICTURE: "Changes the picture",
    Impact.COSMETIC: "Changes nothing that is seen",
    Impact.NOISE: "Noise: ids, times, paths, and what is known of one run only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceGroup:
    """The same difference in one or several segments; `segments` is empty for one of the whole run."""

    first: Difference
    segments: tuple[int, ...]


def difference_groups(found: tuple[Difference, ...]) -> list[DifferenceGroup]:
    """Differences with those of other segments that say the same, in their order."""
    groups: dict[tuple[str, Level, Impact], list[tuple[Difference, list[int]]]] = {}
    order: list[tuple[Difference, list[int]]] = []
    for item in found:
        homes = groups.setdefault((path_text(item), item.level, item.impact), [])
        home = next((home for home in homes if _says_the_same(home[0], item)), None)
        if home is None:
            home = (item, [])
            homes.append(home)
            order.append(home)
        if item.segment is not None:
            home[1].append(item.segment)
    return [DifferenceGroup(first=first, segments=tuple(sorted(segments))) for first, segments in order]


def _says_the_same(a: Difference, b: Difference) -> bool:
    return (a.segment is None) == (b.segment is None) and same(a.a, b.a) and same(a.b, b.b)


def difference_sections(comparison: Comparison, *, names: tuple[str, str], anchor: str) -> Iterator[Section]:
    """A section for each severity."""
    for impact, title in HEADINGS.items():
        found = tuple(item for item in comparison.differences if item.impact is impact)
        blocks = list(_tables(found, comparison, names=names))
        yield from section(
            f"{title} ({len(found)})",
            blocks,
            anchor=f"{anchor}-{impact.value}",
            folded=impact in (Impact.COSMETIC, Impact.NOISE),
        )


def _tables(found: tuple[Difference, ...], comparison: Comparison, *, names: tuple[str, str]) -> Iterator[Block]:
    """One table for each level, so that no two levels stand in one."""
    for level in Level:
        groups = difference_groups(tuple(item for item in found if item.level is level))
        if not groups:
            continue
        proved = any(group.first.proof_a or group.first.proof_b for group in groups)
        noted = any(group.first.note for group in groups)
        head = ("what", "where", *names, *(("lines",) if proved else ()), *(("note",) if noted else ()))
        sides = comparison.a, comparison.b
        rows = tuple(_row(group, sides=sides, proved=proved, noted=noted) for group in groups)
        yield Table(head=head, rows=rows, caption=level_words(level, comparison.a, comparison.b))


def _row(group: DifferenceGroup, *, sides: tuple[Subject, Subject], proved: bool, noted: bool) -> Row:
    item = group.first
    where = words(segments_text(group.segments)) if group.segments else words(faint("whole run"))
    values = [_value(item, value, subject) for value, subject in zip((item.a, item.b), sides, strict=True)]
    cells: list[Text] = [words(code(path_text(item))), where, *values]
    if proved:
        cells.append(words(f"{line_text(item.proof_a) or '-'} / {line_text(item.proof_b) or '-'}"))
    if noted:
        cells.append(words(item.note))
    return Row(cells=tuple(cells))


def _value(item: Difference, value: object, subject: Subject) -> Text:
    if item.path == KEYFRAMES_PATH:
        return pictures_text(subject)
    if path_text(item).rpartition(".")[2] in PROMPTS and isinstance(value, str) and value.strip():
        return words(faint(f"{len(value.split())} words, see Prompts"))
    if item.level is Level.DERIVED and isinstance(value, list) and all(isinstance(part, float) for part in value):
        return words(code(weights(value)))
    return value_text(value)
