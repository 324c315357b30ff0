"""The record of a run as data: what is entered, what is left out, and what never gets in."""

from __future__ import annotations

import pytest

from wayframe.workflow.record import plan_digest, renewed_record
from wayframe.workflow.run import RunResult
from workflow.rides import Ground, Watch, through

Finished = tuple[Ground, RunResult, Watch]
HIDDEN = "hf_abcdefghijklmnop1234567890"
SIGNED = f"https://models.example.com/style.safetensors?X-Amz-Signature={HIDDEN}&v=2"


@pytest.fixture(scope="module")
def confided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ground, RunResult]:
    """A run whose spec holds a secret, in a signed address."""
    ground = Ground.at(tmp_path_factory.mktemp("confided"))
    loras = [{"file": SIGNED, "multiplier": "0.5"}]
    return ground, ground.run(through(0, 1, model="wan2.2-vace-a14b", loras=loras, prompt="a lake, token by token"))


def test_no_file_of_a_run_holds_a_secret(confided: tuple[Ground, RunResult]) -> None:
    ground, _ = confided
    files = [path for path in ground.home.root.rglob("*") if path.is_file()]
    assert {"run.json", "events.jsonl", "debug.log", "travel.mp4", "artifact.json"} <= {path.name for path in files}
    assert [path.name for path in files if HIDDEN.encode() in path.read_bytes()] == []


def test_what_is_not_secret_stays_readable(confided: tuple[Ground, RunResult]) -> None:
    _, result = confided
    record = result.folder.read()
    assert record["requested"]["prompt"] == "a lake, token by token"
    assert "X-Amz-Signature=[redacted]" in record["planned"]["loras"]["style"]["file"]


def test_the_environment_names_what_decides_the_pixels(confided: tuple[Ground, RunResult]) -> None:
    _, result = confided
    environment = result.folder.read()["environment"]
    assert environment["device"] == "cpu"
    assert all(environment["versions"][name] for name in ("wayframe", "av", "numpy", "opencv-python-headless"))


def test_two_plans_are_the_same_work_whatever_was_found_in_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    ground = Ground.at(tmp_path_factory.mktemp("plans"))
    plan = ground.trip(through(0, 1)).planned()
    assert plan_digest(plan) == plan_digest({**plan, "findings": [{"code": "any"}]})
    assert plan_digest(plan) != plan_digest({**plan, "fps": 25})


def test_watching_changes_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    ground = Ground.at(tmp_path_factory.mktemp("watched"))
    watched = ground.run(through(0, 1), listen=Watch().listen)
    alone = ground.elsewhere("alone").run(through(0, 1))
    assert watched.record["outcome"]["digest"] == alone.record["outcome"]["digest"]


def test_a_record_that_goes_on_forgets_the_times_of_the_attempt_before(finished: Finished) -> None:
    ground, result, _ = finished
    before = result.folder.read()
    renewed = renewed_record(before, trip=ground.trip(through(0, 1, 2, prompts=("up", "down"))))
    fresh = {"state": "queued", "started": None, "finished": None, "reused": False, "error": None}
    for task, earlier in zip(renewed["tasks"], before["tasks"], strict=True):
        assert earlier["finished"]
        assert task == {**{name: earlier[name] for name in ("id", "kind", "segment")}, **fresh}
    assert (renewed["status"], renewed["finished"], renewed["created"]) == ("running", None, before["created"])
