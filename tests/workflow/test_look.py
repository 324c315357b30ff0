"""Looks on their way through a run: between the engine and the encoder, and never on frames that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from core.trips import Data
from wayframe.media.index import decode
from wayframe.workflow.run import RunResult
from workflow.drifting import Drifting, drifted
from workflow.engines import install
from workflow.rides import HEIGHT, WIDTH, Ground, through

FRAMES = 13
LUMA = np.array([0.2126, 0.7152, 0.0722])


@pytest.fixture
def scene(tmp_path: Path) -> Ground:
    """Three views of one soft scene, so that all colour that changes on the way is drift."""
    ground = Ground.at(tmp_path, count=0)
    coarse = np.random.default_rng(5).integers(50, 200, (10, 14, 3), dtype=np.uint8)
    pattern = cv2.resize(coarse, (WIDTH + 24, HEIGHT + 24), interpolation=cv2.INTER_CUBIC)
    for index in range(3):
        view = pattern[index * 4 :, index * 8 :][:HEIGHT, :WIDTH]
        Image.fromarray(np.ascontiguousarray(view)).save(ground.folder / f"{index}.png")
    return ground


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Drifting:
    made = Drifting()
    install(monkeypatch, made)
    return made


def drifting(**said: object) -> Data:
    return through(0, 1, 2, engine="drifting", segment_frames=FRAMES, **said)


def metrics(result: RunResult) -> dict[str, Any]:
    found: dict[str, Any] = result.record["outcome"]["metrics"]
    return found


def fidelity(result: RunResult) -> list[float]:
    return [entry["psnr"] for entry in metrics(result)["keyframes"]]


def test_a_colour_match_brings_a_drifting_engine_back_to_its_keyframes(scene: Ground, engine: Drifting):
    before = scene.run(drifting())
    after = scene.run(drifting(look={"colour_match": 1}))
    half = scene.run(drifting(look={"colour_match": 0.5}))
    for at in (1, 2):  # the first keyframe is met anyway
        assert fidelity(before)[at] < 22
        assert fidelity(before)[at] + 3 < fidelity(half)[at] < fidelity(after)[at]
        assert fidelity(after)[at] > 35
    seams = [metrics(result)["joins"][0]["score"] for result in (before, after)]
    assert seams[0] > 3 * seams[1]
    assert engine.identity in str(after.record["planned"])


def test_a_look_is_applied_before_the_encode_so_that_the_stitch_only_copies(scene: Ground, engine: Drifting):
    result = scene.run(drifting(look={"colour_match": 1, "saturation": 1.2}))
    assert result.record["outcome"]["stitch"] == {"copied": 2 * FRAMES - 1, "encoded": 0}
    assert engine.made


def test_only_what_has_another_look_is_rendered_again(scene: Ground, engine: Drifting):
    scene.run(drifting())
    engine.made.clear()
    spec = drifting()
    spec["keyframes"][1]["look"] = {"brightness": 0.1}
    scene.run(spec)
    assert {segment for segment, _ in engine.made} == {1}


def test_brightness_and_saturation_reach_the_frames(scene: Ground, engine: Drifting):
    spec = drifting()
    spec["keyframes"][1]["look"] = {"saturation": 0, "brightness": 0.2}
    frames = list(decode(scene.run(spec).video))
    assert frames[3].std(axis=2).mean() > 5
    assert frames[-1].std(axis=2).mean() < 2
    assert frames[-1].mean() == pytest.approx((engine.made[1, FRAMES - 1] @ LUMA).mean() * 1.2, rel=0.03)


def test_given_frames_of_a_chained_segment_are_not_altered(scene: Ground, engine: Drifting):
    spec = drifting(chaining="chained", overlap=3)
    spec["keyframes"][1]["look"] = {"saturation": 0}
    result = scene.run(spec)
    keys = [segment["key"] for segment in result.record["planned"]["segments"]]
    left, right = (list(decode(scene.artifact(key).video)) for key in keys)
    for given, kept in zip(left[-3:], right[:3], strict=True):
        assert np.abs(given.astype(int) - kept.astype(int)).mean() < 5  # encoded twice
        assert kept.std(axis=2).mean() > 5
    assert right[3].std(axis=2).mean() < 2
    assert scene.artifact(keys[1]).facts["altered"] is False
    assert sorted(frame for segment, frame in engine.made if segment == 1) == list(range(3, FRAMES))


def test_a_banner_shows_both_keyframes_on_every_frame(scene: Ground, engine: Drifting):
    plain, shown = scene.run(drifting()), scene.run(drifting(look={"banner": True}))
    height, width = HEIGHT // 5, WIDTH // 5
    pairs = zip(decode(plain.video), decode(shown.video), strict=True)
    changes = [np.abs(a.astype(int) - b.astype(int)).mean(axis=2) for a, b in pairs]
    assert min(change[:height, :width].mean() for change in changes) > 8
    assert min(change[:height, -width:].mean() for change in changes) > 8
    assert max(change[height + 2 :].mean() for change in changes) < 4
    assert engine.made


def test_the_engine_of_this_test_drifts():
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert drifted(grey, t=0)[0, 0].tolist() == [100, 100, 100]
    assert drifted(grey, t=1)[0, 0].tolist() == [66, 76, 101]


def test_a_keyframe_that_stands_still_does_not_leap_out_of_its_segments(scene: Ground):
    spec = through(0, 1, 2, engine="preview", segment_frames=9, look={"saturation": 0.2, "brightness": -0.3})
    spec["keyframes"][1]["hold"] = 6
    result = scene.run(spec)
    still = list(decode(result.video))[8:14]
    picture = np.asarray(Image.open(scene.folder / "1.png"), np.float64)
    grey = (picture @ LUMA)[..., None]
    expected = (grey + 0.2 * (picture - grey)) * 0.7
    assert max(float(np.abs(frame - expected).mean()) for frame in still) < 2
    assert max(join["score"] for join in metrics(result)["joins"]) < 2
