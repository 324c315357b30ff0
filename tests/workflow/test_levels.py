"""What an engine reports of its steps, in the record: kept as it was reported, and held against the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wayframe.core.events import RunEvent, SegmentPublished, StepApplied
from wayframe.engines.base import AppliedStep
from wayframe.errors import CancelledError
from workflow.engines import Scripted, install
from workflow.rides import Data, Ground, Watch, lines, through

MODEL: Data = {"model": "wan2.2-vace-a14b", "preset": "lightning_baseline_2_2_2"}


def denoised(*names: int, **said: object) -> Data:
    return through(*names, engine="scripted", **MODEL, **said)


def codes(record: Data) -> list[str]:
    return [found["code"] for found in record["findings"] if found["code"] in ("applied-differs", "step-not-reported")]


def test_reported_steps_are_recorded_for_every_segment(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True))
    record = ground.run(denoised(0, 1, 2)).folder.read()
    for planned, applied in zip(record["planned"]["segments"], record["applied"]["segments"], strict=True):
        assert len(applied["steps"]) == 6
        for name in ("index", "timestep", "expert", "guidance", "loras", "forwards"):
            assert [step[name] for step in applied["steps"]] == [step[name] for step in planned["steps"]]
    assert codes(record) == []


def test_steps_go_into_the_log_and_the_events(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True))
    result = ground.run(denoised(0, 1))
    told = [line for line in lines(result.folder.path / "events.jsonl") if line["event"] == "StepApplied"]
    assert [line["expert"] for line in told] == ["high"] * 4 + ["low"] * 2
    log = (result.folder.path / "debug.log").read_text()
    assert "segment 0, step 0: timestep 1000.0, high, guidance 3.0, " in log


def test_a_step_that_differs_is_a_finding_with_both_values(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def lying(step: AppliedStep) -> AppliedStep:
        return replace(step, guidance=3.0) if step.index == 2 else step

    install(monkeypatch, Scripted(denoises=True, reports=lying))
    record = ground.run(denoised(0, 1, 2)).folder.read()
    found = [item for item in record["findings"] if item["code"] == "applied-differs"]
    assert [item["where"] for item in found] == ["segments[0].steps[2]", "segments[1].steps[2]"]
    assert found[0]["evidence"] == {"planned": 1.0, "applied": 3.0}
    assert found[0]["severity"] == "critical"
    assert record["applied"]["segments"][0]["steps"][2]["guidance"] == 3.0


def test_a_lora_that_was_left_out_is_a_finding(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: replace(step, loras={})))
    record = ground.run(denoised(0, 1)).folder.read()
    assert codes(record) == ["applied-differs"] * 6


def test_a_step_that_is_not_reported_is_a_finding(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: None if step.index == 5 else step))
    record = ground.run(denoised(0, 1)).folder.read()
    assert codes(record) == ["step-not-reported"]
    assert len(record["applied"]["segments"][0]["steps"]) == 5


def test_steps_of_a_segment_that_was_found_are_those_it_was_made_with(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: replace(step, guidance=9.0)))
    ground.run(denoised(0, 1))
    install(monkeypatch, Scripted(denoises=True))
    record = ground.run(denoised(0, 1)).folder.read()
    assert record["applied"]["segments"][0]["reused"]
    assert [step["guidance"] for step in record["applied"]["segments"][0]["steps"]] == [9.0] * 6
    assert codes(record) == ["applied-differs"] * 6


def test_a_run_that_goes_on_holds_the_steps_of_a_finished_segment_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True))
    watch = Watch(until=lambda event: isinstance(event, StepApplied) and event.segment == 1 and event.step == 2)

    def listen(event: RunEvent) -> None:
        watch.listen(event)
        if watch.stop:
            raise CancelledError

    with pytest.raises(CancelledError):
        ground.run(denoised(0, 1, 2), listen=listen)
    assert [event.segment for event in watch.events if isinstance(event, SegmentPublished)] == [0]
    record = ground.run(denoised(0, 1, 2)).folder.read()
    assert record["attempts"] == 2
    assert [[step["index"] for step in segment["steps"]] for segment in record["applied"]["segments"]] == [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5],
    ]
    assert codes(record) == []


def test_steps_planned_for_an_engine_that_does_not_denoise_stay_null_with_a_finding(ground: Ground) -> None:
    record = ground.run(through(0, 1, **MODEL)).folder.read()
    assert len(record["planned"]["segments"][0]["steps"]) == 6
    assert record["applied"]["segments"][0]["steps"] is None
    [found] = [item for item in record["findings"] if item["code"] == "engine-does-not-denoise"]
    assert found["severity"] == "info"
