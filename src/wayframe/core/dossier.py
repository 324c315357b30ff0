"""What a report is made of: comparisons, and what was seen of the runs' videos and of the log around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayframe.core.comparison import Comparison
from wayframe.core.diff import Filters
from wayframe.core.findings import Finding
from wayframe.core.log_rules import LoggedKind
from wayframe.core.pairing import Pairing
from wayframe.core.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """Keyframe number `keyframe` as the video shows it at frame `at`, as JPEG."""

    keyframe: int
    at: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A run's video. `spans` are its segments' first and last frames, from keyframe to keyframe."""

    path: str
    size_bytes: int
    width: int
    height: int
    frames: int
    rate: float
    spans: tuple[tuple[int, int], ...] = ()
    joins: tuple[tuple[int, int], ...] = ()
    """First shared frame, and how many are shared."""
    thumbnails: tuple[Thumbnail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPair:
    """Two videos over time: `measured` as `media.metrics_compare` gives it, frames as [a, b]."""

    same_packets: bool
    measured: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """The same plan rendered again: whether the packets came out the same, else how far apart the pictures are (dB)."""

    run: str
    same_packets: bool
    median_psnr: float | None = None
    least_psnr: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """The log that the runs were taken from, and all the runs in it."""

    files: tuple[str, ...]
    runs: tuple[LoggedKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything that a report is about. Each of the `comparisons` is against the first subject.

    `clips` has an entry for each subject, `videos` one for each comparison; None where there is no video. `arguments`
    are those of the command that made it.
    """

    comparisons: tuple[Comparison, ...]
    filters: Filters
    arguments: tuple[str, ...]
    clips: tuple[Clip | None, ...]
    videos: tuple[VideoPair | None, ...]
    noise: NoiseFloor | None = None
    log: LogFacts | None = None
    findings: tuple[Finding, ...] = ()
    """About the log as a whole."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The first subject, and those that it is held against."""
        return (self.comparisons[0].a, *(comparison.b for comparison in self.comparisons))


def aligned_spans(pairs: Sequence[Pairing], *, a: Clip, b: Clip) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """First and last frames of the segments that belong together, in both videos; empty where spans are not known."""
    return tuple(
        (a.spans[pair.a], b.spans[pair.b])
        for pair in pairs
        if pair.a is not None and pair.b is not None and pair.a < len(a.spans) and pair.b < len(b.spans)
    )
