"""Jobs are made when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.engines.base import Frame
from wayframe.media import images
from wayframe.workflow import jobs
from wayframe.workflow.jobs import JobBatch, Keyframes
from workflow.rides import Ground, through


def test_a_job_holds_its_two_keyframes_at_output_size(ground: Ground) -> None:
    trip = ground.trip(through(0, 1, 2, resolution="32x24"))
    batch = JobBatch(trip.plan, Keyframes(trip.plan, trip.images), segments=[1])
    [job] = batch
    assert job.segment.index == 1
    assert job.first.shape == (24, 32, 3)
    assert job.last is not None
    assert not (job.first == job.last).all()


def test_a_lone_keyframe_has_no_last(ground: Ground) -> None:
    trip = ground.trip(through(0))
    assert JobBatch(trip.plan, Keyframes(trip.plan, trip.images), segments=[0])[0].last is None


def test_each_picture_is_read_once_on_the_way_and_none_before(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(path: Path, *, matte: str) -> Frame:
        read.append(path.name)
        return images.load_image(path, matte=matte)

    monkeypatch.setattr(jobs, "load_image", counted)
    trip = ground.trip(through(0, 1, 2, 3))
    batch = JobBatch(trip.plan, Keyframes(trip.plan, trip.images), segments=[0, 1, 2])
    assert read == []
    assert [job.segment.index for job in batch] == [0, 1, 2]
    assert read == ["0.png", "1.png", "2.png", "3.png"]
    assert len(batch[1:]) == 2
