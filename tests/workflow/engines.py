"""Engines that do what a test needs of them, and a way to have them chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from wayframe.engines import registry
from wayframe.engines.base import (
    AppliedStep,
    Engine,
    EngineEvent,
    EngineReport,
    EngineSetup,
    FrameDone,
    SegmentDone,
    SegmentJob,
    StepDone,
)
from wayframe.errors import EngineError, SpecError
from wayframe.workflow import bench, trip

_load = registry.load_engine


def install(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    """Have `engine` found under its name by everything that a run does."""

    def load(name: str, setup: EngineSetup | None = None) -> Engine:
        if name != engine.name:
            return _load(name, setup)
        return engine.made_with(setup or EngineSetup()) if isinstance(engine, Scripted) else engine

    monkeypatch.setattr(bench, "load_engine", load)
    monkeypatch.setattr(trip, "load_engine", load)
    monkeypatch.setattr(trip, "names", lambda: (*registry.names(), engine.name))


@dataclass(kw_only=True)
class Scripted:
    """Grey frames, a shade for each frame; `breaks_at` raises at a segment, `extra` frames more (or less) are made.

    As a denoising engine it reports the planned steps, altered by `reports` (which may leave one out); `phase_major`
    lets every segment reach its last step before any gets frames. Its options: `dtype` decides pixels and enters the
    identity, `offload` does not. `setups` are what it was made with.
    """

    name: str = "scripted"
    denoises: bool = False
    shows_keyframes: bool = False
    identity: str = "scripted/1"
    breaks_at: int | None = None
    breaks_with: Exception = field(default_factory=lambda: EngineError("out of memory on the card"))
    extra: int = 0
    unfinished: bool = False
    keeps_given: bool = True
    reports: Callable[[AppliedStep], AppliedStep | None] = lambda step: step
    jobs: list[SegmentJob] = field(default_factory=list)
    closed: int = 0
    phase_major: bool = False
    setups: list[EngineSetup] = field(default_factory=list)
    report_of: EngineReport = field(default_factory=EngineReport)

    def made_with(self, setup: EngineSetup) -> Scripted:
        """This engine, as a registry makes it."""
        for name, value in setup.options.items():
            if name not in ("dtype", "offload"):
                raise SpecError(f"option {name}", "is not known; known are dtype, offload", value)
        self.setups.append(setup)
        base = self.identity.split(" ")[0]
        self.identity = " ".join([base, *(f"{n}={v}" for n, v in setup.options.items() if n == "dtype")])
        return self

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        del cancelled
        if self.phase_major:
            for job in jobs:
                yield from self._steps(job)
        for number in range(len(jobs)):
            self.jobs.append(jobs[number])
            yield from self._events(jobs[number])

    def report(self) -> EngineReport:
        return self.report_of

    def close(self) -> None:
        self.closed += 1

    def rendered(self) -> list[int]:
        return [job.segment.index for job in self.jobs]

    def _events(self, job: SegmentJob) -> Iterator[EngineEvent]:
        index = job.segment.index
        if self.denoises and not self.phase_major:
            yield from self._steps(job)
        for frame in range(job.segment.frames + self.extra):
            if index == self.breaks_at and frame == 2:
                raise self.breaks_with
            shade = 40 + (17 * frame + 31 * job.segment.seed) % 160
            grey = np.full((job.height, job.width, 3), shade, np.uint8)
            kept = job.kept(frame) if self.keeps_given else None
            yield FrameDone(segment=index, index=frame, pixels=grey if kept is None else kept)
        if not self.unfinished:
            yield SegmentDone(segment=index)

    def _steps(self, job: SegmentJob) -> Iterator[EngineEvent]:
        for step in job.segment.steps:
            applied = AppliedStep(
                index=step.index,
                timestep=step.timestep,
                expert=step.expert,
                guidance=step.guidance,
                loras=dict(step.loras),
                forwards=step.forwards,
            )
            told = self.reports(applied)
            if told is not None:
                yield StepDone(segment=job.segment.index, step=told)
