"""Findings, the same one told once: its statements, why it matters, what to do, and the lines that prove it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wayframe.core.dossier import Dossier
from wayframe.core.findings import RANK, RULES, Finding, Severity
from wayframe.report.document import (
    Block,
    Bullets,
    Paragraph,
    Row,
    Span,
    Table,
    Text,
    Tone,
    code,
    faint,
    strong,
    ticked,
    words,
)
from wayframe.report.values import letter, segments_text, value_text

TONES = {Severity.INFO: Tone.INFO, Severity.WARNING: Tone.WARNING, Severity.CRITICAL: Tone.CRITICAL}
PLACE = re.compile(r"segments\[(\d+)\]")
LEVELS_APART = frozenset(
    {
        "requested-not-applied",
        "type-changed-on-the-way",
        "applied-not-requested",
        "lora-requested-without-effect",
        "lora-applied-unasked",
        "comma-list-for-phases",
        "sent-switch-never",
        "payload-contradiction",
    }
)


@dataclass(slots=True, kw_only=True)
class Statement:
    """What a rule says of one or several runs, with the segments of each run and the lines of the first place."""

    text: str
    places: dict[str, list[int]] = field(default_factory=dict)
    evidence: dict[str, list[Finding]] = field(default_factory=dict)

    def where(self) -> str:
        """`B, segments 0, 1`; `A and B`."""
        shown = [f"{run}, {segments_text(found)}" if found else run for run, found in self.places.items()]
        plain_runs = all(found == next(iter(self.places.values())) for found in self.places.values())
        if plain_runs and len(self.places) > 1:
            found = next(iter(self.places.values()))
            return " and ".join(self.places) + (f", {segments_text(found)}" if found else "")
        return "; ".join(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All statements of one rule."""

    code: str
    severity: Severity
    title: str
    why: str
    action: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A finding, and whose it is."""

    run: str
    name: str
    finding: Finding


def owned_findings(dossier: Dossier) -> Iterator[Owned]:
    """All findings of a dossier: of each run, of pairs, of the log."""
    first = dossier.comparisons[0]
    yield from (Owned(run=letter(0), name=first.a.name, finding=item) for item in first.findings_of_a)
    for at, comparison in enumerate(dossier.comparisons, start=1):
        yield from (Owned(run=letter(at), name=comparison.b.name, finding=item) for item in comparison.findings_of_b)
        both = f"{letter(0)} against {letter(at)}"
        names = f"{comparison.a.name} and {comparison.b.name}"
        yield from (Owned(run=both, name=names, finding=item) for item in comparison.findings_of_both)
    yield from (Owned(run="the log", name="", finding=item) for item in dossier.findings)


def told_findings(dossier: Dossier) -> tuple[Told, ...]:
    """Findings by rule, gravest first; the same statement about several segments or runs is one."""
    rules: dict[str, dict[str, Statement]] = {}
    firsts: dict[str, Finding] = {}
    for owned in owned_findings(dossier):
        item = owned.finding
        firsts.setdefault(item.code, item)
        segment = PLACE.search(item.where)
        index = int(segment.group(1)) if segment else None
        text = _bare(item.message, owned, segment=index)
        statement = rules.setdefault(item.code, {}).setdefault(text, Statement(text=text))
        places = statement.places.setdefault(owned.run, [])
        if index is not None and index not in places:
            places.append(index)
        statement.evidence.setdefault(owned.run, []).append(item)
    told = [_told(firsts[code], tuple(statements.values())) for code, statements in rules.items()]
    return tuple(sorted(told, key=lambda item: -RANK[item.severity]))


def _bare(message: str, owned: Owned, *, segment: int | None) -> str:
    """The message without whose and where it is, which the report says once for all places."""
    for prefix in (f"{owned.name}, segment {segment}: ", f"segment {segment}: ", f"{owned.name}: "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    return message.replace(owned.name, owned.run.replace(" against ", " and "), 1) if owned.name else message


def _told(first: Finding, statements: tuple[Statement, ...]) -> Told:
    rule = RULES.get(first.code)
    return Told(
        code=first.code,
        severity=first.severity,
        title=rule.title if rule else first.code,
        why=rule.why if rule else "",
        action=first.action or (rule.action if rule else ""),
        statements=statements,
    )


def finding_blocks(told: Sequence[Told]) -> Iterator[Block]:
    """Each rule that spoke: its title, its statements with their lines, its meaning."""
    for item in told:
        title = f"{item.title[:1].upper()}{item.title[1:]}"
        yield Paragraph(text=words(strong(title), " ", code(item.code)), tone=TONES[item.severity])
        yield Bullets(items=tuple(_statement(statement) for statement in item.statements))
        meaning = [part for part in (item.why, item.action and f"What to do: {item.action}") if part]
        if meaning:
            yield Paragraph(text=ticked(" ".join(meaning)))


def _statement(statement: Statement) -> Text:
    lines = _lines(statement)
    parts: list[str | Span] = [strong(f"{statement.where()}: "), statement.text]
    return words(*parts, *([faint(f" ({lines})")] if lines else []))


def _lines(statement: Statement) -> str:
    """Where it stands: the lines of each place."""
    shown = []
    for findings in statement.evidence.values():
        for item in findings:
            lines = [
                f"{name.removesuffix('_line')} {place}"
                for name, place in item.evidence.items()
                if name.endswith("_line")
            ]
            if lines:
                shown.append(", ".join(lines))
    unique = list(dict.fromkeys(shown))
    more = f"; and {len(unique) - MOST_LINES} more places" if len(unique) > MOST_LINES else ""
    return "; ".join(unique[:MOST_LINES]) + more


MOST_LINES = 6


def contradiction_blocks(told: Sequence[Told]) -> Iterator[Block]:
    """What was requested beside what reached the engine, wherever the two are apart."""
    rows: dict[tuple[str, str], Row] = {}
    for statement in (statement for item in told if item.code in LEVELS_APART for statement in item.statements):
        for first in (findings[0] for findings in statement.evidence.values()):
            if not {"requested", "sent"} & first.evidence.keys():
                continue
            setting = first.where.rpartition(".")[2]
            rows.setdefault((statement.where(), setting), _apart(statement, first, setting=setting))
    if rows:
        head = ("where", "setting", "requested", "sent to the engine", "lines")
        yield Table(head=head, rows=tuple(rows.values()), caption="levels requested and applied, side by side")


def _apart(statement: Statement, item: Finding, *, setting: str) -> Row:
    requested, sent = item.evidence.get("requested"), item.evidence.get("sent")
    asked = words(faint("nothing")) if requested is None else value_text(requested)
    cells = words(statement.where()), words(code(setting)), asked, value_text(sent), words(_lines(statement))
    return Row(cells=cells, tone=TONES[item.severity])
