"""Bars of a run on a terminal: frames for an engine that paints them, forwards of the model for one that denoises."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

from wayframe.cli.live import prompt_line
from wayframe.core.events import (
    FrameRendered,
    LoraFetching,
    PromptWritten,
    RunEvent,
    SegmentReused,
    StepApplied,
    StitchProgress,
    TaskChanged,
    TaskKind,
    TaskState,
)
from wayframe.core.plan import Plan

BAR, NAME, NAME_OF_LORA = 32, 12, 32
SEGMENTS_SHOWN = 6
"""An engine may have a hundred segments half denoised: those that moved last have a bar, the others are counted."""
SECONDS_OF_SPEED = 900.0
"""What the remaining time is reckoned from: a forward of a large model may take half a minute."""


def frame_bars() -> Progress:
    """The bars for `Bars`."""
    return _bars(MofNCompleteColumn(), TextColumn("frames"), TimeRemainingColumn())


def step_bars() -> Progress:
    """The bars for `StepBars`."""
    return _bars(MofNCompleteColumn(), _State(table_column=Column(no_wrap=True, overflow="ellipsis")))


def fetch_bars() -> Progress:
    """The bars for `FetchBars`."""
    return _bars(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


def _bars(*columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn(f"{{task.description:<{NAME}}}"),
        BarColumn(bar_width=BAR),
        *columns,
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=SECONDS_OF_SPEED,
    )


class _State(ProgressColumn):
    """What a bar is at, as its field `what` says; with `clock` also the time that is gone, and what is left."""

    def render(self, task: Task) -> Text:
        """The words beside a bar."""
        words = [task.fields["what"]] if task.fields["what"] else []
        if task.fields.get("clock"):
            words.append(f"{_clock(task.elapsed or 0.0)} gone")
            words += [] if task.time_remaining is None else [f"{_clock(task.time_remaining)} left"]
        return Text(", ".join(words))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Bars:
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


class StepBars:
    """Forwards of all segments with the time that is left, how far the segments are, and the last ones that moved."""

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress, self._plan = progress, plan
        self._total = progress.add_task("forwards", total=plan.forwards, what="preparing", clock=True)
        self._segments = progress.add_task("segments", total=len(plan.segments), what="")
        self._bars: dict[int, TaskID] = {}
        self._at: dict[int, str] = {}
        self._stitch: TaskID | None = None

    def take(self, event: RunEvent) -> None:
        """Move the bars."""
        if isinstance(event, StepApplied) and self._at.get(event.segment) != DONE:
            self._step(event)
        elif isinstance(event, FrameRendered):
            self._at[event.segment] = "decoding"
            self._move(event.segment, what=f"decoded {event.done} of {event.frames} frames")
        elif isinstance(event, SegmentReused):
            self._at[event.segment] = DONE
            forwards = self._plan.segments[event.segment].forwards
            self._progress.update(self._total, total=(self._progress.tasks[0].total or 0) - forwards)
        elif isinstance(event, TaskChanged) and event.kind is TaskKind.SEGMENT and event.state is TaskState.COMPLETE:
            self._complete(event.segment)
        elif isinstance(event, StitchProgress):
            if self._stitch is None:
                self._stitch = self._progress.add_task("stitch", total=event.frames, what="frames")
            self._progress.update(self._stitch, completed=event.done)

    def _step(self, event: StepApplied) -> None:
        steps = len(self._plan.segments[event.segment].steps)
        expert = "" if event.expert == ONLY else f"{event.expert}, "
        self._at[event.segment] = "begun" if event.expert == ONLY else f"in {event.expert}"
        what = f"step {event.step + 1} of {steps}, {expert}guidance {event.guidance:g}"
        self._move(event.segment, what=what, forwards=event.forwards)
        self._progress.advance(self._total, event.forwards)
        self._progress.update(self._total, what="")

    def _move(self, segment: int, *, what: str, forwards: int = 0) -> None:
        """Show a segment's bar, and hide those that did not move for the longest time."""
        bar = self._bars.pop(segment, None)
        if bar is None:
            total = self._plan.segments[segment].forwards
            bar = self._progress.add_task(f"segment {segment}", total=total, what="")
        self._bars[segment] = bar  # the last one of the mapping is the one that moved last
        self._progress.update(bar, advance=forwards, what=what, visible=True)
        for hidden in [*self._bars.values()][:-SEGMENTS_SHOWN]:
            self._progress.update(hidden, visible=False)
        self._count()

    def _complete(self, segment: int | None) -> None:
        if segment in self._bars:
            self._progress.remove_task(self._bars.pop(segment))
        if segment is not None:
            self._at[segment] = DONE
            self._count()

    def _count(self) -> None:
        places = Counter(self._at.values())
        done = places.pop(DONE, 0)
        waiting = len(self._plan.segments) - len(self._at)
        parts = [f"{count} {place}" for place, count in places.items()]
        said = ", ".join([*parts, f"{waiting} waiting"] if waiting else parts)
        self._progress.update(self._segments, completed=done, what=said)


DONE, ONLY = "done", "only"


class FetchBars:
    """A bar for each LoRA that is fetched, and a line above them for each prompt that a model wrote."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def take(self, event: RunEvent) -> None:
        """Move the bars."""
        if isinstance(event, PromptWritten):
            self._progress.console.print(Text(prompt_line(event)))
        if isinstance(event, LoraFetching):
            if event.lora not in self._bars:
                self._bars[event.lora] = self._progress.add_task(event.lora[:NAME_OF_LORA], total=event.size)
            self._progress.update(self._bars[event.lora], completed=event.done, total=event.size)
