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

from wayframe.core.events import (
    TRANSIENT,
    FrameRendered,
    LoraFetching,
    PromptWritten,
    RunEvent,
    RunFinished,
    RunStarted,
    SegmentReused,
    StepApplied,
    StitchProgress,
    TaskChanged,
    TaskKind,
)
from wayframe.core.plan import Plan
from wayframe.core.wording import counted
from wayframe.files import redact

SECONDS_BETWEEN_PROGRESS = 0.1
Listener = Callable[[RunEvent], None]


@contextmanager
def display(show: str, *, plan: Plan, now: Callable[[], datetime] | None = None) -> Iterator[Listener]:
    """Give a listener; `show` is ``text``, ``json`` or ``quiet``. Text is live on a terminal, plain lines elsewhere.

    `now` gives the time of JSON lines, where events are told later than they happened.
    """
    if show == "quiet":
        yield lambda _event: None
    elif show == "json":
        yield (_JsonLines(now=now) if now else _JsonLines()).take
    elif sys.stderr.isatty():
        from wayframe.cli import bars

        with bars.step_bars() if _denoises(plan) else bars.frame_bars() as progress:
            yield (bars.StepBars(progress, plan) if _denoises(plan) else bars.Bars(progress, plan)).take
    else:
        yield _Lines(plan).take


@contextmanager
def fetching(show: str) -> Iterator[Listener]:
    """Give a listener for what is fetched before a run; `show` as in `display`."""
    if show == "quiet":
        yield lambda _event: None
    elif show == "json":
        yield _JsonLines().take
    elif sys.stderr.isatty():
        from wayframe.cli import bars

        with bars.fetch_bars() as progress:
            yield bars.FetchBars(progress).take
    else:
        yield _FetchLines().take


def _denoises(plan: Plan) -> bool:
    """Whether the engine of a plan runs the steps of it."""
    return plan.forwards > 0 and all(found.code != "engine-does-not-denoise" for found in plan.findings)


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
        if isinstance(event, TRANSIENT) and not _is_last(event) and not self._is_due():
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


def _is_last(event: LoraFetching | FrameRendered | StitchProgress) -> bool:
    return event.done == (event.size if isinstance(event, LoraFetching) else event.frames)


def prompt_line(event: PromptWritten) -> str:
    """A prompt that a model wrote, as one line."""
    return f"prompt of segment {event.segment} ({event.done} of {event.total}, {event.writer}): {event.text}"


class _FetchLines:
    """A line when a LoRA begins to come, one when it is here, and one for each prompt that a model wrote."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def take(self, event: RunEvent) -> None:
        """Print what is worth a line."""
        if isinstance(event, PromptWritten):
            sys.stderr.write(f"{prompt_line(event)}\n")
        if not isinstance(event, LoraFetching):
            return
        if event.lora not in self._begun:
            self._begun.add(event.lora)
            size = "" if event.size is None else f" ({event.size / 1e6:.0f} MB)"
            sys.stderr.write(f"LoRA {event.lora}: fetching{size}\n")
        if _is_last(event):
            sys.stderr.write(f"LoRA {event.lora}: here\n")


class _Lines:
    """A line when something begins or ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reused: set[int] = set()
        self._forwards = 0

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
            self._reused.add(event.segment)
            return f"segment {event.segment} was rendered before"
        if isinstance(event, StepApplied):
            return self._step(event)
        if isinstance(event, TaskChanged) and event.kind is not TaskKind.ORCHESTRATOR:
            name = (
                event.kind.value if event.segment is None else f"segment {event.segment} of {len(self._plan.segments)}"
            )
            return f"{name}: {event.state.value}" + (f": {event.error}" if event.error else "")
        if isinstance(event, RunFinished):
            return f"run {event.run_id} {event.state.value}"
        return None

    def _step(self, event: StepApplied) -> str | None:
        """A line when an expert is done with a segment."""
        if event.segment in self._reused:
            return None
        self._forwards += event.forwards
        steps = self._plan.segments[event.segment].steps
        if event.step + 1 < len(steps) and steps[event.step + 1].expert == event.expert:
            return None
        by = "" if event.expert == "only" else f" by {event.expert}"
        place = f"segment {event.segment} of {len(self._plan.segments)}"
        return f"{place}: step {event.step + 1} of {len(steps)}{by}, {self._forwards} of {self._plan.forwards} forwards"
