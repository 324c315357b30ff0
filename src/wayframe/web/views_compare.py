"""Runs held against each other: their videos aligned, and the strips of their keyframes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from wayframe.core.comparison import Comparison
from wayframe.report.values import letter
from wayframe.web.views_shape import ends_of

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One of the runs: its video, and which spans of it (first and last frames) lie beside which of the first run's."""

    letter: str
    run_id: str
    title: str
    state: str
    has_video: bool
    frames: int
    fps: float
    size: tuple[int, int]
    keyframes: tuple[int, ...]
    joins: tuple[int, ...]
    spans: tuple[tuple[Span, Span], ...]

    def player(self) -> dict[str, Any]:
        """What the page's script needs to know of the video."""
        return {"frames": self.frames, "fps": self.fps, "joins": self.joins, "spans": self.spans}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A run as the list has it, with its record and whether its video is here."""

    run_id: str
    title: str
    state: str
    record: Mapping[str, Any]
    has_video: bool


def takes(shown: Sequence[Shown], *, comparisons: Sequence[Comparison]) -> tuple[Take, ...]:
    """The runs that have a plan, lettered as in the report; `comparisons` are of each further one with the first."""
    first = shown[0].record
    found = []
    for at, run in enumerate(shown):
        if "planned" in run.record:
            pairs = [(pair.a, pair.b) for pair in comparisons[at - 1].pairs] if at else []
            found.append(_take(run, at=at, spans=_aligned(first, run.record, pairs=pairs) if at else ()))
    return tuple(found)


def _take(run: Shown, *, at: int, spans: tuple[tuple[Span, Span], ...]) -> Take:
    planned = run.record["planned"]
    width, height = planned["resolution"].split("x")
    return Take(
        letter=letter(at),
        run_id=run.run_id,
        title=run.title,
        state=run.state,
        has_video=run.has_video,
        frames=planned["frames"],
        fps=float(Fraction(planned["fps"])),
        size=(int(width), int(height)),
        keyframes=tuple(keyframe["at"] for keyframe in planned["keyframes"]),
        joins=tuple(segment["start"] for segment in planned["segments"][1:]),
        spans=spans,
    )


def _aligned(
    a: Mapping[str, Any], b: Mapping[str, Any], *, pairs: Sequence[tuple[int | None, int | None]]
) -> tuple[tuple[Span, Span], ...]:
    """The parts of two videos that belong together; all of both where the segments do not tell."""
    if "planned" not in a:
        return ()
    left, right = _spans(a["planned"]), _spans(b["planned"])
    whole = ((0, a["planned"]["frames"] - 1), (0, b["planned"]["frames"] - 1))
    found = tuple((left[i], right[j]) for i, j in pairs if i is not None and j is not None)
    return found or (whole,)


def _spans(planned: Mapping[str, Any]) -> list[Span]:
    """First and last frame of each segment: from its keyframe to the next one, and all of it where it has none."""
    return [_span(planned, index=index) for index in range(len(planned["segments"]))]


def _span(planned: Mapping[str, Any], *, index: int) -> Span:
    segment, keyframes = planned["segments"][index], planned["keyframes"]
    first, last = segment["start"], segment["end"] - 1
    start, end = (None, None) if segment.get("still") else ends_of(planned, index=index)
    return (
        first if start is None else max(first, keyframes[start]["at"]),
        last if end is None else min(last, keyframes[end]["at"]),
    )
