"""The shape of a trip: its segments, what they share, and words that do not fit together."""

from __future__ import annotations

import pytest

from core.trips import Data, planned, resolved, stills, timeline
from wayframe.core.shape import legs
from wayframe.core.spec import parse_spec
from wayframe.errors import SpecError


def with_keyframe(data: Data, at: int, **said: object) -> Data:
    data["keyframes"][at].update(said)
    return data


def ends(data: Data) -> list[tuple[int | None, int | None]]:
    return [leg.ends for leg in legs(parse_spec(data))]


def test_segments_lie_between_the_stops_of_a_trip():
    assert ends(stills(3)) == [(0, 1), (1, 2)]
    assert ends(stills(1)) == [(0, None)]
    assert ends(stills(2, loop=True)) == [(0, 1), (1, 2)]
    assert ends(stills(1, loop=True)) == [(0, 1)]
    assert ends(stills(2, loop=False)) == [(0, 1)]
    assert ends(with_keyframe(stills(2), 1, hold=5)) == [(0, 1), (1, 1)]
    assert ends(with_keyframe(stills(1), 0, hold=5)) == [(0, 0)]
    assert ends(stills(2, lead={}, trail={})) == [(None, 0), (0, 1), (1, None)]
    assert ends(stills(1, trail=[{}, {}], chaining="chained")) == [(0, None), (None, None)]
    assert ends(stills(1, segments=3)) == [(0, None), (None, None), (None, None)]
    assert ends(stills(2, continue_from="a.mp4")) == [(None, 0), (0, 1)]


@pytest.mark.parametrize(
    ("overlap", "hold", "shared"), [(4, None, (4, 4)), ([3, 5], None, (3, 5)), (4, 9, (1, 1, 4)), ([5], 9, (1, 1, 5))]
)
def test_a_hold_shares_one_frame_with_its_neighbours(overlap: object, hold: int | None, shared: tuple[int, ...]):
    data = stills(4, overlap=overlap)
    if hold:
        data["keyframes"][1]["hold"] = hold
    assert resolved(data).layout.overlaps == shared


def test_a_list_of_overlaps_begins_with_the_frames_of_a_video_that_is_continued():
    found = resolved(stills(2, continue_from="a.mp4", overlap=[7, 3]))
    given = found.segments[0].leg.given
    assert given is not None
    assert (given.start, given.frames, found.layout.overlaps) == (26, 7, (3,))


def test_positions_and_total_count_a_hold():
    layout = resolved(with_keyframe(timeline(0, 20, 40), 1, hold=6)).layout
    assert (layout.positions, layout.frames, layout.total) == ((0, 20, 40), (21, 6, 16), 41)


def test_the_grid_judges_positions_after_a_hold_by_what_was_asked_for():
    layout = resolved(with_keyframe(timeline(0, 50, 100, model="wan2.2-vace-a14b"), 1, hold=4)).layout
    assert layout.positions == (0, 48, 99)
    assert layout.frames == (49, 4, 49)


def test_a_lead_has_its_length_from_the_first_position():
    layout = resolved(timeline(16, 48, lead={})).layout
    assert (layout.positions, layout.frames) == ((16, 48), (17, 33))


def test_what_starts_from_frames_alone_is_chained():
    assert resolved(stills(1, segments=2)).chaining == "chained"
    assert resolved(stills(1, segments=2)).origins["chaining"] == "automatic"
    assert resolved(stills(1, segments=1)).chaining == "independent"
    assert resolved(stills(1, continue_from="a.mp4")).chaining == "chained"
    assert resolved(stills(2, continue_from="a.mp4", chaining="independent")).chaining == "independent"


def test_seeds_count_what_is_rendered():
    plan = planned(with_keyframe(stills(3, seed=5, seed_policy="increment"), 1, hold=4)).plan
    assert [segment.seed for segment in plan.segments if not segment.still] == [5, 6]


def test_an_error_in_a_trail_names_it():
    with pytest.raises(SpecError, match=r"trail\.phases\[0\]"):
        resolved(stills(2, model="wan2.2-vace-a14b", trail={"phases": [{"steps": 2, "expert": "only"}]}))
    with pytest.raises(SpecError, match=r"trail\.frames: is not a length of the model \(4n\+1\) \(got 60\)"):
        resolved(stills(2, model="wan2.2-vace-a14b", trail={"frames": 60}))
    with pytest.raises(SpecError, match=r"keyframes\[1\]\.frames: is not a length"):
        resolved(with_keyframe(stills(3, model="wan2.2-vace-a14b"), 1, frames=60))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (stills(2, loop=144), "loop: mode batch has no positions; say loop: true or mode: timeline"),
        (timeline(0, 52, loop=True), "loop: in mode timeline say where the first keyframe stands again"),
        (timeline(0, 52, loop=40), r"loop: must come after frame 52 \(got 40\)"),
        (stills(2, loop="soon"), r"loop: expected true or false, or in mode timeline a frame .* \(got 'soon'\)"),
        (stills(2, loop=True, trail={}), "trail: a loop begins and ends with the first keyframe"),
        (stills(2, loop=True, lead={}), "lead: a loop begins and ends with the first keyframe"),
        (stills(2, trail=[]), "trail: needs at least 1 segment"),
        (stills(2, trail=[{}, {}]), r"trail\[1\]: starts from the frames of the one before; say chaining: chained"),
        (stills(2, segments=2), "segments: is for a lone keyframe, and there is more than one keyframe"),
        (stills(1, segments=2, trail={}), "segments: is for a lone keyframe, and there is trail"),
        (stills(1, segments=2, chaining="independent"), "segments: each starts from the frames of the one before"),
        (stills(1, segments=0), "segments: must be 1 or more"),
        (with_keyframe(stills(1, segments=2), 0, hold=4), "segments: a lone keyframe that is held begins none"),
        (with_keyframe(stills(2), 0, hold=1), r"keyframes\[0\].hold: must be 2 or more \(got 1\)"),
        (with_keyframe(stills(2), 1, frames=9), r"keyframes\[1\].frames: no segment begins at the last keyframe"),
        (with_keyframe(stills(2, trail={}), 1, prompt="x"), r"keyframes\[1\].prompt: .*; say it in trail"),
        (with_keyframe(timeline(0, 52, 90), 1, frames=9), r"keyframes\[1\].frames: mode timeline takes its lengths"),
        (with_keyframe(stills(3, segment_frames=[9, 9]), 1, frames=9), r"keyframes\[1\].frames: segment_frames lists"),
        (stills(2, segment_frames=[9, 9], lead={"frames": 9}), "segment_frames: lists all lengths; leave the frames"),
        (timeline(16, 48, lead={"frames": 9}), "lead.frames: mode timeline takes it from the first keyframe's at"),
        (timeline(0, 48, lead={}), r"keyframes\[0\].at: must come after frame 0"),
        (stills(3, lead={}, overlap=[1]), "overlap: 1 value for 2 joins"),
        (with_keyframe(stills(3, overlap=[1]), 1, hold=4), "overlap: 1 value for 0 joins"),
        (stills(2, lead={"image": "x"}), "lead.image: unknown key"),
        (stills(2, trail=[{"frame": 3}]), r"trail\[0\].frame: unknown key; did you mean frames"),
    ],
)
def test_words_that_do_not_fit_together_are_refused_and_named(data: Data, problem: str):
    with pytest.raises(SpecError, match=problem):
        resolved(data)


def test_the_return_of_a_loop_is_named_as_the_spec_says_it():
    with pytest.raises(SpecError, match=r"^loop: must come after frame 40 \(got 30\)"):
        resolved(timeline(0, 40, loop=30))
    [moved, _] = resolved(timeline(0, 40, loop=82, model="wan2.2-vace-a14b")).findings
    assert (moved.where, moved.message) == ("loop", "keyframe 2 was asked for at frame 82 and stands at 80")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (timeline(0, "999999s"), r"^keyframes\[1\]\.at: must be frame 10000000 or before it \(got '999999s'\)"),
        (timeline(0, 9, loop="999999.5s"), r"^loop: must be frame 10000000 or before it"),
        (stills(2, segment_frames=10**9), r"^segment_frames: must be 10000000 or less"),
        (stills(3, segment_frames=[9, 10**9]), r"^segment_frames\[1\]: must be 10000000 or less"),
        (timeline(0, 9, lead={}), r"^keyframes\[0\]\.at: must come after frame 0 .*; what leads to it needs frames"),
    ],
)
def test_a_trip_ends_somewhere(data: Data, problem: str):
    with pytest.raises(SpecError, match=problem):
        resolved(data)


def test_a_video_is_continued_by_one_frame_at_least():
    with pytest.raises(SpecError, match="overlap: what continues a video starts from frames of it"):
        resolved(stills(1, continue_from="a.mp4", overlap=0))
