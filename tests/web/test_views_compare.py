from __future__ import annotations

from pathlib import Path

from wayframe.core.comparison import compare
from wayframe.core.diff import Filters
from wayframe.web.views_compare import Shown, takes
from wayframe.workflow.subjects import subject_of
from workflow.rides import Ground, through


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


def test_a_run_that_only_a_log_knows_has_no_video_to_align(tmp_path: Path) -> None:
    record = Ground.at(tmp_path).run(through(0, 1)).record
    subject = subject_of(record, name="a", kind="run", source="")
    shown = [
        Shown(run_id="a", title="", state="completed", record=record, has_video=True),
        Shown(run_id="b", title="", state="completed", record={"logged": {}}, has_video=False),
    ]
    assert [take.run_id for take in takes(shown, comparisons=[compare(subject, subject, filters=Filters())])] == ["a"]
