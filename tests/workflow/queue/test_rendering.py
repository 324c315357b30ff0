"""Batches as a worker renders them: what is claimed, made in turn, left to a later batch, and counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.clips import texture, write_video
from wayframe.core.events import EngineReported
from wayframe.errors import SpecError
from wayframe.workflow.queue.adapter import client, render_queue, translated
from wayframe.workflow.queue.bodies import event_of
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.rendering import Batch, BatchWork
from wayframe.workflow.queue.request import get_request, inputs_folder
from wayframe.workflow.queue.rows import AttemptRow, Outcome, QueueState, RunRow
from wayframe.workflow.queue.sink import EventSink
from wayframe.workflow.queue.watch import Watch
from wayframe.workflow.trip import Trip
from workflow.engines import Scripted, install
from workflow.queue.rows import new_worker, owner
from workflow.queue.stage import Stage
from workflow.queue.workflows import plant
from workflow.rides import Ground, through

ME, OTHER = owner(new_worker()), owner(new_worker("gpu-1"))
ALL = (0, 1, 2, 3)
NUMBERS = itertools.count()


@pytest.fixture(params=[False, True], ids=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=request.param)
    yield stage
    stage.client.close()


def trip_of(stage: Stage, *, chaining: str = "chained") -> Trip:
    return stage.ground.trip(through(0, 1, 2, 3, 0, chaining=chaining, overlap=2, segment_frames=9))


def made(
    stage: Stage, row: RunRow, segments: tuple[int, ...], *, gives_way: Callable[[], bool] = lambda: False
) -> list[int]:
    """Render a batch here; what it leaves."""
    place, workflow = stage.place, f"batch-{next(NUMBERS)}"
    plant(place.database, workflow, executor="here", queue=render_queue("null"))
    with Watch(place.database, workflow_id=workflow) as watch, EventSink(place.events, run_id=row.run_id) as sink:
        return BatchWork(
            place=place,
            request=get_request(place, row.run_id),
            batch=Batch(run_id=row.run_id, attempt=1, segments=segments),
            owner=ME,
            watch=watch,
            sink=sink,
            gives_way=gives_way,
        ).run()


def tries(stage: Stage, row: RunRow) -> list[AttemptRow]:
    return stage.place.attempts.of_run(row.run_id)


def is_free(stage: Stage, key: str) -> bool:
    """Whether nobody has a key in work; it is not taken."""
    taken = stage.place.claims.take(key, run_id="other", owner=OTHER)
    stage.place.claims.free([key], owner=OTHER)
    return taken


def test_chained_segments_are_made_in_turn_by_one_engine_and_counted_one_by_one(stage: Stage) -> None:
    row = stage.submit(trip_of(stage))
    assert made(stage, row, ALL) == []
    found = tries(stage, row)
    assert [(one.segment, one.alone, one.outcome) for one in found] == [
        (number, True, Outcome.PUBLISHED) for number in ALL
    ]
    ends = [one.ended or 0 for one in found]
    assert all(end <= one.started for end, one in zip(ends, found[1:], strict=False))
    events = [event_of(one.body) for one in stage.place.events.all_of(row.run_id)]
    assert sum(isinstance(event, EngineReported) for event in events) == 1


def test_a_chained_batch_that_gives_way_leaves_the_rest_with_nothing_in_work(stage: Stage) -> None:
    trip = trip_of(stage)
    row = stage.submit(trip)
    assert made(stage, row, ALL, gives_way=lambda: True) == [1, 2, 3]
    assert [one.segment for one in tries(stage, row)] == [0]
    assert all(is_free(stage, segment.key) for segment in trip.plan.segments)
    assert made(stage, row, (1, 2, 3)) == []
    assert [one.segment for one in tries(stage, row)] == list(ALL)


def test_what_was_published_before_a_takeover_is_not_made_again_nor_given_way_for_ever(stage: Stage) -> None:
    row = stage.submit(trip_of(stage))
    made(stage, row, (0, 1))
    assert made(stage, row, ALL, gives_way=lambda: True) == [2, 3]
    assert made(stage, row, (2, 3), gives_way=lambda: True) == [3]
    assert made(stage, row, (3,), gives_way=lambda: True) == []
    assert [one.segment for one in tries(stage, row)] == list(ALL)


def test_a_batch_of_independent_segments_is_made_as_a_whole(stage: Stage) -> None:
    row = stage.submit(trip_of(stage, chaining="independent"))
    assert made(stage, row, ALL, gives_way=lambda: True) == []
    assert sorted(one.segment for one in tries(stage, row)) == list(ALL)


def test_nothing_is_claimed_behind_a_segment_that_another_worker_makes(stage: Stage) -> None:
    trip = trip_of(stage)
    row, keys = stage.submit(trip), [segment.key for segment in trip.plan.segments]
    assert stage.place.claims.take(keys[2], run_id="other", owner=OTHER)
    seen: list[tuple[list[int], bool]] = []

    def look() -> bool:
        """Let the other one give up its segment when those before it are made."""
        done = [one.segment for one in tries(stage, row)]
        seen.append((done, is_free(stage, keys[3])))
        if done == [0, 1]:
            stage.place.claims.free([keys[2]], owner=OTHER)
        return False

    assert made(stage, row, ALL, gives_way=look) == []
    assert seen[:2] == [([0], True), ([0, 1], True)]
    assert seen[-1] == ([0, 1, 2], False)
    assert [one.segment for one in tries(stage, row)] == list(ALL)


def test_only_the_keyframes_of_a_batch_are_fetched(stage: Stage) -> None:
    row = stage.submit(trip_of(stage))
    made(stage, row, (0,))
    assert {path.name[17:] for path in inputs_folder(stage.place.home).glob("*.png")} == {"0.png", "1.png"}
    made(stage, row, (1,))
    assert {path.name[17:] for path in inputs_folder(stage.place.home).glob("*.png")} == {"0.png", "1.png", "2.png"}


@pytest.mark.parametrize(("batch", "batches"), [(0, 1), (3, 2), (1, 4)])
def test_a_chained_run_is_handed_out_in_batches_and_is_that_of_the_plain_loop(
    stage: Stage, tmp_path: Path, batch: int, batches: int
) -> None:
    trip = trip_of(stage)
    row = stage.submit(trip, batch=batch)
    with stage.at_work("one"), stage.at_work("two"):
        ended, _ = stage.followed(row)
    assert (ended.state, ended.error) == (QueueState.COMPLETED, None)
    record = Finishing.of(stage.place, row.run_id).fetch().read()
    alone = Ground.at(tmp_path / "plain").run_trip(trip)
    assert record["outcome"]["digest"] == alone.record["outcome"]["digest"]
    asker = client(stage.place.database)
    with translated(stage.place.database):
        found = asker.list_workflows(workflow_id_prefix=f"{row.run_id}~1.b", load_input=False, load_output=False)
    asker.destroy()
    assert [workflow.status for workflow in found] == ["SUCCESS"] * batches


@pytest.mark.parametrize(
    ("chaining", "batch", "workers", "sizes"),
    [
        ("independent", 0, 1, [10, 10]),
        ("independent", 0, 0, [10, 10]),
        ("independent", 20, 1, [20]),
        ("independent", 0, 2, [10, 10]),
        ("independent", 7, 2, [5, 5, 5, 5]),
        ("independent", 0, 40, [1] * 20),
        ("chained", 7, 2, [7, 7, 6]),
    ],
)
def test_every_worker_gets_as_many_batches_of_one_size(
    stage: Stage, chaining: str, batch: int, workers: int, sizes: list[int]
) -> None:
    prompts = tuple(str(number) for number in range(20))
    trip = stage.ground.trip(through(*[0, 1, 2] * 7, prompts=prompts, chaining=chaining, overlap=1))
    run = stage.submit(trip, batch=batch)
    batches = Finishing.of(stage.place, run.run_id).batches(workers=workers)
    assert [len(one) for one in batches] == sizes
    assert [number for one in batches for number in one] == list(range(20))


def test_a_depth_model_that_a_worker_lacks_ends_the_work_with_who_lacks_it_and_how_to_get_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted())
    write_video(stage.ground.folder / "guide.mp4", [texture(look)[:64, :96] for look in range(20, 29)])
    guide = {"video": "guide.mp4", "kind": "depth", "model": "org/none", "until": 5}
    row = stage.submit(stage.ground.trip(through(0, 1, 2, engine="scripted", guides=[guide])))
    said = rf"guides: the depth model org/none is not here \(on {ME.worker_id}\).*models pull org/none"
    with pytest.raises(SpecError, match=said):
        made(stage, row, (0, 1))
    assert {one.outcome for one in tries(stage, row)} == {Outcome.FAILED}
