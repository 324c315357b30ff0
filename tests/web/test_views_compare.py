from __future__ import annotations

from pathlib import Path

from wayframe.core.comparison import compare
from wayframe.core.diff import Filters
from wayframe.web.views_compare import Shown, Take, takes
from wayframe.workflow.subjects import subject_of
from workflow.rides import Data, Ground, through
from workflow.test_shapes import preview, still, video


def test_videos_are_aligned_from_keyframe_to_keyframe_with_the_first(tmp_path: Path) -> None:
    ground = Ground.at(tmp_path)
    records = [
        ground.run(through(0, 1, 2, overlap=1, segment_frames=frames, fps=fps)).record
        for frames, fps in ((5, 16), (9, 8))
    ]
    subjects = [subject_of(record, name=record["run_id"], kind="run", source="") for record in records]
    shown = [
        Shown(run_id=record["run_id"], title="", state="completed", record=record, has_video=True) for record in records
    ]
    first, second = takes(shown, comparisons=[compare(*subjects, filters=Filters())])
    assert (first.letter, first.spans, first.keyframes, first.joins) == ("A", (), (0, 4, 8), (4,))
    assert (second.letter, second.frames, second.fps) == ("B", 17, 8.0)
    assert second.spans == (((0, 4), (0, 8)), ((4, 8), (8, 16)))


def beside(ground: Ground, *trips: Data) -> Take:
    """The second of two runs, beside the first."""
    records = [ground.run(trip).record for trip in trips]
    subjects = [subject_of(record, name=record["run_id"], kind="run", source="") for record in records]
    shown = [Shown(run_id="r", title="", state="completed", record=record, has_video=True) for record in records]
    return takes(shown, comparisons=[compare(*subjects, filters=Filters())])[1]


def test_a_held_keyframe_lies_beside_a_held_one_and_ways_between_keyframes_beside_ways(tmp_path: Path) -> None:
    trips = (still(preview(0, 1, loop=True, overlap=1), 0, frames) for frames in (5, 9))
    take = beside(Ground.at(tmp_path), *trips)
    assert take.spans == (((0, 4), (0, 8)), ((4, 12), (8, 16)), ((12, 20), (16, 24)))


def test_joins_lie_beside_each_other_piece_by_piece_without_keyframes(tmp_path: Path) -> None:
    ground = Ground.at(tmp_path)
    for name, count in (("a", 20), ("b", 24)):
        video(ground.folder / f"{name}.mp4", count)
    trips = [{"join": {"clips": ["a.mp4", "b.mp4"], "context": 3, "gap": gap}, "engine": "preview"} for gap in (5, 9)]
    take = beside(ground, *trips)
    assert take.keyframes == ()
    assert take.spans == (((0, 19), (0, 19)), ((17, 27), (17, 31)), ((25, 48), (29, 52)))


def test_a_run_that_only_a_log_knows_has_no_video_to_align(tmp_path: Path) -> None:
    record = Ground.at(tmp_path).run(through(0, 1)).record
    subject = subject_of(record, name="a", kind="run", source="")
    shown = [
        Shown(run_id="a", title="", state="completed", record=record, has_video=True),
        Shown(run_id="b", title="", state="completed", record={"logged": {}}, has_video=False),
    ]
    assert [take.run_id for take in takes(shown, comparisons=[compare(subject, subject, filters=Filters())])] == ["a"]
