"""The runs and tasks that a log has named and that are still open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from wayframe.logs.open_run import ORCHESTRATOR, SEGMENT, STITCH, OpenRun, OpenTask
from wayframe.logs.record import Evidence, RunRecord, RunStatus

_SETTLED_KEPT, _LOOSE_KEPT, _DONE_KEPT = 128, 1024, 4096


class Ledger:
    """Finds runs and tasks by their ids, makes them when they are first named, and lets go of those that are over.

    A failed or cancelled run may be taken up again (its task queued anew), so it stays until the log ends, unless
    more than `_SETTLED_KEPT` of them wait. Tasks whose run is not known yet wait for their claim to tell.
    """

    def __init__(self) -> None:
        self._runs: dict[str, OpenRun] = {}
        self._tasks: dict[str, OpenTask] = {}
        self._loose: OrderedDict[str, OpenTask] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._settled: OrderedDict[str, OpenRun] = OrderedDict()
        self._lying: dict[str, OpenRun] = {}

    def __contains__(self, text: object) -> bool:
        """Whether a text is the whole prompt of an open run."""
        return isinstance(text, str) and any(text.strip() in run.known_texts for run in self._runs.values())

    def prompts_beginning(self, line: str) -> Iterator[str]:
        """The prompts of open runs that go on after a first line."""
        prompts = (prompt for run in self._runs.values() for prompt in run.long_prompts)
        return (prompt for prompt in prompts if prompt.partition("\n")[0].strip() == line.strip())

    @property
    def has_decoys(self) -> bool:
        """Whether `is_a_value` can say yes at all."""
        return bool(self._lying)

    def note_decoys(self, run: OpenRun) -> None:
        """Take note of what a claim has brought."""
        if run.decoys:
            self._lying[run.orchestrator.task_id] = run

    def is_a_value(self, text: str) -> bool:
        """Whether a text that looks like a record is a part of a value of an open run."""
        return any(text in decoy for run in self._lying.values() for decoy in run.decoys)

    def run(self, orchestrator: str) -> OpenRun | None:
        """The open run of an orchestrator task."""
        return self._runs.get(orchestrator)

    def run_by_prefix(self, start: str) -> OpenRun | None:
        """The open run whose orchestrator's id begins so, when there is just one."""
        if start in self._runs:
            return self._runs[start]
        found = [run for orchestrator, run in self._runs.items() if orchestrator.startswith(start)]
        return found[0] if len(found) == 1 else None

    def open_run(self, orchestrator: str, *, again: bool, evidence: Evidence) -> OpenRun | None:
        """The open run of an orchestrator, made when it is new; None for one that is over unless it begins `again`."""
        if orchestrator in self._runs:
            return self._runs[orchestrator]
        if orchestrator in self._done and not again:
            return None
        task = OpenTask(task_id=orchestrator, kind=ORCHESTRATOR)
        run = OpenRun(orchestrator=task)
        task.run = run
        run.facts |= {"orchestrator_task_id": evidence, "status": evidence}
        self._tasks[orchestrator] = task
        self._runs[orchestrator] = run
        return run

    def task(self, task_id: str | None) -> OpenTask | None:
        """The task of this id, whether its run is known or not."""
        return self._tasks.get(task_id or "") or self._loose.get(task_id or "")

    def task_of(self, run: OpenRun | None, task_id: str, *, evidence: Evidence) -> OpenTask:
        """The task of this id, made when it is new, as part of `run` (None: not known yet)."""
        task = self.task(task_id) or OpenTask(task_id=task_id)
        task.facts.setdefault("task_id", evidence)
        task.facts.setdefault("status", evidence)
        if run is not None and task.run is None:
            task.run = run
            self._loose.pop(task_id, None)
        if task.run is None:
            self._loose[task_id] = task
            while len(self._loose) > _LOOSE_KEPT:
                self._loose.popitem(last=False)
        else:
            self._tasks[task_id] = task
            if task is not task.run.orchestrator:
                task.run.tasks[task_id] = task
        return task

    def settle(self, run: OpenRun) -> Iterator[RunRecord]:
        """Let a failed or cancelled run wait, or wait no more; gives the oldest when too many wait."""
        self._settled.pop(run.orchestrator.task_id, None)
        if run.settled:
            self._settled[run.orchestrator.task_id] = run
        while len(self._settled) > _SETTLED_KEPT:
            yield self.let_go(next(iter(self._settled.values())))

    def let_go(self, run: OpenRun) -> RunRecord:
        """The record of a run that is over as far as the log goes; it is forgotten here."""
        orchestrator = run.orchestrator.task_id
        for task_id in (orchestrator, *run.tasks):
            self._tasks.pop(task_id, None)
        for table in (self._runs, self._settled, self._lying):
            table.pop(orchestrator, None)
        self._done[orchestrator] = None
        while len(self._done) > _DONE_KEPT:
            self._done.popitem(last=False)
        return run.frozen()

    def rest(self) -> Iterator[RunRecord]:
        """The records of all runs that are still open, in the order in which the log named them."""
        for run in list(self._runs.values()):
            yield self.let_go(run)


def kind_of(task_type: object) -> str | None:
    """The part a task plays in a run, from its type; None when it has nothing to do with travel."""
    text = task_type if isinstance(task_type, str) else ""
    return next((kind for kind in (ORCHESTRATOR, SEGMENT, STITCH) if text.endswith(kind)), None)


def is_over(run: OpenRun) -> bool:
    """Whether a run has reached a status that something must undo; keeps its flag up to date."""
    status = run.status()
    run.settled = status in {RunStatus.FAILED, RunStatus.CANCELLED}
    return status is RunStatus.COMPLETED
