"""Runs from our own logs: the same records as of upstream's, from events.jsonl or debug.log alone.

Such a log tells the course of a run and what the engine applied, not what was asked for: `requested` is not logged.
Of a run that was continued the last attempt decides, as in its own record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wayframe.core.events import RunFinished, RunStarted, RunState, TaskChanged, TaskKind, TaskState
from wayframe.logs.literals import Json, Object
from wayframe.logs.own_lines import OwnEvent, SegmentFound, StepTold
from wayframe.logs.own_scan import OwnLine
from wayframe.logs.record import Evidence, RunRecord, RunStatus, SegmentRecord, StitchRecord, TaskStatus

_TASK_STATES = {
    TaskState.QUEUED: TaskStatus.INCOMPLETE,
    TaskState.RUNNING: TaskStatus.INCOMPLETE,
    TaskState.COMPLETE: TaskStatus.COMPLETE,
    TaskState.FAILED: TaskStatus.FAILED,
    TaskState.CANCELLED: TaskStatus.CANCELLED,
}
_RUN_STATES = {
    RunState.COMPLETED: RunStatus.COMPLETED,
    RunState.FAILED: RunStatus.FAILED,
    RunState.CANCELLED: RunStatus.CANCELLED,
}


class OwnRuns:
    """Takes the lines of one log in order; gives completed runs as they complete, the others at the end.

    A line that names no run belongs to the run of the lines before. What stands before any name is the run that the
    next name tells, unless that one begins there.
    """

    def __init__(self) -> None:
        self._open: dict[str | None, _Run] = {}
        self._current: str | None = None

    def take(self, line: OwnLine, *, file: str | None = None) -> Iterator[RunRecord]:
        """The runs that this line ends; `file` goes into the evidence."""
        proof = Evidence(line=line.line, text=line.text, file=file)
        if line.event is None:
            self._current = line.run_id
            return
        if isinstance(line.event, RunStarted | RunFinished):
            self._current = line.event.run_id
        if isinstance(line.event, RunStarted) and not line.event.continued:
            yield from self._end_of_others()
        run = self._run(proof)
        run.take(line.event, time=line.time, proof=proof)
        if run.status is RunStatus.COMPLETED:
            self._current = None
            yield self._open.pop(run.run_id).frozen()

    def finish(self) -> Iterator[RunRecord]:
        """The runs that did not complete."""
        for run in self._open.values():
            yield run.frozen()
        self._open.clear()

    def _end_of_others(self) -> Iterator[RunRecord]:
        """A run that begins is none of the lines before, whatever they called themselves."""
        for name in (self._current, None):
            if name in self._open:
                yield self._open.pop(name).frozen()

    def _run(self, proof: Evidence) -> _Run:
        name = self._current
        run = self._open.get(name) or (self._open.pop(None) if None in self._open else _Run())
        self._open[name] = run
        if run.run_id is None and name is not None:
            run.run_id, run.facts["run_id"] = name, proof
        return run


@dataclass(slots=True, kw_only=True, eq=False)
class _Task:
    task_id: str
    kind: TaskKind
    index: int | None = None
    status: TaskStatus = TaskStatus.INCOMPLETE
    error: str | None = None
    steps: list[Json] = field(default_factory=list)
    facts: dict[str, Evidence] = field(default_factory=dict)

    def set_status(self, status: TaskStatus, *, error: str | None, proof: Evidence) -> None:
        self.status, self.error, self.facts["status"] = status, error, proof
        self.facts.pop("error", None)
        if error is not None:
            self.facts["error"] = proof

    def begin_again(self) -> None:
        """Forget the steps of an earlier try."""
        self.steps = []
        self.facts = {path: proof for path, proof in self.facts.items() if not path.startswith("applied")}

    def step(self, step: Object, *, proof: Evidence) -> None:
        self.facts.setdefault("applied.steps", proof)
        self.facts[f"applied.steps[{len(self.steps)}]"] = proof
        self.steps.append(step)

    def segment(self) -> SegmentRecord:
        return SegmentRecord(
            segment_index=self.index,
            task_id=self.task_id,
            status=self.status,
            error=self.error,
            requested={},
            planned={},
            applied={"steps": self.steps} if self.steps else {},
        )


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    run_id: str | None = None
    status: RunStatus = RunStatus.INCOMPLETE
    started: str | None = None
    finished: str | None = None
    planned: Object = field(default_factory=dict)
    tasks: dict[str, _Task] = field(default_factory=dict)
    facts: dict[str, Evidence] = field(default_factory=dict)

    def take(self, event: OwnEvent, *, time: str | None, proof: Evidence) -> None:
        if self.status is RunStatus.INCOMPLETE or isinstance(event, RunStarted | RunFinished):
            self.facts["status"] = proof
        if isinstance(event, RunStarted):
            self._begin(event, time=time, proof=proof)
        elif isinstance(event, RunFinished):
            self.status, self.finished = _RUN_STATES[event.state], time
            self.facts["finished"] = proof
        else:
            self._take_of_task(event, proof=proof)

    def _begin(self, event: RunStarted, *, time: str | None, proof: Evidence) -> None:
        self.status, self.finished = RunStatus.INCOMPLETE, None
        self.facts.pop("finished", None)
        if not event.continued:  # of a continued run another line told when it began
            self.started, self.facts["started"] = time, proof
        self.planned = {"engine": event.engine, "segments": event.segments, "frames": event.frames}
        self.facts |= {f"planned.{name}": proof for name in self.planned}
        for task in self.tasks.values():
            task.set_status(TaskStatus.INCOMPLETE, error=None, proof=proof)
            task.begin_again()

    def _take_of_task(self, event: TaskChanged | SegmentFound | StepTold, *, proof: Evidence) -> None:
        kind = event.kind if isinstance(event, TaskChanged) else TaskKind.SEGMENT
        task = self.tasks.get(event.task)
        if task is None:
            task = self.tasks[event.task] = _Task(task_id=event.task, kind=kind, index=event.segment)
            task.facts |= {"task_id": proof, "status": proof}
            task.facts |= {} if event.segment is None else {"segment_index": proof}
        if isinstance(event, StepTold):
            task.step(event.step, proof=proof)
        elif isinstance(event, SegmentFound) or event.state is TaskState.RUNNING:
            task.begin_again()
        if isinstance(event, TaskChanged):
            task.set_status(_TASK_STATES[event.state], error=event.error, proof=proof)

    def _of_kind(self, kind: TaskKind) -> list[_Task]:
        found = [task for task in self.tasks.values() if task.kind is kind]
        return sorted(found, key=lambda task: (task.index is None, task.index or 0))

    def frozen(self) -> RunRecord:
        """The record of what is known now."""
        segments = self._of_kind(TaskKind.SEGMENT)
        stitch = next(iter(self._of_kind(TaskKind.STITCH)), None)
        orchestrator = next(iter(self._of_kind(TaskKind.ORCHESTRATOR)), None)
        facts = dict(self.facts)
        for at, task in enumerate(segments):
            facts |= {f"segments[{at}].{path}": proof for path, proof in task.facts.items()}
        if stitch is not None:
            facts |= {f"stitch.{path}": stitch.facts[path] for path in ("task_id", "status")}
        if orchestrator is not None:
            facts["orchestrator_task_id"] = orchestrator.facts["task_id"]
        return RunRecord(
            run_id=self.run_id,
            orchestrator_task_id=orchestrator.task_id if orchestrator else None,
            status=self.status,
            started=self.started,
            finished=self.finished,
            requested={},
            planned=self.planned,
            segments=tuple(task.segment() for task in segments),
            stitch=StitchRecord(task_id=stitch.task_id, status=stitch.status) if stitch else None,
            facts=facts,
        )
