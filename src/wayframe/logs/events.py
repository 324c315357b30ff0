"""What the records of upstream's worker say: one event per record that tells something about a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from wayframe.logs.lines import UUID, Piece


class Kind(Enum):
    """What a record tells."""

    SENT = auto()
    """fields: key, value: one parameter that the engine was sent"""
    RULED = auto()
    """a ruled line of the generation: the end of a block of parameters"""
    CLAIMED = auto()
    """fields: the literal"""
    COMPLETED = auto()
    STATUS = auto()
    """fields: status, output location"""
    CREATING = auto()
    """fields: orchestrator id, perhaps cut off: the task will be made for it"""
    QUEUED = auto()
    """fields: task type"""
    CREATED = auto()
    """fields: segment index"""
    DEPENDS = auto()
    """fields: segment index, id of the task before it or None"""
    EXECUTING = auto()
    """fields: worker, name of the work"""
    EXECUTED = auto()
    """fields: name of the work"""
    STARTED = auto()
    """fields: worker"""
    STOPPED = auto()
    """fields: worker"""
    PLANNING = auto()
    ENQUEUED = auto()
    """fields: numbers of new segments, new stitch tasks, all segments, all stitch tasks; empty when not said"""
    PLANNED = auto()
    """fields: name, literal; of the orchestrator that plans at the time"""
    KEPT = auto()
    """the orchestrator keeps the frames as they were quantised"""
    PARSED = auto()
    """fields: steps, thresholds, multipliers of a phase_config"""
    TIMESTEPS = auto()
    """fields: the list"""
    MOTION = auto()
    """fields: multiplier string, amount of motion"""
    SHUTDOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A record's meaning. `task` is the id of the task that it names, if it names one."""

    kind: Kind
    piece: Piece
    task: str | None = None
    fields: tuple[str, ...] = ()


_NAMED_LISTS = {
    "[FRAME_DEBUG] Quantized segment_frames": "quantised_segment_frames",
    "[FRAME_DEBUG] Final quantized_frame_overlap": "quantised_frame_overlap",
    "  - New segment frames": "final_segment_frames",
    "  - New overlaps": "final_frame_overlap",
}
_RULES: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Kind.SENT, r"\[FINAL_PARAMS\] (\w+):(?: ([^\r]*))?"),
        (Kind.RULED, r"={10,}$"),
        (Kind.CLAIMED, r"(?:Edge Function claimed task|Supabase task_info): (?=\{)"),
        (Kind.COMPLETED, r"Task completed successfully(?::|$)"),
        (
            Kind.STATUS,
            r"(?:\[DEBUG\] )?update_task_status_supabase called: task_id=(?P<task>\S+), status=([\w ]+), "
            r"output_location=(.*?)(?:, thumbnail=\S*)?$",
        ),
        (Kind.STATUS, r"(?:\[DEBUG\] )?Edge function SUCCESS for task (?P<task>\S+) → status ([\w ]+)"),
        (Kind.STATUS, r"(?:\[DEBUG\] )?Successfully marked task (?P<task>\S+) as (Failed) via"),
        (Kind.STATUS, r"(?i).{0,200}?\b(?:reset|resetting|requeued|requeuing)\b.{0,200}?\b(queued)\b"),
        (Kind.EXECUTING, r"(\S+) executing generation for task (\S+)"),
        (Kind.EXECUTED, r"\S+ generation (?:completed|failed) for task (\S+?):?(?:\s|$)"),
        (Kind.STARTED, r"(GenerationWorker-\d+) started$"),
        (Kind.STOPPED, r"(GenerationWorker-\d+) stopped$"),
        (
            Kind.CREATING,
            rf"Supabase Edge call >>> POST \S+ payload=\{{'task_id': '(?P<task>{UUID})', 'params': "
            r"\{'orchestrator_task_id_ref': '([0-9a-fA-F-]{8,36})",
        ),
        (Kind.QUEUED, rf"Task (?P<task>{UUID}) \(Type: (\w+)\) queued via Edge Function\."),
        (Kind.CREATED, rf"\[DEBUG_DEPENDENCY_CHAIN\] New segment (\d+) created with actual DB ID: (?P<task>{UUID})"),
        (Kind.DEPENDS, rf"\[DEBUG_DEPENDENCY_CHAIN\] Creating new segment (\d+), depends_on \(.*?\): ({UUID}|None)"),
        (Kind.PLANNING, r"Starting travel orchestrator task$"),
        (Kind.PLANNING, rf"\[FRAME_DEBUG\] Orchestrator (?P<task>{UUID}): QUANTIZATION ANALYSIS"),
        (
            Kind.ENQUEUED,
            rf"Orchestrator (?P<task>{UUID}): Successfully enqueued (\d+) new segment tasks?(?: and (\d+) new stitch)?"
            r"(?:.*?\(Total expected: (\d+) segments?(?: \+ (\d+) stitch)?)?",
        ),
        (Kind.PLANNED, "(" + "|".join(map(re.escape, _NAMED_LISTS)) + r"): (\[[\d, ]*\])"),
        (Kind.PLANNED, r"\[FRAME_DEBUG\]   (Expected final length): (\d+) frames"),
        (Kind.PLANNED, r"\[VLM_BATCH\] (Initializing) (\S+) for \d+ transitions"),
        (Kind.PLANNED, r"\[ORCHESTRATOR_PHASE_CONFIG\] Added (\w+) to orchestrator_payload: (.*)"),
        (Kind.KEPT, r"\[FRAME_CONSOLIDATION\] Parameters not identical - keeping original allocation"),
        (
            Kind.PARSED,
            r"phase_config parsed: \d+ phases, steps=(\[.{0,400}?\]), thresholds=(\[.{0,400}?\]), \d+ LoRAs, "
            r"lora_multipliers=(\[.*\])",
        ),
        (Kind.TIMESTEPS, r"Generated timesteps for phase_config: (\[.*\])"),
        (
            Kind.MOTION,
            rf"\[LIGHTNING_LORA\] Travel segment (?P<task>{UUID}): Added Lightning LoRA with strength (\S+) "
            r"based on amount_of_motion=(\S+)",
        ),
        (Kind.SHUTDOWN, r"Server shutting down gracefully"),
    )
)
_ANY_ID, _NAMED_WITHIN = re.compile(UUID), 500
_OF_A_TASK = {Kind.COMPLETED, Kind.STATUS, Kind.PLANNING, Kind.PARSED, Kind.TIMESTEPS}
_PLAIN_NAMES = {"Expected final length": "expected_frames", "Initializing": "prompt_writer"}


def event_of(piece: Piece) -> Event | None:
    """What one record tells, or None. Only the start of a record's text counts: what it quotes tells nothing."""
    for kind, pattern in _RULES:
        match = pattern.match(piece.text)
        if match is not None:
            return _event(kind, match, piece)
    return None


def _event(kind: Kind, match: re.Match[str], piece: Piece) -> Event | None:
    task = match.groupdict().get("task") or piece.task
    if task is None and kind is Kind.STATUS:
        named_later = _ANY_ID.search(match[0]) or _ANY_ID.search(piece.text, 0, _NAMED_WITHIN)
        task = named_later[0] if named_later else None
    if (task is None and kind in _OF_A_TASK) or (kind is Kind.RULED and piece.component != "GENERATION"):
        return None
    named = match.re.groupindex.get("task")
    fields = tuple(text or "" for number, text in enumerate(match.groups(), 1) if number != named)
    if kind is Kind.PLANNED:
        fields = (_NAMED_LISTS.get(fields[0]) or _PLAIN_NAMES.get(fields[0]) or fields[0], fields[1])
    if kind is Kind.CLAIMED:
        fields = (piece.text[match.end() :],)
    return Event(kind=kind, piece=piece, task=task.lower() if task else None, fields=fields)
