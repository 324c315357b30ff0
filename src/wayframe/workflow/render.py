"""Segments that are missing, rendered, encoded and published one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wayframe.core.events import FrameRendered, SegmentPublished, SegmentReused, StepApplied, TaskKind, TaskState
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.engines.base import Engine, EngineEvent, Frame, FrameDone, SegmentDone, StepDone
from wayframe.errors import EngineError, StoreError
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode
from wayframe.store.artifacts import VIDEO, Artifact, ArtifactStore
from wayframe.workflow.jobs import JobBatch, Keyframes
from wayframe.workflow.tasks import Tasks


@dataclass(slots=True, kw_only=True)
class _Open:
    """A segment being encoded."""

    segment: SegmentPlan
    writer: VideoWriter
    stack: ExitStack
    given: tuple[Frame, ...]
    altered: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)

    def take(self, event: FrameDone) -> None:
        if event.index < len(self.given) and not np.array_equal(event.pixels, self.given[event.index]):
            self.altered = True
        self.writer.write(event.pixels)


@dataclass(slots=True, kw_only=True)
class Renderer:
    """Renders the segments of a plan that the store does not have."""

    plan: Plan
    keyframes: Keyframes
    engine: Engine
    store: ArtifactStore
    tasks: Tasks
    cancelled: Callable[[], bool]
    _open: dict[int, _Open] = field(default_factory=dict)
    _done: dict[int, Artifact] = field(default_factory=dict)

    def run(self) -> dict[int, Artifact]:
        """The artifact of every segment, by number; found or made. Raises `CancelledError` and engine errors."""
        if self.plan.chaining == "chained":
            for segment in self.plan.segments:
                if not self._found(segment):
                    self._render([segment.index], given=self._given(segment))
        else:
            missing = [segment for segment in self.plan.segments if not self._found(segment)]
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
        for step in artifact.facts.get("steps") or ():
            self.tasks.emit(_step_event(step, task=task, segment=segment.index))
        self.tasks.change(TaskKind.SEGMENT, TaskState.COMPLETE, segment=segment.index)
        return True

    def _given(self, segment: SegmentPlan) -> tuple[Frame, ...]:
        """The frames shared with the segment before, decoded from its published file and from nowhere else."""
        if not segment.index:
            return ()
        before = self.plan.segments[segment.index - 1]
        video = self._done[before.index].video
        return tuple(decode(video, start=before.frames - segment.overlap_before, stop=before.frames))

    def _render(self, numbers: Sequence[int], *, given: tuple[Frame, ...]) -> None:
        jobs = JobBatch(self.plan, self.keyframes, segments=numbers, given=given)
        with self.store.staging() as folder, ExitStack() as stack:
            stack.callback(self._abandon)
            for event in self.engine.render(jobs, cancelled=self.cancelled):
                self._take(event, folder=folder, given=given)
        left = [number for number in numbers if number not in self._done]
        if left:
            raise EngineError(f"engine {self.engine.name} did not finish segment {left[0]}")

    def _take(self, event: EngineEvent, *, folder: Path, given: tuple[Frame, ...]) -> None:
        current = self._open.get(event.segment) or self._begin(event.segment, folder=folder, given=given)
        if isinstance(event, StepDone):
            step = asdict(event.step)
            current.steps.append(step)
            self.tasks.emit(_step_event(step, task=self.tasks.segment(event.segment), segment=event.segment))
        elif isinstance(event, FrameDone):
            current.take(event)
            frames = current.segment.frames
            self.tasks.emit(FrameRendered(segment=event.segment, done=event.index + 1, frames=frames))
        elif isinstance(event, SegmentDone):
            self._publish(current)

    def _begin(self, number: int, *, folder: Path, given: tuple[Frame, ...]) -> _Open:
        segment = self.plan.segments[number]
        self.tasks.change(TaskKind.SEGMENT, TaskState.RUNNING, segment=number)
        width, height = self.plan.size
        stack = ExitStack()
        writer = stack.enter_context(
            VideoWriter(
                folder / f"{number}-{VIDEO}",
                width=width,
                height=height,
                fps=self.plan.rate,
                cuts=segment.cuts,
                profile=PROFILES[self.plan.profile],
            )
        )
        self._open[number] = _Open(segment=segment, writer=writer, stack=stack, given=given)
        return self._open[number]

    def _publish(self, current: _Open) -> None:
        segment = current.segment
        if current.writer.count != segment.frames:
            raise EngineError(
                f"engine {self.engine.name} made {current.writer.count} frames of segment {segment.index}, "
                f"{segment.frames} were planned"
            )
        current.stack.close()
        del self._open[segment.index]
        video = current.writer.facts
        if video is None:
            raise EngineError(f"segment {segment.index} was not written")
        facts = {
            "engine": self.engine.identity,
            "frames": video.frames,
            "digest": video.digest,
            "altered": current.altered,
            "steps": current.steps if self.engine.denoises else None,
        }
        artifact = self.store.publish(current.writer.path, key=segment.key, facts=facts)
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
    return StepApplied(
        task=task,
        segment=segment,
        step=step["index"],
        timestep=step["timestep"],
        expert=step["expert"],
        guidance=step["guidance"],
        loras=step["loras"],
        forwards=step["forwards"],
    )
