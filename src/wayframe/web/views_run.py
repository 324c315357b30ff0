"""A run in words and tables: what it is, its segments step by step, its findings, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any, TypeAlias

from wayframe.core.events import TaskKind, TaskState
from wayframe.core.findings import RANK, Finding
from wayframe.core.steptable import applied_table, planned_table
from wayframe.core.wording import MINUTE, counted, duration
from wayframe.report.chart import Drawing, draw
from wayframe.report.document import Chart, ChartLane
from wayframe.web.views_shape import guided_by, is_rendered, looks_of, shape_of, video_names, words_of
from wayframe.web.views_strip import Piece, Strip

SHORT, PER_GIGABYTE, PER_MEGABYTE = 12, 1e9, 1e6
ALIKE_SHOWN, PICTURES = 3, 8
WANGP = "wangp"
WANGP_NOTICE = (
    "Rendered by WanGP (Wan2GP) of DeepBeepMeep, a separate program under its own licence. The settings below are "
    "those that WanGP says it ran with, not read back from the model."
)
ENDED = ("completed", "failed", "cancelled", "incomplete")
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "queued": ("cancel",),
    "running": ("cancel",),
    "failed": ("retry", "delete"),
    "cancelled": ("resume", "delete"),
    "completed": ("delete",),
    "incomplete": ("delete",),
}

Facts: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """Findings by one rule: the first few, how many more there are, and what to do."""

    severity: str
    code: str
    action: str
    shown: tuple[Finding, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentView:
    """One segment, opened. `drawing` is None where nothing is denoised; `pictures` are output frames to show."""

    index: int
    count: int
    piece: Piece
    prompt: str
    negative_prompt: str
    seed: int
    amount_of_motion: float
    facts: Facts
    drawing: Drawing | None
    apart: int | None
    """How many cells of the applied steps are not as planned; None where no steps were read back."""
    pictures: tuple[int, ...]
    task: str
    words: str
    is_rendered: bool


def actions(state: str, *, source: str) -> tuple[str, ...]:
    """What can be done with a run in its state; one that is not of the queue can only be deleted once it has ended."""
    possible = ACTIONS.get(state, ())
    return possible if source == "queue" else tuple(name for name in possible if name == "delete")


def notice(record: Mapping[str, Any]) -> str:
    """What must be said of a run's engine; empty for most."""
    return WANGP_NOTICE if record.get("planned", {}).get("engine") == WANGP else ""


def facts_of(record: Mapping[str, Any]) -> Facts:
    """The run's settings and what came of it, by name, in the order in which one asks for them."""
    return tuple((name, text) for name, text in _facts(record) if text)


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    planned, environment, outcome = record["planned"], record["environment"], record["outcome"]
    seconds = planned["frames"] / float(Fraction(planned["fps"]))
    yield "Model", planned["model"] or ""
    yield "Engine", " ".join((planned["engine"], planned["engine_identity"].partition(" ")[2])).strip()
    yield "Video", f"{planned['resolution']}, {planned['fps']} fps"
    yield "Length", f"{planned['frames']} frames, {seconds:.2f} s"
    yield "Trip", _trip(planned)
    yield "Videos", ", ".join(name for name in video_names(record["requested"], level="clips") if name)
    yield "Guides", ", ".join(video_names(record["requested"], level="guides"))
    yield "Forwards", str(planned["forwards"] or "")
    yield "Seed", ", ".join(str(seed) for seed in dict.fromkeys(part["seed"] for part in planned["segments"]))
    yield "LoRAs", ", ".join(planned["loras"])
    yield "Weights", _short(planned.get("weights") or record["applied"].get("weights") or "")
    yield "Device", environment["device"]
    yield "Options", " ".join(f"{name}={value}" for name, value in environment.get("options", {}).items())
    yield "Counted", ", ".join(_counted(name, count) for name, count in outcome.get("engine", {}).items())
    yield "Took", _took(outcome)
    yield "File", _file(outcome)
    yield "Final file", _final(outcome)


def _trip(planned: Mapping[str, Any]) -> str:
    segments, shape = counted(len(planned["segments"]), "segment"), shape_of(planned)
    way = f"{planned['mode']}, {planned['chaining']}" if planned["keyframes"] else "join"
    return ", ".join(part for part in (way, segments, shape) if part)


def _took(outcome: Mapping[str, Any]) -> str:
    spent = outcome.get("seconds", {})
    names = {"render": "to render", "stitch": "to join", "metrics": "to measure", "after": "to finish"}
    return ", ".join(f"{exact(spent[name])} {words}" for name, words in names.items() if name in spent)


def _file(outcome: Mapping[str, Any]) -> str:
    if "digest" not in outcome:
        return ""
    stitch = outcome["stitch"]
    size = f"{outcome['bytes'] / PER_MEGABYTE:.2f} MB"
    return f"{size}, {stitch['copied']} frames copied, {stitch['encoded']} encoded again, {outcome['digest'][:SHORT]}"


def _final(outcome: Mapping[str, Any]) -> str:
    after = outcome.get("after")
    if after is None:
        return ""
    steps = " and ".join((", ".join(step["step"] for step in after["steps"])).rsplit(", ", 1))
    size = f"{after['bytes'] / PER_MEGABYTE:.2f} MB"
    return (
        f"{after['resolution']}, {after['fps']} fps, {after['frames']} frames, {after['profile']}, {size}, by {steps}"
    )


def _counted(name: str, count: int) -> str:
    """A count in words: ``24 forwards``, ``0.8 GB moved``."""
    if "bytes" not in name:
        return f"{count} {name.replace('_', ' ')}"
    return f"{count / PER_GIGABYTE:.1f} GB {name.replace('bytes', '').replace('_', ' ').strip()}"


def exact(seconds: float) -> str:
    """A time to a tenth of a second below a minute, in words above."""
    return f"{seconds:.1f} s" if seconds < MINUTE else duration(seconds)


def spent(record: Mapping[str, Any]) -> float | None:
    """Seconds from a run's start to its end; None while it goes on."""
    return _between(record["created"], record["finished"])


def _between(first: str | None, last: str | None) -> float | None:
    if not first or not last:
        return None
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinView:
    """A join as it was measured: its score against its surroundings, in a word, and what stands out most."""

    start: int
    score: float
    verdict: str
    signal: str


def joins_of(record: Mapping[str, Any]) -> tuple[JoinView, ...]:
    """The joins of a finished run, as far as they were measured."""
    measured = record["outcome"].get("metrics", {}).get("joins", ())
    return tuple(
        JoinView(start=join["start"], score=join["score"], verdict=join["verdict"], signal=join["signal"])
        for join in measured
    )


def first_to_show(strip: Strip) -> int:
    """The segment that one wants to see first: a failed one, one that is running, else the first."""
    by_state = {piece.state: piece.index for piece in reversed(strip.pieces)}
    return by_state.get(TaskState.FAILED, by_state.get(TaskState.RUNNING, 0))


def finding_groups(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Findings by their rules, the gravest first."""
    found = sorted(findings, key=lambda item: (-RANK[item.severity], item.code))
    return tuple(_group(list(items)) for _, items in groupby(found, key=lambda item: item.code))


def _group(items: Sequence[Finding]) -> FindingGroup:
    first = items[0]
    shown = tuple(items[:ALIKE_SHOWN])
    return FindingGroup(
        severity=first.severity.value,
        code=first.code,
        action=first.action,
        shown=shown,
        more=len(items) - len(shown),
    )


def segment_of(record: Mapping[str, Any], *, strip: Strip, index: int) -> SegmentView:
    """One segment of a record of ours, opened; `index` must be one of its segments."""
    planned, task = record["planned"]["segments"][index], _task(record, index)
    drawing, apart = _chart(record, index)
    piece = strip.pieces[index]
    return SegmentView(
        index=index,
        count=len(strip.pieces),
        piece=piece,
        prompt=planned["prompt"],
        negative_prompt=planned["negative_prompt"],
        seed=planned["seed"],
        amount_of_motion=planned["amount_of_motion"],
        facts=tuple((name, text) for name, text in _segment_facts(record, index=index) if text),
        drawing=drawing,
        apart=apart,
        pictures=spread(piece.start, last=piece.end - 1, count=PICTURES),
        task=task["id"],
        words=words_of(record, index=index),
        is_rendered=is_rendered(planned),
    )


def _task(record: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    task: Mapping[str, Any] = next(
        task for task in record["tasks"] if task["kind"] == TaskKind.SEGMENT and task["segment"] == index
    )
    return task


def _segment_facts(record: Mapping[str, Any], *, index: int) -> Iterator[tuple[str, str]]:
    planned, task = record["planned"]["segments"][index], _task(record, index)
    took = _between(task["started"], task["finished"])
    shared = f", {planned['overlap_before']} shared with the one before" if planned["overlap_before"] else ""
    yield "Frames", f"{planned['frames']} ({planned['start']} to {planned['end'] - 1}){shared}"
    if is_rendered(planned):
        yield "Seed", str(planned["seed"])
        yield "Negative prompt", planned["negative_prompt"]
        yield "Motion", f"{planned['amount_of_motion']:g}" if not planned["steps"] else ""
        yield "Solver", planned["solver"] if planned["steps"] else ""
        yield "Forwards", str(planned["forwards"] or "")
    yield "Guide", guided_by(record, index=index)
    yield "Look", looks_of(planned)
    yield "Took", "rendered before, found again" if task["reused"] else exact(took) if took is not None else ""
    yield "Key", planned["key"][:SHORT]


def _chart(record: Mapping[str, Any], index: int) -> tuple[Drawing | None, int | None]:
    """Planned and applied steps as lanes of one chart, and how many cells of the second differ from the first."""
    planned = planned_table(record["planned"]["segments"][index])
    if planned is None:
        return None, None
    steps = record["applied"]["segments"][index]["steps"]
    lanes = [ChartLane(label="planned", table=planned, aside=bool(steps))]
    if steps:
        lanes.append(ChartLane(label="applied", table=applied_table(steps, planned)))
    drawing = draw(Chart(title=f"Steps of segment {index}", lanes=tuple(lanes)))
    return drawing, sum(cell.differs for cell in drawing.cells) if steps else None


def spread(first: int, *, last: int, count: int) -> tuple[int, ...]:
    """At most `count` frames from `first` to `last`, both among them, evenly apart."""
    steps = min(count - 1, last - first)
    if steps < 1:
        return (first,)
    return tuple(first + round(step * (last - first) / steps) for step in range(steps + 1))


def _short(text: str) -> str:
    return text if len(text) <= 4 * SHORT else f"{text[: 4 * SHORT]}…"
