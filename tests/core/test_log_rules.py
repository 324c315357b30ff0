"""Which runs a log lacks, and when that is worth a word."""

from __future__ import annotations

import pytest

from core.subjects import segment, subject
from wayframe.core.comparison import Comparison, compare
from wayframe.core.log_rules import LoggedKind, missing_kinds


def kind(name: str, phases: int | None, status: str = "completed") -> LoggedKind:
    return LoggedKind(name=name, status=status, phases=phases)


def asked(*, phases: tuple[object, object]) -> Comparison:
    """Two runs whose requests hold these phase configs (None: no such key)."""
    sides = [
        subject(name, segments=[segment(requested={})], requested={} if config is None else {"phase_config": config})
        for name, config in zip("ab", phases, strict=True)
    ]
    return compare(*sides)


APART = (None, {"num_phases": 3})


def test_each_missing_kind_is_named_with_the_nearest_run() -> None:
    found = list(missing_kinds([kind("one", 1), kind("three", 3, "failed")], asked(phases=APART)))
    assert [item.message for item in found] == ["no 2-phase run in this log; nearest: three (3 phases, failed)"]
    assert found[0].evidence == {"wanted": 2, "nearest": "three", "phases": 3, "runs": 2}


def test_of_equally_near_runs_the_last_is_named() -> None:
    messages = [item.message for item in missing_kinds([kind("a", 3), kind("b", 3)], asked(phases=APART))]
    assert messages == ["no 2-phase run in this log; nearest: b (3 phases, completed)"]


@pytest.mark.parametrize(
    ("phases", "sent", "missing"),
    [
        ((None, {"num_phases": 3}), 3, [2]),
        (({"num_phases": 3}, None), 3, [2]),
        (({"num_phases": 2}, {"num_phases": 3}), 3, [2]),
        (({"num_phases": 1}, {"num_phases": 3}), 3, [1, 2]),
        ((None, {"num_phases": 2}), 3, [2]),
        ((None, {"num_phases": 2}), 2, []),
        ((None, {"num_phases": "3"}), 3, []),
    ],
)
def test_only_kinds_that_the_pair_asks_about_are_missed(
    phases: tuple[object, object], sent: int, missing: list[int]
) -> None:
    found = list(missing_kinds([kind("a", sent)], asked(phases=phases)))
    assert [item.evidence["wanted"] for item in found] == missing


def test_phases_may_be_asked_for_by_a_segment() -> None:
    plain, phased = (
        subject(name, segments=[segment(requested=request)], requested={})
        for name, request in (("a", {}), ("b", {"guidance_phases": 3}))
    )
    assert [item.evidence["wanted"] for item in missing_kinds([kind("a", 3)], compare(plain, phased))] == [2]


@pytest.mark.parametrize("phases", [(None, None), ({"num_phases": 2}, {"num_phases": 2})])
def test_nothing_is_missing_where_the_requests_have_the_same_phases(phases: tuple[object, object]) -> None:
    assert list(missing_kinds([kind("a", 3)], asked(phases=phases))) == []


def test_a_log_that_tells_no_phases_lacks_nothing() -> None:
    assert list(missing_kinds([kind("a", None)], asked(phases=APART))) == []


def test_a_log_with_all_kinds_lacks_nothing() -> None:
    assert list(missing_kinds([kind("a", 1), kind("b", 2), kind("c", 3)], asked(phases=APART))) == []
