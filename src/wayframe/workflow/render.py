"""Segments that are missing, rendered, held against the plan step by step, encoded and published one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from wayframe.core.events import (
    EngineTold,
    FindingMade,
    FrameRendered,
    SegmentPublished,
    SegmentReused,
    StepApplied,
    TaskKind,
    TaskState,
)
from wayframe.core.findings import Finding
from wayframe.core.levels import missing_steps, segment_differences, step_differences
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.engines.base import Engine, EngineEvent, EngineSaid, Frame, FrameDone, SegmentDone, StepDone
from wayframe.errors import EngineError, StoreError
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode
from wayframe.store.artifacts import VIDEO, Artifact, ArtifactStore
from wayframe.workflow.jobs import JobBatch, Keyframes
from wayframe.workflow.look import SegmentLook
from wayframe.workflow.tasks import Tasks


class OnDifference(StrEnum):
    """What a run does when the engine applied something else than was planned; the finding is made either way."""

    STOP = "stop"
    RECORD = "record"


@dataclass(slots=True, kw_only=True)
class _Open:
    """A segment that has begun; its encoder is there from its first frame on."""

    segment: SegmentPlan
    given: tuple[Frame, ...]
    look: SegmentLook | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    writer: VideoWriter | None = None
    altered: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)

    def take(self, event: FrameDone, writer: VideoWriter) -> None:
        if event.index < len(self.given) and not np.array_equal(event.pixels, self.given[event.index]):
            self.altered = True
        writer.write(self.look.frame(event.index, event.pixels) if self.look else event.pixels)


@dataclass(slots=True, kw_only=True)
class Renderer:
    """Renders the segments of a plan that the store does not have; `engine` gives what renders, when it is needed."""

    plan: Plan
    keyframes: Keyframes
    engine: Callable[[], Engine]
    store: ArtifactStore
    tasks: Tasks
    cancelled: Callable[[], bool]
    on_difference: OnDifference = OnDifference.STOP
    _open: dict[int, _Open] = field(default_factory=dict)
    _done: dict[int, Artifact] = field(default_factory=dict)

    def run(self) -> dict[int, Artifact]:
        """The artifact of every segment, by number; found or made. Raises `CancelledError` and engine errors."""
        return self.make([segment.index for segment in self.plan.segments])

    def make(self, numbers: Sequence[int]) -> dict[int, Artifact]:
        """The artifacts of these segments, in order; a chained one needs the segment before it to be published."""
        segments = [self.plan.segments[number] for number in numbers]
        if self.plan.chaining == "chained":
            for segment in segments:
                if not self._found(segment):
                    self._render([segment.index], given=self._given(segment))
        else:
            missing = [segment for segment in segments if not self._found(segment)]
            distinct = {segment.key: segment.index for segment in reversed(missing)}
            if missing:
                self._render(sorted(distinct.values()), given=())
            for segment in missing:
                if segment.index not in self._done and not self._found(segment):
                    raise StoreError(f"artifact {segment.key[:12]} is gone")
        return self._done

    def _found(self, segment: SegmentPlan) -> bool:
        artifact = self.store.find(segment.key)
        if artifact is None:
            return False
        self._done[segment.index] = artifact
        task = self.tasks.segment(segment.index)
        self.tasks.emit(SegmentReused(task=task, segment=segment.index, **_told(artifact)))
        steps = artifact.facts.get("steps")
        if steps is not None:
            for step in steps:
                self.tasks.emit(_step_event(step, task=task, segment=segment.index))
            way_out = f"it was rendered so before; remove {artifact.video.parent} to have it rendered again"
            self._differ(segment_differences(segment, steps), way_out=way_out)
        self.tasks.change(TaskKind.SEGMENT, TaskState.COMPLETE, segment=segment.index)
        return True

    def _given(self, segment: SegmentPlan) -> tuple[Frame, ...]:
        """The frames shared with the segment before, decoded from its published file and from nowhere else."""
        if not segment.index:
            return ()
        before = self.plan.segments[segment.index - 1]
        published = self._done.get(before.index) or self.store.find(before.key)
        if published is None:
            raise StoreError(f"segment {segment.index} starts from segment {before.index}, which is not published")
        return tuple(decode(published.video, start=before.frames - segment.overlap_before, stop=before.frames))

    def _render(self, numbers: Sequence[int], *, given: tuple[Frame, ...]) -> None:
        jobs = JobBatch(self.plan, self.keyframes, segments=numbers, given=given)
        engine = self.engine()
        with self.store.staging() as folder, ExitStack() as stack:
            stack.callback(self._abandon)
            for event in engine.render(jobs, cancelled=self.cancelled):
                self._take(event, engine=engine, folder=folder, jobs=jobs)
        left = [number for number in numbers if number not in self._done]
        if left:
            raise EngineError(f"engine {engine.name} did not finish segment {left[0]}")

    def _take(self, event: EngineEvent, *, engine: Engine, folder: Path, jobs: JobBatch) -> None:
        current = self._open.get(event.segment) or self._begin(event.segment, jobs=jobs)
        if isinstance(event, StepDone):
            self._applied(current, asdict(event.step))
        elif isinstance(event, FrameDone):
            current.take(event, self._writer(current, folder=folder))
            frames = current.segment.frames
            self.tasks.emit(FrameRendered(segment=event.segment, done=event.index + 1, frames=frames))
        elif isinstance(event, EngineSaid):
            self.tasks.emit(EngineTold(text=event.text))
        elif isinstance(event, SegmentDone):
            self._publish(current, engine=engine)

    def _begin(self, number: int, *, jobs: JobBatch) -> _Open:
        self.tasks.change(TaskKind.SEGMENT, TaskState.RUNNING, segment=number)
        segment = self.plan.segments[number]
        look = SegmentLook.of(jobs.job(number)) if segment.look else None
        self._open[number] = _Open(segment=segment, given=jobs.given, look=look)
        return self._open[number]

    def _applied(self, current: _Open, step: dict[str, Any]) -> None:
        """Enter a step, and hold it against the plan before the next one is made."""
        found = list(step_differences(current.segment, step, before=current.steps))
        current.steps.append(step)
        number = current.segment.index
        self.tasks.emit(_step_event(step, task=self.tasks.segment(number), segment=number))
        self._differ(found)

    def _differ(self, found: Iterable[Finding], *, way_out: str = "nothing of this segment was published") -> None:
        """Make the findings; then stop the run because of the first one, unless differences are only recorded."""
        findings = list(found)
        for item in findings:
            self.tasks.emit(FindingMade(finding=item))
        if findings and self.on_difference is OnDifference.STOP:
            goes_on = f"--on-difference {OnDifference.RECORD.value} goes on"
            raise EngineError(f"{findings[0].message} [{findings[0].code}]; {way_out}, {goes_on}")

    def _writer(self, current: _Open, *, folder: Path) -> VideoWriter:
        """The encoder of a segment: many segments are denoised at a time, but few of them have frames."""
        if current.writer is None:
            width, height = self.plan.size
            current.writer = current.stack.enter_context(
                VideoWriter(
                    folder / f"{current.segment.index}-{VIDEO}",
                    width=width,
                    height=height,
                    fps=self.plan.rate,
                    cuts=current.segment.cuts,
                    profile=PROFILES[self.plan.profile],
                )
            )
        return current.writer

    def _publish(self, current: _Open, *, engine: Engine) -> None:
        segment, writer = current.segment, current.writer
        if engine.denoises:
            self._differ(missing_steps(segment, current.steps))
        count = writer.count if writer else 0
        if writer is None or count != segment.frames:
            raise EngineError(
                f"engine {engine.name} made {count} frames of segment {segment.index}, {segment.frames} were planned"
            )
        current.stack.close()
        del self._open[segment.index]
        video = writer.facts
        if video is None:
            raise EngineError(f"segment {segment.index} was not written")
        facts = {
            "engine": engine.identity,
            "frames": video.frames,
            "digest": video.digest,
            "altered": current.altered,
            "steps": current.steps if engine.denoises else None,
        }
        artifact = self.store.publish(writer.path, key=segment.key, facts=facts)
        self._done[segment.index] = artifact
        task = self.tasks.segment(segment.index)
        self.tasks.emit(SegmentPublished(task=task, segment=segment.index, **_told(artifact)))
        self.tasks.change(TaskKind.SEGMENT, TaskState.COMPLETE, segment=segment.index)

    def _abandon(self) -> None:
        """Drop what is half encoded: its files go with the staging folder."""
        for current in self._open.values():
            current.stack.__exit__(EngineError, EngineError("abandoned"), None)
        self._open.clear()


def _told(artifact: Artifact) -> dict[str, Any]:
    return {"key": artifact.key, "frames": artifact.facts["frames"], "digest": artifact.facts["digest"]}


def _step_event(step: dict[str, Any], *, task: str, segment: int) -> StepApplied:
    """A step as an event; artifacts from before sigmas and modules were kept do not tell them."""
    return StepApplied(
        task=task,
        segment=segment,
        step=step["index"],
        timestep=step["timestep"],
        expert=step["expert"],
        guidance=step["guidance"],
        loras=step["loras"],
        forwards=step["forwards"],
        sigma=step.get("sigma"),
        sigma_next=step.get("sigma_next"),
        modules={name: (held, attached) for name, (held, attached) in step.get("modules", {}).items()},
    )
