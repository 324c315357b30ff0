"""A run from its first event to its closed record."""

from __future__ import annotations

import errno
import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from wayframe.core.events import RunEvent, RunStarted, StitchProgress
from wayframe.errors import CancelledError, EngineError, ImageError, SpecError, StoreError
from wayframe.media.index import index, packet_digest
from wayframe.store.runs import RECORD_SCHEMA, claim_run
from wayframe.workflow.run import RunResult
from workflow.engines import Scripted, install
from workflow.rides import Ground, Watch, draw, leftovers, lines, through

Finished = tuple[Ground, RunResult, Watch]
LEVELS = ("requested", "resolved", "planned", "applied", "outcome", "environment")


def test_a_completed_run_has_every_level_of_its_record(finished: Finished) -> None:
    _, result, _ = finished
    record = result.folder.read()
    assert record["status"] == "completed"
    assert record["error"] is None
    assert record["attempts"] == 1
    assert all(record[level] for level in LEVELS)
    assert record["requested"]["keyframes"][0] == {"image": "0.png", "prompt": "up"}
    assert record["resolved"]["origins"]["fps"] == "default"
    assert record["planned"]["segments"][1]["prompt"] == "down"
    assert record["created"] <= record["finished"]


def test_the_outcome_says_what_the_video_is(finished: Finished) -> None:
    _, result, _ = finished
    outcome = result.folder.read()["outcome"]
    assert outcome["frames"] == index(result.video).frames == 9
    assert outcome["digest"] == packet_digest(result.video)
    assert outcome["bytes"] == result.video.stat().st_size
    assert outcome["stitch"] == {"copied": 9, "encoded": 0}
    assert outcome["seconds"].keys() == {"render", "stitch", "metrics"}


def test_the_outcome_names_every_segment_with_the_digest_of_its_artifact(finished: Finished) -> None:
    ground, result, _ = finished
    record = result.folder.read()
    for planned, made in zip(record["planned"]["segments"], record["outcome"]["segments"], strict=True):
        assert made["key"] == planned["key"]
        assert made["digest"] == packet_digest(ground.artifact(planned["key"]).video)
        assert made["frames"] == 5


def test_every_task_has_an_id_of_its_own_and_ends_complete(finished: Finished) -> None:
    _, result, _ = finished
    tasks = result.folder.read()["tasks"]
    assert [(task["kind"], task["segment"]) for task in tasks] == [
        ("orchestrator", None),
        ("segment", 0),
        ("segment", 1),
        ("stitch", None),
    ]
    assert {task["state"] for task in tasks} == {"complete"}
    assert len({UUID(task["id"]) for task in tasks}) == 4
    assert all(task["started"] <= task["finished"] for task in tasks)


def test_an_engine_that_does_not_denoise_has_no_applied_steps(finished: Finished) -> None:
    _, result, _ = finished
    applied = result.folder.read()["applied"]["segments"]
    assert applied == [{"index": 0, "steps": None, "reused": False}, {"index": 1, "steps": None, "reused": False}]


def test_events_jsonl_holds_the_events_that_are_not_only_progress_in_their_order(finished: Finished) -> None:
    _, result, watch = finished
    written = lines(result.folder.path / "events.jsonl")
    happened = [type(event).__name__ for event in watch.events]
    kept = [name for name in happened if name not in ("FrameRendered", "StitchProgress")]
    assert [line["event"] for line in written] == kept
    assert kept[0] == "RunStarted"
    assert kept[-1] == "RunFinished"
    assert happened.count("FrameRendered") == 10
    times = [line["time"] for line in written]
    assert times == sorted(times)
    assert all(time.endswith("+00:00") for time in times)


def test_tasks_go_from_running_to_complete_segments_before_the_stitch(finished: Finished) -> None:
    _, _, watch = finished
    assert watch.states("segment", 0) == watch.states("segment", 1) == ["running", "complete"]
    assert watch.states("stitch") == watch.states("orchestrator") == ["running", "complete"]
    assert [event.done for event in watch.events if isinstance(event, StitchProgress)][-1] == 9


def test_the_debug_log_begins_with_a_full_date_and_goes_on_with_times_levels_and_tasks(finished: Finished) -> None:
    _, result, _ = finished
    first, *others = (result.folder.path / "debug.log").read_text().splitlines()
    assert re.fullmatch(r"\[DEBUG \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\] wayframe run \d{17}", first)
    shape = re.compile(r"\[\d\d:\d\d:\d\d\] (DEBUG|INFO|WARNING|ERROR) [A-Z]+ (\[Task [0-9a-f-]{36}\] )?\S.*")
    assert [line for line in others if not shape.fullmatch(line)] == []
    task = result.folder.read()["tasks"][1]["id"]
    assert any(f"INFO STORE [Task {task}] segment 0 published: 5 frames" in line for line in others)


def test_a_run_folder_holds_the_video_the_sheet_and_nothing_half_done(finished: Finished) -> None:
    ground, result, _ = finished
    found = {path.name for path in result.folder.path.iterdir()} - {".lock", "plan-digest"}
    assert found == {"run.json", "events.jsonl", "debug.log", "travel.mp4", "contact-sheet.jpg"}
    assert leftovers(ground.home) == []


def test_a_second_run_of_the_same_spec_is_a_new_run_that_renders_nothing(ground: Ground) -> None:
    first, watch = ground.run(through(0, 1, 2)), Watch()
    again = ground.run(through(0, 1, 2), listen=watch.listen)
    assert again.folder.run_id > first.folder.run_id
    assert watch.published() == []
    assert [segment["reused"] for segment in again.record["applied"]["segments"]] == [True, True]
    assert again.record["outcome"]["digest"] == first.record["outcome"]["digest"]
    assert again.record["outcome"]["segments"] == first.record["outcome"]["segments"]
    assert {task["state"] for task in again.folder.read()["tasks"]} == {"complete"}


def test_one_changed_prompt_renders_one_independent_segment(ground: Ground) -> None:
    ground.run(through(0, 1, 2, 3, prompts=("a", "b", "c")))
    watch = Watch()
    ground.run(through(0, 1, 2, 3, prompts=("a", "other", "c")), listen=watch.listen)
    assert watch.published() == [1]


def test_one_changed_prompt_renders_its_chained_segment_and_all_that_start_from_it(ground: Ground) -> None:
    chained: dict[str, Any] = {"chaining": "chained", "overlap": 2}
    ground.run(through(0, 1, 2, 3, prompts=("a", "b", "c"), **chained))
    watch = Watch()
    ground.run(through(0, 1, 2, 3, prompts=("a", "other", "c"), **chained), listen=watch.listen)
    assert watch.published() == [1, 2]


def test_a_way_there_and_back_and_there_renders_equal_segments_once(ground: Ground) -> None:
    watch = Watch()
    there = through(0, 1, 0, 1, 0, 1, overlap=0)
    result = ground.run(there, listen=watch.listen)
    keys = [segment["key"] for segment in result.record["planned"]["segments"]]
    assert keys[0] == keys[2] == keys[4] != keys[1] == keys[3]
    assert watch.published() == [0, 1]
    assert {task["state"] for task in result.folder.read()["tasks"]} == {"complete"}
    assert result.record["outcome"]["frames"] == 25


def test_a_damaged_artifact_is_rendered_again_and_the_others_are_not(ground: Ground) -> None:
    first = ground.run(through(0, 1, 2))
    video = ground.artifact(first.record["planned"]["segments"][1]["key"]).video
    data = bytearray(video.read_bytes())
    data[-20] ^= 1
    video.write_bytes(data)
    watch = Watch()
    again = ground.run(through(0, 1, 2), listen=watch.listen)
    assert watch.published() == [1]
    assert again.record["outcome"]["digest"] == first.record["outcome"]["digest"]


def test_an_artifact_that_lost_its_sidecar_is_rendered_again(ground: Ground) -> None:
    first = ground.run(through(0, 1))
    (ground.artifact(first.record["planned"]["segments"][0]["key"]).video.parent / "artifact.json").unlink()
    watch = Watch()
    ground.run(through(0, 1), listen=watch.listen)
    assert watch.published() == [0]


def test_out_gets_a_copy_and_an_existing_file_is_replaced_only_by_force(ground: Ground) -> None:
    out = ground.folder / "deep" / "trip.mp4"
    result = ground.run(through(0, 1), out=out)
    assert result.video == out
    assert out.read_bytes() == result.folder.video.read_bytes()
    out.write_bytes(b"mine")
    with pytest.raises(StoreError, match=r"is not a video of this plan; use another name, or --force"):
        ground.run(through(0, 1), out=out)
    assert out.read_bytes() == b"mine"
    ground.run(through(0, 1), out=out, force=True)
    assert out.read_bytes() == result.folder.video.read_bytes()


def test_out_that_holds_the_video_of_this_plan_is_replaced(ground: Ground) -> None:
    out = ground.folder / "trip.mp4"
    first = ground.run(through(0, 1), out=out)
    again = ground.run(through(0, 1), out=out)
    assert again.folder != first.folder
    assert out.read_bytes() == again.folder.video.read_bytes()
    with pytest.raises(StoreError, match="is not a video of this plan"):
        ground.run(through(0, 1, seed=7), out=out)
    assert out.read_bytes() == again.folder.video.read_bytes()


def test_out_with_a_secret_in_its_plan_is_known_again(ground: Ground) -> None:
    loras = [{"file": "https://example.com/style.safetensors?token=abcd1234efgh", "multiplier": "0.5"}]
    data = through(0, 1, model="wan2.2-vace-a14b", loras=loras)
    for _ in range(2):
        ground.run(data, out=ground.folder / "trip.mp4")


def test_tasks_of_a_run_that_goes_on_have_the_times_of_this_attempt(ground: Ground) -> None:
    data = through(0, 1, 2)
    watch = Watch(until=lambda event: isinstance(event, StitchProgress))
    with pytest.raises(CancelledError):
        ground.run(data, listen=watch.listen, cancelled=watch.cancelled)
    [folder] = ground.home.runs.iterdir()
    before = json.loads((folder / "run.json").read_text())
    begun = datetime.now(UTC).isoformat(timespec="milliseconds")
    tasks = ground.run(data).folder.read()["tasks"]
    assert [task["id"] for task in tasks] == [task["id"] for task in before["tasks"]]
    assert [task["reused"] for task in before["tasks"]] == [False] * 4
    assert [task["reused"] for task in tasks] == [False, True, True, False]
    assert all(begun <= task["started"] <= task["finished"] for task in tasks)


def test_what_a_killed_copy_left_beside_out_goes_with_the_next_one(ground: Ground) -> None:
    half, others = ground.folder / ".trip.0123456789ab.part.mp4", ground.folder / ".trip.notes.part.mp4"
    for path in (half, others):
        path.write_bytes(b"half")
    ground.run(through(0, 1), out=ground.folder / "trip.mp4")
    assert not half.exists()
    assert others.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("taken.mp4", "exists"),
        (".", "is a folder"),
        ("trip.gif", r"end in \.mp4"),
        ("0.png", r"end in \.mp4"),
        ("0.png/trip.mp4", "no folder that may be written to"),
    ],
)
def test_an_out_that_cannot_be_is_refused_before_any_work(ground: Ground, name: str, says: str) -> None:
    (ground.folder / "taken.mp4").write_bytes(b"")
    engine = Watch()
    with pytest.raises(StoreError, match=says):
        ground.run(through(0, 1), out=ground.folder / name, listen=engine.listen)
    assert engine.events == []
    assert list(ground.home.runs.iterdir()) == []


def test_a_full_disk_at_the_copy_fails_the_run_and_keeps_the_video(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_paths: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    out = ground.folder / "trip.mp4"
    with pytest.raises(StoreError, match=r"trip\.mp4 cannot be written \(No space left on device\); see .*travel\.mp4"):
        ground.run(through(0, 1), out=out)
    [folder] = ground.home.runs.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "No space left on device" in record["error"]
    assert index(folder / "travel.mp4").frames == 5
    assert [path.name for path in ground.folder.glob("*trip*")] == []


def test_an_engine_that_breaks_fails_its_task_and_keeps_what_was_finished(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(breaks_at=1)
    install(monkeypatch, engine)
    watch = Watch()
    with pytest.raises(EngineError, match="out of memory on the card"):
        ground.run(through(0, 1, 2, 3, engine="scripted"), listen=watch.listen)
    [folder] = ground.home.runs.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["error"]) == ("failed", "out of memory on the card")
    states = [(task["kind"], task["state"], task["error"]) for task in record["tasks"]]
    assert states == [
        ("orchestrator", "failed", "out of memory on the card"),
        ("segment", "complete", None),
        ("segment", "failed", "out of memory on the card"),
        ("segment", "queued", None),
        ("stitch", "queued", None),
    ]
    assert watch.ending().state == "failed"
    assert leftovers(ground.home) == []
    assert engine.closed == len(engine.setups) > 1  # each that was made: to plan, to check, to render
    assert ground.artifact(record["planned"]["segments"][0]["key"]).facts["frames"] == 5


def test_the_run_after_a_failed_one_is_new_and_renders_only_what_is_missing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(breaks_at=1))
    with pytest.raises(EngineError):
        ground.run(through(0, 1, 2, 3, engine="scripted"))
    mended = Scripted()
    install(monkeypatch, mended)
    result = ground.run(through(0, 1, 2, 3, engine="scripted"))
    assert mended.rendered() == [1, 2]
    assert len(list(ground.home.runs.iterdir())) == 2
    assert result.record["status"] == "completed"


def test_a_bug_in_an_engine_is_recorded_with_its_type_and_passes_through(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(breaks_at=0, breaks_with=ZeroDivisionError("by zero, token=abcd1234efgh")))
    watch = Watch()
    with pytest.raises(ZeroDivisionError):
        ground.run(through(0, 1, engine="scripted"), listen=watch.listen)
    assert watch.ending().error == "ZeroDivisionError: by zero, token=[redacted]"


@pytest.mark.parametrize(("extra", "made"), [(-1, 4), (1, 6)])
def test_an_engine_that_makes_another_number_of_frames_fails(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, extra: int, made: int
) -> None:
    install(monkeypatch, Scripted(extra=extra))
    with pytest.raises(EngineError, match=f"engine scripted made {made} frames of segment 0, 5 were planned"):
        ground.run(through(0, 1, engine="scripted"))
    assert list(ground.home.artifacts.glob("??")) == []


def test_an_engine_that_ends_without_finishing_a_segment_fails(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(unfinished=True))
    with pytest.raises(EngineError, match="did not finish segment 0"):
        ground.run(through(0, 1, engine="scripted"))


def test_a_plan_made_for_another_version_of_the_engine_is_refused(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(identity="scripted/1"))
    trip = ground.trip(through(0, 1, engine="scripted"))
    install(monkeypatch, Scripted(identity="scripted/2"))
    with pytest.raises(SpecError, match=r"engine_identity: the engine here is scripted/2 .*'scripted/1'.*plan again"):
        ground.run_trip(trip)
    assert list(ground.home.artifacts.glob("??")) == []


def test_a_picture_that_changes_after_planning_is_refused(ground: Ground) -> None:
    trip = ground.trip(through(0, 1))
    draw(ground.folder, 1, width=80)
    with pytest.raises(ImageError, match=r"0\.png: was changed since the plan was made"):
        ground.run_trip(trip)


def test_a_cancelled_run_says_so_and_the_same_command_goes_on_under_its_id(ground: Ground) -> None:
    data = through(0, 1, 2, 3)
    first = Watch(until=lambda event: type(event).__name__ == "SegmentPublished")
    with pytest.raises(CancelledError):
        ground.run(data, listen=first.listen, cancelled=first.cancelled)
    [folder] = ground.home.runs.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "cancelled"
    states = [task["state"] for task in record["tasks"]]
    assert states == ["cancelled", "complete", "cancelled", "cancelled", "cancelled"]
    assert leftovers(ground.home) == []

    second = Watch()
    result = ground.run(data, listen=second.listen)
    assert isinstance(second.events[0], RunStarted)
    assert second.events[0].continued
    assert result.folder.path == folder
    assert second.published() == [1, 2]
    ended = result.folder.read()
    assert (ended["status"], ended["attempts"]) == ("completed", 2)
    assert [task["id"] for task in ended["tasks"]] == [task["id"] for task in record["tasks"]]
    assert len(lines(folder / "events.jsonl")) > 10


def test_a_run_cancelled_in_the_stitch_is_stitched_whole_afterwards(ground: Ground) -> None:
    watch = Watch(until=lambda event: isinstance(event, StitchProgress))
    with pytest.raises(CancelledError):
        ground.run(through(0, 1, 2), listen=watch.listen, cancelled=watch.cancelled)
    assert watch.states("stitch") == ["running", "cancelled"]
    [folder] = ground.home.runs.iterdir()
    assert not (folder / "travel.mp4").exists()
    result, untouched = ground.run(through(0, 1, 2)), ground.elsewhere("other").run(through(0, 1, 2))
    assert result.folder.path == folder
    assert result.record["outcome"]["digest"] == untouched.record["outcome"]["digest"]


def test_a_plan_whose_findings_changed_is_still_the_same_work(ground: Ground) -> None:
    watch = Watch(until=lambda event: type(event).__name__ == "SegmentPublished")
    trip = ground.trip(through(0, 0, 1))
    assert trip.plan.findings
    with pytest.raises(CancelledError):
        ground.run_trip(trip, listen=watch.listen, cancelled=watch.cancelled)
    result = ground.run_trip(replace(trip, plan=replace(trip.plan, findings=())))
    assert result.record["attempts"] == 2


def test_a_listener_that_breaks_ends_the_run_as_failed(ground: Ground) -> None:
    def broken(event: RunEvent) -> None:
        if type(event).__name__ == "SegmentPublished":
            raise RuntimeError("no such window")

    with pytest.raises(RuntimeError, match="no such window"):
        ground.run(through(0, 1), listen=broken)
    [folder] = ground.home.runs.iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"


def test_records_of_others_and_damaged_ones_do_not_hinder_a_run(ground: Ground) -> None:
    imported, damaged = claim_run(ground.home), claim_run(ground.home)
    imported.write({"schema": RECORD_SCHEMA, "run_id": imported.run_id, "status": "completed"})
    (damaged.path / "run.json").write_text("{")
    assert ground.run(through(0, 1)).record["status"] == "completed"
