from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wayframe.core.documents import parse_findings
from wayframe.core.events import TaskState
from wayframe.web.views_run import (
    actions,
    exact,
    facts_of,
    finding_groups,
    first_to_show,
    joins_of,
    notice,
    segment_of,
    spread,
)
from wayframe.web.views_strip import strip_of
from web.test_views_strip import applied, begun, changed, tell
from workflow.rides import LIGHTNING, Ground, through


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path)


def test_a_segment_shows_planned_and_applied_steps_and_counts_what_is_not_as_planned(ground: Ground) -> None:
    record = begun(ground, 0, 1, **LIGHTNING)
    planned = segment_of(record, strip=strip_of(record), index=0)
    assert planned.drawing is not None
    assert planned.apart is None
    tell(record, changed(record, 0, TaskState.RUNNING), *(applied(record, 0, step) for step in range(6)))
    assert segment_of(record, strip=strip_of(record), index=0).apart == 0
    tell(record, changed(record, 0, TaskState.RUNNING))
    wrong = replace(applied(record, 0, 0), guidance=5.0, expert="low")
    tell(record, wrong, *(applied(record, 0, step) for step in range(1, 6)))
    told = segment_of(record, strip=strip_of(record), index=0)
    assert told.apart == 2
    assert told.drawing is not None
    assert [label.text for label in told.drawing.labels if label.head] == ["planned", "applied"]


def test_a_segment_of_an_engine_that_does_not_denoise_has_no_chart(ground: Ground) -> None:
    record = begun(ground, 0, 1, 2, overlap=1)
    view = segment_of(record, strip=strip_of(record), index=1)
    assert (view.drawing, view.apart, view.count) == (None, None, 2)
    assert dict(view.facts)["Frames"] == "5 (4 to 8), 1 shared with the one before"


def test_pictures_of_a_segment_are_spread_from_its_first_to_its_last_frame() -> None:
    assert spread(4, last=8, count=3) == (4, 6, 8)
    assert spread(4, last=5, count=8) == (4, 5)
    assert spread(4, last=4, count=8) == (4,)


def test_a_failed_segment_is_opened_before_one_that_runs_and_that_before_the_first(ground: Ground) -> None:
    record = begun(ground, 0, 1, 2, 3)
    assert first_to_show(strip_of(record)) == 0
    tell(record, changed(record, 1, TaskState.RUNNING))
    assert first_to_show(strip_of(record)) == 1
    tell(record, changed(record, 2, TaskState.FAILED, "no memory"))
    assert first_to_show(strip_of(record)) == 2


def test_a_finished_run_tells_what_it_took_and_what_was_measured(ground: Ground) -> None:
    record = ground.run(through(0, 1, 2, overlap=1)).record
    facts = dict(facts_of(record))
    assert facts["Length"] == "9 frames, 0.56 s"
    assert facts["Trip"] == "batch, independent, 2 segments"
    assert facts["Took"].endswith("to measure")
    assert "9 frames copied, 0 encoded again" in facts["File"]
    assert "Forwards" not in facts
    assert [join.start for join in joins_of(record)] == [4]


def test_findings_of_one_rule_are_told_together_and_the_gravest_come_first(ground: Ground) -> None:
    record = begun(ground, 0, 1, 2, 3, 0, 1, resolution="64x32")
    groups = finding_groups(parse_findings(record["findings"]))
    assert [group.severity for group in groups] == sorted(
        (group.severity for group in groups), key=["critical", "warning", "info"].index
    )
    (cut,) = (group for group in groups if group.code == "keyframe-aspect")
    assert (len(cut.shown), cut.more) == (3, 3)


def test_only_runs_of_the_queue_can_be_stopped_and_tried_again() -> None:
    assert actions("running", source="queue") == ("cancel",)
    assert actions("failed", source="queue") == ("retry", "delete")
    assert actions("cancelled", source="queue") == ("resume", "delete")
    assert actions("running", source="home") == ()
    assert actions("completed", source="log") == ("delete",)


def test_a_run_of_wangp_carries_its_notice() -> None:
    assert "WanGP" in notice({"planned": {"engine": "wangp"}})
    assert notice({"planned": {"engine": "preview"}}) == ""
    assert notice({"logged": {}}) == ""


def test_times_are_exact_below_a_minute() -> None:
    assert [exact(seconds) for seconds in (0.04, 7.26, 61, 3700)] == ["0.0 s", "7.3 s", "1 min", "1 h 1 min"]
