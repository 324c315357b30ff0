from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wayframe.core.events import RunEvent, SegmentReused, StepApplied, TaskChanged, TaskKind, TaskState
from wayframe.web.views_strip import progress_of, strip_of
from wayframe.workflow.record import apply_event, new_record
from workflow.rides import LIGHTNING, Ground, through

TIME = "2026-01-02T03:04:05.000+00:00"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path)


def begun(ground: Ground, *names: int, **said: Any) -> dict[str, Any]:
    return new_record(ground.trip(through(*names, **said)), run_id="r", created=TIME)


def tell(record: dict[str, Any], *events: RunEvent) -> None:
    for event in events:
        apply_event(record, event, time=TIME)


def changed(record: dict[str, Any], segment: int, state: TaskState, error: str | None = None) -> TaskChanged:
    task = next(task["id"] for task in record["tasks"] if task["segment"] == segment)
    return TaskChanged(task=task, kind=TaskKind.SEGMENT, state=state, segment=segment, error=error)


def applied(record: dict[str, Any], segment: int, step: int) -> StepApplied:
    planned = record["planned"]["segments"][segment]["steps"][step]
    names = ("timestep", "expert", "guidance", "loras", "forwards")
    task = next(task["id"] for task in record["tasks"] if task["segment"] == segment)
    return StepApplied(task=task, segment=segment, step=step, **{name: planned[name] for name in names})


def test_keyframes_stand_in_the_middle_of_their_frames_and_segments_from_edge_to_edge(ground: Ground) -> None:
    strip = strip_of(begun(ground, 0, 1, 2, overlap=1))
    assert strip.frames == 9
    assert [(mark.at, mark.x) for mark in strip.keyframes] == [(0, 5.5556), (4, 50.0), (8, 94.4444)]
    assert [(piece.start, piece.end) for piece in strip.pieces] == [(0, 5), (4, 9)]
    assert [(piece.x, piece.width) for piece in strip.pieces] == [(0.0, 55.5556), (44.4444, 55.5556)]
    assert [(part.start, part.frames, part.x, part.width) for part in strip.overlaps] == [(4, 1, 44.4444, 11.1111)]
    assert strip.joins == (4,)


def test_the_axis_has_a_tick_at_every_so_many_seconds_that_a_few_are_enough(ground: Ground) -> None:
    short = strip_of(begun(ground, 0, 1, segment_frames=33, fps=16))
    assert [(tick.at, tick.label) for tick in short.ticks] == [(0, "0 s"), (16, "1 s"), (32, "2 s")]
    long = strip_of(begun(ground, 0, 1, 2, segment_frames=321, fps=16))
    assert [tick.label for tick in long.ticks] == ["0 s", "10 s", "20 s", "30 s", "40 s"]


def test_segments_show_their_states_and_how_far_they_have_come(ground: Ground) -> None:
    record = begun(ground, 0, 1, 2, 3, **LIGHTNING)
    tell(record, changed(record, 0, TaskState.RUNNING), *(applied(record, 0, step) for step in range(3)))
    tell(record, changed(record, 1, TaskState.RUNNING), changed(record, 1, TaskState.FAILED, "no memory"))
    strip = strip_of(record)
    assert [(piece.state, piece.done) for piece in strip.pieces] == [("running", 0.5), ("failed", 0.0), ("queued", 0.0)]
    assert strip.pieces[1].error == "no memory"
    assert strip.pieces[0].label == "Segment 0, frames 0 to 4: running, 50%"
    assert progress_of(record) == pytest.approx(1 / 6)


def test_a_segment_that_was_found_says_so(ground: Ground) -> None:
    record = begun(ground, 0, 1)
    task = record["tasks"][1]["id"]
    tell(record, changed(record, 0, TaskState.RUNNING))
    tell(record, SegmentReused(task=task, segment=0, key="k", frames=5, digest="d"))
    tell(record, changed(record, 0, TaskState.COMPLETE))
    (piece,) = strip_of(record).pieces
    assert (piece.reused, piece.done, piece.label) == (
        True,
        1.0,
        "Segment 0, frames 0 to 4: found, rendered before",
    )


def test_the_script_learns_where_to_jump(ground: Ground) -> None:
    player = strip_of(begun(ground, 0, 1, 2, overlap=1, fps=25)).player()
    assert player == {"frames": 9, "fps": 25.0, "joins": [4], "segments": [[0, 5], [4, 9]]}
