"""Trips whose segments are joined by rendered bridges: what is shown, what is copied, and what is made again."""

from __future__ import annotations

import numpy as np
import pytest

from core.payloads import details
from wayframe.errors import SpecError
from wayframe.media.index import decode, index
from wayframe.workflow.run import RunResult
from wayframe.workflow.sources import Reading, payload_source, trip_of_spec
from workflow.engines import Scripted, install
from workflow.rides import Data, Ground, Watch, through
from workflow.test_shapes import CLOSE, frames, psnr


def bridged(*, engine: str = "preview", each: int = 13, **numbers: object) -> Data:
    """Three keyframes, two segments, and a bridge of three kept frames on both sides and five between, unless said."""
    return through(0, 1, 2, engine=engine, segment_frames=each, bridges={"context": 3, "gap": 5, **numbers})


def own(ground: Ground, result: RunResult, number: int) -> list[np.ndarray]:
    """The frames of a segment as published."""
    return list(decode(ground.artifact(result.record["planned"]["segments"][number]["key"]).video))


def test_a_bridge_is_inserted_between_segments_that_stay_as_they_are(ground: Ground):
    result = ground.run(bridged())
    shown, left, bridge, right = frames(result), *(own(ground, result, number) for number in range(3))
    assert len(shown) == 13 + 5 + 13
    assert all(np.array_equal(x, y) for x, y in zip(shown[:13], left, strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(shown[13:18], bridge[3:8], strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(shown[18:], right, strict=True))
    assert result.record["outcome"]["stitch"] == {"copied": 31, "encoded": 0}


def test_the_bridge_is_given_the_frames_that_stand_beside_it(ground: Ground):
    result = ground.run(bridged(replace=[2, 1]))
    shown, left, bridge, right = frames(result), *(own(ground, result, number) for number in range(3))
    assert len(shown) == 13 + 5 + 13 - 3
    assert all(psnr(x, y) > CLOSE for x, y in zip(bridge[:3], left[8:11], strict=True))
    assert all(psnr(x, y) > CLOSE for x, y in zip(bridge[-3:], right[1:4], strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(shown[:11], left, strict=False))
    assert all(np.array_equal(x, y) for x, y in zip(shown[16:], right[1:], strict=True))
    assert result.record["outcome"]["stitch"] == {"copied": 28, "encoded": 0}
    assert {"keyframe-replaced"} <= {found["code"] for found in result.record["findings"]}
    assert [one["at"] for one in result.record["outcome"]["metrics"]["keyframes"]] == [0, 27]
    assert ground.trip(bridged(replace=[2, 1])).plan.shown == {0: 0, 27: 2}  # what the contact sheet marks


def test_other_words_of_the_bridge_make_only_the_bridge_anew(ground: Ground):
    ground.run(bridged(engine="null"))
    watch = Watch()
    ground.run(bridged(engine="null", prompt="a door"), listen=watch.listen)
    assert watch.published() == [1]


def test_another_segment_makes_its_bridge_anew(ground: Ground):
    ground.run(bridged(engine="null"))
    data, watch = bridged(engine="null"), Watch()
    data["keyframes"][1]["seed"] = 9
    ground.run(data, listen=watch.listen)
    assert watch.published() == [2, 1]


def test_segments_come_first_and_all_bridges_in_one_batch(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    engine = Scripted(denoises=True, phase_major=True)
    install(monkeypatch, engine)
    said: Data = {"steps": 2, "guidance": 1, "prompt": "a walk", "engine": "scripted"}
    data = {**through(0, 1, 2, 3, segment_frames=13, bridges={"context": 3, "gap": 5}), **said}
    ground.run(data)
    assert engine.rendered() == [0, 2, 4, 1, 3]
    assert [(len(job.given), len(job.given_after)) for job in engine.jobs] == [(0, 0)] * 3 + [(3, 3)] * 2


def test_frames_that_the_engine_changed_are_blended_over_the_context(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, Scripted(keeps_given=False))
    data = {**bridged(replace=1), "engine": "scripted"}
    result = ground.run(data)
    assert index(result.video).frames == 13 + 5 + 13 - 2
    assert result.record["outcome"]["stitch"]["encoded"] == 6


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"bridges": {"gap": 3, "replace": 2}}, "bridges.replace", "3 frames are rendered in the place of 4"),
        ({"bridges": {"context": 8}}, "bridges", "segment 2 has 13 frames, and its bridges keep or take out 16"),
        ({"overlap": 2}, "overlap", "means nothing beside bridges"),
        ({"curve": "linear"}, "curve", "means nothing beside bridges"),
        ({"chaining": "chained"}, "bridges", "say chaining: independent"),
        ({"bridges": {"each": [{}]}}, "bridges.each", "1 value for 2 bridges"),
        ({"bridges": {"each": [{}, {"frames": 9}]}}, "bridges.each[1].frames", "from context and gap"),
        ({"bridges": {"gap": 0}}, "bridges.gap", "must be 1 or more"),
        ({"bridges": {"gapp": 5}}, "bridges.gapp", "did you mean gap"),
        ({"bridges": {"gap": 6}, "model": "wan2.2-vace-a14b"}, "bridges.gap", "is not"),
    ],
)
def test_numbers_that_cannot_be_are_one_clear_error(ground: Ground, said: Data, field: str, problem: str):
    data = through(0, 1, 2, 3, segment_frames=13, bridges={"context": 3, "gap": 5})
    with pytest.raises(SpecError) as caught:
        ground.trip({**data, **said})
    assert caught.value.field == field
    assert problem in str(caught.value) or "not a length of the model" in str(caught.value)


def test_a_single_segment_has_nothing_to_bridge(ground: Ground):
    with pytest.raises(SpecError, match="no place where two rendered segments meet"):
        ground.trip(through(0, 1, bridges={}))


def test_beside_a_keyframe_that_stands_still_nothing_is_bridged(ground: Ground):
    data = bridged(engine="null")
    data["keyframes"][1]["hold"] = 4
    with pytest.raises(SpecError, match="no place where two rendered segments meet"):
        ground.trip(data)
    plan = ground.trip({**data, "trail": {"frames": 13}}).plan
    assert [bool(segment.needs) for segment in plan.segments] == [False, False, False, True, False]
    assert plan.frames == 13 + 3 + 12 + 5 + 13


def test_a_payload_with_a_stitch_config_is_run_as_one_trip(ground: Ground):
    stitched = {"context_frame_count": 2, "gap_frame_count": 5, "prompt": "a door", "random_seed": False, "seed": 4}
    data = details(2, stitch_config=stitched, input_image_paths_resolved=["0.png", "1.png", "2.png"])
    words = {"engine": "preview", "resolution": "64x48"}
    source = payload_source(data, base=ground.folder, words=words, reading=Reading())
    result = ground.run_trip(trip_of_spec(source, home=ground.home))
    planned = result.record["planned"]["segments"]
    assert [segment["frames"] for segment in planned] == [53, 9, 45]
    assert (planned[1]["prompt"], planned[1]["seed"], planned[1]["frames"]) == ("a door", 4, 9)
    assert result.record["outcome"]["frames"] == index(result.video).frames == 53 + 45
    assert result.record["requested"]["stitch_config"] == stitched
    assert result.record["resolved"]["origins"]["segments[1].prompt"] == "payload:stitch_config"
