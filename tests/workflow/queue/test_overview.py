"""What the queue says of itself: where a run is, and why it waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wayframe.core.events import RunStarted, SegmentPublished, SegmentReused
from wayframe.workflow.queue.bodies import body_of
from wayframe.workflow.queue.overview import overview, segments_done
from wayframe.workflow.queue.rows import NewWorker, QueueState, RunRow, WorkerKind
from workflow.queue.rows import new_worker, owner
from workflow.queue.stage import Stage
from workflow.rides import through

ORCHESTRATOR = new_worker("orchestrator", kind=WorkerKind.ORCHESTRATOR)


@pytest.fixture
def idle(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue in which nobody works."""
    stage = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=False)
    yield stage
    stage.client.close()


def submit(stage: Stage, seed: int, *, engine: str = "null", priority: int = 0) -> RunRow:
    return stage.submit(stage.ground.trip(through(0, 1, 2, seed=seed, engine=engine)), priority=priority)


def works(stage: Stage, worker: NewWorker, *, run_id: str | None = None) -> None:
    """Have a worker claim its name, and say what it works for."""
    stage.place.workers.claim(worker)
    stage.place.workers.beat(owner(worker), holding="null" if run_id else None, run_id=run_id)


def reasons(stage: Stage) -> dict[str, str | None]:
    return {line.run_id: line.waits for line in overview(stage.place).runs}


class TestWhyARunWaits:
    def test_nobody_begins_runs(self, idle: Stage) -> None:
        row = submit(idle, 1)
        assert reasons(idle)[row.run_id] == "nobody begins runs: start `wayframe up` or `wayframe orchestrator`"

    def test_no_worker_renders_what_it_needs(self, idle: Stage) -> None:
        works(idle, ORCHESTRATOR)
        works(idle, new_worker(capabilities=("wan:tiny",)))
        row = submit(idle, 1)
        assert reasons(idle)[row.run_id] == "no worker renders null: start `wayframe up` or `wayframe worker`"

    def test_a_worker_that_names_an_engine_renders_its_models(self, idle: Stage) -> None:
        works(idle, ORCHESTRATOR)
        works(idle, new_worker(capabilities=("null",)))
        row = submit(idle, 1)
        assert reasons(idle)[row.run_id] == "it is next"

    def test_the_queue_is_paused(self, idle: Stage) -> None:
        works(idle, ORCHESTRATOR)
        works(idle, new_worker(capabilities=()))
        row = submit(idle, 1)
        idle.client.pause()
        assert reasons(idle)[row.run_id] == "the queue is paused: `wayframe queue --unpause` goes on"

    def test_its_workers_are_draining(self, idle: Stage) -> None:
        works(idle, ORCHESTRATOR)
        works(idle, new_worker(capabilities=()))
        row = submit(idle, 1)
        idle.client.drain("gpu-0")
        assert reasons(idle)[row.run_id] == "every worker that renders null is draining"

    def test_others_come_first_and_their_workers_are_busy(self, idle: Stage) -> None:
        works(idle, ORCHESTRATOR)
        first, second, urgent = submit(idle, 1), submit(idle, 2), submit(idle, 3, priority=9)
        other = submit(idle, 4, engine="preview")
        works(idle, new_worker(capabilities=()), run_id=urgent.run_id)
        found = reasons(idle)
        assert found == {
            urgent.run_id: None,
            first.run_id: "behind 1 run",
            second.run_id: "behind 2 runs",
            other.run_id: "the 1 worker for preview are busy",
        }


class TestOverview:
    def test_running_ones_come_first_then_the_order_in_which_they_are_taken(self, idle: Stage) -> None:
        rows = [submit(idle, 1), submit(idle, 2), submit(idle, 3, priority=1)]
        idle.place.runs.begin(rows[1].run_id, attempt=1)
        found = overview(idle.place, limit=2)
        assert [line.run_id for line in found.runs] == [rows[1].run_id, rows[2].run_id]
        assert found.left_out == 1
        (null,) = found.capabilities
        assert (null.capability, null.queued, null.running, null.workers) == ("null", 2, 1, 0)

    def test_a_segment_counts_once_however_often_it_is_told(self, idle: Stage) -> None:
        row = submit(idle, 1)
        started = RunStarted(run_id=row.run_id, engine="null", segments=2, frames=9, continued=False)
        made = SegmentPublished(task="t", segment=1, key="k", frames=5, digest="d")
        found = SegmentReused(task="t", segment=1, key="k", frames=5, digest="d")
        idle.place.events.add(row.run_id, [body_of(event) for event in (started, made, found)])
        assert segments_done(idle.place, row.run_id) == 1
        idle.place.runs.begin(row.run_id, attempt=1)
        assert [line.done for line in overview(idle.place).runs] == [1]

    def test_a_worker_and_its_renderer_are_one_for_a_run(self, idle: Stage) -> None:
        row = submit(idle, 1)
        works(idle, new_worker("gpu-0"), run_id=row.run_id)
        works(idle, new_worker("gpu-0/render", boot="b", kind=WorkerKind.RENDERER), run_id=row.run_id)
        assert [line.workers for line in overview(idle.place).runs] == [("gpu-0",)]

    def test_ended_runs_are_counted(self, idle: Stage) -> None:
        row = submit(idle, 1)
        idle.place.runs.end(row.run_id, attempt=1, state=QueueState.FAILED, error="no")
        assert overview(idle.place).ended == {"failed": 1}

    def test_a_worker_tells_what_it_does(self, idle: Stage) -> None:
        works(idle, new_worker("a"), run_id="r")
        works(idle, new_worker("b", boot="b"))
        works(idle, new_worker("c", boot="c"))
        works(idle, ORCHESTRATOR)
        idle.client.drain("c")
        states = {line.worker_id: line.state for line in overview(idle.place).workers}
        assert states == {"a": "working", "b": "idle", "c": "draining", "orchestrator": "idle"}
        idle.client.pause()
        assert {line.worker_id: line.state for line in overview(idle.place).workers}["b"] == "paused"
