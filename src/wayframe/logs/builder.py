"""From events to runs: one pass, and nothing is kept but the runs that are still open."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from wayframe.files import Redactor, redact_text
from wayframe.logs.attribution import Executions
from wayframe.logs.claims import ClaimReader, facts_of_claim
from wayframe.logs.events import Event, Kind, event_of
from wayframe.logs.ledger import Ledger, is_over, kind_of
from wayframe.logs.lines import HEAD, UUID, Clock, clean, pieces
from wayframe.logs.literals import Json, read_literal, typed
from wayframe.logs.open_run import ORCHESTRATOR, SEGMENT, STITCH, OpenRun, OpenTask
from wayframe.logs.record import AMBIGUOUS, Evidence, RunRecord, TaskStatus, excerpt
from wayframe.logs.scan import Candidate, SentLines

_STATUSES = {
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "canceled": TaskStatus.CANCELLED,
    "queued": TaskStatus.INCOMPLETE,
}
_WORK = re.compile(rf"travel_seg_({UUID})$")
_DECIMAL = re.compile(r"\d{1,6}(?:\.\d{1,20})?$")
_LONGEST_ERROR, _EVIDENCE_OF, _LONGEST_PROMPT, _MOST_LINES = 4000, 400, 1 << 16, 200


class RunBuilder:
    """Takes candidate lines in order and gives runs as they complete; `finish` gives the others, in the log's order."""

    def __init__(self, *, redactor: Redactor, several_files: bool = False) -> None:
        self._redactor, self._several = redactor, several_files
        self._file, self._when = "", ""
        self._claims, self._ledger, self._executions = ClaimReader(redactor), Ledger(), Executions()
        self._planning: dict[str, OpenRun] = {}
        self._candidate = Candidate(line=0, text="", block=b"", end=0, ended=True, sound=True)
        self._evidence: Evidence | None = None
        self._damaged = False
        self._handlers: dict[Kind, Callable[[Event], OpenRun | None]] = {
            Kind.SENT: self._sent,
            Kind.RULED: self._ruled,
            Kind.CLAIMED: self._claimed,
            Kind.COMPLETED: self._completed,
            Kind.STATUS: self._status,
            Kind.CREATING: self._creating,
            Kind.QUEUED: self._queued,
            Kind.CREATED: self._created,
            Kind.DEPENDS: self._depends,
            Kind.EXECUTING: self._executing,
            Kind.EXECUTED: self._executed,
            Kind.STARTED: self._worker_started,
            Kind.STOPPED: self._worker_stopped,
            Kind.PLANNING: self._plan_begins,
            Kind.ENQUEUED: self._enqueued,
            Kind.PLANNED: self._planned,
            Kind.KEPT: self._kept,
            Kind.PARSED: self._parsed,
            Kind.TIMESTEPS: self._timesteps,
            Kind.MOTION: self._motion,
            Kind.SHUTDOWN: self._shut_down,
        }

    def open_file(self, name: str, *, new_process: bool) -> None:
        """The lines that follow are of this file; in the file of a new process nothing is under way yet."""
        self._file = name
        if new_process:
            self._executions.clear()
            self._planning.clear()

    def read_sent(self, lines: SentLines, *, clock: Clock) -> Iterator[RunRecord]:
        """Take plain lines of engine parameters; the same as `read` for each of them."""
        if self._ledger.has_decoys:
            for candidate in lines.one_by_one():
                yield from self.read(candidate, clock=clock)
            return
        owners = self._executions.owners()
        tasks = [task for task in map(self._task_of_work, owners) if task is not None]
        for line, (key, text) in enumerate(lines.pairs, lines.line):
            last = line == lines.line + len(lines.pairs) - 1
            whole = self._whole_prompt(text, lines.block, lines.end) if last and "prompt" in key else text
            place = (line, f"[{lines.time}] INFO GENERATION ")
            for task in tasks:
                self._apply(task, key=key, text=whole, place=place, certain=len(owners) == 1)

    def read(self, candidate: Candidate, *, clock: Clock) -> Iterator[RunRecord]:
        """The runs that this line completes."""
        self._candidate, self._damaged = candidate, False
        for piece in pieces(candidate.text, known=self._ledger):
            if self._ledger.is_a_value(piece.whole.strip()):
                continue
            when = clock.stamp(piece)
            event = event_of(piece)
            if event is None:
                continue
            self._when, self._evidence = when or self._when, None
            yield from self._took(self._handlers[event.kind](event), event)

    @property
    def damaged(self) -> bool:
        """Whether the last line held something that could not be read whole."""
        return self._damaged

    def finish(self) -> Iterator[RunRecord]:
        """The runs that the log leaves open, failed, or cancelled."""
        yield from self._ledger.rest()

    def _took(self, run: OpenRun | None, event: Event) -> Iterator[RunRecord]:
        if run is None:
            return
        over = is_over(run)
        run.last_change = self._when or None
        run.facts["status"] = self._proof(event)
        if over or run.settled:
            run.facts["finished"] = self._proof(event)
        if over:
            self._planning.pop(run.orchestrator.task_id, None)
            yield self._ledger.let_go(run)
        else:
            yield from self._ledger.settle(run)

    def _proof(self, event: Event) -> Evidence:
        if self._evidence is None:
            text = excerpt(redact_text(event.piece.whole[:_EVIDENCE_OF]))
            self._evidence = self._at_line(text)
        return self._evidence

    def _at_line(self, text: str) -> Evidence:
        return Evidence(line=self._candidate.line, text=text, file=self._file if self._several else None)

    # Claims: what was asked for.

    def _claimed(self, event: Event) -> OpenRun | None:
        literal = event.fields[0]
        task_id = self._claims.task_id(literal)
        task = self._ledger.task(task_id)
        if task and task.claim == hash(literal) and task.status is TaskStatus.INCOMPLETE:
            return None
        try:
            claim = self._claims.read(literal)
        except ValueError:
            self._damaged = True
            return None
        kind = kind_of(claim.task_type)
        orchestrator = claim.task_id if kind == ORCHESTRATOR else claim.orchestrator
        if kind is None or not claim.task_id or not orchestrator:
            return None
        proof = self._proof(event)
        run = self._ledger.open_run(orchestrator, again=kind == ORCHESTRATOR, evidence=proof)
        if run is None:
            return None
        task = self._ledger.task_of(run, claim.task_id, evidence=proof)
        task.kind, task.claim = kind, hash(literal)
        task.set_status(TaskStatus.INCOMPLETE, proof)
        facts_of_claim(claim, task=task, run=run, evidence=proof)
        self._ledger.note_decoys(run)
        if run.started is None and self._when:
            run.started = self._when
            run.facts["started"] = proof
        return run

    # The life of tasks.

    def _completed(self, event: Event) -> OpenRun | None:
        task = self._ledger.task(event.task)
        if task is None or task.status is not TaskStatus.INCOMPLETE:
            return None  # upstream says so even after the status was set to Failed
        task.set_status(TaskStatus.COMPLETE, self._proof(event))
        self._executions.end(f"travel_seg_{event.task}")
        return task.run

    def _status(self, event: Event) -> OpenRun | None:
        task = self._ledger.task(event.task)
        status = _STATUSES.get(event.fields[0].strip().lower())
        if task is None or status is None or task.status is TaskStatus.COMPLETE:
            return None
        told = event.fields[1] if len(event.fields) > 1 and event.fields[1] != "None" else ""
        self._executions.end(f"travel_seg_{event.task}")
        if status is task.status and not told:
            return None  # the confirmation of what was said with its reason
        error = None if status is TaskStatus.INCOMPLETE else self._redactor.text(told[:_LONGEST_ERROR]) or None
        task.set_status(status, self._proof(event), error=error)
        self._planning.pop(event.task or "", None)
        return task.run

    def _creating(self, event: Event) -> OpenRun | None:
        start, planner = event.fields[0].lower(), self._planner()
        mine = planner is not None and planner.orchestrator.task_id.startswith(start)
        run = planner if mine else self._ledger.run_by_prefix(start)
        if run is not None and event.task:
            self._ledger.task_of(run, event.task, evidence=self._proof(event))
        return None

    def _queued(self, event: Event) -> OpenRun | None:
        kind = kind_of(event.fields[0])
        if kind not in {SEGMENT, STITCH} or event.task is None:
            return None
        task = self._ledger.task_of(self._planner(), event.task, evidence=self._proof(event))
        task.kind = kind
        return task.run

    def _created(self, event: Event) -> OpenRun | None:
        if event.task is None:
            return None
        proof = self._proof(event)
        task = self._ledger.task_of(self._planner(), event.task, evidence=proof)
        task.kind, task.index = task.kind or SEGMENT, int(event.fields[0])
        task.facts["segment_index"] = proof
        waiting = task.run.dependencies.pop(task.index, None) if task.run else None
        if waiting is not None:
            task.planned["depends_on"], task.facts["planned.depends_on"] = waiting
        return None

    def _depends(self, event: Event) -> OpenRun | None:
        before = None if event.fields[1] == "None" else event.fields[1]
        for run in self._planning.values():
            run.dependencies[int(event.fields[0])] = (before if self._planner() else AMBIGUOUS, self._proof(event))
        return None

    # What the orchestrator and the segments planned.

    def _plan_begins(self, event: Event) -> OpenRun | None:
        run = self._ledger.run(event.task or "")
        if run is not None:
            self._planning[run.orchestrator.task_id] = run
        return None

    def _planner(self) -> OpenRun | None:
        """The only orchestrator at work; its records name neither it nor their task."""
        return next(iter(self._planning.values())) if len(self._planning) == 1 else None

    def _enqueued(self, event: Event) -> OpenRun | None:
        new_segments, new_stitches, segments, stitches = event.fields
        run = self._planning.pop(event.task or "", None) or self._ledger.run(event.task or "")
        if run is not None:
            run.segments_made = int(segments or new_segments)
            run.stitches_made = int((stitches or "0") if segments else (new_stitches or "0"))
        return run

    def _planned(self, event: Event) -> OpenRun | None:
        name, text = event.fields
        name, value, _, _, secrets = _sent_value(name, text)
        self._redactor.count += secrets
        for run in self._planning.values():
            run.planned[name] = value if self._planner() else AMBIGUOUS
            run.facts[f"planned.{name}"] = self._proof(event)
        return None

    def _kept(self, event: Event) -> OpenRun | None:
        for run in self._planning.values():
            for kept, name in (
                ("segment_frames", "quantised_segment_frames"),
                ("frame_overlap", "quantised_frame_overlap"),
            ):
                if name in run.planned:
                    run.planned[f"final_{kept}"] = run.planned[name] if self._planner() else AMBIGUOUS
                    run.facts[f"planned.final_{kept}"] = self._proof(event)
        return None

    def _parsed(self, event: Event) -> OpenRun | None:
        steps, thresholds, multipliers = event.fields
        return self._plans(event, steps_per_phase=steps, thresholds=thresholds, lora_multipliers=multipliers)

    def _timesteps(self, event: Event) -> OpenRun | None:
        return self._plans(event, timesteps=event.fields[0])

    def _motion(self, event: Event) -> OpenRun | None:
        return self._plans(event, amount_of_motion=event.fields[1], motion_lora_multiplier=repr(event.fields[0]))

    def _plans(self, event: Event, **texts: str) -> OpenRun | None:
        task = self._ledger.task(event.task)
        if task is None or task.run is None:
            return None
        mine = task is task.run.orchestrator
        planned, facts = (task.run.planned, task.run.facts) if mine else (task.planned, task.facts)
        for name, text in texts.items():
            value = _literal_or_none(text)
            if value is not None:
                planned[name] = _as_numbers(value) if name == "timesteps" else self._redactor.value(value)
                facts[f"planned.{name}"] = self._proof(event)
        return None

    # What the engine was sent.

    def _executing(self, event: Event) -> OpenRun | None:
        worker, work = event.fields
        self._executions.start(worker=worker, work=work.lower())
        return None

    def _executed(self, event: Event) -> OpenRun | None:
        self._executions.end(event.fields[0].lower())
        return None

    def _worker_started(self, event: Event) -> OpenRun | None:
        self._executions.worker_started(event.fields[0])
        return None

    def _worker_stopped(self, event: Event) -> OpenRun | None:
        self._executions.worker_stopped(event.fields[0])
        return None

    def _shut_down(self, _event: Event) -> OpenRun | None:
        self._executions.shut_down()
        return None

    def _ruled(self, _event: Event) -> OpenRun | None:
        self._executions.close_block()
        return None

    def _sent(self, event: Event) -> OpenRun | None:
        key, text = event.fields
        if not self._candidate.ended:
            self._damaged = True  # a value that the file's end may have cut
            return None
        owners = self._executions.owners()
        tasks = [task for task in map(self._task_of_work, owners) if task is not None]
        if "prompt" in key:
            text = self._whole_prompt(text, self._candidate.block, self._candidate.end)
        head = event.piece.whole[: len(event.piece.whole) - len(event.piece.text)]
        place = (self._candidate.line, redact_text(head))
        for task in tasks:
            self._apply(task, key=key, text=text, place=place, certain=len(owners) == 1)
        return None

    def _task_of_work(self, work: str) -> OpenTask | None:
        match = _WORK.match(work)
        return self._ledger.task(match[1]) if match else None

    def _apply(self, task: OpenTask, *, key: str, text: str, place: tuple[int, str], certain: bool) -> None:
        line, head = place
        key, value, known, shown, secrets = _sent_value(key, text)
        shown = excerpt(f"{head}[FINAL_PARAMS] {key}: {shown}")
        evidence = Evidence(line=line, text=shown, file=self._file if self._several else None)
        if not certain or task.ambiguous:
            task.ambiguous = True
            task.facts.setdefault("applied", evidence)
            return
        self._redactor.count += secrets
        task.facts[f"applied.{key}"] = evidence
        if known:
            task.applied[key] = value
        else:
            task.applied.pop(key, None)

    def _whole_prompt(self, text: str, block: bytes, at: int) -> str:
        """A prompt with its further lines, which follow in the block.

        A prompt that a claim holds is as long as it is there; any other goes on until a line begins with a head.
        """
        lines = _lines_at(block, at)
        for known in self._ledger.prompts_beginning(text):
            whole = "\n".join([text, *lines[: known.count("\n")]])
            if whole.strip() == known.strip():
                return whole
        if text in self._ledger:
            return text
        further = itertools.takewhile(lambda line: not HEAD.match(line), lines)
        return "\n".join([text, *further])


def _lines_at(block: bytes, at: int) -> list[str]:
    raw = block[at : at + _LONGEST_PROMPT].split(b"\n", _MOST_LINES)
    return [clean(line) for line in raw[:-1]]


@lru_cache(maxsize=4096)
def _sent_value(key: str, text: str) -> tuple[str, Json, bool, str, int]:
    """Key and value without secrets, whether the value is known, the value as it is shown, and the secrets in it."""
    redactor = Redactor()
    value, known = typed(text, key=key)
    safe: dict[str, Json] = redactor.value({key: value})
    (shown_key, shown_value), *_ = safe.items()
    shown = str(shown_value) if redactor.count else redactor.text(text)
    return shown_key, shown_value, known, shown, redactor.count


@lru_cache(maxsize=512)
def _literal_or_none(text: str) -> Json:
    try:
        return read_literal(text)
    except ValueError:
        return None


def _as_numbers(value: Json) -> Json:
    """The timesteps, which upstream prints as a list of texts."""
    texts = value if isinstance(value, list) else [value]
    numbers: list[Json] = [float(text) for text in texts if isinstance(text, str) and _DECIMAL.match(text)]
    return numbers if len(numbers) == len(texts) else value
