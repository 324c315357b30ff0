"""A run with the engine `wangp`: its record, its log, and what stops it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.wangp import installs
from wayframe.errors import EngineError
from wayframe.logs import runs
from wayframe.workflow.run import RunOptions, RunResult, run_trip
from workflow.rides import LIGHTNING, Ground, lines, through


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path)


def run(ground: Ground, **said: object) -> RunResult:
    data = through(0, 1, 2, **{**LIGHTNING, "engine": "wangp", **said})
    trip = ground.trip(data, options=installs.options())
    return run_trip(trip, home=ground.home, options=RunOptions())


def test_a_run_records_what_wangp_said_and_that_it_was_used(ground: Ground) -> None:
    result = run(ground)
    record: dict[str, Any] = dict(result.record)
    assert (record["status"], record["outcome"]["frames"]) == ("completed", 9)
    assert {found["code"] for found in record["findings"]} >= {"wangp-used", "applied-from-settings"}
    assert record["environment"]["versions"]["WanGP"] == "10.99"
    assert record["outcome"]["engine"] == {"starts": 1, "segments": 2}
    applied = record["applied"]["segments"][0]["steps"]
    assert [step["expert"] for step in applied] == ["high"] * 4 + ["low"] * 2
    assert not any(step.get("modules") for step in applied)
    log = (result.folder.path / "debug.log").read_text()
    assert "DEBUG ENGINE | WanGP stand-in with []" in log
    assert "DEBUG ENGINE | inference, step 6 of 6" in log
    told = [event["text"] for event in lines(result.folder.path / "events.jsonl") if event["event"] == "EngineTold"]
    assert "Loading model" in told


def test_chained_segments_start_from_the_frames_before(ground: Ground) -> None:
    result = run(ground, chaining="chained", overlap=4, segment_frames=9)
    assert result.record["status"] == "completed"
    assert not any(found["code"].startswith("applied-differs") for found in result.record["findings"])


def test_what_wangp_applied_otherwise_stops_the_run(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAULT", "wrong-multipliers")
    with pytest.raises(EngineError, match=r"step 0: loras .* \[applied-differs\]"):
        run(ground)


def test_a_plan_that_wangp_cannot_do_says_so_and_makes_no_run(ground: Ground) -> None:
    data = through(0, 1, **{**LIGHTNING, "engine": "wangp", "sample_solver": "trailing"})
    [refused] = [one for one in ground.trip(data).plan.findings if one.code == "engine-refuses"]
    assert refused.message.startswith("WanGP cannot render this: segments[0].sample_solver: WanGP has no such grid")
    with pytest.raises(EngineError, match="WanGP cannot render this: segments"):
        run(ground, sample_solver="trailing")
    assert list(ground.home.runs.iterdir()) == []


def test_another_version_of_wangp_has_other_keys(ground: Ground, tmp_path: Path) -> None:
    for name, text in (("wgp.py", "WanGP_version = '11.1'"), ("shared/api.py", "")):
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / name).write_text(text)
    data = through(0, 1, **LIGHTNING, engine="wangp")
    ours, theirs = (ground.trip(data, options={"root": str(root)}) for root in (installs.ROOT, tmp_path / "other"))
    assert ours.plan.segments[0].key != theirs.plan.segments[0].key
    with pytest.raises(Exception, match=r"the engine here is wangp/1\+11\.1 .*plan again here"):
        run_trip(replace(ours, options=theirs.options), home=ground.home, options=RunOptions())


def test_what_wangp_printed_is_no_damage_to_the_log(ground: Ground) -> None:
    result = run(ground)
    for name in ("debug.log", "events.jsonl"):
        read = runs([result.folder.path / name])
        assert [one.run_id for one in read.runs] == [result.folder.run_id]
        assert read.unread_lines == 0
