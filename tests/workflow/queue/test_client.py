"""What a user does with the queue, carried out by a process of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from wayframe.core.events import RunFinished, SegmentPublished, SegmentReused
from wayframe.errors import ImageError, SpecError, StoreError
from wayframe.workflow.queue.client import title_of
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.follow import present_attempt
from wayframe.workflow.queue.overview import overview, segments_done
from wayframe.workflow.queue.redo import Redo
from wayframe.workflow.queue.request import get_request, has_request, put_request
from wayframe.workflow.queue.rows import NewRun, QueueState, RunRow
from wayframe.workflow.record import new_record, plan_digest
from wayframe.workflow.render import OnDifference
from wayframe.workflow.trip import Trip
from workflow.queue.rows import at_once, new_run, new_worker, until
from workflow.queue.stage import Stage
from workflow.rides import Ground, draw, through

SEEDS = itertools.count(1000)


@pytest.fixture(scope="module", params=[False, True], ids=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue at work."""
    stage = Stage.at(tmp_path_factory.mktemp("stage"), base=tmp_path_factory.getbasetemp(), shared=request.param)
    with stage.at_work():
        yield stage
    stage.client.close()


@pytest.fixture
def idle(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue in which nobody works."""
    stage = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=False)
    yield stage
    stage.client.close()


def trip_of(stage: Stage, *names: int, **said: object) -> Trip:
    """A trip that no other test has."""
    return stage.ground.trip(through(*(names or (0, 1, 2)), seed=next(SEEDS), **said))


def written(trip: Trip, run_id: str) -> NewRun:
    """The row that a submit of this trip writes first."""
    return new_run(
        run_id,
        plan_digest=plan_digest(trip.planned()),
        capability="null",
        segments=len(trip.plan.segments),
        frames=trip.plan.frames,
    )


class TestSubmit:
    def test_a_queued_run_makes_the_video_that_the_loop_makes(self, stage: Stage, tmp_path: Path) -> None:
        trip = trip_of(stage, overlap=2, segment_frames=9)
        row = stage.submit(trip)
        assert (row.state, row.attempt, row.segments, row.frames) == (QueueState.QUEUED, 1, 2, trip.plan.frames)
        assert len(row.run_id) == 17
        assert row.run_id.isdigit()
        ended, events = stage.followed(row)
        assert ended.state is QueueState.COMPLETED
        assert sorted(event.segment for event in events if isinstance(event, SegmentPublished)) == [0, 1]
        folder = Finishing.of(stage.place, row.run_id).fetch()
        alone = Ground.at(tmp_path).run_trip(trip)
        record = folder.read()
        assert record["outcome"]["digest"] == alone.record["outcome"]["digest"]
        assert folder.video.read_bytes() == alone.video.read_bytes()
        assert record["planned"] == alone.record["planned"]
        assert {task["state"] for task in record["tasks"]} == {"complete"}
        assert record["attempts"] == 1
        assert record["outcome"]["seconds"].keys() == alone.record["outcome"]["seconds"].keys()

    def test_the_same_plan_under_the_same_id_is_the_same_run(self, stage: Stage) -> None:
        trip, name = trip_of(stage), f"mine-{next(SEEDS)}"
        rows = at_once([partial(stage.submit, trip, run_id=name) for _ in range(4)])
        assert {row.number for row in rows if isinstance(row, RunRow)} == {stage.place.runs.get(name).number}
        assert all(isinstance(row, RunRow) for row in rows)
        ended, events = stage.followed(rows[0])
        assert ended.state is QueueState.COMPLETED
        assert [event.segment for event in events if isinstance(event, SegmentPublished)] == [0, 1]
        assert stage.submit(trip, run_id=name).state is QueueState.COMPLETED

    def test_another_plan_under_a_known_id_is_refused(self, idle: Stage) -> None:
        idle.submit(trip_of(idle), run_id="mine")
        with pytest.raises(StoreError, match="run mine is there already, for another plan; choose another --id"):
            idle.submit(trip_of(idle), run_id="mine")

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 65, "last", "a~1"])
    def test_an_id_is_a_plain_word(self, idle: Stage, name: str) -> None:
        with pytest.raises(SpecError, match="--id: expected letters, digits, - and _, at most 64"):
            idle.submit(trip_of(idle), run_id=name)
        assert idle.place.runs.listed() == []

    def test_an_id_of_a_run_that_was_not_queued_is_taken(self, idle: Stage) -> None:
        done = idle.ground.run_trip(trip_of(idle))
        with pytest.raises(StoreError, match=r"is there already, in .*; choose another --id"):
            idle.submit(trip_of(idle), run_id=done.folder.run_id)

    def test_runs_submitted_at_once_get_ids_of_their_own(self, idle: Stage) -> None:
        trips = [trip_of(idle) for _ in range(6)]
        rows = at_once([partial(idle.submit, trip) for trip in trips])
        assert len({row.run_id for row in rows}) == 6

    def test_what_a_killed_submit_left_out_is_made_up_for(self, stage: Stage) -> None:
        trip, name = trip_of(stage), f"killed-{next(SEEDS)}"
        stage.place.runs.add(written(trip, name))
        assert not has_request(stage.place, name)
        row = stage.submit(trip, run_id=name)
        assert stage.followed(row)[0].state is QueueState.COMPLETED

    def test_a_request_that_a_removed_run_left_is_replaced(self, idle: Stage) -> None:
        old, new = trip_of(idle), trip_of(idle)
        idle.submit(old, run_id="mine")
        with idle.place.database.transaction() as connection:
            connection.exec_driver_sql("delete from wf_runs")
        idle.submit(new, run_id="mine")
        assert get_request(idle.place, "mine").plan == new.plan

    def test_keyframes_that_are_addresses_are_refused(self, idle: Stage) -> None:
        data = through(0, 1)
        data["keyframes"][0]["image"] = "https://pictures.example/0.png"
        with pytest.raises(ImageError, match=r"keyframes: 1 of them are not here: 0\.png"):
            idle.submit(idle.ground.trip(data))
        assert idle.place.runs.listed() == []

    def test_a_priority_has_bounds(self, idle: Stage) -> None:
        with pytest.raises(SpecError, match="--priority: expected -100 to 100"):
            idle.submit(trip_of(idle), priority=101)

    def test_a_title_is_the_prompt_else_the_pictures(self, idle: Stage) -> None:
        assert title_of(trip_of(idle, prompt="a\nhill  at dawn")) == "a hill at dawn"
        assert title_of(trip_of(idle)) == "0.png to 2.png"
        assert title_of(trip_of(idle, prompt="long " * 40)) == ("long " * 16)[:79] + "…"


class TestCancelAndResume:
    def test_a_run_ends_even_where_its_record_cannot_be_written(
        self, idle: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        row = idle.submit(trip_of(idle))
        (idle.place.home.runs / row.run_id / "run.json").mkdir(parents=True)
        assert idle.client.cancel(row.run_id).state is QueueState.CANCELLED
        assert Finishing.of(idle.place, row.run_id).record()["status"] == "cancelled"
        assert "its record could not be kept as files: " in caplog.text

    def test_a_run_that_waits_is_cancelled_and_its_record_says_so(self, idle: Stage) -> None:
        row = idle.submit(trip_of(idle))
        assert idle.client.cancel(row.run_id).state is QueueState.CANCELLED
        record = Finishing.of(idle.place, row.run_id).folder().read()
        assert record["status"] == "cancelled"
        assert {task["state"] for task in record["tasks"]} == {"cancelled"}
        told = len(idle.place.events.all_of(row.run_id))
        assert idle.client.cancel(row.run_id).state is QueueState.CANCELLED
        assert len(idle.place.events.all_of(row.run_id)) == told

    def test_a_cancelled_run_goes_on_and_finds_what_was_published(self, stage: Stage) -> None:
        names = [number % 4 for number in range(49)]
        row = stage.submit(trip_of(stage, *names, prompts=tuple(map(str, range(48)))), batch=48)
        until(lambda: segments_done(stage.place, row.run_id) > 0)
        assert stage.client.cancel(row.run_id).state is QueueState.CANCELLED
        ended, events = stage.followed(row)
        assert ended.state is QueueState.CANCELLED
        assert isinstance(events[-1], RunFinished)
        done = segments_done(stage.place, row.run_id)
        assert 0 < done < 48
        record = Finishing.of(stage.place, row.run_id).fetch().read()
        assert record["status"] == "cancelled"
        assert "running" not in {task["state"] for task in record["tasks"]}
        again = stage.client.resume(row.run_id)
        assert again.attempt == 2
        ended, events = stage.followed(row, after=present_attempt(stage.place, again))
        assert (ended.state, ended.attempt) == (QueueState.COMPLETED, 2)
        found = {event.segment for event in events if isinstance(event, SegmentReused)}
        made = {event.segment for event in events if isinstance(event, SegmentPublished)}
        assert len(found) >= done
        assert found | made == set(range(48))
        record = Finishing.of(stage.place, row.run_id).fetch().read()
        assert (record["status"], record["attempts"]) == ("completed", 2)
        assert {task["state"] for task in record["tasks"]} == {"complete"}

    def test_a_resume_that_was_killed_half_way_is_made_up_for(self, stage: Stage) -> None:
        trip, name = trip_of(stage), f"half-{next(SEEDS)}"
        stage.place.runs.add(written(trip, name))
        stage.client.cancel(name)
        stage.place.runs.begin_anew(name, attempt=1)
        stage.submit(trip, run_id=name)
        row = stage.client.resume(name)
        assert stage.followed(row)[0].state is QueueState.COMPLETED

    def test_what_has_ended_is_not_cancelled(self, stage: Stage) -> None:
        row = stage.submit(trip_of(stage))
        stage.followed(row)
        with pytest.raises(StoreError, match=f"run {row.run_id} is completed: there is nothing to cancel"):
            stage.client.cancel(row.run_id)
        with pytest.raises(StoreError, match=f"run {row.run_id} is completed, not cancelled"):
            stage.client.resume(row.run_id)

    def test_a_cancelled_run_is_resumed_not_retried(self, idle: Stage) -> None:
        row = idle.client.cancel(idle.submit(trip_of(idle)).run_id)
        with pytest.raises(StoreError, match=f"is cancelled, not failed; wayframe resume {row.run_id}"):
            idle.client.retry(row.run_id)


class TestRetry:
    def test_what_failed_is_tried_again(self, stage: Stage) -> None:
        picture = draw(stage.ground.folder / "more", 6)[5].rename(stage.ground.folder / f"{next(SEEDS)}.png")
        trip, name = trip_of(stage, 0, picture.stem), f"fails-{next(SEEDS)}"
        row, _ = stage.place.runs.add(written(trip, name))
        record = new_record(trip, run_id=name, created="2026-01-01T00:00:00.000+00:00")
        put_request(trip, place=stage.place, run_id=name, record=record, on=OnDifference.STOP)
        digest = trip.plan.keyframes[1].digest
        stage.place.objects.delete(f"blobs/{digest[:2]}/{digest}")
        ended, events = stage.followed(stage.submit(trip, run_id=name))
        assert ended.state is QueueState.FAILED
        assert ended.error is not None
        assert digest in ended.error
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        assert finished.error == ended.error
        assert Finishing.of(stage.place, name).fetch().read()["error"] == ended.error
        with pytest.raises(StoreError, match=f"is failed, not cancelled; wayframe retry {name}"):
            stage.client.resume(name)
        assert stage.place.blobs.put_blob(picture) == digest
        assert stage.client.retry(name).attempt == 2
        ended, _ = stage.followed(row)
        assert (ended.state, ended.attempt, ended.error) == (QueueState.COMPLETED, 2, None)


class TestRedo:
    @pytest.mark.parametrize(("chaining", "again"), [("independent", [1]), ("chained", [1, 2])])
    def test_only_what_changes_is_made_again(self, stage: Stage, chaining: str, again: list[int]) -> None:
        row = stage.submit(trip_of(stage, 0, 1, 2, 3, chaining=chaining, segment_frames=17))
        stage.followed(row)
        before = get_request(stage.place, row.run_id)
        made, numbers = stage.client.redo(row.run_id, change=Redo(segment=1, prompt="slower", seed=7))
        assert numbers == again
        assert (made.revision, made.revision_of) == (2, row.run_id)
        ended, events = stage.followed(made)
        assert ended.state is QueueState.COMPLETED
        assert sorted(event.segment for event in events if isinstance(event, SegmentPublished)) == again
        after = get_request(stage.place, made.run_id)
        assert after.plan.segments[1].prompt == "slower"
        assert [s.key for s in after.plan.segments[:1]] == [s.key for s in before.plan.segments[:1]]
        assert after.requested is not None
        assert after.requested["keyframes"][1] == {"image": "1.png", "prompt": "slower", "seed": 7}
        record = Finishing.of(stage.place, made.run_id).fetch().read()
        changed = {"prompt": "slower", "seed": 7}
        assert record["revision"] == {"number": 2, "of": row.run_id, "segment": 1, "changed": changed}
        assert record["resolved"]["values"]["segments"][1]["seed"] == 7
        assert record["resolved"]["origins"]["segments[1].prompt"] == "spec"

    def test_the_changed_plan_is_the_one_that_the_changed_spec_makes(self, idle: Stage) -> None:
        data = through(0, 1, 2, prompts=("a", "b"), chaining="chained", segment_frames=17, overlap=4)
        row = idle.submit(idle.ground.trip(data))
        change = Redo(segment=1, prompt="c", negative_prompt="d", seed=3, amount_of_motion=0.25)
        made, _ = idle.client.redo(row.run_id, change=change)
        data["keyframes"][1] |= {"prompt": "c", "negative_prompt": "d", "seed": 3, "amount_of_motion": 0.25}
        wanted, found = idle.ground.trip(data), get_request(idle.place, made.run_id)
        assert found.plan == wanted.plan
        assert found.resolved == wanted.resolved
        assert found.requested == wanted.requested

    def test_a_redo_of_a_redo_is_the_next_revision_of_the_first(self, idle: Stage) -> None:
        row = idle.submit(trip_of(idle))
        first, _ = idle.client.redo(row.run_id, change=Redo(segment=0, seed=1))
        second, _ = idle.client.redo(first.run_id, change=Redo(segment=1, seed=2))
        assert (second.revision, second.revision_of) == (3, row.run_id)
        assert get_request(idle.place, second.run_id).plan.segments[0].seed == 1

    def test_without_a_change_another_seed_is_drawn(self, idle: Stage) -> None:
        row = idle.submit(trip_of(idle))
        seeds = [
            get_request(idle.place, idle.client.redo(row.run_id, change=Redo(segment=0))[0].run_id)
            .plan.segments[0]
            .seed
            for _ in range(2)
        ]
        assert len({get_request(idle.place, row.run_id).plan.segments[0].seed, *seeds}) == 3

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (Redo(segment=2, seed=1), r"--segment: the run has segments 0 to 1 \(got 2\)"),
            (Redo(segment=0, seed=5), "segment 0 has seed 5 already; change something"),
            (Redo(segment=0, amount_of_motion=2.0), "amount_of_motion: must be 1 or less"),
            (Redo(segment=0, seed=-1), "seed: must be 0 or more"),
            (Redo(segment=0, prompt="sk-proj-" + "a1B2" * 12), "prompt: looks as if it held a secret"),
        ],
    )
    def test_a_change_that_cannot_be_made_is_refused(self, idle: Stage, change: Redo, said: str) -> None:
        row = idle.submit(idle.ground.trip(through(0, 1, 2, seed=5)))
        with pytest.raises(SpecError, match=said):
            idle.client.redo(row.run_id, change=change)
        assert len(idle.place.runs.listed()) == 1


class TestRemove:
    def test_a_run_that_has_ended_is_forgotten_and_its_segments_stay(self, stage: Stage) -> None:
        trip = trip_of(stage)
        row = stage.submit(trip)
        stage.followed(row)
        Finishing.of(stage.place, row.run_id).fetch()
        assert stage.client.remove(row.run_id) == row.run_id
        assert stage.place.runs.find(row.run_id) is None
        assert stage.place.events.all_of(row.run_id) == []
        assert list(stage.place.objects.list(f"runs/{row.run_id}")) == []
        assert not (stage.place.home.runs / row.run_id).exists()
        assert all(stage.place.artifacts().find(segment.key) for segment in trip.plan.segments)
        with pytest.raises(StoreError, match=f"there is no run '{row.run_id}'"):
            stage.client.remove(row.run_id)

    def test_an_open_run_is_not_forgotten(self, idle: Stage) -> None:
        row = idle.submit(trip_of(idle))
        with pytest.raises(StoreError, match=f"is queued; cancel it first: wayframe cancel {row.run_id}"):
            idle.client.remove(row.run_id)
        assert has_request(idle.place, row.run_id)

    def test_a_removal_that_was_broken_off_is_finished(self, idle: Stage) -> None:
        row = idle.client.cancel(idle.submit(trip_of(idle)).run_id)
        assert idle.place.runs.remove(row.run_id)
        assert idle.client.remove(row.run_id) == row.run_id
        assert list(idle.place.objects.list("runs")) == []
        assert idle.place.home.runs.is_dir()


class TestOrder:
    def test_a_run_that_is_moved_is_taken_up_earlier(self, idle: Stage) -> None:
        rows = [idle.submit(trip_of(idle)) for _ in range(3)]
        assert idle.client.prioritise(rows[2].run_id, priority=5).priority == 5
        with idle.place.database.reading() as connection:
            waiting = connection.exec_driver_sql("select workflow_uuid from workflow_status order by priority")
            order = [name for (name,) in waiting]
        assert order == [f"{rows[2].run_id}~1", f"{rows[0].run_id}~1", f"{rows[1].run_id}~1"]

    def test_a_run_that_has_ended_is_not_moved(self, idle: Stage) -> None:
        row = idle.client.cancel(idle.submit(trip_of(idle)).run_id)
        with pytest.raises(StoreError, match="is cancelled: it waits for nothing"):
            idle.client.prioritise(row.run_id, priority=1)

    def test_the_queue_is_paused_and_goes_on(self, idle: Stage) -> None:
        idle.client.pause()
        assert overview(idle.place).paused
        idle.client.pause(paused=False)
        assert not overview(idle.place).paused

    def test_a_worker_is_drained_by_its_name(self, idle: Stage) -> None:
        idle.place.workers.claim(new_worker("gpu-0"))
        idle.client.drain("gpu-0")
        assert [row.draining for row in idle.place.workers.alive()] == [True]
        with pytest.raises(StoreError, match="no worker is named gpu-1; alive: gpu-0"):
            idle.client.drain("gpu-1")
