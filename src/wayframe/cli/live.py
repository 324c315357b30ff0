"""How a running trip is shown: a live display, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wayframe.core.events import (
    TRANSIENT,
    FrameRendered,
    RunEvent,
    RunFinished,
    RunStarted,
    SegmentReused,
    StitchProgress,
    TaskChanged,
    TaskKind,
    TaskState,
)
from wayframe.core.plan import Plan
from wayframe.core.wording import counted
from wayframe.files import redact

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_PROGRESS = 0.1
Listener = Callable[[RunEvent], None]


@contextmanager
def display(show: str, *, plan: Plan) -> Iterator[Listener]:
    """Give a listener; `show` is ``text``, ``json`` or ``quiet``. Text is live on a terminal, plain lines elsewhere."""
    if show == "quiet":
        yield lambda _event: None
    elif show == "json":
        yield _JsonLines().take
    elif sys.stderr.isatty():
        with _progress() as progress:
            yield _Live(progress, plan).take
    else:
        yield _Lines(plan).take


class _JsonLines:
    """Every event as a JSON line with its UTC time, as in events.jsonl, and progress too, but not each single frame.

    Of the frames of one segment, or of the stitch, the last one always gets its line.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._shown = -math.inf

    def take(self, event: RunEvent) -> None:
        """Print the event, unless it is progress that comes too soon after the last one."""
        if isinstance(event, TRANSIENT) and event.done < event.frames and not self._is_due():
            return
        stamp = self._now().isoformat(timespec="milliseconds")
        line = redact({"time": stamp, "event": type(event).__name__, **asdict(event)})
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def _is_due(self) -> bool:
        moment = self._monotonic()
        if moment - self._shown < SECONDS_BETWEEN_PROGRESS:
            return False
        self._shown = moment
        return True


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Live:
    """One bar for the whole and one for each segment that is being rendered."""

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress, self._plan = progress, plan
        rendered = sum(segment.frames for segment in plan.segments)
        self._total = progress.add_task("total", total=rendered + plan.frames)
        self._bars: dict[int, TaskID] = {}
        self._stitch: TaskID | None = None
        self._counted: dict[int, int] = {}

    def take(self, event: RunEvent) -> None:
        """Move the bars."""
        if isinstance(event, FrameRendered):
            if event.segment not in self._bars:
                self._bars[event.segment] = self._progress.add_task(f"segment {event.segment}", total=event.frames)
            self._count(event.segment, done=event.done)
            self._progress.update(self._bars[event.segment], completed=event.done)
        elif isinstance(event, SegmentReused):
            self._count(event.segment, done=self._plan.segments[event.segment].frames)
            self._progress.console.print(f"segment {event.segment} was rendered before", style="dim")
        elif isinstance(event, TaskChanged) and event.state is TaskState.COMPLETE and event.segment in self._bars:
            self._progress.remove_task(self._bars.pop(event.segment))
        elif isinstance(event, StitchProgress):
            if self._stitch is None:
                self._stitch = self._progress.add_task("stitch", total=event.frames)
            self._progress.update(self._stitch, completed=event.done)
            self._count(-1, done=event.done)

    def _count(self, part: int, *, done: int) -> None:
        self._progress.advance(self._total, done - self._counted.get(part, 0))
        self._counted[part] = done


class _Lines:
    """A line when something begins or ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def take(self, event: RunEvent) -> None:
        """Print what is worth a line."""
        text = self._text(event)
        if text:
            sys.stderr.write(text + "\n")

    def _text(self, event: RunEvent) -> str | None:
        if isinstance(event, RunStarted):
            verb = "continued" if event.continued else "started"
            size = f"{counted(event.segments, 'segment')}, {counted(event.frames, 'frame')}"
            return f"run {event.run_id} {verb}: {size}, engine {event.engine}"
        if isinstance(event, SegmentReused):
            return f"segment {event.segment} was rendered before"
        if isinstance(event, TaskChanged) and event.kind is not TaskKind.ORCHESTRATOR:
            name = (
                event.kind.value if event.segment is None else f"segment {event.segment} of {len(self._plan.segments)}"
            )
            return f"{name}: {event.state.value}" + (f": {event.error}" if event.error else "")
        if isinstance(event, RunFinished):
            return f"run {event.run_id} {event.state.value}"
        return None
