"""Runs of a log as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wayframe.cli.views import RUN_ID, STATUS_STYLES, out, print_findings
from wayframe.core.run_rules import subject_findings
from wayframe.core.subject import StepTable
from wayframe.logs import RunRecord
from wayframe.workflow.log_subjects import logged_subject

SHOWN, TO_THE_SECOND, SETTINGS = (
    60,
    19,
    (
        "generation_mode",
        "model_name",
        "parsed_resolution_wh",
        "steps",
        "seed_base",
        "segment_frames_expanded",
        "frame_overlap_expanded",
        "amount_of_motion",
        "advanced_mode",
        "enhance_prompt",
    ),
)


def print_runs(runs: Iterable[RunRecord]) -> None:
    """One run a line; of a run that was read no more is kept than its line."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    widths = {"run": RUN_ID, "status": 10, "segs": 4, "phases": 6, "frames": 6, "finished": TO_THE_SECOND}
    for name in (*widths, "model"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=widths.get(name), ratio=name not in widths)
    for run in runs:
        table.add_row(
            Text(run.run_id or run.orchestrator_task_id or "?"),
            Text(run.status.value, style=STATUS_STYLES.get(run.status.value, "yellow")),
            str(len(run.segments)),
            Text(_phases(run)),
            str(run.planned.get("expected_frames") or run.planned.get("frames") or ""),
            (run.finished or "")[:TO_THE_SECOND],
            Text(str(run.requested.get("model_name") or run.planned.get("engine") or "")),
        )
    out().print(table)


def _phases(run: RunRecord) -> str:
    kinds = {
        str(s.applied["guidance_phases"])
        for s in run.segments
        if isinstance(s.applied, dict) and s.applied.get("guidance_phases")
    }
    return ", ".join(sorted(kinds))


def print_logged(logged: Mapping[str, Any]) -> None:
    """A run as its log tells it: its settings with lines, each segment with its steps, and what is odd about it."""
    console = out()
    subject = logged_subject(logged, source="", defaults={})
    style = STATUS_STYLES.get(logged["status"], "yellow")
    times = f"{logged['started'] or '?'} to {logged['finished'] or '?'}"
    console.print(f"run [bold]{escape(subject.name)}[/] [{style}]{logged['status']}[/], {times}", soft_wrap=True)
    console.print(_settings(logged) if logged["requested"] else _planned(logged))
    for position, segment in enumerate(logged["segments"]):
        _print_segment(segment, subject.segments[position].steps)
    if logged["stitch"]:
        console.print(Text(f"\nstitch {logged['stitch']['status']}", style="bold"))
    print_findings(item for item in subject_findings(subject) if item.code != "inferred")


def _print_segment(segment: Mapping[str, Any], steps: StepTable | None) -> None:
    console = out()
    error = f": {segment['error']}" if segment["error"] else ""
    console.print(
        Text(f"\nsegment {segment['segment_index']} {segment['status']}{error}", style="bold"), soft_wrap=True
    )
    prompt = str(segment["requested"].get("base_prompt") or "")
    if prompt.strip():
        console.print(Text(prompt, style="dim"))
    if steps is not None:
        console.print(steps_table(steps))
        for text in steps.inferred:
            console.print(Text(f"inferred: {text}", style="dim"), soft_wrap=True)
    elif isinstance(segment["applied"], str):
        console.print(Text("the log does not tell what was sent for this segment", style="yellow"))
    else:
        console.print(Text("what was sent was not logged", style="yellow"))


def _planned(logged: Mapping[str, Any]) -> Table:
    """What is known of a run whose request was not logged."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("planned", "value", "line"):
        table.add_column(name)
    for name, value in logged["planned"].items():
        proof = logged["evidence"].get(f"planned.{name}")
        table.add_row(escape(name), escape(repr(value)[:SHOWN]), str(proof["line"]) if proof else "")
    return table


def _settings(logged: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("requested", "value", "line"):
        table.add_column(name)
    known = logged["requested"]
    for name in SETTINGS:
        proof = logged["evidence"].get(f"requested.{name}")
        value = repr(known[name]) if name in known else "absent"
        table.add_row(
            name, escape(value[:SHOWN]), str(proof["line"]) if proof else "", style="" if name in known else "dim"
        )
    return table


def steps_table(steps: StepTable) -> Table:
    """The steps of a segment."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    names = list(dict.fromkeys(name for row in steps.rows for name in row.loras))
    for column in ("step", "timestep", "phase", "expert", "guidance", *map(escape, names)):
        table.add_column(column, justify="right")
    for index, row in enumerate(steps.rows):
        weights = [f"{row.loras[name]:g}" if name in row.loras else "" for name in names]
        table.add_row(str(index), f"{row.timestep:.1f}", str(row.phase), row.expert, f"{row.guidance:g}", *weights)
    return table
