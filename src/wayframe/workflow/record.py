"""The record of a run, as it grows from events."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

from wayframe.core.digest import content_digest
from wayframe.core.documents import findings_json
from wayframe.core.events import (
    EngineReported,
    FindingMade,
    LoraReady,
    RunEvent,
    RunFinished,
    SegmentPublished,
    SegmentReused,
    StepApplied,
    TaskChanged,
    TaskKind,
    TaskState,
    WeightsReady,
)
from wayframe.core.plan import Plan
from wayframe.store.runs import RECORD_SCHEMA, RUNNING
from wayframe.workflow.trip import Trip

COMPONENTS = ("wayframe", "av", "numpy", "opencv-python-headless", "pillow", "pydantic")
_QUEUED = {"state": TaskState.QUEUED.value, "started": None, "finished": None, "reused": False, "error": None}


def plan_digest(plan: Mapping[str, Any]) -> str:
    """What makes two plans the same work: everything but their findings."""
    return content_digest({name: value for name, value in plan.items() if name != "findings"})


def new_record(trip: Trip, *, run_id: str, created: str) -> dict[str, Any]:
    """The record of a run that has not begun; all its tasks are queued."""
    planned = trip.planned()
    return {
        "schema": RECORD_SCHEMA,
        "run_id": run_id,
        "status": RUNNING,
        "created": created,
        "finished": None,
        "error": None,
        "attempts": 0,
        "plan_digest": plan_digest(planned),
        "tasks": _tasks(trip.plan),
        "findings": findings_json(trip.plan.findings),
        "requested": trip.requested,
        "resolved": trip.resolved,
        "planned": planned,
        **_untouched(trip.plan),
        "environment": environment(trip.options),
    }


def renewed_record(record: Mapping[str, Any], *, trip: Trip) -> dict[str, Any]:
    """The record of an interrupted run as it goes on: its id and the ids of its tasks stay.

    Times are those of this attempt: what was done before is found again, and entered as such.
    """
    tasks = [{**task, **_QUEUED} for task in record["tasks"]]
    ended = {"status": RUNNING, "finished": None, "error": None}
    findings = {"findings": record["planned"]["findings"]}
    begun = {"tasks": tasks, **_untouched(trip.plan), "environment": environment(trip.options)}
    return {**record, **ended, **findings, **begun}


def _untouched(plan: Plan) -> dict[str, Any]:
    return {
        "applied": {"segments": [{"index": s.index, "steps": None, "reused": False} for s in plan.segments]},
        "outcome": {"segments": [{"index": s.index, "key": s.key, "digest": None} for s in plan.segments]},
    }


def _tasks(plan: Plan) -> list[dict[str, Any]]:
    segments = [(TaskKind.SEGMENT, segment.index) for segment in plan.segments]
    return [
        {
            "id": str(uuid4()),
            "kind": kind.value,
            "segment": index,
            **_QUEUED,
        }
        for kind, index in [(TaskKind.ORCHESTRATOR, None), *segments, (TaskKind.STITCH, None)]
    ]


def environment(options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Versions of what decides the result, the device, and the engine's options where there are any."""
    said = {"options": dict(options)} if options else {}
    return {
        **said,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "device": "cpu",
        "versions": {name: _version(name) for name in COMPONENTS},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def apply_event(record: dict[str, Any], event: RunEvent, *, time: str) -> None:
    """Enter an event into the record; `time` is its UTC time (ISO 8601)."""
    if isinstance(event, TaskChanged):
        _task_changed(record, event, time=time)
    elif isinstance(event, StepApplied):
        _step_applied(record, event)
    elif isinstance(event, SegmentPublished | SegmentReused):
        record["outcome"]["segments"][event.segment].update(digest=event.digest, frames=event.frames)
        _segment_made(record, event, time=time)
    elif isinstance(event, FindingMade):
        record["findings"] += findings_json((event.finding,))
    elif isinstance(event, RunFinished):
        record.update(status=event.state.value, finished=time, error=event.error)
        record["outcome"].update(event.outcome)
    elif isinstance(event, LoraReady | WeightsReady | EngineReported):
        _engine_told(record, event)


def _engine_told(record: dict[str, Any], event: LoraReady | WeightsReady | EngineReported) -> None:
    """What the engine was given, and what it said of itself after its work."""
    applied, environment = record["applied"], record["environment"]
    if isinstance(event, LoraReady):
        applied.setdefault("loras", {})[event.lora] = {"sha256": event.sha256, "commit": event.commit}
    elif isinstance(event, WeightsReady):
        applied["weights"] = event.identity
    else:
        environment["device"] = event.device
        environment["versions"] = {**environment["versions"], **event.versions}
        record["outcome"]["engine"] = dict(event.counts)


def _segment_made(record: dict[str, Any], event: SegmentPublished | SegmentReused, *, time: str) -> None:
    reused = isinstance(event, SegmentReused)
    record["applied"]["segments"][event.segment]["reused"] = reused
    task = _task(record, event.task)
    task["reused"] = reused
    if reused:
        task.update(started=time, finished=None)  # it was not rendered in this attempt, only looked up


def _task(record: Mapping[str, Any], number: str) -> dict[str, Any]:
    task: dict[str, Any] = next(task for task in record["tasks"] if task["id"] == number)
    return task


def _task_changed(record: dict[str, Any], event: TaskChanged, *, time: str) -> None:
    task = _task(record, event.task)
    task.update(state=event.state.value, error=event.error)
    if event.state is TaskState.RUNNING:
        task.update(started=time, finished=None, reused=False)
        if event.kind is TaskKind.SEGMENT:
            record["applied"]["segments"][event.segment]["steps"] = None
    elif event.state is not TaskState.QUEUED:
        task["finished"] = time


def _step_applied(record: dict[str, Any], event: StepApplied) -> None:
    segment = record["applied"]["segments"][event.segment]
    segment["steps"] = [
        *(segment["steps"] or []),
        {
            "index": event.step,
            "timestep": event.timestep,
            "expert": event.expert,
            "guidance": event.guidance,
            "loras": dict(event.loras),
            "forwards": event.forwards,
            **_told(event),
        },
    ]


def _told(event: StepApplied) -> dict[str, Any]:
    """What only some engines read back."""
    known = None not in (event.sigma, event.sigma_next)
    sigmas: dict[str, Any] = {"sigma": event.sigma, "sigma_next": event.sigma_next} if known else {}
    modules = {name: list(pair) for name, pair in event.modules.items()}
    return {**sigmas, "modules": modules} if modules else sigmas
