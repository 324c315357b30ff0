"""What an engine reports of its steps, in the record: kept as it was reported, and held against the plan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from wayframe.core.events import RunEvent, SegmentPublished, StepApplied
from wayframe.engines.base import AppliedStep
from wayframe.errors import CancelledError, EngineError
from wayframe.logs import runs
from wayframe.workflow.render import OnDifference
from workflow.engines import Scripted, install
from workflow.rides import LIGHTNING, Data, Ground, Watch, lines, through


def denoised(*names: int, **said: object) -> Data:
    return through(*names, engine="scripted", **LIGHTNING, **said)


CODES = ("applied-differs", "step-not-reported", "step-out-of-order")


def codes(record: Data) -> list[str]:
    return [found["code"] for found in record["findings"] if found["code"] in CODES]


def failed(ground: Ground) -> Data:
    """The record of the one run there is."""
    [folder] = [path for path in ground.home.runs.iterdir() if path.is_dir()]
    record: Data = json.loads((folder / "run.json").read_text())
    return record


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
    record = ground.run(denoised(0, 1, 2), on_difference=OnDifference.RECORD).folder.read()
    found = [item for item in record["findings"] if item["code"] == "applied-differs"]
    assert [item["where"] for item in found] == ["segments[0].steps[2]", "segments[1].steps[2]"]
    assert found[0]["evidence"] == {"planned": 1.0, "applied": 3.0}
    assert found[0]["severity"] == "critical"
    assert record["applied"]["segments"][0]["steps"][2]["guidance"] == 3.0


def test_a_lora_that_was_left_out_is_a_finding(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: replace(step, loras={})))
    record = ground.run(denoised(0, 1), on_difference=OnDifference.RECORD).folder.read()
    assert codes(record) == ["applied-differs"] * 6


def test_a_step_that_is_not_reported_is_a_finding(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: None if step.index == 5 else step))
    record = ground.run(denoised(0, 1), on_difference=OnDifference.RECORD).folder.read()
    assert codes(record) == ["step-not-reported"]
    assert len(record["applied"]["segments"][0]["steps"]) == 5


def test_steps_of_a_segment_that_was_found_are_those_it_was_made_with(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: replace(step, guidance=9.0)))
    ground.run(denoised(0, 1), on_difference=OnDifference.RECORD)
    install(monkeypatch, Scripted(denoises=True))
    record = ground.run(denoised(0, 1), on_difference=OnDifference.RECORD).folder.read()
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
    record = ground.run(through(0, 1, **LIGHTNING)).folder.read()
    assert len(record["planned"]["segments"][0]["steps"]) == 6
    assert record["applied"]["segments"][0]["steps"] is None
    [found] = [item for item in record["findings"] if item["code"] == "engine-does-not-denoise"]
    assert found["severity"] == "info"


def test_a_step_that_differs_stops_the_run_and_nothing_of_its_segment_is_published(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(denoises=True, reports=lambda step: replace(step, guidance=9.0) if step.index == 2 else step)
    install(monkeypatch, engine)
    watch = Watch()
    with pytest.raises(EngineError) as stopped:
        ground.run(denoised(0, 1, 2), listen=watch.listen)
    assert str(stopped.value) == (
        "segment 0, step 2: guidance 1.0 was planned, 9.0 applied [applied-differs]; "
        "nothing of this segment was published, --on-difference record goes on"
    )
    record = failed(ground)
    assert (record["status"], record["error"]) == ("failed", str(stopped.value))
    assert codes(record) == ["applied-differs"]
    assert [step["guidance"] for step in record["applied"]["segments"][0]["steps"]] == [3.0, 3.0, 9.0]
    assert watch.published() == []
    assert list(ground.home.artifacts.glob("??/*")) == []


def test_a_last_step_that_was_left_out_stops_the_run_before_its_segment_is_published(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: None if step.index == 5 else step))
    with pytest.raises(EngineError, match=r"^segment 0: step 5 was not reported \[step-not-reported\]; nothing of"):
        ground.run(denoised(0, 1))
    assert list(ground.home.artifacts.glob("??/*")) == []


def test_an_artifact_that_was_made_otherwise_than_planned_stops_a_run_that_finds_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True, reports=lambda step: replace(step, guidance=9.0)))
    ground.run(denoised(0, 1), on_difference=OnDifference.RECORD)
    engine = Scripted(denoises=True)
    install(monkeypatch, engine)
    with pytest.raises(EngineError, match=r"; it was rendered so before; remove \S+ to have it") as found:
        ground.run(denoised(0, 1))
    folder = str(found.value).partition("remove ")[2].partition(" ")[0]
    shutil.rmtree(folder)
    record = ground.run(denoised(0, 1)).folder.read()
    assert (codes(record), engine.rendered()) == ([], [0])


def test_what_only_some_engines_read_back_goes_into_record_log_and_events(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(step: AppliedStep) -> AppliedStep:
        modules = {name: (40, 40) for name, weight in step.loras.items() if weight}
        return replace(step, sigma=1.0, sigma_next=0.5, modules=modules) if step.index == 0 else step

    install(monkeypatch, Scripted(denoises=True, reports=told))
    result = ground.run(denoised(0, 1), on_difference=OnDifference.RECORD)
    first, second, *_ = result.folder.read()["applied"]["segments"][0]["steps"]
    assert (first["sigma"], first["sigma_next"], first["modules"]) == (1.0, 0.5, {"high_noise_model": [40, 40]})
    assert not {"sigma", "sigma_next", "modules"} & second.keys()
    [line] = [line for line in (result.folder.path / "debug.log").read_text().splitlines() if "step 0" in line][:1]
    assert "timestep 1000.0, sigma 1.0 to 0.5, high, guidance 3.0, high_noise_model 0.75 in 40 of 40 modules, " in line
    logged = [run for name in ("debug.log", "events.jsonl") for run in runs([result.folder.path / name]).runs]
    for run in logged:
        steps = run.segments[0].applied["steps"] if isinstance(run.segments[0].applied, dict) else []
        assert isinstance(steps, list)
        forwards = {} if run is logged[0] else {"forwards": 2}
        assert steps[0] == {**{name: first[name] for name in first if name != "forwards"}, **forwards}
    again = ground.run(denoised(0, 1), on_difference=OnDifference.RECORD).folder.read()
    assert again["applied"]["segments"][0]["steps"][0] == first


def test_segments_that_are_denoised_together_are_held_against_the_plan_one_by_one(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted(denoises=True, phase_major=True))
    watch = Watch()
    record = ground.run(denoised(0, 1, 2, 3), listen=watch.listen).folder.read()
    assert codes(record) == []
    assert [len(segment["steps"]) for segment in record["applied"]["segments"]] == [6, 6, 6]
    assert watch.states("segment", 2) == ["running", "complete"]


def test_a_segment_is_encoded_from_its_first_frame_on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Scripted(denoises=True, phase_major=True))
    encoders: list[int] = []

    def listen(event: RunEvent) -> None:
        if isinstance(event, StepApplied):
            encoders.append(len([*ground.home.artifacts.glob(".making-*/.*.part.mp4")]))

    ground.run(denoised(0, 1, 2, 3), listen=listen)
    assert encoders == [0] * 18
