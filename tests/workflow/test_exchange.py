"""Records of runs that were made from payloads, exported by what the record itself holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.payloads import GONE, Data, details, task
from wayframe.core.payload_like import Like
from wayframe.errors import SpecError
from wayframe.store.home import Home, open_home
from wayframe.workflow.exchange import export_of_record
from wayframe.workflow.record import new_record
from wayframe.workflow.sources import Reading, payload_source, trip_of_spec


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def record(data: Data, home: Home, *, words: Data | None = None, like: Like = Like.PLAIN) -> dict[str, Any]:
    source = payload_source(data, base=Path(), words=words or {}, reading=Reading(home=home, like=like))
    return new_record(trip_of_spec(source, home=home), run_id="1", created="2025-10-07T05:06:14.601+00:00")


def test_the_requested_level_is_the_payload_as_it_was_given(home: Home):
    data = task(details(shot_id="s", guidance_scale=1))
    assert record(data, home)["requested"] == data


def test_a_record_gives_back_the_payload_with_the_flags_of_its_run(home: Home):
    made = record(task(details(shot_id="s")), home, words={"seed": 5})
    back = export_of_record(made, home=home).payload()["params"]["orchestrator_details"]
    assert (back["shot_id"], back["seed_base"]) == ("s", 5)


def test_a_record_gives_what_ran_and_not_what_a_reading_today_would_give(home: Home):
    data = details(phase_config=GONE, model_name="lightning_baseline_2_2_2", steps=6, amount_of_motion=0.5)
    exported = export_of_record(record(data, home, like=Like.UPSTREAM_2025_10), home=home)
    assert exported.payload()["phase_config"]["steps_per_phase"] == [2, 2, 2]
    assert exported.wangp()[0]["loras_multipliers"] == "0.75;1;0 0;0;1"


@pytest.mark.parametrize("lost", ["requested", "resolved"])
def test_a_record_without_a_level_cannot_be_exported(home: Home, lost: str):
    with pytest.raises(SpecError, match=lost):
        export_of_record({**record(details(), home), lost: None}, home=home)


def test_a_run_known_from_a_log_says_where_its_payload_is(home: Home):
    with pytest.raises(SpecError, match=r"known from a log only.*`wayframe logs show FILE RUN --json`"):
        export_of_record({"run_id": "1", "logged": {"requested": details()}}, home=home)
