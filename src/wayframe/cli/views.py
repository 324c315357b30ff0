"""Plans, findings, records and lists of runs as text for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wayframe.cli.plan_notes import notes
from wayframe.cli.views_after import after_line, final_line, guide_lines
from wayframe.core.documents import parse_findings
from wayframe.core.findings import RANK, Finding, Severity
from wayframe.core.plan import Plan, SegmentPlan

if TYPE_CHECKING:
    from wayframe.store.query import RunRow
    from wayframe.workflow.run import RunResult

STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
SHORT_KEY = 12
PROMPT_SHOWN, PLACES_SHOWN = 48, 300
ALIKE_SHOWN, RUN_ID, WIDE = 3, 17, 240
STATUS_STYLES = {"completed": "green", "failed": "red", "running": "cyan"}


def out() -> Console:
    """The console for results; into a pipe or a file nothing is cut to the width of a terminal."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if narrow else WIDE)


def print_plan(plan: Plan) -> None:
    """A plan: its head, its segments, and the steps of each distinct recipe."""
    console = out()
    seconds = float(plan.frames / plan.rate)
    denoised = f", {plan.forwards} forwards" if plan.forwards else ""
    console.print(
        f"[bold]{plan.resolution}[/] at {plan.fps} fps, [bold]{plan.frames} frames[/] ({seconds:.2f} s), "
        f"{len(plan.segments)} segment{'s' if len(plan.segments) > 1 else ''}{denoised}"
    )
    weights = f", weights {plan.weights}" if plan.weights else ""
    of_engine = plan.engine_identity.partition(" ")[2]
    engine = f"engine {plan.engine}" + (f" with {of_engine}" if of_engine else "")
    about = f"mode {plan.mode}, {plan.chaining}, {engine}, model {plan.model or 'none'}{weights}\n"
    console.print(Text(about), soft_wrap=True)
    console.print(_segments(plan))
    for line in notes(plan):
        console.print(Text(line), soft_wrap=True)
    for steps, group in groupby(plan.segments, key=lambda segment: segment.steps):
        if steps:
            console.print(_steps(list(group)))
    lines = [*guide_lines(plan), *([after_line(plan.after)] if plan.after else ())]
    if lines:
        console.print()
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    print_findings(plan.findings)


def _segments(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("segment", "frames", "from", "to", "overlap", "seed"):
        table.add_column(name, justify="right")
    table.add_column("prompt")
    table.add_column("key", style="dim")
    for segment in plan.segments:
        table.add_row(
            str(segment.index),
            str(segment.frames),
            str(segment.start),
            str(segment.end - 1),
            str(segment.overlap_before),
            str(segment.seed),
            escape(_short(segment.prompt)) if segment.is_rendered else f"[dim]{_as_it_is(plan, segment)}[/]",
            segment.key[:SHORT_KEY],
        )
    return table


def _as_it_is(plan: Plan, segment: SegmentPlan) -> str:
    """What no engine is asked for."""
    if segment.piece is not None:
        return f"frames {segment.piece.start} to {segment.piece.stop - 1} of video {segment.piece.clip}"
    return f"keyframe {plan.ends(segment)[0]} stands still"


def _short(text: str) -> str:
    return text if len(text) <= PROMPT_SHOWN else text[: PROMPT_SHOWN - 1] + "…"


def _steps(group: Sequence[SegmentPlan]) -> Table:
    first, last = group[0], group[-1]
    name = f"segment {first.index}" if first is last else f"segments {first.index} to {last.index}"
    table = Table(
        box=None, pad_edge=False, header_style="dim", title=f"\n{name}", title_justify="left", title_style="bold"
    )
    for column in ("step", "timestep", "phase", "expert", "guidance", *map(escape, first.steps[0].loras), "forwards"):
        table.add_column(column, justify="right")
    for step in first.steps:
        table.add_row(
            str(step.index),
            f"{step.timestep:.1f}",
            str(step.phase),
            step.expert,
            f"{step.guidance:g}",
            *(f"{weight:g}" for weight in step.loras.values()),
            str(step.forwards),
        )
    return table


def print_origins(origins: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Every value with where it comes from."""
    table = Table(
        box=None, pad_edge=False, header_style="dim", title="\norigins", title_justify="left", title_style="bold"
    )
    for name in ("field", "value", "origin"):
        table.add_column(name)
    for path, origin in origins.items():
        table.add_row(path, escape(_short(_value(path, values))), origin, style="dim" if origin == "default" else "")
    out().print(table)


def _value(path: str, values: Mapping[str, Any]) -> str:
    """The value at an origin's path; a recipe that all segments share is shown from the first one."""
    found = _at(path, values)
    return str(found if found is not None else _at(f"segments[0].{path}", values) or "")


def _at(path: str, values: Any) -> Any:
    for part in path.replace("]", "").replace("[", ".").split("."):
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


def print_findings(findings: Iterable[Finding]) -> None:
    """Findings, gravest first, with what to do; of many by one rule the first few are shown, of others the places."""
    console = out()
    groups: dict[str, list[Finding]] = {}
    for item in findings:
        groups.setdefault(item.code, []).append(item)
    if groups:
        console.print()
    for group in sorted(groups.values(), key=lambda items: -RANK[items[0].severity]):
        for item in group[:ALIKE_SHOWN]:
            line = Text(f"{item.severity.value:<8} ", style=STYLES[item.severity])
            line.append(item.message, style="default")
            line.append(f"  [{item.code} at {item.where}]", style="dim")
            console.print(line, soft_wrap=True)
        if rest := group[ALIKE_SHOWN:]:
            others = f"         {len(rest)} more of this kind: {_places([item.where for item in rest])}"
            console.print(Text(others, style="dim"), soft_wrap=True)
        console.print(Text(f"         {group[0].action}", style="dim"), soft_wrap=True)


def _places(places: Iterable[str]) -> str:
    """Each place once, whole, as far as they are short enough together."""
    shown = ""
    for place in dict.fromkeys(places):
        longer = f"{shown}, {place}" if shown else place
        if len(longer) > PLACES_SHOWN:
            return f"{shown or place[:PLACES_SHOWN]}, …"
        shown = longer
    return shown


def print_result(result: RunResult) -> None:
    """Where the video is, what it is made of, and what to look at."""
    console = out()
    record = result.record
    outcome, planned = record["outcome"], record["planned"]
    reused = sum(segment["reused"] for segment in record["applied"]["segments"])
    spent, stitch = outcome["seconds"], outcome["stitch"]
    facts = [
        f"{outcome['frames']} frames {planned['resolution']} at {planned['fps']} fps; "
        f"{reused} of {len(planned['segments'])} segments were rendered before",
        f"rendered in {spent['render']:.1f} s, joined in {spent['stitch']:.1f} s: "
        f"{stitch['copied']} frames copied, {stitch['encoded']} encoded again",
    ]
    made = outcome.get("after")
    console.print(Text(f"{result.video}", style="bold"), soft_wrap=True)
    if made:
        console.print(Text(final_line(made, name="final file")), soft_wrap=True)
    for line in facts:
        console.print(line, soft_wrap=True)
    console.print(Text(f"contact sheet {result.folder.sheet}", style="dim"), soft_wrap=True)
    console.print(Text(f"record        {result.folder.path / 'run.json'}", style="dim"), soft_wrap=True)
    found = parse_findings(record["findings"])
    print_findings(item for item in found if item.severity is not Severity.INFO or item.code in TOLD_AFTER_A_RUN)
    console.print(f"next: wayframe show {result.folder.run_id}")


TOLD_AFTER_A_RUN = ("engine-does-not-denoise", "wangp-used", "applied-from-settings")


def print_engine_note(plan: Plan, *, here: Sequence[str]) -> None:
    """Say it when the plan's engine is not installed: the plan stands, a run would not start."""
    if plan.engine not in here:
        sys.stderr.write(
            f"note: engine {plan.engine} is not installed here, this plan can be looked at but not run; "
            f"here are {', '.join(here)} (--engine preview)\n"
        )


def print_runs(rows: Sequence[RunRow]) -> None:
    """A list of runs, one a line."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    widths = {"run": RUN_ID, "status": 10, "segs": 4, "frames": 6, "phases": 6, "engine": 11}
    for name in (*widths, "model", "prompt"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=widths.get(name), ratio=name not in widths)
    for row in rows:
        table.add_row(
            row.run_id,
            Text(row.status, style=STATUS_STYLES.get(row.status, "yellow")),
            str(row.segments),
            str(row.frames or ""),
            str(row.num_phases or ""),
            f"{row.engine} (log)" if row.imported else row.engine,
            escape(row.model or ""),
            escape(_short(row.prompt or "")),
        )
    out().print(table)


def print_record(record: Mapping[str, Any]) -> None:
    """A run: status, tasks, outcome; its plan is shown by `print_plan`."""
    console = out()
    style = STATUS_STYLES.get(record["status"], "yellow")
    console.print(
        f"run [bold]{record['run_id']}[/] [{style}]{record['status']}[/], {record['created']}", soft_wrap=True
    )
    if record["error"]:
        console.print(Text(f"error: {record['error']}", style="red"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("task", "state", "what", "applied"):
        table.add_column(name, no_wrap=name == "task")
    for task in record["tasks"]:
        what = task["kind"] if task["segment"] is None else f"{task['kind']} {task['segment']}"
        table.add_row(task["id"], task["state"], what, _applied(record, task))
    console.print(table)
    _print_engine(record, console)
    outcome = record["outcome"]
    if "digest" in outcome:
        stitch = outcome["stitch"]
        console.print(
            f"{outcome['video']}: {outcome['frames']} frames, {outcome['bytes']} bytes, "
            f"{stitch['copied']} copied, {stitch['encoded']} encoded, digest {outcome['digest'][:SHORT_KEY]}"
        )
        if "after" in outcome:
            console.print(Text(final_line(outcome["after"], name=outcome["after"]["file"])), soft_wrap=True)


def _print_engine(record: Mapping[str, Any], console: Console) -> None:
    """What the engine ran on, what it was given, and what it counted; nothing where it tells nothing."""
    applied, environment = record["applied"], record["environment"]
    options = " ".join(f"{name}={value}" for name, value in environment.get("options", {}).items())
    counts = record["outcome"].get("engine", {})
    if counts or options:
        said = ", ".join(_counted(name, count) for name, count in counts.items())
        with_options = f" with {options}" if options else ""
        console.print(Text(f"engine on {environment['device']}{with_options}: {said or 'nothing was counted'}"))
    if "weights" in applied:
        console.print(Text(f"weights {applied['weights']}"), soft_wrap=True)
    for name, file in applied.get("loras", {}).items():
        commit = f", commit {file['commit'][:SHORT_KEY]}" if file["commit"] else ""
        held = _modules(applied["segments"], name)
        console.print(Text(f"LoRA {name}: sha256 {file['sha256'][:SHORT_KEY]}{commit}{held}"), soft_wrap=True)


def _counted(name: str, count: int) -> str:
    """A count in words: ``24 forwards``, ``0.8 GB moved``."""
    if "bytes" not in name:
        return f"{count} {name.replace('_', ' ')}"
    what = name.replace("bytes", "").replace("_", " ").strip()
    return f"{count / 1e9:.1f} GB {what}"


def _modules(segments: Sequence[Mapping[str, Any]], name: str) -> str:
    """In how many modules a LoRA was held, where its engine tells it; the most of all steps."""
    steps = [step for segment in segments for step in segment["steps"] or ()]
    held = [step["modules"][name][0] for step in steps if name in step.get("modules", {})]
    return f", in {max(held)} modules" if held else ""


def _applied(record: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    if task["segment"] is None:
        return ""
    entry = record["applied"]["segments"][task["segment"]]
    steps = "no steps" if entry["steps"] is None else f"{len(entry['steps'])} steps"
    return f"{steps}, found" if entry["reused"] else steps
