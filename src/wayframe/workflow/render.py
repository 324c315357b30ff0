"""Segments that are missing, rendered, held against the plan step by step, encoded and published one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from wayframe.core.clips import ClipSpan
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
from wayframe.core.guides import is_looked_at
from wayframe.core.levels import missing_steps, segment_differences, step_differences
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.core.plan_keys import PIECE_VERSION, STILL_VERSION
from wayframe.engines.base import Engine, EngineEvent, EngineSaid, FrameDone, SegmentDone, SegmentJob, StepDone
from wayframe.errors import CancelledError, EngineError, StoreError
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.store.artifacts import VIDEO, Artifact, ArtifactStore
from wayframe.workflow.contexts import Contexts
from wayframe.workflow.guides import Guides
from wayframe.workflow.jobs import JobBatch, Keyframes
from wayframe.workflow.look import SegmentLook, still
from wayframe.workflow.pieces import cut_piece
from wayframe.workflow.tasks import Tasks


class OnDifference(StrEnum):
    """What a run does when the engine applied something else than was planned; the finding is made either way."""

    STOP = "stop"
    RECORD = "record"


@dataclass(slots=True, kw_only=True)
class _Open:
    """A segment that has begun; its encoder is there from its first frame on. Its `job` where it was given frames."""

    segment: SegmentPlan
    job: SegmentJob | None
    look: SegmentLook | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    writer: VideoWriter | None = None
    altered: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)

    def take(self, event: FrameDone, writer: VideoWriter) -> None:
        kept = self.job.kept(event.index) if self.job else None
        if kept is not None and not np.array_equal(event.pixels, kept):
            self.altered = True
        writer.write(self.look.frame(event.index, event.pixels) if self.look else event.pixels)


@dataclass(slots=True, kw_only=True)
class Renderer:
    """Renders the segments of a plan that the store does not have; `engine` gives what renders, when it is needed.

    `clips` are the files of the plan's videos, `guides` those of its guide videos, `depth` the folders of depth models.
    """

    plan: Plan
    keyframes: Keyframes
    engine: Callable[[], Engine]
    store: ArtifactStore
    tasks: Tasks
    cancelled: Callable[[], bool]
    on_difference: OnDifference = OnDifference.STOP
    clips: Sequence[Path] = ()
    guides: Sequence[Path] = ()
    depth: Mapping[str, Path] = field(default_factory=dict)
    _open: dict[int, _Open] = field(default_factory=dict)
    _done: dict[int, Artifact] = field(default_factory=dict)

    def run(self) -> dict[int, Artifact]:
        """The artifact of every segment, by number; found or made. Raises `CancelledError` and engine errors."""
        return self.make([segment.index for segment in self.plan.segments])

    def make(self, numbers: Sequence[int]) -> dict[int, Artifact]:
        """The artifacts of these segments, in order.

        A chained one needs the segment before it to be published, and a bridge those on both sides; among these
        segments they come first.
        """
        segments = [self.plan.segments[number] for number in numbers]
        if self.plan.chaining == "chained":
            for segment in segments:
                if not self._found(segment):
                    self._made([segment])
        else:
            missing = [segment for segment in segments if not self._found(segment)]
            distinct = {segment.key: segment for segment in reversed(missing)}
            ordered = sorted(distinct.values(), key=lambda segment: segment.index)
            self._made([segment for segment in ordered if not segment.needs])
            self._made([segment for segment in ordered if segment.needs])
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

    def _made(self, segments: Sequence[SegmentPlan]) -> None:
        """Make segments that were not found: stills and pieces of videos, and the others by the engine in one batch."""
        for segment in segments:
            if segment.still:
                self._hold(segment)
            elif segment.piece is not None:
                self._cut(segment, span=segment.piece)
        rendered = [segment.index for segment in segments if segment.is_rendered]
        if rendered:
            self._render(rendered)

    def _published(self, segment: SegmentPlan) -> Path | None:
        found = self._done.get(segment.index) or self.store.find(segment.key)
        return found.video if found else None

    def _hold(self, segment: SegmentPlan) -> None:
        """A keyframe in every frame; no engine is asked."""
        first, _ = self.plan.ends(segment)
        if first is None:
            raise StoreError(f"segment {segment.index} stands still and has no keyframe; plan again")
        picture = still(self.keyframes[first], look=segment.look)
        with self.store.staging() as folder, ExitStack() as stack:
            stack.callback(self._abandon)
            current = self._begin(segment.index, job=None)
            for index in range(segment.frames):
                if self.cancelled():
                    raise CancelledError("rendering was cancelled")
                current.take(
                    FrameDone(segment=segment.index, index=index, pixels=picture), self._writer(current, folder=folder)
                )
                self.tasks.emit(FrameRendered(segment=segment.index, done=index + 1, frames=segment.frames))
            self._publish(current, maker=STILL_VERSION, denoises=False)

    def _cut(self, segment: SegmentPlan, *, span: ClipSpan) -> None:
        """A piece of a video; its packets are copied where that can be."""
        self.tasks.change(TaskKind.SEGMENT, TaskState.RUNNING, segment=segment.index)
        with self.store.staging() as folder:
            target = folder / f"{segment.index}-{VIDEO}"
            made = cut_piece(span, contexts=self._contexts(), target=target, cancelled=self.cancelled)
            for found in made.findings:
                self.tasks.emit(FindingMade(finding=replace(found, where=f"segments[{segment.index}]")))
            facts = {
                "engine": PIECE_VERSION,
                "frames": made.frames,
                "digest": made.digest,
                "altered": False,
                "steps": None,
            }
            self._shelve(segment, target, facts=facts)

    def _contexts(self) -> Contexts:
        return Contexts(plan=self.plan, clips=self.clips, published=self._published)

    def _guides(self) -> Guides:
        files, depth = self.guides, self.depth
        return Guides(plan=self.plan, videos=files, store=self.store, depth=depth, cancelled=self.cancelled)

    def _render(self, numbers: Sequence[int]) -> None:
        contexts = self._contexts()
        guides = self._guides() if is_looked_at(self.plan) else None
        jobs = JobBatch(self.plan, self.keyframes, segments=numbers, contexts=contexts, guides=guides)
        engine = self.engine()
        with self.store.staging() as folder, ExitStack() as stack:
            stack.callback(self._abandon)
            for event in engine.render(jobs, cancelled=self.cancelled):
                self._take(event, engine=engine, folder=folder, jobs=jobs)
        left = [number for number in numbers if number not in self._done]
        if left:
            raise EngineError(f"engine {engine.name} did not finish segment {left[0]}")

    def _take(self, event: EngineEvent, *, engine: Engine, folder: Path, jobs: JobBatch) -> None:
        current = self._open.get(event.segment) or self._begin(event.segment, job=jobs.job(event.segment))
        if isinstance(event, StepDone):
            self._applied(current, asdict(event.step))
        elif isinstance(event, FrameDone):
            current.take(event, self._writer(current, folder=folder))
            frames = current.segment.frames
            self.tasks.emit(FrameRendered(segment=event.segment, done=event.index + 1, frames=frames))
        elif isinstance(event, EngineSaid):
            self.tasks.emit(EngineTold(text=event.text))
        elif isinstance(event, SegmentDone):
            self._publish(current, maker=engine.identity, denoises=engine.denoises)

    def _begin(self, number: int, *, job: SegmentJob | None) -> _Open:
        self.tasks.change(TaskKind.SEGMENT, TaskState.RUNNING, segment=number)
        given = job if job is not None and (job.given or job.given_after) else None
        look = None if job is None else SegmentLook.of(job)
        self._open[number] = _Open(segment=self.plan.segments[number], job=given, look=look)
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

    def _publish(self, current: _Open, *, maker: str, denoises: bool) -> None:
        """Publish a segment that `maker` (the engine's identity) made."""
        segment, writer = current.segment, current.writer
        if denoises:
            self._differ(missing_steps(segment, current.steps))
        count = writer.count if writer else 0
        if writer is None or count != segment.frames:
            made = f"engine {self.plan.engine} made {count} frames of segment {segment.index}"
            raise EngineError(f"{made}, {segment.frames} were planned")
        current.stack.close()
        del self._open[segment.index]
        video = writer.facts
        if video is None:
            raise EngineError(f"segment {segment.index} was not written")
        facts = {
            "engine": maker,
            "frames": video.frames,
            "digest": video.digest,
            "altered": current.altered,
            "steps": current.steps if denoises else None,
        }
        self._shelve(segment, writer.path, facts=facts)

    def _shelve(self, segment: SegmentPlan, video: Path, *, facts: dict[str, Any]) -> None:
        artifact = self.store.publish(video, key=segment.key, facts=facts)
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
