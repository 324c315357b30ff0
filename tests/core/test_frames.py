"""Frame arithmetic: positions and lengths by hand, and that no output frame is lost or made twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wayframe.core.frames import (
    FrameSource,
    Layout,
    check_overlaps,
    fitted_size,
    frame_sources,
    grid_neighbours,
    lay_out_batch,
    lay_out_timeline,
)
from wayframe.errors import SpecError

STEP = 4


def cut(segment: int, *frames: int) -> list[FrameSource]:
    return [FrameSource(segment=segment, frame=frame) for frame in frames]


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    overlaps = draw(st.lists(st.integers(0, 8), max_size=6))
    around = [0, *overlaps, 0]
    frames = [draw(st.integers(max(a + b, a + 1, 2), a + b + 12)) for a, b in itertools.pairwise(around)]
    return lay_out_batch(frames, overlaps=tuple(overlaps), step=1)


@pytest.mark.parametrize(
    ("asked", "overlap", "frames", "total"),
    [
        ((0, 52, 91), 6, (53, 45), 92),
        ((0, 52, 96), 1, (53, 45), 97),
        ((0, 52, 97), 0, (53, 45), 98),
        ((0, 60), 6, (61,), 61),
        ((0, 4, 8, 12), 1, (5, 5, 5), 13),
    ],
)
def test_timeline_of_positions_that_the_grid_reaches(
    asked: tuple[int, ...], overlap: int, frames: tuple[int, ...], total: int
):
    layout = lay_out_timeline(asked, overlaps=(overlap,) * (len(asked) - 2), step=STEP)
    assert (layout.frames, layout.total, layout.positions) == (frames, total, asked)


def test_a_keyframe_stands_at_the_last_frame_of_the_segment_on_its_left():
    layout = lay_out_timeline((0, 52, 91), overlaps=(6,), step=STEP)
    assert layout.starts() == (0, 47)
    assert [start + frames - 1 for start, frames in zip(layout.starts(), layout.frames, strict=True)] == [52, 91]


def test_a_position_goes_to_the_nearest_place_and_the_next_one_is_judged_by_what_was_asked():
    # every keyframe asked 2 beyond the grid: tie, the earlier place; the error of one is made good by the next
    assert lay_out_timeline((0, 50, 101, 151), overlaps=(1, 1), step=STEP).positions == (0, 48, 100, 152)
    assert lay_out_timeline((0, 51, 102, 153, 204), overlaps=(1, 1, 1), step=STEP).positions == (0, 52, 100, 152, 204)


def test_of_two_equally_near_places_the_earlier_one_is_taken():
    assert lay_out_timeline((0, 6), overlaps=(), step=STEP).positions == (0, 4)
    assert lay_out_timeline((0, 7), overlaps=(), step=STEP).positions == (0, 8)


def test_the_shortest_segment_shows_both_keyframes():
    assert lay_out_timeline((0, 1), overlaps=(), step=STEP).frames == (5,)
    assert lay_out_timeline((0, 5, 6), overlaps=(0,), step=1).frames == (6, 2)


@pytest.mark.parametrize(
    ("asked", "field", "problem"),
    [
        ((3, 9), "keyframes[0].at", "stands at frame 0"),
        ((0, 52, 52), "keyframes[2].at", "must come after frame 52"),
        ((0, 52, 40), "keyframes[2].at", "must come after frame 52"),
    ],
)
def test_positions_that_do_not_rise_from_0_are_refused(asked: tuple[int, ...], field: str, problem: str):
    with pytest.raises(SpecError, match=problem) as caught:
        lay_out_timeline(asked, overlaps=(1,) * (len(asked) - 2), step=STEP)
    assert (caught.value.field, caught.value.value) == (field, asked[-1] if len(asked) > 2 else asked[0])


def test_batch_counts_an_overlap_once():
    layout = lay_out_batch([61, 61], overlaps=(6,), step=STEP)
    assert (layout.positions, layout.starts(), layout.total) == ((0, 60, 115), (0, 55), 116)
    assert lay_out_batch([61, 61], overlaps=(1,), step=STEP).total == 121
    assert lay_out_batch([61, 61], overlaps=(0,), step=STEP).total == 122


@pytest.mark.parametrize(
    ("count", "fix"), [(60, "use 57 or 61"), (62, "use 61 or 65"), (3, "use 5 or more"), (1, "use 5 or more")]
)
def test_a_length_off_the_grid_is_refused_and_its_neighbours_are_named(count: int, fix: str):
    with pytest.raises(SpecError) as caught:
        lay_out_batch([61, count], overlaps=(1,), step=STEP, least=2)
    assert (caught.value.field, caught.value.value, caught.value.fix) == ("segment_frames[1]", count, fix)


@pytest.mark.parametrize("count", [0, -4])
def test_a_segment_without_a_frame_is_refused(count: int):
    with pytest.raises(SpecError, match=r"segment_frames\[0\]: is too short for a segment"):
        lay_out_batch([count], overlaps=(), step=1)


def test_overlaps_that_meet_are_refused_in_both_modes():
    assert lay_out_batch([9, 9, 9], overlaps=(4, 5), step=STEP).total == 18
    with pytest.raises(
        SpecError, match=r"overlap: segment 1 has 9 frames, but shares 5 with .* before and 5 after"
    ) as caught:
        lay_out_batch([9, 9, 9], overlaps=(5, 5), step=STEP)
    assert caught.value.value == 10
    with pytest.raises(SpecError, match="segment 1 has 9 frames"):
        lay_out_timeline((0, 20, 23, 40), overlaps=(6, 6), step=STEP)


def test_an_overlap_as_long_as_the_last_segment_is_refused():
    with pytest.raises(SpecError, match="segment 1 has no frame of its own"):
        check_overlaps(Layout(positions=(0, 8, 8), frames=(9, 9), overlaps=(9,)))


def test_neighbours_on_the_grid():
    assert [grid_neighbours(n, step=STEP) for n in (1, 2, 4, 5, 60, 61)] == [
        *((1, 1), (1, 5), (1, 5), (5, 5), (57, 61), (61, 61)),
    ]


def test_a_cut_drops_the_first_frames_of_the_right_segment():
    layout = lay_out_batch([5, 5], overlaps=(2,), step=STEP)
    assert list(frame_sources(layout, blended=[False])) == cut(0, 0, 1, 2, 3, 4) + cut(1, 2, 3, 4)


def test_a_blend_mixes_the_shared_frames_pair_by_pair():
    layout = lay_out_batch([5, 5], overlaps=(2,), step=STEP)
    mixed = [FrameSource(segment=0, frame=3, next_frame=0), FrameSource(segment=0, frame=4, next_frame=1)]
    assert list(frame_sources(layout, blended=[True])) == cut(0, 0, 1, 2) + mixed + cut(1, 2, 3, 4)


@given(layout=layouts(), data=st.data())
def test_every_output_frame_has_one_origin_or_is_one_blend_and_no_frame_is_used_twice(
    layout: Layout, data: st.DataObject
):
    blended = data.draw(st.lists(st.booleans(), min_size=len(layout.overlaps), max_size=len(layout.overlaps)))
    sources = list(frame_sources(layout, blended=blended))
    assert len(sources) == layout.total == sum(layout.frames) - sum(layout.overlaps)
    used = [(source.segment, source.frame) for source in sources]
    used += [(source.segment + 1, source.next_frame) for source in sources if source.next_frame is not None]
    dropped = {
        (join + 1, frame)
        for join, overlap in enumerate(layout.overlaps)
        if not blended[join]
        for frame in range(overlap)
    }
    everything = {(segment, frame) for segment, frames in enumerate(layout.frames) for frame in range(frames)}
    assert len(used) == len(set(used))
    assert set(used) == everything - dropped


@given(layout=layouts(), data=st.data())
def test_an_output_frame_is_the_frame_of_its_segment_that_stands_there(layout: Layout, data: st.DataObject):
    blended = data.draw(st.lists(st.booleans(), min_size=len(layout.overlaps), max_size=len(layout.overlaps)))
    starts = layout.starts()
    for output, source in enumerate(frame_sources(layout, blended=blended)):
        assert starts[source.segment] + source.frame == output
        if source.next_frame is not None:
            assert starts[source.segment + 1] + source.next_frame == output


@given(
    gaps=st.lists(st.integers(8, 60), min_size=1, max_size=30),
    overlap=st.integers(0, 4),
    step=st.sampled_from([1, 4, 8]),
)
def test_no_keyframe_moves_by_more_than_half_a_step_however_many_there_are(gaps: list[int], overlap: int, step: int):
    asked = [sum(gaps[:index]) for index in range(len(gaps) + 1)]
    assume(min(gaps) > overlap + 2 * step)
    layout = lay_out_timeline(asked, overlaps=(overlap,) * (len(gaps) - 1), step=step)
    assert all((frames - 1) % step == 0 for frames in layout.frames)
    assert max(abs(got - wanted) for got, wanted in zip(layout.positions, asked, strict=True)) <= step / 2
    ends = [start + frames - 1 for start, frames in zip(layout.starts(), layout.frames, strict=True)]
    assert list(layout.positions[1:]) == ends
    assert layout.total == layout.positions[-1] + 1


@pytest.mark.parametrize(
    ("size", "step", "fitted"),
    [
        ((768, 576), 16, (768, 576)),
        ((1536, 1152), 16, (768, 576)),
        ((1920, 1080), 16, (880, 496)),
        ((1080, 1920), 2, (498, 886)),
        ((100, 75), 16, (96, 64)),
        ((101, 75), 2, (100, 74)),
        ((10, 10), 16, (16, 16)),
    ],
)
def test_a_size_is_fitted_to_area_and_grid_without_being_enlarged(
    size: tuple[int, int], step: int, fitted: tuple[int, int]
):
    assert fitted_size(size, area=768 * 576, step=step) == fitted


@given(size=st.tuples(st.integers(64, 9000), st.integers(64, 9000)), step=st.sampled_from([2, 16, 32]))
def test_a_fitted_size_stays_within_the_area_and_the_picture_and_on_the_grid(size: tuple[int, int], step: int):
    width, height = fitted_size(size, area=768 * 576, step=step)
    assert width % step == height % step == 0
    assert width <= size[0]
    assert height <= size[1]
    assert width * height <= 768 * 576 or step in (width, height)
