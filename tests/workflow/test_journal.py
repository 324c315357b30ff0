"""The journal with a clock of the test's own: what is written when, and in which form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wayframe.core.events import (
    FindingMade,
    FrameRendered,
    RunEvent,
    RunFinished,
    RunStarted,
    RunState,
    StepApplied,
    TaskChanged,
    TaskKind,
    TaskState,
)
from wayframe.core.findings import Finding, Severity
from wayframe.store.runs import RunFolder, claim_run
from wayframe.workflow.journal import Journal
from wayframe.workflow.record import new_record
from workflow.rides import Data, Ground, lines, through

NEAR_MIDNIGHT = datetime(2025, 10, 7, 23, 59, 58, 3000, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NEAR_MIDNIGHT

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def go(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Desk:
    """A journal, its clock, and what it wrote."""

    def __init__(self, folder: RunFolder, record: Data) -> None:
        self.folder, self.record, self.clock = folder, record, Clock()
        self.heard: list[RunEvent] = []
        self.journal = Journal(
            folder, record=record, listen=self.heard.append, now=self.clock.utc, monotonic=self.clock.monotonic
        )

    def log(self) -> list[str]:
        return (self.folder.path / "debug.log").read_text().splitlines()

    def on_disk(self) -> Data:
        data: Data = json.loads((self.folder.path / "run.json").read_text())
        return data

    def change(self, task: int, state: TaskState, *, error: str | None = None) -> TaskChanged:
        entry = self.record["tasks"][task]
        kind = TaskKind(entry["kind"])
        return TaskChanged(task=entry["id"], kind=kind, state=state, segment=entry["segment"], error=error)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ground = Ground.at(tmp_path)
    trip = ground.trip(through(0, 1, 2))
    folder = claim_run(ground.home, now=NEAR_MIDNIGHT)
    desk = Desk(folder, new_record(trip, run_id=folder.run_id, created="2025-10-07T23:59:58.003+00:00"))
    with desk.journal:
        yield desk


def started() -> RunStarted:
    return RunStarted(run_id="1", engine="null", segments=2, frames=9, continued=False)


def test_a_new_day_gets_a_full_date_line(desk: Desk) -> None:
    desk.journal.emit(started())
    desk.clock.go(3)
    desk.journal.emit(desk.change(0, TaskState.RUNNING))
    task = desk.record["tasks"][0]["id"]
    assert desk.log() == [
        f"[DEBUG 2025-10-07T23:59:58.003000] wayframe run {desk.folder.run_id}",
        "[23:59:58] INFO RUN run 1 started: 2 segments, 9 frames, engine null",
        f"[DEBUG 2025-10-08T00:00:01.003000] wayframe run {desk.folder.run_id}",
        f"[00:00:01] INFO RUN [Task {task}] orchestrator running",
    ]


def test_an_event_is_on_disk_before_the_listener_hears_of_it(desk: Desk) -> None:
    seen: list[int] = []
    journal = Journal(
        desk.folder,
        record=desk.record,
        listen=lambda _event: seen.append(len(lines(desk.folder.path / "events.jsonl"))),
        now=desk.clock.utc,
        monotonic=desk.clock.monotonic,
    )
    with journal:
        journal.emit(started())
        journal.emit(desk.change(0, TaskState.RUNNING))
    assert seen == [1, 2]


def test_progress_reaches_the_listener_only(desk: Desk) -> None:
    desk.journal.emit(FrameRendered(segment=0, done=1, frames=5))
    assert len(desk.heard) == 1
    assert lines(desk.folder.path / "events.jsonl") == []
    assert desk.log() == []


def test_the_record_is_replaced_at_the_start_at_the_end_and_once_a_second_between(desk: Desk) -> None:
    desk.journal.emit(started())
    assert desk.on_disk()["tasks"][1]["state"] == "queued"
    desk.clock.go(0.5)
    desk.journal.emit(desk.change(1, TaskState.RUNNING))
    assert desk.on_disk()["tasks"][1]["state"] == "queued"
    desk.clock.go(1)
    desk.journal.emit(desk.change(1, TaskState.COMPLETE))
    assert desk.on_disk()["tasks"][1]["state"] == "complete"
    desk.journal.emit(RunFinished(run_id="1", state=RunState.FAILED, error="no"))
    assert desk.on_disk()["status"] == "failed"


def test_a_failure_is_logged_as_an_error_and_a_finding_as_a_warning(desk: Desk) -> None:
    desk.journal.emit(desk.change(1, TaskState.FAILED, error="broke"))
    found = Finding(code="odd", severity=Severity.WARNING, message="is odd", where="segments[0]")
    desk.journal.emit(FindingMade(finding=found))
    desk.journal.emit(RunFinished(run_id="1", state=RunState.FAILED, error="broke"))
    task = desk.record["tasks"][1]["id"]
    assert desk.log()[1:] == [
        f"[23:59:58] ERROR SEGMENT [Task {task}] segment 0 failed: broke",
        "[23:59:58] WARNING LINT odd at segments[0]: is odd",
        "[23:59:58] ERROR RUN run 1 failed: broke",
    ]
    assert desk.record["findings"][-1]["code"] == "odd"


def test_a_message_of_many_lines_stays_one_entry_and_holds_no_secret(desk: Desk) -> None:
    desk.journal.emit(desk.change(1, TaskState.FAILED, error="first\n[00:00:00] ERROR FAKE\napi_key=abcd1234efgh"))
    assert desk.log()[2:] == ["    [00:00:00] ERROR FAKE", "    api_key=[redacted]"]
    assert "abcd1234" not in (desk.folder.path / "events.jsonl").read_text()


def test_a_segment_that_begins_again_forgets_the_steps_of_the_first_try(desk: Desk) -> None:
    step = StepApplied(task="t", segment=0, step=0, timestep=1000.0, expert="high", guidance=1.0, loras={}, forwards=1)
    desk.journal.emit(desk.change(1, TaskState.RUNNING))
    desk.journal.emit(step)
    desk.journal.emit(desk.change(1, TaskState.RUNNING))
    desk.journal.emit(step)
    assert len(desk.record["applied"]["segments"][0]["steps"]) == 1
