"""A run that is known from a log only: what the log tells of its segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wayframe.core.subject import Subject, SubjectSegment
from wayframe.report.chart import Drawing, draw
from wayframe.report.document import Chart, ChartLane


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSegment:
    """A segment as the log has it: its state, its steps as asked for and as sent, and what was inferred."""

    index: int
    state: str
    error: str | None
    drawing: Drawing | None
    inferred: tuple[str, ...]


def logged_segments(subject: Subject) -> tuple[LoggedSegment, ...]:
    """The segments of a run from a log."""
    return tuple(_segment(segment) for segment in subject.segments)


def _segment(segment: SubjectSegment) -> LoggedSegment:
    lanes = tuple(_lanes(segment))
    return LoggedSegment(
        index=segment.index,
        state=segment.status or "unknown",
        error=segment.error,
        drawing=draw(Chart(title=f"Steps of segment {segment.index}", lanes=lanes)) if lanes else None,
        inferred=segment.steps.inferred if segment.steps else (),
    )


def _lanes(segment: SubjectSegment) -> Iterator[ChartLane]:
    if segment.wanted is not None and segment.wanted != segment.steps:
        yield ChartLane(label=segment.wanted.basis.value, table=segment.wanted, aside=segment.steps is not None)
    if segment.steps is not None:
        yield ChartLane(label=segment.steps.basis.value, table=segment.steps)
