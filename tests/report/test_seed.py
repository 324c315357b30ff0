"""The log that the project began with: what the report must say of it, and nothing that is not so."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from report.dossiers import of_log
from wayframe.core.dossier import Dossier
from wayframe.core.subject import Level, Missing
from wayframe.report.build import build_document
from wayframe.report.markdown import markdown

FIXTURES = os.environ.get("WAYFRAME_FIXTURES")
pytestmark = pytest.mark.skipif(not FIXTURES, reason="WAYFRAME_FIXTURES does not name the folder with the real logs")
A, B = "20251007044548003", "20251007050206112"


def logs() -> Path:
    return Path(str(FIXTURES)) / "logs"


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    return of_log(logs() / "seed_pair.log", home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def page(seed: Dossier) -> str:
    return markdown(build_document(seed)).replace("\\", "")


def true_differences() -> dict[str, tuple[Any, Any]]:
    """The truth's differences at the levels requested and applied, under our paths."""
    truth = json.loads((logs() / "seed_pair.truth.json").read_text(encoding="utf-8"))["differences_last_two"]
    renamed = {}
    for path, (a, b) in truth.items():
        inside = re.sub(r"^segment(\d+)\.effective\.", r"segments[\1].applied.", path)
        inside = re.sub(r"^segment(\d+)\.", r"segments[\1].requested.", inside)
        if not inside.endswith("].requested.phase_config"):  # copies of the run's own
            renamed[inside] = (a, b)
    return renamed


def written(value: object) -> object:
    """A value as the truth file writes it: absent as null or its word, what was sent as text."""
    return None if isinstance(value, Missing) else value


def test_the_pair_is_the_last_two_completed_runs(seed: Dossier) -> None:
    assert [subject.name for subject in seed.subjects] == [A, B]


def test_differences_requested_and_applied_are_those_of_the_truth_and_none_beyond(seed: Dossier) -> None:
    found = {
        item.path: item for item in seed.comparisons[0].differences if item.level in (Level.REQUESTED, Level.APPLIED)
    }
    truth = true_differences()
    assert sorted(found) == sorted(truth)
    for path, (a, b) in truth.items():
        for wanted, got in ((a, found[path].a), (b, found[path].b)):
            if ".applied." in path:
                assert str(got) == wanted
            else:
                assert written(got) == (None if wanted == "<absent>" else wanted)


def test_requested_multipliers_were_not_what_was_sent(seed: Dossier, page: str) -> None:
    assert (
        "**B, segments 0, 1:** lora_multipliers ['0.75;1.0;0', '0;0;1.0'] was requested, '0.75,0.0' was sent: "
        "high_noise_model 0.75 0.75 0.75 0 0 0; low_noise_model 1 1 1 1 1 1"
    ) in page
    sent = seed.subjects[1].segments[0].steps
    assert sent is not None
    assert [row.loras["high_noise_model"] for row in sent.rows] == [0.75, 0.75, 0.75, 0, 0, 0]
    assert [row.loras["low_noise_model"] for row in sent.rows] == [1, 1, 1, 1, 1, 1]
    assert "requested line 2439, sent line 2699" in page


def test_the_request_alone_would_have_given_other_weights(seed: Dossier) -> None:
    wanted = seed.subjects[1].segments[0].wanted
    assert wanted is not None
    assert [row.loras["high_noise_model"] for row in wanted.rows] == [0.75, 0.75, 1, 1, 0, 0]
    assert [row.loras["low_noise_model"] for row in wanted.rows] == [0, 0, 0, 0, 1, 1]


def test_the_plain_run_was_sent_phases_and_a_lora_that_nobody_asked_for(page: str) -> None:
    assert "**A, segments 0, 1:** 3 guidance phases [3, 1, 1] were sent, none were requested" in page
    assert "**A, segments 0, 1:** high_noise_model was sent to the engine, nobody asked for it" in page


def test_other_thresholds_part_the_steps_alike(seed: Dossier, page: str) -> None:
    assert "thresholds 883.00/558.00 and 917.48/663.23 part the 6 steps alike" in page
    for table in seed.comparisons[0].tables:
        assert [row.phase for row in table.a.rows] == [row.phase for row in table.b.rows] == [1, 1, 2, 2, 3, 3]


def test_expert_and_guidance_agree_at_every_step(seed: Dossier, page: str) -> None:
    for table in seed.comparisons[0].tables:
        assert table.experts
        assert table.guidance
        assert [row.guidance for row in table.a.rows] == [3, 3, 1, 1, 1, 1]
        assert [row.expert for row in table.a.rows] == ["high"] * 4 + ["low"] * 2
    assert "timestep, expert and guidance agree at every step" in page


def test_what_differs_is_lora_weights_prompts_and_lengths(seed: Dossier) -> None:
    causes = seed.comparisons[0].causes
    real = [cause.topic.value for cause in causes if not cause.paper]
    assert real == ["LoRA weights", "prompts", "lengths and overlaps"]
    on_paper = {cause.topic.value for cause in causes if cause.paper}
    assert on_paper == {"experts", "guidance and phases", "steps, solver and shift"}


def test_what_differs_on_paper_only_is_called_so(page: str) -> None:
    rows = [line for line in page.splitlines() if "guidance and phases**" in line]
    assert rows
    assert all("differs in the request, comes out the same at every step" in row for row in rows)


def test_the_second_and_third_picture_are_the_same(page: str) -> None:
    assert "**A and B:** keyframes 1 and 2 are the same picture" in page
    assert "Both runs go through the same pictures in the same order" in page


def test_the_missing_kind_of_run_is_named_with_the_nearest(page: str) -> None:
    assert f"no 2-phase run in this log; nearest: {B} (3 phases, completed)" in page
    assert "1-phase" not in page
    assert "a run with 1 phase among" not in page


def test_the_first_run_to_try_is_the_one_that_was_meant(page: str) -> None:
    assert '"loras_multipliers": "0.75;1.0;0 0;0;1.0"' in page
    assert "Try first: B again, with the LoRA weights that were requested." in page


def test_nothing_of_the_hand_made_mistakes_is_said(page: str) -> None:
    for mistake in ("NO LoRAs", "No LoRAs", "successfully", "WORKS", "no LoRA were"):
        assert mistake not in page.replace("Task completed successfully", "")


def test_every_table_names_its_level_or_is_about_the_comparison(page: str) -> None:
    tables = re.findall(r"(?:^\*([^*\n]+)\*\n\n)?^\| (.+) \|\n\| ---", page, flags=re.MULTILINE)
    assert len(tables) > 20
    assert [head for caption, head in tables if not caption] == ["  | name | what it is | status | segments"]


def test_no_secret_of_the_log_comes_out(page: str) -> None:
    truth = json.loads((logs() / "seed_pair.truth.json").read_text(encoding="utf-8"))
    assert truth["secrets_in_log"]
    assert not [secret for secret in truth["secrets_in_log"] if secret in page]
