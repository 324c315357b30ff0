"""Trips of every shape by workers: holds and pieces are made there too, and videos go along with a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wayframe.workflow.queue.rows import QueueState
from workflow.queue.stage import Stage
from workflow.rides import through
from workflow.test_join import join
from workflow.test_shapes import preview, still, video


@pytest.fixture(params=[False, True], ids=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=request.param)
    yield stage
    stage.client.close()


def test_a_worker_joins_videos_that_it_never_had(stage: Stage) -> None:
    for name in ("a.mp4", "b.mp4"):
        video(stage.ground.folder / name, 12)
    row = stage.submit(stage.ground.trip(join("a.mp4", "b.mp4")))
    with stage.at_work():
        ended, _ = stage.followed(row)
    assert (ended.state, ended.error) == (QueueState.COMPLETED, None)


def test_a_worker_makes_holds_and_continues_videos(stage: Stage) -> None:
    video(stage.ground.folder / "a.mp4", 12)
    data = still(preview(0, 1, continue_from="a.mp4", overlap=2), 0, 6)
    row = stage.submit(stage.ground.trip(data))
    looped = stage.submit(stage.ground.trip(still(through(0, 1, loop=True), 1, 4)))
    with stage.at_work():
        assert stage.followed(row)[0].state is QueueState.COMPLETED
        assert stage.followed(looped)[0].state is QueueState.COMPLETED
