"""Subjects of comparisons, written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from core.trips import Planned
from wayframe.core.documents import plan_json, resolved_json
from wayframe.core.subject import Basis, Level, StepRow, StepTable, Subject, SubjectSegment
from wayframe.workflow.subjects import subject_of

Data = dict[str, Any]


def segment(
    index: int = 0, *, keyframes: tuple[str | None, str | None] | None = None, **levels: Mapping[str, Any]
) -> SubjectSegment:
    """A segment between two keyframes (by its number unless told otherwise), all of whose levels are whole."""
    values = {Level(name): table for name, table in levels.items()}
    return SubjectSegment(
        index=index,
        keyframes=keyframes if keyframes is not None else (f"k{index}", f"k{index + 1}"),
        values=values,
        whole=frozenset(values),
    )


def between(*keyframes: str) -> tuple[SubjectSegment, ...]:
    """Segments between keyframes, with a prompt that names them."""
    ends = pairwise(keyframes)
    return tuple(
        segment(index, keyframes=pair, planned={"prompt": "to ".join(pair)}) for index, pair in enumerate(ends)
    )


def subject(
    name: str = "a",
    *,
    segments: Sequence[SubjectSegment] = (),
    keyframes: Sequence[str] = (),
    **levels: Mapping[str, object],
) -> Subject:
    """A subject all of whose levels are whole."""
    values = {Level(level): table for level, table in levels.items()}
    return Subject(
        name=name,
        kind="log",
        source=name,
        values=values,
        whole=frozenset(values),
        segments=tuple(segments),
        keyframes=tuple(keyframes),
    )


def table(*rows: tuple[float, str, float, Mapping[str, float]], thresholds: Sequence[float] = ()) -> StepTable:
    """A table of steps (timestep, expert, guidance, LoRAs); phases part where expert or guidance change."""
    times = [row[0] for row in rows] + [0.0]
    made: list[StepRow] = []
    phase = 0
    for at, (timestep, expert, guidance, loras) in enumerate(rows):
        if not made or (made[-1].expert, made[-1].guidance) != (expert, guidance):
            phase += 1
        drop = (timestep - times[at + 1]) / 1000
        made.append(
            StepRow(
                timestep=timestep, sigma_drop=drop, phase=phase, expert=expert, guidance=guidance, loras=dict(loras)
            )
        )
    return StepTable(basis=Basis.SENT, rows=tuple(made), thresholds=tuple(thresholds))


def of_plan(planned: Planned, *, name: str = "a", requested: Data | None = None) -> Subject:
    """The subject of a planned spec, as `wayframe compare` makes it."""
    record = {
        "requested": requested,
        "resolved": resolved_json(planned.resolved),
        "planned": plan_json(planned.plan),
    }
    return subject_of(record, name=name, kind="spec", source=name)
