"""The engine `wangp`: how a run sees it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from wayframe.core.plan import Plan
from wayframe.engines.base import (
    AppliedStep,
    EngineEvent,
    EngineReport,
    EngineSaid,
    EngineSetup,
    FrameDone,
    SegmentDone,
    SegmentJob,
    StepDone,
    until_cancelled,
)
from wayframe.engines.wangp.frames import RawFrames
from wayframe.engines.wangp.inputs import Inputs, check_plan
from wayframe.engines.wangp.options import WangpOptions, version_of
from wayframe.engines.wangp.process import Said, WangpProcess
from wayframe.engines.wangp.reading import applied_steps, file_name, unlike_sent
from wayframe.errors import EngineError

Json: TypeAlias = dict[str, Any]
_OUTPUTS = "outputs"


class WangpEngine:
    """WanGP renders each segment by settings, in a process of the user's own Python that stays between segments.

    The steps that are reported follow from the settings that WanGP says it ran with; nothing is read back from the
    model. Frames come as the decoder left them, not from WanGP's video file.
    """

    name = "wangp"
    denoises = True
    shows_keyframes = False

    def __init__(self, setup: EngineSetup | None = None) -> None:
        self._setup = setup or EngineSetup()
        self._options = WangpOptions.parse(self._setup.options)
        self.identity = self._options.identity()
        self._process: WangpProcess | None = None
        self._folder: Path | None = None
        root = self._options.root
        self._device, self._versions = "not known", {} if root is None else {"WanGP": version_of(root)}
        self._counts = {"starts": 0, "segments": 0}

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Yield the events of one segment after the other; its steps come when WanGP has told what it ran with.

        Raises `CancelledError` within a step as far as WanGP stops there, and `EngineError` for a segment that WanGP
        cannot render, and when WanGP fails, ends, hangs, or ran with something else than it was sent.
        """
        events = self._events(jobs, cancelled)
        try:
            yield from until_cancelled(events, cancelled=cancelled)
        finally:
            events.close()  # WanGP is not left at work that nobody waits for

    def check(self, plan: Plan) -> None:
        """Raise `EngineError` for a plan that WanGP's settings cannot say."""
        check_plan(plan, model_type=self._options.model_type)

    def report(self) -> EngineReport:
        """WanGP's versions and device, and how often it was started."""
        return EngineReport(device=self._device, versions=dict(self._versions), counts=dict(self._counts))

    def close(self) -> None:
        """End WanGP; it is started again when something is rendered."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _events(self, jobs: Sequence[SegmentJob], cancelled: Callable[[], bool]) -> Generator[EngineEvent, None, None]:
        for number in range(len(jobs)):
            job = jobs[number]
            with tempfile.TemporaryDirectory(dir=self._place()) as folder:
                yield from self._segment(job, folder=Path(folder), cancelled=cancelled)
            yield SegmentDone(segment=job.segment.index)

    def _segment(self, job: SegmentJob, *, folder: Path, cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
        number, path, done, inputs = job.segment.index, folder / "frames.rgb", Json(), self._inputs()
        sent = inputs.settings(job, folder=folder)
        for heard in self._rendered(number, sent=sent, frames=path, cancelled=cancelled):
            if isinstance(heard, dict) and heard["event"] == "done":
                done = heard
            elif text := _text(heard):
                yield EngineSaid(segment=number, text=text)
        steps = self._applied(done, sent=sent, inputs=inputs, where=f"segment {number}")
        frames = RawFrames(path=path, shape=done["shape"], canvas=inputs.canvas(job))
        frames.check(f"segment {number}")
        yield from (StepDone(segment=number, step=step) for step in steps)
        for index, pixels in enumerate(frames):
            kept = job.kept(index)
            yield FrameDone(segment=number, index=index, pixels=pixels if kept is None else kept.copy())
        self._counts["segments"] += 1

    def _rendered(
        self, number: int, *, sent: Json, frames: Path, cancelled: Callable[[], bool]
    ) -> Iterator[Json | Said]:
        """What WanGP says; it is started where it does not run, and ended where it is of no use any more."""
        try:
            if self._process is None:
                yield from self._started(cancelled)
            if self._process is not None:
                yield from self._process.render(number, settings=sent, frames=frames, cancelled=cancelled)
        finally:
            if self._process is not None and not self._process.is_ready:
                self._process.close()
                self._process = None
            shutil.rmtree(self._place() / _OUTPUTS, ignore_errors=True)

    def _started(self, cancelled: Callable[[], bool]) -> Iterator[Said]:
        self._process = WangpProcess(self._options, outputs=self._place() / _OUTPUTS)
        self._counts["starts"] += 1
        for heard in self._process.until_ready(cancelled=cancelled):
            if isinstance(heard, Said):
                yield heard
            else:
                self._device = heard["device"]
                self._versions |= heard["versions"]

    def _applied(self, done: Json, *, sent: Json, inputs: Inputs, where: str) -> tuple[AppliedStep, ...]:
        settings = done["settings"]
        if settings is None:
            raise EngineError(
                f"{where}: WanGP did not note what settings it ran with; nothing can be said of its steps"
            )
        if unlike := list(unlike_sent(settings, sent=sent)):
            raise EngineError(f"{where}: WanGP ran with {'; '.join(unlike)}")
        ids = {file_name(path): name for name, path in inputs.lora_files().items()}
        return applied_steps(settings, definition=done["definition"], ids=ids, experts=inputs.model.experts)

    def _inputs(self) -> Inputs:
        model = self._setup.model
        if model is None:
            raise EngineError("the engine wangp needs a model of the catalogue; name one: --model wan2.2-i2v-a14b")
        return Inputs(model=model, loras=self._setup.loras, model_type=self._options.model_type)

    def _place(self) -> Path:
        """A folder for what goes to and from WanGP; it goes with the engine."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="wangp-", dir=self._setup.scratch))
        return self._folder


def _text(heard: Json | Said) -> str:
    """What is worth a line in the log."""
    if isinstance(heard, Said):
        return heard.text
    if heard["event"] == "progress":
        at = "" if heard["step"] is None else f", step {heard['step']} of {heard['steps']}"
        return f"{heard['phase']}{at}"
    return str(heard["text"])
