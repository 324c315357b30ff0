"""What is compared, in one shape."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.subjects import segment, subject
from wayframe.core.subject import (
    Evidence,
    FrameCount,
    Level,
    Missing,
    StepRow,
    address,
    lora_name,
    segment_value,
)


def test_absent_and_not_logged_are_told_apart() -> None:
    whole = subject(requested={"steps": None}, segments=[segment(applied={"seed": 1})])
    partial = replace(whole, whole=frozenset())
    assert whole.value(Level.REQUESTED, "steps") is None
    assert whole.value(Level.REQUESTED, "seed") is Missing.ABSENT
    assert partial.value(Level.REQUESTED, "seed") is Missing.UNKNOWN
    assert whole.value(Level.APPLIED, "seed") is Missing.UNKNOWN
    assert segment_value(whole.segments[0], Level.APPLIED, "seed") == 1
    assert segment_value(whole.segments[0], Level.APPLIED, "steps") is Missing.ABSENT
    assert segment_value(replace(whole.segments[0], whole=frozenset()), Level.APPLIED, "steps") is Missing.UNKNOWN


def test_evidence_of_a_part_is_that_of_the_whole_it_stands_in() -> None:
    here, whole = Evidence(line=7, text="seed"), Evidence(line=3, text="{...}")
    found = replace(subject(), evidence={"segments[0].applied.seed": here, "requested": whole})
    assert found.proof("segments[0].applied.seed") is here
    assert found.proof("requested.phase_config.phases[0].guidance_scale") is whole
    assert found.proof("segments[1].applied.seed") is None
    assert found.proof("") is None


def test_guidance_one_costs_one_forward_and_any_other_two() -> None:
    row = StepRow(timestep=1.0, sigma_drop=1.0, phase=1, expert="high", guidance=1.0, loras={})
    assert [replace(row, guidance=scale).forwards for scale in (1, 1.0, 0, 0.5, 3)] == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("delivered", "overlap", "new"), [(61, 0, 61), (61, 6, 55), (45, 6, 39), (None, 6, None), (61, None, None)]
)
def test_new_frames_are_those_after_the_overlap(delivered: int | None, overlap: int | None, new: int | None) -> None:
    assert FrameCount(delivered=delivered, overlap_before=overlap).new == new


def test_names_of_loras_and_pictures_lose_what_is_around_them() -> None:
    assert lora_name("https://x/y/high.v2.safetensors?token=1") == "high.v2"
    assert lora_name("a\\b\\low.pt") == "low.pt"
    assert address("https://x/1.png?token=1") == "https://x/1.png"
