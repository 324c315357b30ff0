"""Guide frames on their way to an engine: made once, at output size, None where nothing guides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.trips import Data
from media.clips import texture, write_video
from wayframe.errors import SpecError
from wayframe.store.artifacts import ArtifactStore
from wayframe.workflow.guides import Guides
from wayframe.workflow.sources import trip_of_video
from workflow.engines import Scripted, install
from workflow.rides import HEIGHT, WIDTH, Ground, through

PICTURES = [texture(look)[:64, :96] for look in range(20, 29)]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground.at(tmp_path)
    write_video(made.folder / "guide.mp4", PICTURES)
    return made


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    install(monkeypatch, made)
    return made


def guided(**said: object) -> Data:
    return through(0, 1, 2, engine="scripted", guides=[{"video": "guide.mp4", **said}])


def test_an_engine_is_given_frames_of_the_output_size_where_a_guide_stands(ground: Ground, engine: Scripted):
    ground.run(guided(at=2, until=7))
    first, second = engine.jobs
    assert [frame is not None for frame in first.guide] == [False, False, True, True, True]
    assert [frame is not None for frame in second.guide] == [True, True, True, False, False]
    assert {frame.shape for frame in first.guide if frame is not None} == {(HEIGHT, WIDTH, 3)}
    assert np.array_equal(first.guide[4], second.guide[0])
    shown = first.guide[2]
    assert shown is not None
    assert np.abs(shown.astype(int).mean(axis=(0, 1)) - PICTURES[0].mean(axis=(0, 1))).max() < 6


def test_without_a_guide_nothing_is_given(ground: Ground, engine: Scripted):
    ground.run(guided(until=3))
    assert [len(job.guide) for job in engine.jobs] == [5, 0]


@pytest.mark.parametrize("kind", ["raw", "canny", "flow"])
def test_guide_frames_are_made_once_and_found_again(ground: Ground, kind: str):
    trip = ground.trip(guided(kind=kind, until=5) | {"engine": "null"})
    store = ArtifactStore(ground.home)
    guides = Guides(plan=trip.plan, videos=trip.guides, store=store)
    first = guides.of(trip.plan.segments[0])
    (ground.folder / "guide.mp4").unlink()
    again = guides.of(trip.plan.segments[0])
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_canny_and_flow_show_what_they_say(ground: Ground, engine: Scripted):
    for kind in ("canny", "flow"):
        ground.run(guided(kind=kind, until=5))
    canny, flow = (job.guide[1] for job in engine.jobs if job.segment.index == 0)
    assert canny is not None
    assert flow is not None
    dark_or_light = (canny < 40) | (canny > 215)
    assert dark_or_light.mean() > 0.6
    assert flow.max() > 200


def test_a_guide_that_changed_since_the_plan_is_refused(ground: Ground):
    trip = ground.trip(guided(until=5) | {"engine": "null"})
    write_video(ground.folder / "guide.mp4", PICTURES[:3])
    with pytest.raises(SpecError, match=r"guides\[0\]\.video: was changed"):
        Guides(plan=trip.plan, videos=trip.guides, store=ArtifactStore(ground.home)).of(trip.plan.segments[0])


def test_another_guide_renders_only_the_segments_that_it_steers(ground: Ground, engine: Scripted):
    ground.run(guided(until=4))
    engine.jobs.clear()
    ground.run(guided(until=4, kind="canny"))
    assert engine.rendered() == [0]


def test_a_video_of_ours_is_run_again_with_guides_that_are_found_by_content(ground: Ground):
    first = ground.run(guided(until=4) | {"engine": "null"})
    (ground.folder / "guide.mp4").rename(ground.folder / "other.mp4")
    again = trip_of_video(first.video, keyframes=ground.folder, home=ground.home)
    assert again.guides == (ground.folder / "other.mp4",)
    assert "guide-unused" in {found.code for found in again.plan.findings}


def test_a_guide_that_is_not_there_is_told_when_the_trip_is_planned(ground: Ground):
    with pytest.raises(SpecError, match=r"guides\[0\]\.video: is not a file"):
        ground.trip(through(0, 1, guides=[{"video": "none.mp4"}]))
