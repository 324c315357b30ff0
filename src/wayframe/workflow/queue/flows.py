"""The two workflows: a run, which hands out batches and finishes; and a batch, which a worker renders.

Their code must fit what earlier versions recorded; whoever changes the order of their steps changes `FLOW_VERSION`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, DBOSClient, PortableWorkflowError, SetEnqueueOptions, SetWorkflowID, WorkflowHandle
from dbos import error as dbos_error

from wayframe.core.digest import content_digest
from wayframe.core.events import RunEvent, RunState
from wayframe.core.plan import Plan
from wayframe.errors import CancelledError, StoreError, WayframeError
from wayframe.files import redact_text
from wayframe.workflow.queue.adapter import FLOW_VERSION, RUNS_QUEUE, dbos_priority, outranked, render_queue
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.logging_lines import LOGGER
from wayframe.workflow.queue.patience import patiently
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rendering import Batch, BatchWork
from wayframe.workflow.queue.request import Request, get_request
from wayframe.workflow.queue.rows import OPEN, Owner, QueueState, RunRow, WorkerKind, WorkerRow
from wayframe.workflow.queue.sink import EventSink
from wayframe.workflow.queue.watch import Watch

RUN_FLOW, BATCH_FLOW = "run", "batch"
RESULT_SECONDS = 0.3


@dataclass(slots=True, kw_only=True)
class Setting:
    """What the workflows of this process work with; set once before `adapter.launch`.

    `heard` gets the events of what is rendered here, `busy` is told what is in work (run id, watch) and when it ends,
    `leaving` says whether this process was asked to take no more.
    """

    place: Place
    owner: Owner
    heard: Callable[[RunEvent], None] = lambda _event: None
    busy: Callable[[str | None, Watch | None], None] = lambda _run, _watch: None
    leaving: Callable[[], bool] = lambda: False


_setting: Setting | None = None


def use(setting: Setting) -> None:
    """Have the workflows of this process work with this setting."""
    globals()["_setting"] = setting


def _here() -> Setting:
    if _setting is None:
        raise StoreError("the workflows were launched without a setting")
    return _setting


def run_workflow_id(run_id: str, *, attempt: int) -> str:
    """The id of the workflow that carries out an attempt of a run."""
    return f"{run_id}~{attempt}"


def run_of_workflow(workflow_id: str) -> str:
    """The run that a workflow of ours belongs to."""
    return workflow_id.partition("~")[0]


def batch_workflow_id(batch: Batch, plan: Plan) -> str:
    """The id of a batch's workflow: the same segments of the same attempt are the same work."""
    digest = content_digest([plan.segments[number].key for number in batch.segments])
    return f"{run_workflow_id(batch.run_id, attempt=batch.attempt)}.b{digest[:12]}"


def enqueue_run(client: DBOSClient, row: RunRow) -> None:
    """Queue the present attempt of a run; doing it again changes nothing."""
    client.enqueue(
        {
            "workflow_name": RUN_FLOW,
            "queue_name": RUNS_QUEUE,
            "workflow_id": run_workflow_id(row.run_id, attempt=row.attempt),
            "app_version": FLOW_VERSION,
            "priority": dbos_priority(row.priority, number=row.number),
        },
        row.run_id,
        row.attempt,
    )


@DBOS.workflow(name=RUN_FLOW, max_recovery_attempts=1_000_000)
def run_flow(run_id: str, attempt: int) -> str:
    """Hand out what is missing, wait for it, and finish; gives the state in which the run ended."""
    begun = begin_step(run_id, attempt)
    if begun is None:
        return QueueState.CANCELLED.value
    if begun["error"]:
        return finish_step(run_id, attempt, begun["error"])
    failures = _in_turn(begun, run_id, attempt) if begun["chained"] else _all_at_once(begun, run_id, attempt)
    if failures and not begun["keep_going"]:
        stop_step(run_id, attempt)
    return finish_step(run_id, attempt, "; ".join(dict.fromkeys(failures)) or None)


@DBOS.workflow(name=BATCH_FLOW, max_recovery_attempts=1_000_000)
def batch_flow(run_id: str, attempt: int, segments: list[int]) -> dict[str, Any]:
    """Render some segments; gives the ``error`` that ended it, in words, if any, and the segments that it ``left``."""
    return render_step(run_id, attempt, segments)


def _all_at_once(begun: dict[str, Any], run_id: str, attempt: int) -> list[str]:
    """Queue all batches, and wait for whichever ends next; those of bridges come when all others are done.

    Gives the errors of those that failed, at most the first one when the run does not keep going.
    """
    batches = list(zip(begun["ids"], begun["batches"], strict=True))
    last = begun.get("last", [])  # what an earlier version began has none
    failures: list[str] = []
    for wave in (False, True):
        group = [batch for number, batch in enumerate(batches) if (number in last) is wave]
        if not failures or begun["keep_going"]:
            failures += _together(begun, run_id, attempt, batches=group)
    return failures


def _together(begun: dict[str, Any], run_id: str, attempt: int, *, batches: list[tuple[str, list[int]]]) -> list[str]:
    handles = [_enqueue(begun, run_id, attempt, workflow=name, segments=segments) for name, segments in batches]
    failures: list[str] = []
    while handles:
        ended = DBOS.wait_first(handles, polling_interval_sec=RESULT_SECONDS)
        handles = [handle for handle in handles if handle.workflow_id != ended.workflow_id]
        failures += _outcome(ended)[0]
        if failures and not begun["keep_going"]:
            break
    return failures


def _in_turn(begun: dict[str, Any], run_id: str, attempt: int) -> list[str]:
    """Queue each batch when the one before it is done, and what one left before the next; the first error ends it."""
    for name, segments in zip(begun["ids"], begun["batches"], strict=True):
        left = segments
        while left:
            workflow = name if left == segments else f"{name}-{len(left)}"
            begun = {**begun, "priority": priority_step(run_id)}
            failures, left = _outcome(_enqueue(begun, run_id, attempt, workflow=workflow, segments=left))
            if failures:
                return failures
    return []


def _enqueue(
    begun: dict[str, Any], run_id: str, attempt: int, *, workflow: str, segments: list[int]
) -> WorkflowHandle[dict[str, Any]]:
    options = SetEnqueueOptions(priority=begun["priority"], app_version=FLOW_VERSION)
    with SetWorkflowID(workflow), options:
        return DBOS.enqueue_workflow(begun["queue"], batch_flow, run_id, attempt, segments)


def _outcome(handle: WorkflowHandle[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """The error that a batch ended with, if any, and the segments that it left."""
    try:
        ended = handle.get_result(polling_interval_sec=RESULT_SECONDS)
    except dbos_error.DBOSAwaitedWorkflowCancelledError:
        return ["a batch was cancelled"], []
    except PortableWorkflowError as failure:
        return [redact_text(failure.message)], []
    return [ended["error"]] if ended["error"] else [], ended["left"]


@DBOS.step()
def begin_step(run_id: str, attempt: int) -> dict[str, Any] | None:
    """Begin an attempt: what is to be handed out, or None when it is not wanted any more.

    An error that does not pass is the result's ``error``.
    """
    try:
        return patiently(lambda: _begun(run_id, attempt))
    except Exception as error:
        LOGGER.exception("run %s cannot begin", run_id)
        return {"error": in_words(error)}


def _begun(run_id: str, attempt: int) -> dict[str, Any] | None:
    place = _here().place
    if not place.runs.begin(run_id, attempt=attempt):
        return None
    work = Finishing.of(place, run_id)
    work.begin()
    capability = work.request.capability
    workers = [
        row for row in place.workers.alive(kind=WorkerKind.WORKER) if serves(row, capability) and not row.draining
    ]
    batches = [
        Batch(run_id=run_id, attempt=attempt, segments=numbers) for numbers in work.batches(workers=len(workers))
    ]
    return {
        "error": None,
        "chained": work.request.plan.chaining == "chained",
        "keep_going": work.run.keep_going,
        "queue": render_queue(capability),
        "priority": dbos_priority(work.run.priority, number=work.run.number),
        "batches": [list(batch.segments) for batch in batches],
        "ids": [batch_workflow_id(batch, work.request.plan) for batch in batches],
        "last": [number for number, batch in enumerate(batches) if work.is_last(batch.segments)],
    }


@DBOS.step()
def priority_step(run_id: str) -> int:
    """DBOS's priority of a run as it is now: it may have been moved since the batch before was queued."""
    row = patiently(lambda: _here().place.runs.get(run_id))
    return dbos_priority(row.priority, number=row.number)


@DBOS.step()
def render_step(run_id: str, attempt: int, segments: list[int]) -> dict[str, Any]:
    """Render a batch here. An error of the work is a result; one that says that the work is not ours is raised."""
    here, workflow = _here(), str(DBOS.workflow_id)
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(here.place.database, workflow_id=workflow))
        row = watch.patiently(lambda: here.place.runs.find(run_id))
        if row is None or row.attempt != attempt or row.state not in OPEN:
            return _batch_end("the run is not wanted any more")  # cancelled while this batch was being queued
        sink = stack.enter_context(EventSink(here.place.events, run_id=run_id))
        stack.callback(here.busy, None, None)
        here.busy(run_id, watch)
        try:
            request = watch.patiently(lambda: get_request(here.place, run_id))
            work = BatchWork(
                place=here.place,
                request=request,
                batch=Batch(run_id=run_id, attempt=attempt, segments=tuple(segments)),
                owner=here.owner,
                watch=watch,
                sink=sink,
                heard=here.heard,
                keep_going=row.keep_going,
                gives_way=lambda: here.leaving() or watch.patiently(lambda: _comes_first(run_id, request)),
            )
            return _batch_end(None, left=watch.patiently(work.run))
        except CancelledError:
            raise
        except Exception as error:
            watch.check()
            LOGGER.exception("run %s: a batch failed", run_id)
            return _batch_end(in_words(error))


def _batch_end(error: str | None, *, left: Sequence[int] = ()) -> dict[str, Any]:
    return {"error": error, "left": list(left)}


def _comes_first(run_id: str, request: Request) -> bool:
    """Whether another run of a higher priority waits for a worker such as this one."""
    return outranked(_here().place.database, run_id=run_id, queue=render_queue(request.capability))


@DBOS.step()
def stop_step(run_id: str, attempt: int) -> None:
    """Cancel the batches of an attempt that are not done: one failed, and the run does not keep going."""
    prefix = f"{run_workflow_id(run_id, attempt=attempt)}.b"
    for status in ("ENQUEUED", "PENDING"):
        found = DBOS.list_workflows(workflow_id_prefix=prefix, status=status, load_input=False, load_output=False)
        for workflow in found:
            DBOS.cancel_workflow(workflow.workflow_id)


@DBOS.step()
def finish_step(run_id: str, attempt: int, error: str | None) -> str:
    """Stitch and close, or close as failed; gives the state."""
    here, workflow = _here(), str(DBOS.workflow_id)
    with Watch(here.place.database, workflow_id=workflow) as watch:
        work = watch.patiently(lambda: Finishing.of(here.place, run_id))
        if error is None:
            try:
                watch.patiently(lambda: work.complete(cancelled=watch.ended, confirm=watch.confirm))
            except CancelledError:
                raise
            except Exception as failure:
                watch.check()
                LOGGER.exception("run %s cannot be finished", run_id)
                error = in_words(failure)
        watch.confirm()
    return patiently(lambda: _closed(work, attempt=attempt, error=error)).value


def _closed(work: Finishing, *, attempt: int, error: str | None) -> QueueState:
    """Close a run whose record says that it is completed, or close its record, too."""
    state = QueueState.FAILED if error else QueueState.COMPLETED
    if error is not None:
        work.end(state=RunState.FAILED, error=error)
    if not work.place.runs.end(work.run.run_id, attempt=attempt, state=state, error=error):
        return _ended_otherwise(work, attempt=attempt, state=state)
    return state


def _ended_otherwise(work: Finishing, *, attempt: int, state: QueueState) -> QueueState:
    """The state in which the run is: when it was cancelled at the last moment, its record says so too."""
    row = work.place.runs.find(work.run.run_id)
    if row is None or row.attempt != attempt:
        return QueueState.CANCELLED
    if row.state is QueueState.CANCELLED:
        work.end(state=RunState.CANCELLED, error=None)
    return row.state if row.state not in OPEN else state


def in_words(error: BaseException) -> str:
    """An error in one line, without secrets; one that is not ours with its kind."""
    known = isinstance(error, WayframeError | OSError)
    return redact_text(str(error) if known else f"{type(error).__name__}: {error}")


def serves(row: WorkerRow, capability: str) -> bool:
    """Whether a worker offers a capability: by its whole name, or by its engine; one that names none offers all."""
    engine = capability.partition(":")[0]
    return not row.capabilities or not {capability, engine}.isdisjoint(row.capabilities)
