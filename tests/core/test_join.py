"""The shape of a join: pieces, bridges, and the numbers between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.trips import CATALOGUE, VACE, Data, clip, planned, resolved
from wayframe.core.documents import parse_plan, plan_json
from wayframe.core.resolve import resolve
from wayframe.core.spec import parse_spec, spec_json
from wayframe.errors import SpecError


def join(count: int = 2, **said: object) -> Data:
    return {"join": {"clips": [f"{index}.mp4" for index in range(count)], **said}}


def spans(data: Data) -> list[tuple[int, int, int]]:
    """Clip, first frame and number of frames of every piece."""
    pieces = [segment.piece for segment in planned(data).plan.segments if segment.piece]
    return [(piece.clip, piece.start, piece.frames) for piece in pieces]


def test_a_bridge_has_its_gap_and_the_context_of_both_sides():
    segments = planned(join(context=4, gap=9)).plan.segments
    assert [segment.frames for segment in segments] == [33, 17, 33]
    bridge = segments[1]
    assert bridge.given is not None
    assert bridge.given_after is not None
    assert (bridge.given.clip, bridge.given.start, bridge.given.frames) == (0, 29, 4)
    assert (bridge.given_after.clip, bridge.given_after.start, bridge.given_after.frames) == (1, 0, 4)
    assert bridge.cuts == (4, 13)
    assert planned(join(context=1, gap=9)).plan.segments[1].cuts == (1, 10)


@pytest.mark.parametrize(
    ("replaced", "pieces"),
    [
        (None, [(0, 0, 33), (1, 0, 33), (2, 0, 33)]),
        (3, [(0, 0, 30), (1, 3, 27), (2, 3, 30)]),
        ([3, 0], [(0, 0, 30), (1, 0, 30), (2, 0, 33)]),
        ([0, 5], [(0, 0, 33), (1, 5, 28), (2, 5, 28)]),
    ],
)
def test_what_a_gap_takes_out_is_of_the_sides_that_face_it(replaced: object, pieces: list[tuple[int, int, int]]):
    data = join(3)
    if replaced is not None:
        data["join"]["replace"] = replaced
    assert spans(data) == pieces


def test_the_whole_counts_context_once():
    plan = planned(join(3, context=5, gap=7)).plan
    assert plan.frames == 3 * 33 + 2 * 7
    assert [segment.start for segment in plan.segments] == [0, 28, 40, 68, 80]


def test_the_rate_and_the_size_are_those_of_the_first_clip():
    data = parse_spec(join())
    facts = [replace(clip(index), fps="24000/1001", width=902, height=508) for index in range(2)]
    found = resolve(data, catalogue=CATALOGUE, first_size=(902, 508), clips=facts)
    assert (found.fps, found.resolution) == ("24000/1001", (902, 508))
    on_grid = resolve(parse_spec({**join(), "model": VACE}), catalogue=CATALOGUE, first_size=(902, 508), clips=facts)
    assert on_grid.resolution == (896, 496)


def test_clips_of_several_rates_need_a_word_about_it():
    facts = [clip(0), replace(clip(1), fps="24")]
    with pytest.raises(SpecError, match=r"join\.clips\[1\]: has 24 frames a second, and the first video 16; .* fps"):
        resolve(parse_spec(join()), catalogue=CATALOGUE, first_size=(640, 480), clips=facts)
    said = parse_spec({**join(), "fps": 16})
    assert resolve(said, catalogue=CATALOGUE, first_size=(640, 480), clips=facts).fps == 16


@pytest.mark.parametrize(("gap", "fix"), [(20, "use 17 or 21"), (3, "use 1 or 5")])
def test_a_gap_off_the_grid_names_its_neighbours(gap: int, fix: str):
    with pytest.raises(SpecError, match=fix) as caught:
        resolved({**join(context=6, gap=gap), "model": VACE})
    assert (caught.value.field, caught.value.value) == ("join.gap", gap)


def test_a_model_that_takes_no_end_does_not_see_where_a_bridge_leads():
    found = [item for item in planned({**join(), "model": "wan2.2-ti2v-5b"}).findings if "end-keyframe" in item.code]
    assert [item.message for item in found] == [
        "wan2.2-ti2v-5b takes the frames that a segment starts from, and not those that it leads to"
    ]
    assert "end-keyframe-unused" not in planned({**join(), "model": VACE}).codes
    assert "overlap-double-exposed" not in planned(join()).codes


def test_pieces_do_not_depend_on_the_engine_and_bridges_do():
    one, other = planned(join()), planned({**join(), "model": VACE, "prompt": "x"})
    assert [a == b for a, b in zip(one.keys, other.keys, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"clip": 7}, "segments[1].given_after.clip"),
        ({"frames": 99}, "segments[1].given_after.frames, behind the end of the video"),
    ],
)
def test_a_plan_whose_spans_are_not_in_its_clips_is_refused(change: dict[str, int], field: str):
    data = plan_json(planned(join()).plan)
    data["segments"][1]["given_after"].update(change)
    with pytest.raises(SpecError) as caught:
        parse_plan(data)
    assert caught.value.field == field


def test_a_join_reads_back_as_it_was_said():
    spec = parse_spec({"join": {"clips": ["a.mp4", {"video": "b.mp4", "frames": "3:"}], "replace": [1, 2]}})
    assert parse_spec(spec_json(spec)) == spec
