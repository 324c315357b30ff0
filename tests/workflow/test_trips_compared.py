"""Two trips that differ in one word about their shape, or in their final file: the comparison says which, in words."""

from __future__ import annotations

import pytest

from wayframe.core.comparison import Comparison, Topic, Verdict, compare
from wayframe.core.diff import Filters
from wayframe.core.dossier import Dossier, VideoPair
from wayframe.engines.preview import PreviewEngine
from wayframe.report.build import build_document
from wayframe.report.markdown import markdown
from wayframe.workflow.subjects import Reader
from workflow.rides import Data, Ground, through

BASE = through(0, 1, 2, segment_frames=9, engine=PreviewEngine.name)
HELD = through(0, 1, 2, segment_frames=9, engine=PreviewEngine.name)
HELD["keyframes"][1]["hold"] = 7


def against(ground: Ground, data: Data) -> Comparison:
    reader = Reader(home=ground.home, defaults={})
    sides = ground.spec_file(BASE, name="a.json"), ground.spec_file(data, name="b.json")
    return compare(*(reader.read(str(path)) for path in sides))


def told(compared: Comparison, *, video: VideoPair | None = None) -> str:
    dossier = Dossier(
        comparisons=(compared,),
        filters=Filters(),
        clips=(None, None),
        videos=(video,),
        arguments=("a.json", "b.json"),
    )
    return markdown(build_document(dossier)).replace("\\", "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({**BASE, "loop": True}, "B has the way back to the first keyframe (segment 2, 9 frames)"),
        ({**BASE, "lead": {}}, "B has a lead to the first keyframe (segment 0, 9 frames)"),
        ({**BASE, "trail": {"frames": 5}}, "B has a trail away from the last keyframe (segment 2, 5 frames)"),
        (HELD, "B has a keyframe that is held (segment 1, 7 frames)"),
        ({**BASE, "bridges": {"context": 2, "gap": 3}}, "B has a bridge (segment 1, 7 frames)"),
    ],
    ids=["loop", "lead", "trail", "hold", "bridges"],
)
def test_a_segment_of_its_own_kind_is_called_by_it(ground: Ground, data: Data, said: str) -> None:
    compared = against(ground, data)
    assert compared.verdict is Verdict.SAME_RECIPE
    assert [cause.topic for cause in compared.causes if not cause.paper] == [Topic.SHAPE, Topic.LENGTHS]
    assert said in told(compared)
    assert "put in" not in told(compared)


def test_what_continues_a_video_says_so_and_names_the_video(ground: Ground) -> None:
    ground.run(BASE).video.replace(ground.folder / "before.mp4")
    compared = against(ground, {**BASE, "continue_from": "before.mp4", "chaining": "independent"})
    text = told(compared)
    assert "B has a way on from the frames of a video (segment 0, 9 frames); `clips`: A *absent*, B" in text


def test_a_loop_is_no_keyframe_more(ground: Ground) -> None:
    text = told(against(ground, {**BASE, "loop": True}))
    assert "Both runs go through the same pictures in the same order" in text
    assert "The first keyframe stands at the end again in B, which loops." in text


def test_a_loop_through_other_pictures_names_these(ground: Ground) -> None:
    other = through(0, 2, segment_frames=9, engine=PreviewEngine.name, loop=True)
    assert "keyframe 1 of A left out (1.png)" in told(against(ground, other))


def test_a_final_file_is_a_cause_of_its_own(ground: Ground) -> None:
    compared = against(ground, {**BASE, "after": {"upscale": {"factor": 2}}})
    assert [cause.topic for cause in compared.causes] == [Topic.AFTER]
    assert compared.reason.startswith("final file differs")
    text = told(compared, video=VideoPair(same_packets=True))
    assert "The stitched videos of A and B are the same, packet for packet; what is made of them is not." in text
    assert "Yet the videos" not in text
