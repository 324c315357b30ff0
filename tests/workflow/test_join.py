"""Videos joined by bridges, run: what is copied, what is made, and what the record says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wayframe.errors import SpecError
from wayframe.media.index import decode, index, packet_digest
from wayframe.workflow.prompt_views import prompts_of_run
from wayframe.workflow.sources import Reading, payload_source, trip_of_spec, trip_of_video
from workflow.engines import Scripted, install
from workflow.rides import HEIGHT, WIDTH, Data, Ground, Watch, through
from workflow.test_shapes import CLOSE, frames, psnr, video


def join(*clips: object, engine: str = "null", **said: object) -> Data:
    """A join of clips with three frames of context and five between them, unless told otherwise."""
    own = {name: said.pop(name) for name in ("context", "gap", "replace", "bridges") if name in said}
    return {"join": {"clips": list(clips), "context": 3, "gap": 5, **own}, "engine": engine, **said}


@pytest.fixture
def travelled(ground: Ground) -> Path:
    """A finished video of our own, of 17 frames with an IDR frame at 9."""
    made = ground.run(through(0, 1, 2, engine="preview", segment_frames=9)).video
    (ground.folder / "ours.mp4").write_bytes(made.read_bytes())
    return ground.folder / "ours.mp4"


def test_bridges_lie_between_the_clips_and_keep_frames_of_both(ground: Ground):
    a, b = video(ground.folder / "a.mp4", 20), video(ground.folder / "b.mp4", 15)
    result = ground.run(join("a.mp4", "b.mp4", "a.mp4"))
    shown = frames(result)
    assert len(shown) == 20 + 5 + 15 + 5 + 20
    assert all(psnr(x, y) > CLOSE for x, y in zip(shown[:20], a, strict=True))
    assert all(psnr(x, y) > CLOSE for x, y in zip(shown[25:40], b, strict=True))
    assert all(psnr(shown[at], a[-1]) < 25 for at in range(20, 25))
    assert result.record["outcome"]["stitch"] == {"copied": 65, "encoded": 0}


def test_our_own_clips_are_copied_packet_by_packet_where_they_can_be_cut(ground: Ground, travelled: Path):
    result = ground.run(join("ours.mp4", "ours.mp4"))
    ours = list(decode(travelled))
    assert all(np.array_equal(x, y) for x, y in zip(frames(result)[:17], ours, strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(frames(result)[22:], ours, strict=True))
    assert "stitch-reencoded" not in {found["code"] for found in result.record["findings"]}


def test_a_clip_that_is_cut_within_a_group_is_encoded_there_and_the_record_says_so(ground: Ground, travelled: Path):
    result = ground.run(join("ours.mp4", "ours.mp4", replace=2))
    ours = list(decode(travelled))
    shown = frames(result)
    assert len(shown) == 15 + 5 + 15
    assert 9 in index(travelled).idr
    assert all(np.array_equal(x, y) for x, y in zip(shown[:9], ours[:9], strict=True))
    found = [one for one in result.record["findings"] if one["code"] == "stitch-reencoded"]
    assert [one["evidence"]["frames"] for one in found] == [6, 7]


def test_a_clip_of_another_size_is_fitted_and_a_finding_says_so(ground: Ground):
    video(ground.folder / "a.mp4", 12)
    b = video(ground.folder / "b.mp4", 12, width=2 * WIDTH, height=2 * HEIGHT)
    trip = ground.trip(join("a.mp4", "b.mp4"))
    assert [found.where for found in trip.plan.findings if found.code == "clip-fitted"] == ["clips[1]"]
    shown = frames(ground.run_trip(trip))
    assert shown[20].shape == (HEIGHT, WIDTH, 3)
    assert psnr(shown[-1], b[-1][::2, ::2]) > 20


def test_all_bridges_are_rendered_in_one_batch(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    engine = Scripted(denoises=True, phase_major=True)
    install(monkeypatch, engine)
    video(ground.folder / "a.mp4", 20)
    video(ground.folder / "b.mp4", 15)
    watch = Watch()
    said: Data = {"steps": 2, "guidance": 1, "prompt": "a walk", "engine": "scripted"}
    ground.run(join("a.mp4", "b.mp4", "a.mp4", **said), listen=watch.listen)
    assert engine.rendered() == [1, 3]
    assert [(len(job.given), len(job.given_after), job.first, job.last) for job in engine.jobs] == [
        (3, 3, None, None)
    ] * 2
    assert sorted(watch.published()) == [0, 1, 2, 3]  # the same piece at the end is there already


def test_two_bridges_between_the_same_frames_are_one_artifact(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    plan = ground.trip(join("a.mp4", "a.mp4", "a.mp4")).plan
    assert plan.segments[1].key == plan.segments[3].key
    assert ground.run(join("a.mp4", "a.mp4", "a.mp4")).record["outcome"]["frames"] == 70


def test_bridges_have_words_of_their_own(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    bridges = [{"prompt": "up", "seed": 4}, {"prompt": "down", "amount_of_motion": 0.9}]
    plan = ground.trip(join("a.mp4", "a.mp4", "a.mp4", bridges=bridges, prompt="else")).plan
    made = [segment for segment in plan.segments if segment.is_rendered]
    assert [(one.prompt, one.seed, one.amount_of_motion) for one in made] == [("up", 4, 0.3), ("down", 0, 0.9)]


def test_the_pieces_have_no_prompt_that_anybody_asked_for(ground: Ground):
    data = through(0, 1, lead={"prompt": "in"}, engine="null")
    data["keyframes"][0]["hold"] = 5
    record = ground.run(data).record
    origins = [one.origin for one in prompts_of_run(record, home=ground.home)]
    assert origins == ["spec", "not asked for", "default"]


def test_a_key_of_a_bridge_is_of_the_frames_on_both_sides(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    video(ground.folder / "b.mp4", 20, width=WIDTH + 16)
    said: Data = {"resolution": f"{WIDTH}x{HEIGHT}"}

    def key(*clips: object, **own: object) -> str:
        return ground.trip(join(*clips, **said, **own)).plan.segments[1].key

    first = key("a.mp4", "b.mp4")
    assert first == key("a.mp4", "b.mp4", "b.mp4")
    assert first == key({"video": "a.mp4", "frames": "4:"}, "b.mp4")
    others = [
        key("b.mp4", "b.mp4"),
        key("a.mp4", "a.mp4"),
        key("a.mp4", "b.mp4", replace=1),
        key("a.mp4", "b.mp4", gap=6),
    ]
    assert len({first, *others}) == 5


def test_a_span_is_rendered_anew_between_its_head_and_its_tail(ground: Ground, travelled: Path):
    parts = [{"video": "ours.mp4", "frames": ":6"}, {"video": "ours.mp4", "frames": "11:"}]
    result = ground.run(join(*parts))
    shown, ours = frames(result), list(decode(travelled))
    assert len(shown) == len(ours)
    assert all(psnr(x, y) > CLOSE for x, y in zip([*shown[:6], *shown[11:]], [*ours[:6], *ours[11:]], strict=True))
    assert not any(np.array_equal(shown[at], ours[at]) for at in range(6, 11))


def test_an_upstream_payload_that_joins_clips_is_run(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    video(ground.folder / "b c.mp4", 20)
    clips = [{"url": f"https://files.example/u/{name}?token=s3cr3tvalue9"} for name in ("a.mp4", "b%20c.mp4")]
    counts = {"context_frame_count": 4, "gap_frame_count": 10, "replace_mode": True}
    payload = {"task_type": "join_clips_orchestrator", "orchestrator_details": {"clip_list": clips, **counts}}
    reading = Reading(home=ground.home)
    source = payload_source(payload, base=ground.folder, words={"engine": "null"}, reading=reading)
    with pytest.raises(SpecError, match=r"join\.clips\[0\]: is an address, and a\.mp4 is not here; download it"):
        trip_of_spec(source, home=ground.home)
    result = ground.run_trip(trip_of_spec(source, home=ground.home, pictures=ground.folder))
    assert result.record["outcome"]["frames"] == 16 + 9 + 15
    assert "s3cr3tvalue9" not in str(result.record)


def test_what_a_joined_video_carries_can_be_run_again(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    first = ground.run(join("a.mp4", "a.mp4"))
    elsewhere = ground.elsewhere("again")
    again = elsewhere.run_trip(trip_of_video(first.video, keyframes=ground.folder, home=elsewhere.home))
    assert packet_digest(again.video) == packet_digest(first.video)


def test_the_second_run_finds_all(ground: Ground):
    video(ground.folder / "a.mp4", 20)
    ground.run(join("a.mp4", "a.mp4"))
    watch = Watch()
    ground.run(join("a.mp4", "a.mp4"), listen=watch.listen)
    assert watch.published() == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (join("a.mp4"), r"join\.clips: needs at least 2"),
        (join("a.mp4", "none.mp4"), r"join\.clips\[1\]: is not a file"),
        (join("a.mp4", "short.mp4", "a.mp4"), r"join\.clips\[1\]: 5 frames are left of it, and its bridges keep 6"),
        (join("a.mp4", "a.mp4", replace=17), r"join\.clips\[0\]: 3 frames are left .* keep 3, and it needs one more"),
        (join("a.mp4", "a.mp4", replace=18), r"join\.clips\[0\]: 2 frames are left of it, and its bridges keep 3"),
        (
            join("a.mp4", {"video": "a.mp4", "frames": "4:30"}),
            r"join\.clips\[1\]\.frames: the video has frames 0 to 19",
        ),
        (join("a.mp4", {"video": "a.mp4", "frames": "4:4"}), r"join\.clips\[1\]\.frames: expected START:STOP"),
        (join("a.mp4", "a.mp4", model="wan2.2-vace-a14b"), r"join\.gap: with 3 frames of each side a bridge has 11"),
        (join("a.mp4", "a.mp4", bridges=[{}, {}]), r"join\.bridges: 2 values for 1 gap"),
        (join("a.mp4", "a.mp4", bridges=[{"frames": 9}]), r"join\.bridges\[0\]\.frames: a bridge has its frames from"),
        (join("a.mp4", "a.mp4", chaining="chained"), r"chaining: the bridges of a join do not depend on each other"),
        (join("a.mp4", "a.mp4", overlap=4), r"overlap: means nothing where videos are joined"),
        (join("a.mp4", "a.mp4", keyframes=[{"image": "0.png"}]), r"keyframes: means nothing where videos are joined"),
        (
            join("a.mp4", "a.mp4", bridges=[{"promt": "x"}]),
            r"join\.bridges\[0\]\.promt: unknown key; did you mean prompt",
        ),
    ],
)
def test_a_join_that_cannot_be_is_refused(ground: Ground, said: Data, problem: str):
    video(ground.folder / "a.mp4", 20)
    video(ground.folder / "short.mp4", 5)
    with pytest.raises(SpecError, match=problem):
        ground.trip(said)


def test_a_gap_that_is_left_open_fits_the_grid(ground: Ground):
    video(ground.folder / "a.mp4", 48)

    def bridge(**said: object) -> int:
        data = join("a.mp4", "a.mp4", model="wan2.2-vace-a14b", **said)
        del data["join"]["gap"]
        return ground.trip(data).plan.segments[1].frames

    assert bridge(context=6) == 6 + 21 + 6
    assert bridge(context=8) == 37
    assert bridge(context=6, replace=10) == 33
