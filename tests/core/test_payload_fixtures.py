"""Real payloads, read from the folder that WAYFRAME_FIXTURES names: each imports, and its plan is a golden file."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from core.payload_golden import ALL, FIXTURES, GOLDEN, NAMES, as_text, fixture, plan_of, seed_run
from core.payloads import planned
from core.trips import HIGH, LOW
from wayframe.core.payload_like import Like

needs_fixtures = pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder of real payloads")


@needs_fixtures
@pytest.mark.parametrize("name", ALL)
def test_a_real_payload_gives_its_golden_plan(name: str):
    assert as_text(plan_of(name)) == (GOLDEN / f"payload_{name}.json").read_text()


@needs_fixtures
def test_no_payload_of_the_folder_is_left_out():
    assert sorted(path.stem for path in (Path(FIXTURES or "") / "payloads").glob("*.json")) == sorted(NAMES)


@needs_fixtures
@pytest.mark.parametrize("name", NAMES)
def test_a_real_payload_comes_back_with_the_same_plan_and_without_a_lost_key(name: str):
    data = fixture(name)
    first = planned(data)
    back = first.payload()
    assert [one.key for one in planned(back).plan.segments] == [one.key for one in first.plan.segments]
    assert set(data) - {"project_id"} <= {*back, "project_id"}
    assert [code for code in planned(back).codes if code == "payload-key-unknown"] == []


@needs_fixtures
@pytest.mark.parametrize(("log", "count"), [("seed_pair", 6), ("five_segments", 6)])
def test_every_travel_and_segment_that_a_real_log_shows_whole_is_understood(log: str, count: int):
    text = (Path(FIXTURES or "") / "logs" / f"{log}.log").read_text(errors="replace")
    tasks = [ast.literal_eval(found) for found in re.findall(r"claimed task: (\{.*\})\s*$", text, re.MULTILINE)]
    understood = [planned(task) for task in tasks if task["task_type"] != "travel_stitch"]
    assert len(understood) == count
    assert [got.found("payload-key-unknown") for got in understood] == [[]] * count
    assert all(got.found("payload-secret-removed") for got in understood)


@needs_fixtures
def test_the_projects_second_run_has_the_thresholds_and_weights_that_it_asked_for():
    got = planned(seed_run(2))
    assert got.plan.segments[0].thresholds == (917.4817575573454, 663.2310443522647)
    assert ([one.frames for one in got.plan.segments], [one.at for one in got.plan.keyframes]) == (
        [53, 45],
        [0, 52, 91],
    )
    assert (got.experts(), got.guidance()) == ("HHHHLL", [3, 3, 1, 1, 1, 1])
    assert (got.weights(HIGH), got.weights(LOW)) == ([0.75, 0.75, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1])
    assert [one.forwards for one in got.plan.segments] == [8, 8]
    assert got.found("keyframes-identical")


@needs_fixtures
def test_the_projects_first_run_as_upstream_ran_it_takes_the_same_steps_as_the_second():
    first, second = planned(seed_run(1), like=Like.UPSTREAM_2025_10), planned(seed_run(2))
    assert [one.frames for one in first.plan.segments] == [61, 61]
    assert (first.experts(), first.guidance()) == (second.experts(), second.guidance())


@pytest.mark.parametrize("name", ALL)
def test_the_golden_plans_hold_no_text_of_the_payloads(name: str):
    plan = json.loads((GOLDEN / f"payload_{name}.json").read_text())
    texts = [segment[key] for segment in plan["segments"] for key in ("prompt", "negative_prompt")]
    texts += [keyframe["digest"] for keyframe in plan["keyframes"]]
    assert all(not text or text.startswith("masked:") for text in texts)
    assert "://" not in json.dumps(plan)
