"""Upstream's guide videos become guides where they mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from core.payloads import details, planned, segment
from wayframe.core.payload_rules import PAYLOAD_UNSUPPORTED
from wayframe.core.spec import spec_json

VIDEO = {"path": "a.mp4", "start_frame": 4, "end_frame": 30, "treatment": "clip"}
PLACED = {"video": "a.mp4", "at": 4, "until": 30, "fit": "clip"}
UNIFIED = {"target": "vace", "preprocessing": "canny", "strength": 0.7}


@pytest.mark.parametrize(
    ("said", "guides"),
    [
        (
            {"structure_guidance": {**UNIFIED, "videos": [VIDEO, {"path": "b.mp4", "start_frame": 40}]}},
            [
                {**PLACED, "kind": "canny", "strength": 0.7},
                {"video": "b.mp4", "at": 40, "kind": "canny", "strength": 0.7},
            ],
        ),
        ({"structure_guidance": {"preprocessing": "none", "videos": [VIDEO]}}, [{**PLACED, "kind": "raw"}]),
        (
            {"structure_videos": [{**VIDEO, "structure_type": "raw", "motion_strength": 1.2}]},
            [{**PLACED, "kind": "raw", "strength": 1.2}],
        ),
        (
            {"structure_video_path": "a.mp4", "structure_type": "flow", "structure_video_treatment": "adjust"},
            [{"video": "a.mp4", "kind": "flow", "fit": "adjust"}],
        ),
        (
            {"structure_video_path": "a.mp4", "structure_type": "depth", "structure_depth_contrast": 1.3},
            [{"video": "a.mp4", "kind": "depth", "contrast": 1.3}],
        ),
        (
            {"structure_guidance": {**UNIFIED, "preprocessing": "depth", "depth_contrast": 0.8, "videos": [VIDEO]}},
            [{**PLACED, "kind": "depth", "contrast": 0.8, "strength": 0.7}],
        ),
        (
            {"travel_guidance": {"kind": "vace", "mode": "raw", "strength": 0.7, "videos": [VIDEO]}},
            [{**PLACED, "kind": "raw", "strength": 0.7}],
        ),
        (
            {"structure_guidance": {**UNIFIED, "canny_intensity": 1.0, "depth_contrast": 1.0, "videos": [VIDEO]}},
            [{**PLACED, "kind": "canny", "strength": 0.7}],
        ),
    ],
)
def test_what_means_the_same_is_a_guide(said: dict[str, Any], guides: list[dict[str, Any]]):
    got = planned(details(**said))
    assert spec_json(got.spec)["guides"] == guides
    assert PAYLOAD_UNSUPPORTED.code not in got.codes
    assert {key: got.payload()[key] for key in said} == said


@pytest.mark.parametrize(
    "said",
    [
        {"structure_guidance": {**UNIFIED, "target": "uni3c", "videos": [VIDEO]}},
        {"structure_guidance": {**UNIFIED, "canny_intensity": 0.5, "videos": [VIDEO]}},
        {"structure_video_path": "a.mp4", "structure_type": "canny", "structure_canny_intensity": 0.5},
        {"structure_guidance": {"preprocessing": "depth", "depth_contrast": 9, "videos": [VIDEO]}},
        {"structure_videos": [{**VIDEO, "path": "https://example.invalid/a.mp4"}]},
        {"structure_videos": [{**VIDEO, "source_start_frame": 9}]},
        {"structure_videos": [VIDEO], "use_uni3c": True},
        {"travel_guidance": {"kind": "vace", "videos": [VIDEO]}},
        {"travel_guidance": {"kind": "uni3c", "mode": "flow", "videos": [VIDEO]}},
    ],
)
def test_what_is_not_done_here_is_a_finding_and_no_guide(said: dict[str, Any]):
    got = planned(details(**said))
    assert "guides" not in spec_json(got.spec)
    assert PAYLOAD_UNSUPPORTED.code in got.codes


def test_a_segments_payload_counts_its_frames_otherwise():
    got = planned(segment(structure_videos=[VIDEO]))
    assert "guides" not in spec_json(got.spec)
    assert PAYLOAD_UNSUPPORTED.code in got.codes


def test_no_video_is_no_guide():
    for nothing in ({"structure_videos": []}, {"structure_guidance": {"videos": []}}, {"structure_video_path": ""}):
        assert "guides" not in spec_json(planned(details(**nothing)).spec)
