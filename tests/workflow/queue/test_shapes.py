"""Trips of every shape by workers: holds and pieces are made there too, and videos go along with a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from media.tones import write_tone
from wayframe.core.events import SegmentPublished
from wayframe.files import sha256_file
from wayframe.media.index import index
from wayframe.workflow.queue.finishing import Finishing
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


def test_bridges_are_made_when_the_segments_beside_them_are(stage: Stage) -> None:
    data = through(0, 1, 2, 3, segment_frames=13, bridges={"context": 3, "gap": 5, "replace": 2}, engine="preview")
    row = stage.submit(stage.ground.trip(data), batch=1)
    with stage.at_work():
        ended, events = stage.followed(row)
    assert (ended.state, ended.error) == (QueueState.COMPLETED, None)
    made = [event.segment for event in events if isinstance(event, SegmentPublished)]
    assert (sorted(made[:3]), sorted(made[3:])) == ([0, 2, 4], [1, 3])
    here = stage.ground.elsewhere("here").run(data)
    there = Finishing.of(stage.place, row.run_id).fetch()
    assert there.video.read_bytes() == here.video.read_bytes()


def test_the_final_file_is_made_where_the_run_is_finished(stage: Stage) -> None:
    write_tone(stage.ground.folder / "music.wav", seconds=1)
    after = {"trim": {"start": 1}, "fps": 32, "audio": {"file": "music.wav", "fade_out": 0.1}}
    data = through(0, 1, engine="preview", segment_frames=9, after=after)
    row = stage.submit(stage.ground.trip(data))
    (stage.ground.folder / "music.wav").unlink()
    with stage.at_work():
        ended, _ = stage.followed(row)
    assert (ended.state, ended.error) == (QueueState.COMPLETED, None)
    folder = Finishing.of(stage.place, row.run_id).fetch()
    told = folder.read()["outcome"]["after"]
    assert [step["step"] for step in told["steps"]] == ["trim", "fps", "encode", "audio"]
    assert told["frames"] == index(folder.final(".mp4")).frames == 15
    assert told["sha256"] == sha256_file(folder.final(".mp4"))


def test_a_final_file_goes_on_from_the_steps_that_were_made(stage: Stage) -> None:
    data = through(0, 1, engine="preview", segment_frames=9, after={"upscale": {"factor": 2}, "fps": 32})
    row = stage.submit(stage.ground.trip(data))
    with stage.at_work():
        stage.followed(row)
    work = Finishing.of(stage.place, row.run_id)
    first = work.fetch().read()["outcome"]["after"]
    work.complete(cancelled=lambda: False, confirm=lambda: None)  # as a recovery does it
    again = work.folder().read()["outcome"]["after"]
    found = not stage.place.shared  # another machine than that of the worker makes them again
    assert [step["reused"] for step in again["steps"]] == [found] * len(first["steps"])
    assert again["digest"] == first["digest"]
