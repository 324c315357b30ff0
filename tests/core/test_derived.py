"""Differences of what follows from raw values: steps, weights, frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.subjects import segment, subject, table
from wayframe.core.derived import TableComparison, compare_tables, derived_differences, weight_effect
from wayframe.core.diff import Difference, Sort
from wayframe.core.impact import Impact
from wayframe.core.pairing import match_segments
from wayframe.core.subject import FrameCount, Level, Missing, StepTable, Subject

UNKNOWN = FrameCount()
Row = tuple[float, str, float, Mapping[str, float]]
ROWS: list[Row] = [(1000.0, "high", 3.0, {"x": 1.0}), (600.0, "high", 1.0, {"x": 1.0}), (100.0, "low", 1.0, {"x": 0.0})]


def of(*tables: StepTable | None, frames: FrameCount = UNKNOWN) -> Subject:
    made = [replace(segment(at), steps=steps, wanted=steps, frames=frames) for at, steps in enumerate(tables)]
    return subject(segments=made)


def derived(a: Subject, b: Subject) -> tuple[tuple[TableComparison, ...], list[Difference]]:
    pairs = match_segments(a.segments, b.segments)
    tables = compare_tables(a, b, pairs)
    return tables, list(derived_differences(a, b, pairs=pairs, tables=tables))


def names(a: StepTable, b: StepTable) -> list[str]:
    _, there = derived(of(a), of(b))
    _, back = derived(of(b), of(a))
    assert [(item.path, item.impact, item.effect) for item in there] == [
        (item.path, item.impact, item.effect) for item in back
    ]
    return [item.path.removeprefix("segments[0].derived.") for item in there]


def changed(at: int, row: Row) -> StepTable:
    return table(*[row if number == at else own for number, own in enumerate(ROWS)])


def test_equal_tables_have_no_difference() -> None:
    [compared], differences = derived(of(table(*ROWS)), of(table(*ROWS)))
    assert compared.equal
    assert not compared.paper_thresholds
    assert differences == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (changed(1, (500.0, "high", 1.0, {"x": 1.0})), ["timesteps"]),
        (changed(1, (600.0, "low", 1.0, {"x": 1.0})), ["experts", "phases"]),
        (changed(0, (1000.0, "high", 4.0, {"x": 1.0})), ["guidance"]),
        (changed(0, (1000.0, "high", 1.0, {"x": 1.0})), ["guidance", "phases", "forwards"]),
        (changed(0, (1000.0, "high", 3.0, {"x": 0.5})), ["loras[x]"]),
        (changed(2, (100.0, "low", 1.0, {"y": 0.0})), []),
        (changed(2, (100.0, "low", 1.0, {"y": 0.1})), ["loras[y]"]),
        (changed(1, (300.0, "high", 2.0, {"x": 0.0})), ["timesteps", "guidance", "loras[x]", "forwards"]),
        (table(*ROWS[:2]), ["steps", "experts", "guidance", "loras[x]", "phases", "forwards"]),
    ],
)
def test_each_column_of_the_steps_is_compared(other: StepTable, expected: list[str]) -> None:
    assert names(table(*ROWS), other) == expected


def test_a_lora_that_is_not_there_weighs_nothing() -> None:
    without = table(*[(time, expert, guidance, {}) for time, expert, guidance, _ in ROWS])
    [compared], [difference] = derived(of(table(*ROWS)), of(without))
    assert compared.loras == {"x": ((1.0, 1.0, 0.0), (0.0, 0.0, 0.0))}
    assert (difference.a, difference.b, difference.sort) == ([1.0, 1.0, 0.0], Missing.ABSENT, Sort.REMOVED)
    assert (difference.level, difference.impact) == (Level.DERIVED, Impact.PICTURE)


def test_thresholds_that_part_alike_differ_on_paper_only() -> None:
    a, b = table(*ROWS, thresholds=(800, 300)), table(*ROWS, thresholds=(700, 200))
    [compared], differences = derived(of(a), of(b))
    assert compared.equal
    assert compared.paper_thresholds
    assert differences == []


def test_thresholds_among_other_timesteps_are_no_paper() -> None:
    a, b = table(*ROWS, thresholds=(800, 300)), table(*ROWS[:2], (90.0, *ROWS[2][1:]), thresholds=(700, 200))
    [compared], _ = derived(of(a), of(b))
    assert [row.phase for row in compared.a.rows] == [row.phase for row in compared.b.rows]
    assert not compared.timesteps
    assert not compared.paper_thresholds


def test_thresholds_that_part_otherwise_are_no_paper() -> None:
    moved = table(ROWS[0], (600.0, "low", 1.0, {"x": 1.0}), ROWS[2], thresholds=(700, 200))
    [compared], _ = derived(of(table(*ROWS, thresholds=(800, 300))), of(moved))
    assert not compared.paper_thresholds


def test_segments_without_a_table_are_left_out() -> None:
    tables, differences = derived(of(None, table(*ROWS)), of(table(*ROWS), table(*ROWS)))
    assert [compared.pair.a for compared in tables] == [1]
    assert differences == []


def test_weight_early_in_the_noise_moves_the_picture_more() -> None:
    [early], _ = derived(of(table(*ROWS)), of(changed(1, (600.0, "high", 1.0, {"x": 0.0}))))
    [late], _ = derived(of(table(*ROWS)), of(changed(2, (100.0, "low", 1.0, {"x": 1.0}))))
    effects = [weight_effect(each, first=each.loras["x"][0], second=each.loras["x"][1]) for each in (early, late)]
    # 45 at least, 55 more by |change| times the noise that the step removes: 0.5 of it, and 0.1
    assert effects == [45 + 28, 45 + 6]


def test_the_effect_of_weights_has_a_ceiling() -> None:
    [compared], _ = derived(of(table(*ROWS)), of(table(*ROWS)))
    assert weight_effect(compared, first=(9.0, 9.0, 9.0), second=(0.0, 0.0, 0.0)) == 100
    assert weight_effect(compared, first=(1.0,), second=(1.0, 1.0)) == 100


def test_frames_are_told_as_asked_quantised_delivered_and_new() -> None:
    batch = FrameCount(asked=60, quantised=61, delivered=61, overlap_before=6)
    timeline = FrameCount(asked=45, quantised=45, delivered=45, overlap_before=6)
    _, [difference] = derived(of(None, frames=batch), of(None, frames=timeline))
    assert difference.path == "segments[0].derived.frames"
    assert difference.a == {"asked": 60, "quantised": 61, "delivered": 61, "new": 55}
    assert difference.b == {"asked": 45, "quantised": 45, "delivered": 45, "new": 39}


def test_only_counts_that_differ_are_shown_and_unknown_ones_prove_nothing() -> None:
    a = FrameCount(asked=60, delivered=61, overlap_before=0)
    b = FrameCount(asked=61, quantised=61, delivered=61, overlap_before=0)
    _, [difference] = derived(of(None, frames=a), of(None, frames=b))
    assert (difference.a, difference.b) == ({"asked": 60}, {"asked": 61})
    assert Missing.UNKNOWN not in difference.a.values()
    assert derived(of(None, frames=FrameCount()), of(None, frames=b))[1] == []
