"""The queue as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from wayframe.cli.views import RUN_ID, STATUS_STYLES, out
from wayframe.core.wording import counted, duration

if TYPE_CHECKING:
    from wayframe.workflow.queue.gc import Collected
    from wayframe.workflow.queue.overview import CapabilityLine, Overview, RunLine, WorkerLine

BAR = 10
RENDERER = "renderer"
"""The process that does a worker's work: the worker's line says what it does."""
WORKER_STYLES = {"working": "green", "draining": "yellow", "paused": "yellow"}


def print_overview(found: Overview) -> None:
    """Open runs, what is asked of which workers, and the workers."""
    console = out()
    _print_head(found, console)
    if found.runs:
        console.print(_runs(found.runs))
    if found.left_out:
        console.print(Text(f"and {counted(found.left_out, 'run')} more; --limit shows them", style="dim"))
    waiting = [line for line in found.capabilities if line.batches]
    if waiting:
        console.print()
        console.print(_capabilities(waiting))
    console.print()
    if found.workers:
        console.print(_workers([line for line in found.workers if line.kind != RENDERER]))
    else:
        console.print(Text("nobody works: start `wayframe up`", style="yellow"), soft_wrap=True)


def print_collected(found: Collected, *, dry_run: bool) -> None:
    """What went, or would go, with sizes."""
    console = out()
    if dry_run and found.garbage:
        table = _table("kind", "size", "stored", "name")
        for _, item in found.garbage:
            table.add_row(item.kind.value, decimal(item.size), f"{item.modified:%Y-%m-%d %H:%M}", item.name)
        console.print(table)
    verb = "would remove" if dry_run else "removed"
    kinds = Counter(item.kind.value for _, item in found.garbage)
    parts = [counted(count, kind) for kind, count in kinds.items()]
    parts += [counted(len(found.inputs), "fetched input")] if found.inputs else []
    parts += [counted(found.workflows, "old workflow")] if found.workflows else []
    parts += [f"{counted(found.rows, 'row')} of removed runs"] if found.rows else []
    console.print(Text(f"{verb} {', '.join(parts) or 'nothing'}; {decimal(found.size)}"), soft_wrap=True)
    for run_id in found.unknown:
        left = f"run {run_id} was not submitted whole, so no segment and no input file is removed: "
        console.print(Text(f"{left}submit it again, or cancel and rm it", style="yellow"), soft_wrap=True)
    for run_id, reason in found.unreadable.items():
        left = f"run {run_id} may refer to any segment and input file, so none is removed: {reason}; "
        console.print(Text(f"{left}mend its record, or remove its folder", style="yellow"), soft_wrap=True)


def _print_head(found: Overview, console: Console) -> None:
    running = sum(line.running for line in found.capabilities)
    queued = sum(line.queued for line in found.capabilities)
    ended = ", ".join(f"{count} {state}" for state, count in sorted(found.ended.items()))
    head = Text(f"{counted(running, 'run')} in work, {queued} queued", style="bold")
    head.append(f"   ({ended})" if ended else "", style="dim")
    head.append("   paused: wayframe queue --unpause goes on" if found.paused else "", style="bold yellow")
    console.print(head)


def _runs(runs: Sequence[RunLine]) -> Table:
    table = _table(expand=True)
    table.add_column("run", no_wrap=True, min_width=RUN_ID)
    table.add_column("state", no_wrap=True)
    table.add_column("segments", no_wrap=True)
    table.add_column("needs", no_wrap=True)
    table.add_column("prio", justify="right", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("where, or why not", ratio=3)
    table.add_column("what", ratio=2, no_wrap=True, overflow="ellipsis")
    for line in runs:
        again = f" (attempt {line.attempt})" if line.attempt > 1 else ""
        table.add_row(
            line.run_id,
            Text(line.state + again, style=STATUS_STYLES.get(line.state, "")),
            _bar(done=line.done, total=line.segments),
            line.capability,
            f"{line.priority:+d}" if line.priority else "",
            duration(line.seconds),
            _where(line),
            Text(line.title),
        )
    return table


def _where(line: RunLine) -> Text:
    if line.waits:
        return Text(line.waits, style="yellow")
    return Text("on " + ", ".join(line.workers)) if line.workers else Text("being prepared or finished", style="dim")


def _bar(*, done: int, total: int) -> Text:
    full = round(BAR * done / total) if total else 0
    bar = Text("━" * full, style="green")
    bar.append("╌" * (BAR - full), style="dim")
    bar.append(f" {done}/{total}", style="default")
    return bar


def _capabilities(lines: Sequence[CapabilityLine]) -> Table:
    table = _table("renders", "runs", "batches waiting", "longest", "workers")
    for line in lines:
        none = "" if line.workers else "yellow"
        table.add_row(
            line.capability,
            str(line.queued + line.running),
            str(line.batches),
            duration(line.oldest),
            Text(str(line.workers), style=none),
        )
    return table


def _workers(workers: Sequence[WorkerLine]) -> Table:
    table = _table("worker", "kind", "host", "gpu", "state", "holds", "run", "seen")
    for line in workers:
        table.add_row(
            line.worker_id,
            line.kind,
            line.host,
            line.gpu,
            Text(line.state, style=WORKER_STYLES.get(line.state, "dim")),
            line.holding or "",
            line.run_id or "",
            f"{duration(line.seen)} ago",
        )
    return table


def _table(*columns: str, expand: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=expand)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table
