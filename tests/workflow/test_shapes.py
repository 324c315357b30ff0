"""Trips of every shape, run: what stands where in the video, and who is asked for it."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contract.jobs import picture
from wayframe.engines.base import Frame
from wayframe.errors import PayloadError, SpecError, StoreError
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode
from wayframe.workflow.clips import clip_of
from wayframe.workflow.exchange import export_of_spec
from wayframe.workflow.run import RunResult
from wayframe.workflow.sources import Reading, trip_of_video
from wayframe.workflow.subjects import Reader
from workflow.engines import Scripted, install
from workflow.rides import HEIGHT, WIDTH, Data, Ground, Watch, through

LUMA = np.array([0.2126, 0.7152, 0.0722])
CLOSE = 36.0  # dB between a keyframe and itself after the encoder


def psnr(a: Frame, b: Frame) -> float:
    """The likeness of the brightness of two pictures in dB; their colours are stored at half the size."""
    error = float(np.square((a.astype(np.float64) - b) @ LUMA).mean())
    return float("inf") if error == 0 else 10 * math.log10(255**2 / error)


def frames(result: RunResult) -> list[Frame]:
    return list(decode(result.video))


def shows(pixels: Frame, number: int) -> bool:
    """Whether a frame is keyframe `number` of a ground, as far as the encoder leaves it."""
    return psnr(pixels, picture(number, width=WIDTH, height=HEIGHT)) > CLOSE


def still(data: Data, at: int, frames: int) -> Data:
    data["keyframes"][at]["hold"] = frames
    return data


def preview(*names: int, **said: object) -> Data:
    return through(*names, engine="preview", segment_frames=9, **said)


def video(path: Path, count: int, *, width: int = WIDTH, height: int = HEIGHT) -> list[Frame]:
    """A video that slides over a texture; gives its frames as they are decoded."""
    with VideoWriter(path, width=width, height=height, fps=Fraction(16), cuts=(), profile=PROFILES["h264"]) as writer:
        for shift in range(count):
            writer.write(picture(8, width=width, height=height, shift=shift))
    return list(decode(path))


def test_a_loop_ends_with_the_picture_that_it_begins_with(ground: Ground):
    result = ground.run(preview(0, 1, 2, loop=True))
    shown = frames(result)
    assert len(shown) == 3 * 8 + 1
    assert [shows(shown[at], number) for at, number in ((0, 0), (8, 1), (16, 2), (24, 0))] == [True] * 4
    assert result.record["outcome"]["stitch"] == {"copied": 25, "encoded": 0}
    assert [one["at"] for one in result.record["outcome"]["metrics"]["keyframes"]] == [0, 8, 16, 24]


def test_a_loop_of_a_lone_keyframe_comes_back_to_it(ground: Ground):
    shown = frames(ground.run(preview(0, loop=True)))
    assert len(shown) == 9
    assert shows(shown[0], 0)
    assert shows(shown[-1], 0)


def test_a_held_keyframe_stands_still_and_its_joins_copy(ground: Ground):
    result = ground.run(still(preview(0, 1, 2), 1, 12))
    shown = frames(result)
    assert len(shown) == 9 + 11 + 8
    assert all(shows(shown[at], 1) for at in range(8, 20))
    assert not shows(shown[7], 1)
    assert not shows(shown[20], 1)
    assert shows(shown[27], 2)
    assert result.record["outcome"]["stitch"] == {"copied": 28, "encoded": 0}


def test_a_hold_moves_by_no_more_than_the_encoder_does(ground: Ground):
    shown = frames(ground.run(still(preview(0, 1), 1, 20)))[8:]
    assert all(psnr(a, b) > 45 for a, b in pairwise(shown[1:]))


def test_holds_at_both_ends_need_no_segment_before_or_after_them(ground: Ground):
    shown = frames(ground.run(still(still(preview(0, 1), 0, 5), 1, 4)))
    assert len(shown) == 4 + 9 + 3
    assert all(shows(shown[at], 0) for at in range(5))
    assert all(shows(shown[at], 1) for at in range(12, 16))


def test_no_engine_is_asked_for_a_hold(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    engine = Scripted()
    install(monkeypatch, engine)
    watch = Watch()
    ground.run(still(through(0, 1, 2, engine="scripted"), 1, 6), listen=watch.listen)
    assert sorted(engine.rendered()) == [0, 2]
    assert sorted(watch.published()) == [0, 1, 2]
    assert watch.states("segment", 1) == ["running", "complete"]


def test_a_hold_is_the_same_artifact_under_another_engine(ground: Ground):
    one, other = (ground.trip(still(through(0, 1, engine=engine), 1, 6)).plan for engine in ("null", "preview"))
    assert one.segments[1].key == other.segments[1].key
    assert one.segments[0].key != other.segments[0].key
    longer = ground.trip(still(through(0, 1), 1, 7)).plan
    assert longer.segments[1].key != one.segments[1].key


def test_a_chained_segment_after_a_hold_starts_from_the_still_picture(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    engine = Scripted()
    install(monkeypatch, engine)
    result = ground.run(still(through(0, 1, 2, engine="scripted", chaining="chained", overlap=2), 1, 6))
    after = next(job for job in engine.jobs if job.segment.index == 2)
    assert len(after.given) == 1
    assert shows(after.given[0], 1)
    assert result.record["outcome"]["frames"] == 5 + 5 + 4


def test_a_lead_ends_at_the_first_keyframe_and_a_trail_begins_at_the_last(ground: Ground):
    result = ground.run(preview(0, 1, lead={"frames": 7}, trail={"frames": 5}))
    shown = frames(result)
    assert len(shown) == 7 + 8 + 4
    assert [shows(shown[at], number) for at, number in ((6, 0), (14, 1))] == [True, True]
    assert not shows(shown[0], 0)
    assert not shows(shown[-1], 1)
    assert result.record["outcome"]["stitch"] == {"copied": 19, "encoded": 0}


def test_a_lone_keyframe_goes_on_for_several_segments(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    engine = Scripted()
    install(monkeypatch, engine)
    result = ground.run(through(0, engine="scripted", segments=3, overlap=2))
    assert [(job.first is not None, len(job.given)) for job in engine.jobs] == [(True, 0), (False, 2), (False, 2)]
    assert len(frames(result)) == 3 * 5 - 2 * 2


def test_a_continued_video_begins_with_the_last_frames_of_the_one_before(ground: Ground):
    before = video(ground.folder / "before.mp4", 20)
    result = ground.run(preview(0, continue_from="before.mp4", overlap=4))
    shown = frames(result)
    assert len(shown) == 9
    assert all(psnr(a, b) > CLOSE for a, b in zip(shown[:4], before[-4:], strict=True))
    assert shows(shown[8], 0)
    assert not ground.artifact(result.record["planned"]["segments"][0]["key"]).facts["altered"]


def test_another_video_makes_another_key_and_another_name_does_not(ground: Ground):
    data = preview(0, continue_from="before.mp4", overlap=4)
    video(ground.folder / "before.mp4", 20)
    first = ground.trip(data).plan.segments[0].key
    (ground.folder / "before.mp4").rename(ground.folder / "same.mp4")
    assert ground.trip({**data, "continue_from": "same.mp4"}).plan.segments[0].key == first
    video(ground.folder / "before.mp4", 21)
    assert ground.trip(data).plan.segments[0].key != first


def test_a_video_that_was_changed_since_the_plan_is_refused(ground: Ground):
    video(ground.folder / "before.mp4", 20)
    trip = ground.trip(preview(0, continue_from="before.mp4", overlap=4))
    video(ground.folder / "before.mp4", 21)
    with pytest.raises(StoreError, match=r"before.mp4 was changed since the plan was made"):
        ground.run_trip(trip)


def test_frames_of_a_larger_video_are_fitted(ground: Ground):
    video(ground.folder / "before.mp4", 12, width=2 * WIDTH, height=2 * HEIGHT)
    trip = ground.trip(preview(0, continue_from="before.mp4", overlap=3))
    assert "clip-fitted" in {found.code for found in trip.plan.findings}
    assert ground.run_trip(trip).record["outcome"]["frames"] == 9


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"continue_from": "none.mp4"}, r"continue_from: is not a file"),
        ({"continue_from": "high_noise_model.safetensors"}, r"continue_from: is not a video that can be read"),
        ({"continue_from": "before.mp4", "overlap": 21}, r"continue_from: has 20 frames, and .* its last 21"),
        ({"continue_from": "before.mp4", "overlap": 9}, r"overlap: segment 0 has 9 frames, starts from 9 of a video"),
    ],
)
def test_a_video_that_cannot_be_continued_is_refused(ground: Ground, said: Data, problem: str):
    video(ground.folder / "before.mp4", 20)
    with pytest.raises(SpecError, match=problem):
        ground.trip(preview(0, **said))


def test_a_run_of_any_shape_is_found_whole_the_second_time(ground: Ground):
    video(ground.folder / "before.mp4", 20)
    data = still(preview(0, 1, continue_from="before.mp4", overlap=3, trail={"frames": 5}), 0, 6)
    ground.run(data)
    watch = Watch()
    ground.run(data, listen=watch.listen)
    assert watch.published() == []


def test_what_a_video_of_any_shape_carries_can_be_run_again(ground: Ground):
    video(ground.folder / "before.mp4", 20)
    first = ground.run(still(preview(0, 1, continue_from="before.mp4", overlap=3), 0, 6))
    elsewhere = ground.elsewhere("again")
    again = elsewhere.run_trip(trip_of_video(first.video, keyframes=ground.folder, home=elsewhere.home))
    assert again.record["outcome"]["digest"] == first.record["outcome"]["digest"]


def test_segments_of_any_shape_are_compared_from_keyframe_to_keyframe(ground: Ground):
    result = ground.run(still(preview(0, 1, lead={"frames": 7}), 0, 6))
    subject = Reader(home=ground.home, defaults={}).read(result.folder.run_id)
    clip = clip_of(subject, thumbnails=False)
    assert clip is not None
    assert clip.spans == ((0, 6), (6, 11), (11, 19))
    assert [segment.keyframes[0] is None for segment in subject.segments] == [True, False, False]


def exported(ground: Ground, data: Data) -> Data:
    path = ground.spec_file({**data, "model": "wan2.2-vace-a14b", "prompt": "a walk", "engine": "null"})
    return dict(export_of_spec(path, reading=Reading(home=ground.home), home=ground.home).payload())


def test_a_loop_is_exported_with_its_first_picture_at_the_end_again(ground: Ground):
    details = exported(ground, through(0, 1, loop=True))
    assert [Path(name).name for name in details["input_image_paths_resolved"]] == ["0.png", "1.png", "0.png"]
    assert details["num_new_segments_to_generate"] == 2


@pytest.mark.parametrize("said", [{"lead": {}}, {"trail": {}}, {"segments": 2}])
def test_what_upstream_cannot_be_told_of_is_not_exported(ground: Ground, said: Data):
    with pytest.raises(PayloadError, match="upstream has"):
        exported(ground, through(*((0,) if "segments" in said else (0, 1)), segment_frames=13, **said))
    with pytest.raises(PayloadError, match=r"segments\[1\]: is a hold"):
        exported(ground, still(through(0, 1), 1, 4))
