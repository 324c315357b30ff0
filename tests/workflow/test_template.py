"""The spec that `wayframe new` writes: readable as a spec, and about the pictures that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from wayframe.core.spec import parse_spec
from wayframe.errors import ImageError, SpecError
from wayframe.workflow.template import spec_template
from workflow.rides import Ground, draw


def test_a_folder_becomes_a_timeline_in_natural_order(tmp_path: Path) -> None:
    for name, path in zip(("10", "9", "a b: c#"), draw(tmp_path / "pictures", 3), strict=True):
        path.rename(path.with_name(f"{name}.png"))
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    (tmp_path / "pictures" / ".hidden.png").write_text("no picture")
    text = spec_template([tmp_path / "pictures"], beside=tmp_path / "trip.yaml")
    spec = parse_spec(yaml.safe_load(text))
    assert [keyframe.image for keyframe in spec.keyframes] == [
        "pictures/9.png",
        "pictures/10.png",
        "pictures/a b: c#.png",
    ]
    assert [keyframe.at for keyframe in spec.keyframes] == [0, 48, 96]
    assert spec.mode == "timeline"
    assert spec.resolution is None
    assert "# resolution: 64x48 " in text


def test_paths_are_relative_to_the_spec(tmp_path: Path) -> None:
    pictures = draw(tmp_path / "pictures", 2)
    spec = yaml.safe_load(spec_template(pictures[::-1], beside=tmp_path / "specs" / "trip.yaml"))
    assert [keyframe["image"] for keyframe in spec["keyframes"]] == ["../pictures/1.png", "../pictures/0.png"]


def test_a_lone_picture_becomes_a_batch_of_one_segment(tmp_path: Path) -> None:
    spec = parse_spec(yaml.safe_load(spec_template(draw(tmp_path, 1), beside=tmp_path / "trip.yaml")))
    assert spec.mode == "batch"
    assert spec.segment_frames == 49


def test_the_template_plans_without_a_finding_about_itself(tmp_path: Path) -> None:
    ground = Ground.at(tmp_path)
    text = spec_template([ground.folder], beside=ground.folder / "trip.yaml")
    trip = ground.trip(yaml.safe_load(text))
    assert trip.plan.frames == 3 * 48 + 1
    assert trip.plan.findings == ()


def test_a_folder_without_pictures_and_a_broken_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"holds no pictures; expected .*\.png"):
        spec_template([tmp_path], beside=tmp_path / "trip.yaml")
    (tmp_path / "broken.png").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"broken\.png"):
        spec_template([tmp_path], beside=tmp_path / "trip.yaml")
