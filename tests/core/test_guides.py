"""Guide videos on the output: which frames of a segment they steer, and by which of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.trips import PREVIEW, VACE, digest, planned, stills
from wayframe.core.clips import ClipFacts
from wayframe.core.documents import parse_plan, plan_json
from wayframe.core.guide_spec import GuideDepth
from wayframe.core.guides import guide_findings, guided, is_looked_at
from wayframe.core.plan import EngineFacts, Plan
from wayframe.core.spec import parse_spec
from wayframe.errors import SpecError

DEPTH = {"video": "v.mp4", "kind": "depth", "until": 20}
MODEL = f"org/depth@{'a' * 40}"
WAN = EngineFacts(name="wan", identity="wan/1", denoises=True)


def video(frames: int, *, fps: str = "16") -> ClipFacts:
    return ClipFacts(digest=digest(f"{frames:04x}"), frames=frames, width=640, height=480, fps=fps)


def plan_with(*guides: dict[str, Any], frames: int = 97, fps: str = "16", **said: object) -> Plan:
    """Two segments of 49 frames, 97 in all, with guide videos of so many frames."""
    data = stills(3, segment_frames=49, model=VACE, steps=4, guidance=1, **said)
    spec = parse_spec({**data, "guides": [{"video": "v.mp4", **guide} for guide in guides]})
    videos = [video(frames, fps=fps)] * len(guides)
    models = {number: MODEL for number, guide in enumerate(spec.guides or ()) if guide.kind == "depth"}
    return guided(planned(data, engine=WAN).plan, said=spec.guides or (), videos=videos, models=models)


def shown(plan: Plan, segment: int) -> dict[int, int]:
    """By frame of a segment the frame of the video that it is shown."""
    guide = plan.segments[segment].guide
    spans = guide.spans if guide else ()
    return {span.at + index: source for span in spans for index, source in enumerate(span.sources)}


def test_a_guide_of_the_outputs_length_is_shown_frame_by_frame():
    plan = plan_with({})
    assert shown(plan, 0) == {frame: frame for frame in range(49)}
    assert shown(plan, 1) == {frame: frame + 48 for frame in range(49)}


def test_adjust_stretches_it_to_its_place():
    assert list(shown(plan_with({"until": 9}, frames=5), 0).values()) == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    squeezed = shown(plan_with({"at": "0.5s", "until": 13}, frames=97), 0)
    assert squeezed == {8: 0, 9: 24, 10: 48, 11: 72, 12: 96}


def test_clip_keeps_its_pace_and_ends_where_it_ends():
    assert shown(plan_with({"fit": "clip", "at": 46}, frames=5), 0) == {46: 0, 47: 1, 48: 2}
    assert shown(plan_with({"fit": "clip", "at": 46}, frames=5), 1) == {0: 2, 1: 3, 2: 4}
    assert shown(plan_with({"fit": "clip"}, frames=9, fps="32"), 0) == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8}


def test_where_no_guide_stands_nothing_changes():
    plain = planned(stills(3, segment_frames=49, model=VACE, steps=4, guidance=1), engine=WAN).plan
    plan = plan_with({"until": 20})
    assert plan.segments[1] == plain.segments[1]
    assert plan.segments[0].key != plain.segments[0].key
    assert plan_with() == plain


@pytest.mark.parametrize("change", [{"kind": "canny"}, {"strength": 0.5}, {"until": 19}, {"fit": "clip"}])
def test_all_that_is_said_of_a_guide_enters_the_key(change: dict[str, Any]):
    assert plan_with({"until": 20, **change}).segments[0].key != plan_with({"until": 20}).segments[0].key


def test_a_depth_guide_names_its_model_and_both_enter_the_key():
    plan = plan_with({"kind": "depth", "until": 20})
    (span,) = plan.segments[0].guide.spans
    assert span.depth == GuideDepth(model=MODEL)
    assert parse_plan(plan_json(plan)) == plan
    spread = plan_with({"kind": "depth", "until": 20, "contrast": 1.5})
    spec = parse_spec({**stills(3, segment_frames=49, model=VACE, steps=4, guidance=1), "guides": [DEPTH]})
    base = planned(stills(3, segment_frames=49, model=VACE, steps=4, guidance=1), engine=WAN).plan
    other = guided(base, said=spec.guides or (), videos=[video(97)], models={0: "folder:bb"})
    assert len({one.segments[0].key for one in (plan, spread, other, plan_with({"until": 20}))}) == 4


@pytest.mark.parametrize("change", [{"kind": "raw"}, {"depth": None}])
def test_depth_and_its_model_belong_together(change: dict[str, Any]):
    data = plan_json(plan_with({"kind": "depth", "until": 20}))
    data["segments"][0]["guide"]["spans"][0] |= change
    data["segments"][0]["key"] = ""
    with pytest.raises(SpecError, match=r"segments\[0\]\.guide\.spans\[0\]\.depth: is there for kind depth"):
        parse_plan(data)


@pytest.mark.parametrize(
    ("engine", "kind", "looks"), [("wan", "vace", True), ("wan", "i2v", False), ("preview", None, False)]
)
def test_guide_frames_are_for_those_who_look_at_them(engine: str, kind: str | None, looks: bool):
    assert is_looked_at(replace(plan_with({}), engine=engine, kind=kind)) is looks


def test_several_guides_follow_each_other_in_any_order():
    plan = plan_with({"at": 60, "kind": "flow"}, {"until": 10, "kind": "canny"})
    assert [(span.guide, span.kind, span.at) for span in plan.segments[0].guide.spans] == [(1, "canny", 0)]
    assert [(span.guide, span.kind, span.at) for span in plan.segments[1].guide.spans] == [(0, "flow", 12)]
    assert parse_plan(plan_json(plan)) == plan


@pytest.mark.parametrize(
    ("guides", "problem"),
    [
        ([{"until": 20}, {"at": 19}], r"guides\[1\]\.at: begins at frame 19, before guides\[0\] ends at 20"),
        ([{"at": 97}], r"guides\[0\]\.at: is not on the video of 97 frames"),
        ([{"at": 5, "until": 5}], r"guides\[0\]\.at"),
        (
            [{"until": 9, "strength": 1}, {"at": 20, "strength": 0.5}],
            r"guides\[1\]\.strength: segment 0 .*two str",
        ),
        ([{"kind": "zebra"}], r"guides\[0\]\.kind.*depth.*zebra"),
        ([{"model": "org/depth"}], r"guides\[0\]\.model: is for kind: depth, and this guide is of kind raw"),
        ([{"kind": "flow", "contrast": 2}], r"guides\[0\]\.contrast: is for kind: depth"),
        ([{"kind": "depth", "contrast": 5}], r"guides\[0\]\.contrast: .*4"),
        ([{"strength": 0}], r"guides\[0\]\.strength"),
        ([{"until": "soon"}], r"guides\[0\]\.until.*3\.2s"),
        ([{"end": 3}], r"guides\[0\]\.end: unknown key"),
    ],
)
def test_what_cannot_be_is_an_error_with_its_field(guides: list[dict[str, Any]], problem: str):
    with pytest.raises(SpecError, match=problem):
        plan_with(*guides)


@pytest.mark.parametrize(("name", "value"), [("sources", [97]), ("at", 40), ("guide", 1)])
def test_a_plan_that_was_edited_to_nonsense_is_refused(name: str, value: object):
    data = plan_json(plan_with({"until": 20}))
    data["segments"][0]["guide"]["spans"][0][name] = value
    data["segments"][0]["key"] = ""
    with pytest.raises(SpecError, match=r"segments\[0\]\.guide\.spans\[0\]"):
        parse_plan(data)


def test_a_finding_says_when_nothing_looks_at_guides():
    assert list(guide_findings(plan_with({}))) == []
    spec = parse_spec({**stills(2), "guides": [{"video": "v"}]})
    plan = guided(planned(stills(2), engine=PREVIEW).plan, said=spec.guides or (), videos=[video(9)])
    (found,) = guide_findings(plan)
    assert (found.code, found.message) == ("guide-unused", "engine preview does not look at guide videos")
