"""The demo trip that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise

import cv2
import numpy as np
import yaml

from wayframe.camera import Picture
from wayframe.flow import FlowPair

DEMO = files("wayframe.demo")
TRIP = yaml.safe_load(DEMO.joinpath("trip.yaml").read_text())


def keyframe(name: str) -> Picture:
    data = np.frombuffer(DEMO.joinpath(name).read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


def test_the_demo_has_its_three_keyframes_at_full_size() -> None:
    assert [entry["at"] for entry in TRIP["keyframes"]] == [0, 48, 96]
    for entry in TRIP["keyframes"]:
        assert keyframe(entry["image"]).shape == (864, 1152, 3)
        assert len(DEMO.joinpath(entry["image"]).read_bytes()) < 400_000


def test_the_demo_is_one_place_through_which_flow_finds_its_way() -> None:
    shown = [cv2.resize(keyframe(entry["image"]), (384, 288)) for entry in TRIP["keyframes"]]
    for first, last in pairwise(shown):
        assert FlowPair.of(first=first, last=last).warp > 0.9
