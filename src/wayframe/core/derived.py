"""Differences of what follows from the raw values: step tables, forwards, thresholds, frame arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayframe.core.diff import Difference, Sort, same
from wayframe.core.impact import Impact
from wayframe.core.pairing import Pairing
from wayframe.core.steptable import same_split
from wayframe.core.subject import FrameCount, Level, Missing, StepTable, Subject, SubjectSegment, Value

EXPERT_EFFECT, TIMESTEP_EFFECT, COUNT_EFFECT, FRAMES_EFFECT = 90, 60, 78, 58
LEAST_WEIGHT_EFFECT, LEAST_GUIDANCE_EFFECT, SCALE, GUIDANCE_SCALE = 45, 40, 55, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """Two segments' steps side by side. `loras` holds the weights of each LoRA that differs, per step."""

    pair: Pairing
    a: StepTable
    b: StepTable
    timesteps: bool
    experts: bool
    guidance: bool
    loras: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]

    @property
    def equal(self) -> bool:
        """Whether every step takes the same timestep, expert, guidance and LoRA weights."""
        return self.timesteps and self.experts and self.guidance and not self.loras

    @property
    def paper_thresholds(self) -> bool:
        """Whether thresholds differ, but part the same timesteps alike: others would make thresholds mean others."""
        apart = not same(list(self.a.thresholds), list(self.b.thresholds))
        return apart and self.timesteps and same_split(self.a, self.b)


def compare_tables(a: Subject, b: Subject, pairs: Sequence[Pairing]) -> tuple[TableComparison, ...]:
    """The step tables of all paired segments where both are known."""
    found = []
    for pair in pairs:
        left = a.segments[pair.a].steps if pair.a is not None else None
        right = b.segments[pair.b].steps if pair.b is not None else None
        if left is not None and right is not None:
            found.append(_compared(pair, left, right))
    return tuple(found)


def _compared(pair: Pairing, a: StepTable, b: StepTable) -> TableComparison:
    names = list(dict.fromkeys(name for table in (a, b) for row in table.rows for name in row.loras))
    weights = {name: (_weights(a, name), _weights(b, name)) for name in names}
    return TableComparison(
        pair=pair,
        a=a,
        b=b,
        timesteps=same([row.timestep for row in a.rows], [row.timestep for row in b.rows]),
        experts=[row.expert for row in a.rows] == [row.expert for row in b.rows],
        guidance=same([row.guidance for row in a.rows], [row.guidance for row in b.rows]),
        loras={name: (left, right) for name, (left, right) in weights.items() if not same(left, right)},
    )


def _weights(table: StepTable, name: str) -> tuple[float, ...]:
    return tuple(row.loras.get(name, 0.0) for row in table.rows)


def derived_differences(
    a: Subject, b: Subject, *, pairs: Sequence[Pairing], tables: Sequence[TableComparison]
) -> Iterator[Difference]:
    """Differences of step tables and frame counts, as differences of the level ``derived``."""
    for table in tables:
        yield from _table(a.segments[table.pair.a or 0], table)
    for pair in pairs:
        if pair.a is not None and pair.b is not None:
            yield from _frames(a.segments[pair.a], b.segments[pair.b])


def _table(segment: SubjectSegment, table: TableComparison) -> Iterator[Difference]:
    left, right = table.a.rows, table.b.rows
    if len(left) != len(right):
        yield _derived(segment, "steps", (len(left), len(right)), impact=Impact.WORKFLOW, effect=COUNT_EFFECT)
    elif not table.timesteps:
        values = [row.timestep for row in left], [row.timestep for row in right]
        yield _derived(segment, "timesteps", values, impact=Impact.PICTURE, effect=TIMESTEP_EFFECT)
    if not table.experts:
        experts = [row.expert for row in left], [row.expert for row in right]
        yield _derived(segment, "experts", experts, impact=Impact.WORKFLOW, effect=EXPERT_EFFECT)
    if not table.guidance:
        scales = [row.guidance for row in left], [row.guidance for row in right]
        yield _derived(segment, "guidance", scales, impact=Impact.PICTURE, effect=_guidance_effect(table))
    for name, (first, second) in table.loras.items():
        yield _derived(
            segment,
            f"loras[{name}]",
            (_told(table.a, name, first), _told(table.b, name, second)),
            impact=Impact.PICTURE,
            effect=weight_effect(table, first=first, second=second),
        )
    phases = _dealt(table.a), _dealt(table.b)
    if not table.equal and phases[0] != phases[1]:  # where all else agrees, they change nothing
        yield _derived(segment, "phases", phases, impact=Impact.COSMETIC, effect=0, note="the steps of each")
    if table.a.forwards != table.b.forwards:
        forwards = table.a.forwards, table.b.forwards
        yield _derived(segment, "forwards", forwards, impact=Impact.COSMETIC, effect=0, note="cost, not picture")


def _dealt(table: StepTable) -> list[int]:
    """The number of steps of each phase."""
    return list(Counter(row.phase for row in table.rows).values())


def _told(table: StepTable, name: str, weights: Sequence[float]) -> Value:
    """A LoRA's weights; one that is not there at all has none, not zeros."""
    return list(weights) if any(name in row.loras for row in table.rows) else Missing.ABSENT


def weight_effect(table: TableComparison, *, first: Sequence[float], second: Sequence[float]) -> int:
    """How much a LoRA's weights move the picture, 0 to 100: their change, by the noise that each step removes."""
    if len(first) != len(second):
        return LEAST_WEIGHT_EFFECT + SCALE
    change = sum(abs(x - y) * drop for x, y, drop in zip(first, second, _drops(table), strict=True))
    return LEAST_WEIGHT_EFFECT + round(SCALE * min(change, 1.0))


def _drops(table: TableComparison) -> list[float]:
    """The noise that each step removes, halfway between both sides."""
    return [(x.sigma_drop + y.sigma_drop) / 2 for x, y in zip(table.a.rows, table.b.rows, strict=True)]


def _guidance_effect(table: TableComparison) -> int:
    if len(table.a.rows) != len(table.b.rows):
        return LEAST_GUIDANCE_EFFECT + SCALE
    steps = zip(table.a.rows, table.b.rows, _drops(table), strict=True)
    change = sum(abs(x.guidance - y.guidance) * drop for x, y, drop in steps)
    return LEAST_GUIDANCE_EFFECT + round(SCALE * min(change / GUIDANCE_SCALE * 2, 1.0))


def _frames(a: SubjectSegment, b: SubjectSegment) -> Iterator[Difference]:
    left, right = _shown(a.frames), _shown(b.frames)
    changed = {
        name for name in left if not same(left[name], right[name]) and Missing.UNKNOWN not in (left[name], right[name])
    }
    if changed:
        values = {n: left[n] for n in left if n in changed}, {n: right[n] for n in right if n in changed}
        yield _derived(a, "frames", values, impact=Impact.PICTURE, effect=FRAMES_EFFECT)


def _shown(count: FrameCount) -> dict[str, Value]:
    values = {
        "asked": count.asked,
        "quantised": count.quantised,
        "delivered": count.delivered,
        "new": count.new,
    }
    return {name: Missing.UNKNOWN if value is None else value for name, value in values.items()}


SORTS = {(True, False): Sort.ADDED, (False, True): Sort.REMOVED}


def _derived(
    segment: SubjectSegment, name: str, values: tuple[Value, Value], *, impact: Impact, effect: int, note: str = ""
) -> Difference:
    return Difference(
        path=f"segments[{segment.index}].derived.{name}",
        level=Level.DERIVED,
        segment=segment.index,
        a=values[0],
        b=values[1],
        sort=SORTS.get((values[0] is Missing.ABSENT, values[1] is Missing.ABSENT), Sort.CHANGED),
        impact=impact,
        effect=effect,
        note=note,
    )
