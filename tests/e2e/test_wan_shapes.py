"""Trips of other shapes, and joins, by the Wan engine: a tiny VACE model of two experts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from e2e.wan_trip import SIZE, Data, Place, decoded, spec
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import open_home

if TYPE_CHECKING:
    from engines.wan.tiny import TinyModels

pytestmark = pytest.mark.xdist_group("wan-shapes")
STEPS: Data = {"phases": [{"steps": 1, "guidance": 1, "expert": name} for name in ("high", "low")]}


@pytest.fixture(scope="module")
def place(tiny: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.at(tmp_path_factory.mktemp("wan-shapes") / "trip", tiny=tiny)


def shaped(**said: object) -> Data:
    """Two pictures and nine frames a segment, unless told otherwise."""
    data = {**spec(**STEPS), "segment_frames": 9}
    data["keyframes"] = [{"image": name} for name in ("dawn.jpg", "day.jpg")]
    return {**data, **said}


def forwards(record: Data) -> list[int]:
    return [len(segment["steps"] or ()) for segment in record["applied"]["segments"]]


def test_a_loop_with_a_hold_asks_the_model_for_two_segments(place: Place) -> None:
    data = shaped(loop=True)
    data["keyframes"][1]["hold"] = 6
    record = place.run(data, name="loop")
    assert record["outcome"]["frames"] == 9 + 5 + 8
    assert forwards(record) == [2, 0, 2]
    assert record["outcome"]["stitch"]["encoded"] == 0


def test_a_lead_is_made_from_its_end_alone_and_a_trail_from_its_start(place: Place) -> None:
    record = place.run(shaped(lead={"frames": 5}, trail={"frames": 13}), name="free")
    assert record["outcome"]["frames"] == 5 + 8 + 12
    assert forwards(record) == [2, 2, 2]


def test_a_continued_trip_and_a_join_keep_the_frames_of_both_sides(place: Place) -> None:
    first = place.run(shaped(), name="first")
    video = place.folder / "first.mp4"
    shown = decoded(video)
    continued = place.run(shaped(continue_from=str(video), overlap=[5, 2]), name="continued")
    assert forwards(continued) == [2, 2]
    again = decoded(place.folder / "continued.mp4")
    assert max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(again[:5], shown[-5:], strict=True)) < 4
    join: Data = {"clips": [str(video), str(place.folder / "continued.mp4")], "context": 4, "gap": 5}
    data = {name: value for name, value in shaped(join=join).items() if name not in ("keyframes", "segment_frames")}
    joined = place.run(data, name="joined")
    assert forwards(joined) == [0, 2, 0]
    assert joined["outcome"]["frames"] == first["outcome"]["frames"] + 5 + continued["outcome"]["frames"]
    store = ArtifactStore(open_home(place.home))
    bridge = store.find(joined["planned"]["segments"][1]["key"])
    assert bridge is not None
    assert not bridge.facts["altered"]
    assert decoded(bridge.video)[0].shape == (SIZE, SIZE, 3)
    assert Path(bridge.video).is_file()


def test_bridges_between_segments_keep_the_frames_of_both(place: Place) -> None:
    data = shaped(bridges={"context": 3, "gap": 7, "replace": 2, "prompt": "a door opens"}, segment_frames=13)
    data["keyframes"] = [{"image": name} for name in ("dawn.jpg", "day.jpg", "dawn.jpg")]
    record = place.run(data, name="bridged")
    assert forwards(record) == [2, 2, 2]
    assert record["outcome"]["frames"] == 11 + 7 + 11
    assert record["outcome"]["stitch"]["encoded"] == 0
    store, planned = ArtifactStore(open_home(place.home)), record["planned"]["segments"]
    left, bridge, right = (store.find(segment["key"]) for segment in planned)
    assert left is not None
    assert bridge is not None
    assert right is not None
    assert not bridge.facts["altered"]
    made, before, after = decoded(bridge.video), decoded(left.video), decoded(right.video)
    beside = [*zip(made[:3], before[8:11], strict=True), *zip(made[-3:], after[2:5], strict=True)]
    assert max(float(np.abs(a.astype(int) - b).mean()) for a, b in beside) < 4
