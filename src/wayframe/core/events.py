"""What happens during a run, as data: one stream feeds the terminal, the record, events.jsonl and debug.log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from wayframe.core.findings import Finding


class TaskState(StrEnum):
    """States of the orchestrator, of a segment and of the stitch."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """How a run ended; its record says the same as its status."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskKind(StrEnum):
    """What a task does."""

    ORCHESTRATOR = "orchestrator"
    SEGMENT = "segment"
    STITCH = "stitch"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins, or goes on (`continued`) after an interruption."""

    run_id: str
    engine: str
    segments: int
    frames: int
    continued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanged:
    """A task enters a state; `segment` is set for segments, `error` for failures."""

    task: str
    kind: TaskKind
    state: TaskState
    segment: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReused:
    """A segment's artifact was there already."""

    task: str
    segment: int
    key: str
    frames: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepApplied:
    """The engine applied a denoising step, as read back from the model.

    `sigma` and `sigma_next` are what the solver stepped between; `modules` gives for each LoRA how many modules held
    its weight, and how many it is attached to. Both are told only by engines that read them back.
    """

    task: str
    segment: int
    step: int
    timestep: float
    expert: str
    guidance: float
    loras: Mapping[str, float]
    forwards: int
    sigma: float | None = None
    sigma_next: float | None = None
    modules: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFetching:
    """`done` of `size` bytes of a LoRA are here (None: not told). Not written to the logs."""

    lora: str
    done: int
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptWritten:
    """A model wrote the prompt of a segment, `done` of `total`, before the run begins. Not written to the logs."""

    segment: int
    text: str
    writer: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraReady:
    """The file of a LoRA is here, before anything is rendered; `commit` where the site told one."""

    lora: str
    sha256: str
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsReady:
    """The weights of the model are here; `identity` says which they are."""

    model: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReported:
    """What the engine says of itself after its work, finished or not: the device, versions, and counts by name."""

    device: str
    versions: Mapping[str, str]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTold:
    """A line that the program behind the engine printed."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRendered:
    """`done` of `frames` frames of a segment are encoded. Not written to the logs: it only moves bars."""

    segment: int
    done: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPublished:
    """A segment was rendered and its artifact is in the store."""

    task: str
    segment: int
    key: str
    frames: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchProgress:
    """`done` of `frames` frames are joined. Not written to the logs."""

    done: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMade:
    """A rule made a finding."""

    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """A run ended; `video` is the final file's name when it completed, `outcome` what the record says of it."""

    run_id: str
    state: RunState
    video: str | None = None
    error: str | None = None
    outcome: Mapping[str, Any] = field(default_factory=dict)


RunEvent: TypeAlias = (
    RunStarted
    | TaskChanged
    | SegmentReused
    | LoraFetching
    | PromptWritten
    | LoraReady
    | WeightsReady
    | StepApplied
    | FrameRendered
    | SegmentPublished
    | StitchProgress
    | FindingMade
    | EngineReported
    | EngineTold
    | RunFinished
)
TRANSIENT = (LoraFetching, FrameRendered, StitchProgress)
"""Events that only move a progress bar."""
