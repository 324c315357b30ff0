"""What every engine in the registry promises to those that render with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

import numpy as np
import pytest

from contract.jobs import OnDemand, batch, events, frames_of, job, picture, render, segment
from engines.wangp import installs
from wayframe.engines.base import Engine, EngineEvent, EngineSetup, Frame, FrameDone, SegmentDone, StepDone
from wayframe.engines.registry import load_engine, names
from wayframe.errors import CancelledError

Make: TypeAlias = Callable[[], Engine]


@pytest.fixture(params=names())
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes engines of one name, each with all that it needs to render; they are closed after the test."""
    setup, made = EngineSetup(), []
    if request.param == "wan":
        tiny = request.getfixturevalue("tiny")
        options = {"dtype": "float32", "device": "cpu", "text_length": "32"}
        setup = EngineSetup(options=options, model=tiny.model("i2v22"), weights=tiny.folder("i2v22"))

    if request.param == "wangp":
        setup = installs.setup()

    def another() -> Engine:
        made.append(load_engine(request.param, setup))
        return made[-1]

    yield another
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make: Make) -> Engine:
    return make()


def same(ours: Sequence[Frame], theirs: Sequence[Frame]) -> bool:
    return len(ours) == len(theirs) and all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_it_goes_by_the_name_that_it_was_asked_for_by(engine: Engine, make: Make) -> None:
    assert load_engine(engine.name).name == engine.name
    assert engine.identity.startswith(engine.name)
    assert engine.identity == make().identity


def test_what_a_plan_must_know_is_told_without_anything_to_render_with(engine: Engine) -> None:
    planning = load_engine(engine.name)
    assert (planning.denoises, planning.shows_keyframes) == (engine.denoises, engine.shows_keyframes)
    planning.close()


@pytest.mark.parametrize("size", [(64, 48), (96, 64), (65, 47), (48, 64)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_frames_have_the_number_size_and_type_that_were_asked_for(
    engine: Engine, size: tuple[int, int], count: int
) -> None:
    width, height = size
    first, last = picture(1, width=width, height=height), picture(1, width=width, height=height, shift=3)
    shown = render(engine, job(segment(frames=count), first=first, last=last))
    assert len(shown) == count
    assert {(frame.shape, frame.dtype) for frame in shown} == {((height, width, 3), np.dtype(np.uint8))}


def test_frames_of_a_segment_come_in_order_and_before_its_end(engine: Engine) -> None:
    jobs = batch()
    happened = events(engine, jobs)
    for one in jobs:
        mine = [event for event in happened if event_segment(event) == one.segment.index]
        indices = [event.index for event in mine if isinstance(event, FrameDone)]
        assert indices == list(range(one.segment.frames))
        assert isinstance(mine[-1], SegmentDone)
        assert sum(isinstance(event, SegmentDone) for event in mine) == 1


def event_segment(event: EngineEvent) -> int:
    return event.segment


def test_the_same_seed_gives_the_same_frames(engine: Engine, make: Make) -> None:
    for one in batch():
        assert same(render(engine, one), render(make(), one))


def test_a_segment_begins_and_ends_with_its_keyframes_where_it_shows_them(engine: Engine) -> None:
    for first, last in [(picture(1), picture(1, shift=5)), (picture(1), picture(9)), (picture(1), picture(1))]:
        shown = render(engine, job(segment(frames=6), first=first, last=last))
        at_ends = np.array_equal(shown[0], first) and np.array_equal(shown[-1], last)
        assert at_ends is engine.shows_keyframes


def test_a_segment_of_two_frames_is_its_two_keyframes_where_it_shows_them(engine: Engine) -> None:
    first, last = picture(1), picture(2)
    shown = render(engine, job(segment(frames=2), first=first, last=last))
    assert same(shown, [first, last]) is engine.shows_keyframes


def test_a_lone_keyframe_is_the_first_frame_where_it_shows_keyframes(engine: Engine) -> None:
    first = picture(1)
    shown = render(engine, job(segment(frames=5), first=first, last=None))
    assert len(shown) == 5
    assert np.array_equal(shown[0], first) is engine.shows_keyframes


def test_given_frames_start_the_segment(engine: Engine) -> None:
    given = tuple(picture(1, shift=shift) for shift in range(3))
    shown = render(engine, job(segment(frames=8), first=given[-1], last=picture(1, shift=9), given=given))
    assert len(shown) == 8
    assert same(shown[:3], given)
    assert np.array_equal(shown[-1], picture(1, shift=9)) is engine.shows_keyframes


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_segment_hardly_longer_than_what_is_given_keeps_its_length(engine: Engine, count: int) -> None:
    given = tuple(picture(1, shift=shift) for shift in range(3))
    for last in (None, picture(1, shift=4)):
        shown = render(engine, job(segment(frames=count), first=given[-1], last=last, given=given))
        assert len(shown) == count
        assert same(shown[:3], given[:count])


def test_frames_given_for_the_end_end_the_segment(engine: Engine) -> None:
    after = tuple(picture(1, shift=shift) for shift in (6, 7, 8))
    shown = render(engine, job(segment(frames=9), first=picture(1), last=None, given_after=after))
    assert len(shown) == 9
    assert same(shown[-3:], after)
    assert np.array_equal(shown[0], picture(1)) is engine.shows_keyframes


def test_a_bridge_keeps_what_is_given_at_both_ends_and_makes_what_is_between(engine: Engine) -> None:
    before = tuple(picture(1, shift=shift) for shift in range(3))
    after = tuple(picture(1, shift=shift) for shift in (8, 9))
    shown = render(engine, job(segment(frames=9), first=None, last=None, given=before, given_after=after))
    assert len(shown) == 9
    assert same(shown[:3], before)
    assert same(shown[-2:], after)
    assert not any(np.array_equal(frame, kept) for frame in shown[3:7] for kept in (*before, *after))


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_bridge_hardly_longer_than_what_is_given_keeps_its_length(engine: Engine, count: int) -> None:
    before, after = (picture(1), picture(1, shift=1)), (picture(1, shift=4),)
    shown = render(engine, job(segment(frames=count), first=None, last=None, given=before, given_after=after))
    assert len(shown) == count
    assert same(shown[:2], before)
    assert same(shown[-1:], after)


def test_a_segment_may_lead_to_a_keyframe_from_nowhere(engine: Engine) -> None:
    last = picture(1)
    shown = render(engine, job(segment(frames=5), first=None, last=last))
    assert len(shown) == 5
    assert np.array_equal(shown[-1], last) is engine.shows_keyframes


def test_every_planned_step_is_reported_or_none_is_ever(engine: Engine) -> None:
    jobs = batch()
    steps = [event for event in events(engine, jobs) if isinstance(event, StepDone)]
    for one in jobs:
        reported = [event.step.index for event in steps if event.segment == one.segment.index]
        assert reported == ([step.index for step in one.segment.steps] if engine.denoises else [])


@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_cancelling_stops_before_the_next_event(engine: Engine, after: int) -> None:
    stopped = False
    stream = engine.render(batch(), cancelled=lambda: stopped)
    assert len(list(islice(stream, after))) == after
    stopped = True
    with pytest.raises(CancelledError):
        next(stream)


def test_a_segment_is_the_same_alone_and_after_another(engine: Engine, make: Make) -> None:
    before, after = batch()[:2]
    alone = render(make(), after)
    render(engine, before)
    assert same(render(engine, after), alone)


def test_a_batch_is_the_same_in_any_order(engine: Engine) -> None:
    jobs = batch()
    forwards, backwards = frames_of(events(engine, jobs)), frames_of(events(engine, jobs[::-1]))
    assert forwards.keys() == backwards.keys()
    assert all(same(forwards[index], backwards[index]) for index in forwards)


def test_only_what_the_content_key_holds_decides_the_frames(engine: Engine) -> None:
    one = batch()[0]
    elsewhere = replace(one, segment=replace(one.segment, index=5, start=40, end=45))
    assert same(render(engine, one), render(engine, elsewhere))


def test_what_was_given_to_it_is_left_alone(engine: Engine) -> None:
    first, last, given = picture(1), picture(1, shift=5), picture(1, shift=2)
    render(engine, job(segment(frames=6), first=first, last=last, given=(given,)))
    assert np.array_equal(first, picture(1))
    assert np.array_equal(last, picture(1, shift=5))
    assert np.array_equal(given, picture(1, shift=2))


def test_jobs_may_be_made_on_demand(engine: Engine) -> None:
    jobs = OnDemand(4)
    done = [event.segment for event in engine.render(jobs) if isinstance(event, SegmentDone)]
    assert sorted(done) == [0, 1, 2, 3]


def test_a_closed_engine_still_tells_what_it_did(engine: Engine) -> None:
    render(engine, batch()[0])
    told = engine.report()
    engine.close()
    after = engine.report()
    assert (after.device, after.versions) == (told.device, told.versions)
    assert all(after.counts[name] >= count for name, count in told.counts.items())


def test_no_jobs_give_no_events(engine: Engine) -> None:
    assert events(engine, []) == []


def test_closing_twice_is_harmless(engine: Engine) -> None:
    engine.close()
    engine.close()
