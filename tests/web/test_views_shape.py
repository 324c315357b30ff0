from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wayframe.web.views_run import facts_of, segment_of
from wayframe.web.views_shape import guided_by, looks_of, shape_of, video_names
from wayframe.web.views_strip import Strip, strip_of
from wayframe.workflow.record import new_record
from workflow.rides import Data, Ground, through
from workflow.test_shapes import preview, still, video


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground.at(tmp_path)
    for name, count in (("a", 20), ("b", 24)):
        video(made.folder / f"{name}.mp4", count)
    return made


def record(ground: Ground, data: Data) -> dict[str, Any]:
    return new_record(ground.trip(data), run_id="r", created="2026-01-02T03:04:05.000+00:00")


def words(found: dict[str, Any]) -> list[str]:
    strip = strip_of(found)
    return [segment_of(found, strip=strip, index=index).words for index in range(len(strip.pieces))]


def roles(strip: Strip) -> list[str]:
    return [piece.role for piece in strip.pieces]


JOINED: Data = {"join": {"clips": ["a.mp4", "b.mp4"], "context": 3, "gap": 5}, "engine": "preview"}


def test_a_way_from_one_keyframe_to_the_next_needs_no_further_word(ground: Ground) -> None:
    found = record(ground, preview(0, 1, 2))
    assert words(found) == ["", ""]
    assert shape_of(found["planned"]) == ""
    assert strip_of(found).pieces[1].text == "1"


def test_a_hold_and_the_way_back_of_a_loop_are_named(ground: Ground) -> None:
    found = record(ground, still(preview(0, 1, loop=True), 0, 5))
    assert words(found) == ["keyframe 0 stands still", "", "back to the first keyframe"]
    strip = strip_of(found)
    assert [piece.text for piece in strip.pieces] == ["0 hold", "1", "2 back"]
    assert [piece.is_kept for piece in strip.pieces] == [True, False, False]
    assert strip.pieces[0].label == "Segment 0 (hold), frames 0 to 4: queued"
    assert dict(facts_of(found))["Trip"] == "batch, independent, 3 segments, 1 hold, a loop"
    assert "Seed" not in dict(segment_of(found, strip=strip, index=0).facts)


def test_a_lead_a_trail_and_a_continued_video_are_named(ground: Ground) -> None:
    around = record(ground, preview(0, 1, lead={"frames": 9}, trail={"frames": 9}))
    assert words(around) == ["a lead to the first keyframe", "", "a trail away from the last keyframe"]
    on = record(ground, preview(0, 1, continue_from="a.mp4", overlap=3))
    assert words(on)[0] == "goes on from frames 17 to 19 of a.mp4"
    assert dict(facts_of(on))["Videos"] == "a.mp4"


def test_a_join_shows_the_first_frame_of_each_part_where_there_are_no_keyframes(ground: Ground) -> None:
    found = record(ground, JOINED)
    assert words(found) == [
        "frames 0 to 19 of a.mp4, as they are",
        "a bridge from frames 17 to 19 of a.mp4 to frames 0 to 2 of b.mp4",
        "frames 0 to 23 of b.mp4, as they are",
    ]
    strip = strip_of(found)
    assert roles(strip) == ["piece", "bridge", "piece"]
    assert [mark.picture for mark in strip.keyframes] == ["frames/0.jpg", "frames/17.jpg", "frames/25.jpg"]
    assert strip.keyframes[1].hint == "segment 1 at frame 17, 1.06 s"
    facts = dict(facts_of(found))
    assert (facts["Trip"], facts["Videos"]) == ("join, 3 segments, 1 bridge", "a.mp4, b.mp4")


def test_a_video_without_a_name_has_its_number(ground: Ground) -> None:
    found = record(ground, JOINED)
    found["requested"] = {"task_type": "join_clips_orchestrator"}
    assert words(found)[0] == "frames 0 to 19 of video 0, as they are"


def test_names_of_videos_come_without_their_folders() -> None:
    assert video_names({"guides": [{"video": "/secret/folder/x.mp4"}]}, level="guides") == ["x.mp4"]
    assert video_names({"join": {"clips": ["c:\\films\\y.mp4"]}}, level="clips") == ["y.mp4"]
    assert video_names(None, level="guides") == []


def test_a_segment_tells_what_guides_it_and_what_is_done_to_its_colours(ground: Ground) -> None:
    guides = [{"video": "a.mp4", "kind": "canny", "at": 4, "until": 7, "strength": 0.5}]
    found = record(ground, preview(0, 1, guides=guides, look={"saturation": 0.9, "banner": True}))
    (segment,) = found["planned"]["segments"]
    assert guided_by(found, index=0) == "canny of a.mp4 at frames 4 to 6; strength 0.5"
    assert looks_of(segment) == "saturation 0.9, banner"
    assert dict(segment_of(found, strip=strip_of(found), index=0).facts)["Guide"].startswith("canny")


def test_a_finished_file_is_told_of(ground: Ground) -> None:
    found = ground.run(through(0, 1, engine="preview", after={"upscale": {"factor": 2}})).record
    facts = dict(facts_of(found))
    assert facts["Final file"].startswith("128x96, 16 fps, 5 frames, h264, ")
    assert facts["Final file"].endswith("MB, by upscale and encode")
    assert facts["Took"].endswith("to finish")
