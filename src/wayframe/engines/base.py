"""The seam between a run and whatever makes its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wayframe.core.catalogue import Model
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.errors import CancelledError, SpecError

Frame: TypeAlias = NDArray[np.uint8]
"""One picture: (height, width, 3), RGB, 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFile:
    """A LoRA of the plan on this disk; `partial`: the user agrees that not every module of it fits the model."""

    path: Path
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """What an engine is made with.

    `options` are the user's words for this engine (`--option dtype=float32`): an engine refuses those that it does not
    know, and `identity` must name those that decide pixels. `model` is the entry of the catalogue and `weights` the
    folder that holds it (None: nothing is to be rendered yet, only planned); `loras` maps the plan's ids to files.
    `scratch` is a folder for what may be used again after a crash; None keeps nothing.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    model: Model | None = None
    weights: Path | None = None
    loras: Mapping[str, LoraFile] = field(default_factory=dict)
    scratch: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What an engine says of itself after work: the device, versions of what it is built on, and what it counted.

    Counts are numbers by name (`expert_loads`, `text_encodes`, `vae_encodes`, `forwards`, `bytes_moved`,
    `peak_memory_bytes`); an engine leaves out what it does not count. `left_out` names for each LoRA that was used in
    part what of it does not fit the model.
    """

    device: str = "cpu"
    versions: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJob:
    """A segment to render. `first` and `last` are its keyframes at output size, None where it has none.

    `given` holds the frames that it starts from (of a chained segment the last `overlap_before` frames of the segment
    before, as decoded from its published file, else frames of a video), `given_after` those that it leads to: its first
    and its last frames are exactly these. Empty where it begins or ends with a keyframe, or freely; something is always
    known of one end.
    `guide` has a picture at output size for each frame whose structure is steered, and None for the others; it is
    empty without guide videos, and an engine may leave it aside.
    """

    segment: SegmentPlan
    width: int
    height: int
    first: Frame | None
    last: Frame | None
    given: tuple[Frame, ...] = ()
    given_after: tuple[Frame, ...] = ()
    guide: tuple[Frame | None, ...] = ()

    @property
    def start(self) -> tuple[Frame, ...]:
        """What it starts from: the given frames, else its first keyframe, else nothing; no more than it has frames."""
        first = () if self.first is None else (self.first,)
        return (self.given or first)[: self.segment.frames]

    @property
    def end(self) -> tuple[Frame, ...]:
        """What it leads to: the given frames, else its last keyframe, else nothing; what it starts from goes before."""
        room = self.segment.frames - len(self.start)
        last = () if self.last is None else (self.last,)
        return (self.given_after or last)[-room:] if room else ()

    def kept(self, index: int) -> Frame | None:
        """The given frame that must stand at `index`, or None where none must."""
        if index < len(self.given):
            return self.given[index]
        from_end = index - self.segment.frames
        return self.given_after[from_end] if -len(self.given_after) <= from_end < 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStep:
    """What the engine did at one step, read back from the model itself. Units as in `core.plan.Step`.

    `timestep` is what the transformer was given, `sigma` and `sigma_next` are what the solver stepped between.
    `modules` gives for each LoRA how many modules held its weight, and how many it is attached to.
    """

    index: int
    timestep: float
    expert: str
    guidance: float
    loras: Mapping[str, float]
    forwards: int
    sigma: float | None = None
    sigma_next: float | None = None
    modules: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One denoising step of a segment was applied."""

    segment: int
    step: AppliedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDone:
    """Frame `index` of a segment is ready; the frames of one segment come in order."""

    segment: int
    index: int
    pixels: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDone:
    """All frames of a segment were handed over."""

    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSaid:
    """A line that the program behind an engine printed while it worked on a segment; it may come before a step's."""

    segment: int
    text: str


EngineEvent: TypeAlias = StepDone | FrameDone | SegmentDone | EngineSaid


class Engine(Protocol):
    """Renders segments.

    `denoises` tells whether steps are run at all (preview and null do not: no `StepDone` is ever sent).
    `shows_keyframes` tells whether a segment with two keyframes begins and ends with exactly these pictures.
    `identity` names engine and version: it enters the content key, and changes whenever the pixels may. So nothing
    that is not in the content key may decide a pixel: not the segment's index, not what was rendered before.
    """

    name: str
    denoises: bool
    shows_keyframes: bool
    identity: str

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Yield the events of all `jobs`, in any order between jobs; `jobs` may make its items on demand.

        Raises `CancelledError` before the next event once `cancelled()` is true.
        """
        ...

    def report(self) -> EngineReport:
        """What is known of the device and what was counted so far."""
        ...

    def close(self) -> None:
        """Free what the engine holds; calling it again does nothing."""
        ...


@runtime_checkable
class ChecksPlans(Protocol):
    """An engine that cannot do all that a plan may say, and knows so before anything is rendered."""

    def check(self, plan: Plan) -> None:
        """Raise `EngineError` for a plan that it cannot do, with what it cannot."""
        ...


def no_options(setup: EngineSetup, *, engine: str) -> None:
    """Raise `SpecError` when an engine that has no options was given one."""
    for name, value in setup.options.items():
        raise SpecError(f"option {name}", f"engine {engine} has no options", value, fix="leave it out")


def until_cancelled(events: Iterator[EngineEvent], *, cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
    """The same events; CancelledError instead of the next one, before it is made, once `cancelled()` is true."""
    while True:
        if cancelled():
            raise CancelledError("rendering was cancelled")
        event = next(events, None)
        if event is None:
            return
        yield event


def painted(
    jobs: Sequence[SegmentJob], *, frames: Callable[[SegmentJob], Iterator[Frame]], cancelled: Callable[[], bool]
) -> Iterator[EngineEvent]:
    """The events of an engine that paints the `frames` of one segment after the other; one job is held at a time."""

    def events(job: SegmentJob) -> Iterator[EngineEvent]:
        for index, pixels in enumerate(frames(job)):
            yield FrameDone(segment=job.segment.index, index=index, pixels=pixels)
        yield SegmentDone(segment=job.segment.index)

    for number in range(len(jobs)):
        yield from until_cancelled(events(jobs[number]), cancelled=cancelled)
