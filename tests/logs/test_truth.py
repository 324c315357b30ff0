"""Every value of the truth files, against the logs they describe (the folder is named by WAYFRAME_FIXTURES)."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

from wayframe.logs import LogRuns, RunRecord, SegmentRecord, runs

FIXTURES = os.environ.get("WAYFRAME_FIXTURES")
pytestmark = pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder with the real logs")
NAMES = ("seed_pair", "five_segments")
IN_THE_CLAIM = {
    "seed": "seed_to_use",
    "model": "model_name",
    "resolution": "parsed_resolution_wh",
}
NOT_A_CLAIM_KEY = {"task_id", "status", "claimed", "error", "depends_on", "effective_wgp_params", "segment_index"}
IN_THE_PAYLOAD = {"amount_of_motion", "steps", "use_styleboost_loras"}
ALWAYS_TEXT = {"loras_multipliers", "prompt", "negative_prompt", "resolution", "model_type"}


def folder() -> Path:
    return Path(str(FIXTURES)) / "logs"


def truth(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder() / f"{name}.truth.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module", params=NAMES)
def read(request: pytest.FixtureRequest) -> tuple[LogRuns, dict[str, Any], Path]:
    path = folder() / f"{request.param}.log"
    return runs([path]), truth(request.param), path


def claimed(segment: SegmentRecord, key: str) -> object:
    if key in IN_THE_PAYLOAD and key not in segment.requested:
        payload: Any = segment.requested["full_orchestrator_payload"]
        return payload.get(key)
    return segment.requested.get(IN_THE_CLAIM.get(key, key))


def typed(key: str, text: str) -> object:
    if key in ALWAYS_TEXT:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def pairs(read: tuple[LogRuns, dict[str, Any], Path]) -> list[tuple[RunRecord, dict[str, Any]]]:
    found = {run.run_id: run for run in read[0].runs}
    return [(found[expected["run_id"]], expected) for expected in read[1]["runs"]]


def segments(read: tuple[LogRuns, dict[str, Any], Path]) -> list[tuple[SegmentRecord, dict[str, Any]]]:
    found = []
    for run, expected in pairs(read):
        assert len(run.segments) == len(expected["segments"])
        found += list(zip(run.segments, expected["segments"], strict=True))
    return found


def test_the_runs_are_those_of_the_truth_in_their_order_of_completion(read: tuple[LogRuns, dict[str, Any], Path]):
    completed = [run.run_id for run in read[0].runs if run.status == "completed"]
    assert completed == read[1]["completed_in_order"]
    assert completed[-2:] == read[1]["last_two_completed"]
    assert len(read[0].runs) == len(read[1]["runs"])
    assert read[0].unread_lines == 0
    assert read[0].lines == len(read[2].read_bytes().splitlines())


def test_runs_and_their_stitches_have_the_true_ids_and_statuses(read: tuple[LogRuns, dict[str, Any], Path]):
    for run, expected in pairs(read):
        assert run.orchestrator_task_id == expected["orchestrator_task_id"]
        assert run.status == expected["status"]
        assert (run.status == "completed") == (expected["orchestrator_status"] == "Complete")
        assert run.stitch is not None
        assert run.stitch.task_id == expected["stitch"]["task_id"]
        assert run.stitch.status == expected["stitch"]["status"].lower()
        assert ("Task completed" in run.evidence["stitch.status"].text) == expected["stitch"]["claimed"]


def test_what_was_requested_of_a_run_is_the_payload_as_given(read: tuple[LogRuns, dict[str, Any], Path]):
    mentioned = {key for expected in read[1]["runs"] for key in expected["requested"]}
    for run, expected in pairs(read):
        assert {key: value for key, value in run.requested.items() if key in mentioned} == expected["requested"]
        assert run.requested["run_id"] == run.run_id


def test_the_frames_that_the_orchestrator_computed_are_planned(read: tuple[LogRuns, dict[str, Any], Path]):
    for run, expected in pairs(read):
        assert run.planned["quantised_segment_frames"] == expected["quantised_segment_frames"]
        assert run.planned["final_segment_frames"] == expected["final_segment_frames"]


def test_segments_have_the_true_places_statuses_and_dependencies(read: tuple[LogRuns, dict[str, Any], Path]):
    for segment, expected in segments(read):
        assert segment.task_id == expected["task_id"]
        assert segment.segment_index == expected["segment_index"]
        assert segment.status == expected["status"].lower()
        assert segment.error == expected["error"]
        assert segment.planned["depends_on"] == expected["depends_on"]
        assert bool(segment.requested) == expected["claimed"]


def test_every_value_that_a_segment_was_claimed_with_is_there(read: tuple[LogRuns, dict[str, Any], Path]):
    for segment, expected in segments(read):
        for key in expected.keys() - NOT_A_CLAIM_KEY:
            assert claimed(segment, key) == expected[key], key


def test_thresholds_of_a_phase_config_are_planned_exactly(read: tuple[LogRuns, dict[str, Any], Path]):
    for segment, expected in segments(read):
        if expected["phase_config"]:
            assert segment.planned["thresholds"] == [expected["switch_threshold"], expected["switch_threshold2"]]
            assert segment.planned["timesteps"] == [1000.0, 952.4, 882.5, 769.7, 556.8, 5.0]
            assert segment.planned["lora_multipliers"] == expected["lora_multipliers"]
        else:
            assert "thresholds" not in segment.planned
            assert segment.planned["motion_lora_multiplier"] == "0.75;0.0;0.0"


def test_what_the_engine_was_sent_is_applied_in_its_types(read: tuple[LogRuns, dict[str, Any], Path]):
    for segment, expected in segments(read):
        assert isinstance(segment.applied, dict)
        for key, text in expected["effective_wgp_params"].items():
            value = typed(key, text)
            assert segment.applied[key] == value, key
            assert type(segment.applied[key]) is type(value), key
        assert "state" not in segment.applied  # logged truncated: unknown
        assert segment.applied["image_start"] is None


def test_the_differences_of_the_last_two_runs_are_the_true_ones(read: tuple[LogRuns, dict[str, Any], Path]):
    if not read[1]["differences_last_two"]:  # a log of one completed run: nothing to differ from
        assert [run.status for run in read[0].runs] == ["completed"]
        return
    first, second = read[0].runs[-2:]
    for path, (before, after) in read[1]["differences_last_two"].items():
        place, _, key = path.partition(".")
        for run, value in ((first, before), (second, after)):
            assert value_at(run, place, key) == value, path


def value_at(run: RunRecord, place: str, key: str) -> object:
    if place == "requested":
        return run.requested.get(key, "<absent>")
    segment = run.segments[int(place.removeprefix("segment"))]
    if key.startswith("effective."):
        assert isinstance(segment.applied, dict)
        value = segment.applied[key.removeprefix("effective.")]
        return value if isinstance(value, str) else str(value)
    return claimed(segment, key)


def test_every_line_of_evidence_holds_what_it_is_evidence_of(read: tuple[LogRuns, dict[str, Any], Path]):
    lines = read[2].read_text(encoding="utf-8").split("\n")
    for run in read[0].runs:
        evidence = run.evidence
        for at, segment in enumerate(run.segments):
            assert isinstance(segment.applied, dict)
            for key in segment.applied:
                line = lines[evidence[f"segments[{at}].applied.{key}"].line - 1]
                assert f"[FINAL_PARAMS] {key}: " in line
            for key in segment.requested:
                assert f"'{key}': " in lines[evidence[f"segments[{at}].requested.{key}"].line - 1]
            assert segment.task_id in lines[evidence[f"segments[{at}].status"].line - 1]
        assert "Task completed successfully" in lines[evidence["status"].line - 1]
        for key in run.requested:
            assert f"'{key}': " in lines[evidence[f"requested.{key}"].line - 1]


def test_the_log_s_secrets_are_nowhere_in_the_json(read: tuple[LogRuns, dict[str, Any], Path]):
    text = json.dumps(read[0].to_json())
    assert read[0].secrets_redacted > 0
    for secret in read[1]["secrets_in_log"]:
        assert secret in read[2].read_text(encoding="utf-8")
        assert secret not in text
