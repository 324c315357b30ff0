"""What can be compared: a run, a log's run, a spec, a plan, a payload or a video, brought into one shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, TypeAlias

from wayframe.core.findings import Finding


class Level(StrEnum):
    """The levels of a record, from what was asked for to what came out."""

    REQUESTED = "requested"
    RESOLVED = "resolved"
    PLANNED = "planned"
    APPLIED = "applied"
    OUTCOME = "outcome"
    ENVIRONMENT = "environment"
    DERIVED = "derived"
    """What follows from the others by rule: step tables, forwards, frame arithmetic."""


class Missing(Enum):
    """Why a value is not there."""

    ABSENT = "absent"
    UNKNOWN = "not logged"


Value: TypeAlias = Any
"""Plain JSON data, or `Missing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a fact stands: a line of a log, and what it says."""

    line: int
    text: str
    file: str | None = None


class Basis(StrEnum):
    """What a step table was read from, from the surest to the least sure."""

    APPLIED = "applied"
    SENT = "sent"
    PLANNED = "planned"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One denoising step: `loras` maps each LoRA's name to its weight; `counted` are its forwards, where told."""

    timestep: float
    sigma_drop: float
    phase: int
    expert: str
    guidance: float
    loras: Mapping[str, float]
    counted: int | None = field(default=None, compare=False)

    @property
    def forwards(self) -> int:
        """Forwards of the model; where nobody counted them, guidance 1 costs one and any other value two."""
        if self.counted is not None:
            return self.counted
        return 1 if self.guidance == 1 else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """The steps of a segment. `inferred` says what no line or record proves, in words."""

    basis: Basis
    rows: tuple[StepRow, ...]
    thresholds: tuple[float, ...] = ()
    inferred: tuple[str, ...] = ()

    @property
    def forwards(self) -> int:
        """Forwards of the model in all steps."""
        return sum(row.forwards for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCount:
    """Frames of a segment: asked for, on the model's grid, sent to or made by the engine, and new in the output."""

    asked: int | None = None
    quantised: int | None = None
    delivered: int | None = None
    overlap_before: int | None = None

    @property
    def new(self) -> int | None:
        """Frames that the segment adds to the output."""
        if self.delivered is None or self.overlap_before is None:
            return None
        return self.delivered - self.overlap_before


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSegment:
    """One segment. `values` holds each level's own values; a key missing from a level in `whole` was absent.

    `steps` is the surest table there is, `wanted` the one that should have come out: as planned, or as requested.
    """

    index: int
    keyframes: tuple[str | None, str | None] = (None, None)
    status: str | None = None
    error: str | None = None
    values: Mapping[Level, Mapping[str, Any]] = field(default_factory=dict)
    whole: frozenset[Level] = frozenset()
    steps: StepTable | None = None
    wanted: StepTable | None = None
    frames: FrameCount = FrameCount()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTask:
    """A task of the run's flow: its kind, segment, id, state, and the task that it waited for."""

    kind: str
    segment: int | None
    task: str
    state: str
    after: str | None = None


PICTURES = "input_image_paths_resolved"
"""Where an upstream request names its pictures."""
TO_RUN = frozenset({"spec", "payload"})
"""Kinds of subjects that are files which `wayframe run` takes as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One side of a comparison. `keyframes` are the identities of its pictures, in order (digest, else address).

    `pictures` are the names of their files, one for each of the `keyframes`, or nothing where no request names them.
    """

    name: str
    kind: str
    source: str
    run_id: str | None = None
    status: str | None = None
    error: str | None = None
    values: Mapping[Level, Mapping[str, Any]] = field(default_factory=dict)
    whole: frozenset[Level] = frozenset()
    origins: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[SubjectSegment, ...] = ()
    keyframes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    flow: tuple[FlowTask, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    video: str | None = None

    @property
    def loops(self) -> bool:
        """Whether it is known to end with its first keyframe because a loop was asked for."""
        asked = any(values.get("loop") for values in self.values.values())
        return asked and len(self.keyframes) > 1 and self.keyframes[0] == self.keyframes[-1]

    @property
    def passed(self) -> tuple[str, ...]:
        """The keyframes, without the return to the first one at the end of a loop."""
        return self.keyframes[:-1] if self.loops else self.keyframes

    def value(self, level: Level, key: str) -> Value:
        """A run-wide value, or why it is missing."""
        return _value(self.values, self.whole, level, key)

    def proof(self, path: str) -> Evidence | None:
        """Where the value at a path (``requested.steps``, ``segments[0].applied.seed``) stands."""
        while path:
            if path in self.evidence:
                return self.evidence[path]
            path = path.rpartition(".")[0]
        return None


def segment_value(segment: SubjectSegment, level: Level, key: str) -> Value:
    """A segment's own value, or why it is missing."""
    return _value(segment.values, segment.whole, level, key)


def _value(values: Mapping[Level, Mapping[str, Any]], whole: frozenset[Level], level: Level, key: str) -> Value:
    table = values.get(level)
    if table is not None and key in table:
        return table[key]
    return Missing.ABSENT if table is not None and level in whole else Missing.UNKNOWN


def lora_name(file: str) -> str:
    """The name that stands for a LoRA in tables: the file's, without folder, query and suffix."""
    return file.split("?")[0].replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".safetensors")


def picture_name(image: str) -> str:
    """The name of a picture's file, without folder and query."""
    return address(image).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def address(image: str) -> str:
    """What stands for a picture whose bytes are not known: its address without query."""
    return image.split("?")[0]
