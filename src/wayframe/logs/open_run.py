"""A run while its log is being read: what is known so far, and what that amounts to."""

from __future__ import annotations

from dataclasses import dataclass, field

from wayframe.logs.literals import Json, Object
from wayframe.logs.record import (
    AMBIGUOUS,
    Evidence,
    RunRecord,
    RunStatus,
    SegmentRecord,
    StitchRecord,
    TaskStatus,
)

ORCHESTRATOR, SEGMENT, STITCH = "travel_orchestrator", "travel_segment", "travel_stitch"


@dataclass(slots=True, kw_only=True, eq=False)
class OpenTask:
    """A task of a run: the orchestrator, a segment or the stitch."""

    task_id: str
    run: OpenRun | None = None
    kind: str | None = None
    index: int | None = None
    status: TaskStatus = TaskStatus.INCOMPLETE
    error: str | None = None
    requested: Object = field(default_factory=dict)
    planned: Object = field(default_factory=dict)
    applied: Object = field(default_factory=dict)
    ambiguous: bool = False
    claim: int | None = None
    """The hash of the literal it was claimed with: the log says every claim twice."""
    facts: dict[str, Evidence] = field(default_factory=dict)

    def set_status(self, status: TaskStatus, evidence: Evidence, *, error: str | None = None) -> None:
        """Take over a new status."""
        self.status, self.error = status, error
        self.facts["status"] = evidence
        self.facts.pop("error", None)
        if error is not None:
            self.facts["error"] = evidence

    def segment(self) -> SegmentRecord:
        """What is known of it as a segment."""
        return SegmentRecord(
            segment_index=self.index,
            task_id=self.task_id,
            status=self.status,
            error=self.error,
            requested=self.requested,
            planned=self.planned,
            applied=AMBIGUOUS if self.ambiguous else self.applied,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class OpenRun:
    """A run that has not been given out."""

    orchestrator: OpenTask
    run_id: str | None = None
    tasks: dict[str, OpenTask] = field(default_factory=dict)
    planned: Object = field(default_factory=dict)
    facts: dict[str, Evidence] = field(default_factory=dict)
    started: str | None = None
    last_change: str | None = None
    segments_made: int | None = None
    stitches_made: int | None = None
    """How many tasks the run has by the orchestrator's word."""
    settled: bool = False
    """It failed or was cancelled, and waits in case it is taken up again."""
    dependencies: dict[int, tuple[Json, Evidence]] = field(default_factory=dict)
    """What the segment to be made next will wait for."""
    known_texts: set[str] = field(default_factory=set)
    """Its prompts, without blanks around them."""
    long_prompts: set[str] = field(default_factory=set)
    """Those of its prompts that have several lines."""
    decoys: list[str] = field(default_factory=list)
    """Values of this run that hold what looks like a record."""

    def of_kind(self, kind: str) -> list[OpenTask]:
        """Its tasks of one kind, segments by their index."""
        found = [task for task in self.tasks.values() if task.kind == kind]
        return sorted(found, key=lambda task: (task.index is None, task.index or 0))

    def status(self) -> RunStatus:
        """Completed when its stitch is, or all segments where no stitch is made; else the worst of its tasks."""
        states = {task.status for task in (self.orchestrator, *self.tasks.values())}
        if self._completed():
            return RunStatus.COMPLETED
        if TaskStatus.FAILED in states:
            return RunStatus.FAILED
        return RunStatus.CANCELLED if TaskStatus.CANCELLED in states else RunStatus.INCOMPLETE

    def _completed(self) -> bool:
        stitches, segments = self.of_kind(STITCH), self.of_kind(SEGMENT)
        if stitches:
            return any(task.status is TaskStatus.COMPLETE for task in stitches)
        if not segments or any(task.status is not TaskStatus.COMPLETE for task in segments):
            return False
        return self._expected() == len(segments) and not self._makes_a_stitch()

    def _expected(self) -> int | None:
        expected = self.segments_made or self._payload().get("num_new_segments_to_generate")
        return expected if isinstance(expected, int) else None

    def _makes_a_stitch(self) -> bool:
        """By the orchestrator's word, else by its rule: `use_svi`, or a chained VACE run (both are the default)."""
        if self.stitches_made is not None:
            return self.stitches_made > 0
        payload = self._payload()
        return bool(
            payload.get("use_svi")
            or (payload.get("model_type", "vace") == "vace" and payload.get("chain_segments", True))
        )

    def _payload(self) -> Object:
        for task in (self.orchestrator, *self.tasks.values()):
            payload = task.requested.get("full_orchestrator_payload", task.requested)
            if isinstance(payload, dict) and "num_new_segments_to_generate" in payload:
                return payload
        return {}

    def frozen(self) -> RunRecord:
        """The record of what is known now."""
        segments, stitch = self.of_kind(SEGMENT), self._shown_stitch()
        status = self.status()
        return RunRecord(
            run_id=self.run_id,
            orchestrator_task_id=self.orchestrator.task_id,
            status=status,
            started=self.started,
            finished=None if status is RunStatus.INCOMPLETE else self.last_change,
            requested=self.orchestrator.requested,
            planned=self.planned,
            segments=tuple(task.segment() for task in segments),
            stitch=StitchRecord(task_id=stitch.task_id, status=stitch.status) if stitch else None,
            facts=self._all_facts(segments, stitch),
        )

    def _shown_stitch(self) -> OpenTask | None:
        stitches = self.of_kind(STITCH)
        complete = [task for task in stitches if task.status is TaskStatus.COMPLETE]
        return (complete or stitches)[-1] if stitches else None

    def _all_facts(self, segments: list[OpenTask], stitch: OpenTask | None) -> dict[str, Evidence]:
        facts = dict(self.facts)
        if "requested" in self.orchestrator.facts:
            facts["requested"] = self.orchestrator.facts["requested"]
        for at, task in enumerate(segments):
            facts |= {f"segments[{at}].{path}": evidence for path, evidence in task.facts.items()}
        for path in ("task_id", "status"):
            if stitch and path in stitch.facts:
                facts[f"stitch.{path}"] = stitch.facts[path]
        return facts
