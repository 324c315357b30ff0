"""Metrics of a video, measured in one pass with flat memory.

They tell what a person would notice: joins that show, keyframes that are not met, motion, flicker, frozen frames. The
parts are defined where they are computed: `metrics_series` (per frame), `metrics_scores` (per video), `metrics_quality`
(PSNR and SSIM).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from wayframe.errors import MediaError
from wayframe.media.index import VideoIndex, index
from wayframe.media.metrics_quality import Luma, luma_of, psnr, ssim
from wayframe.media.metrics_scores import (
    FrozenRange,
    JoinPlace,
    JoinScore,
    Motion,
    Step,
    flicker,
    frozen,
    motion,
    score_joins,
)
from wayframe.media.metrics_series import Meter, Series, lumas, short
from wayframe.media.pixels import Frame

__all__ = [
    "Fidelity",
    "Footage",
    "FrozenRange",
    "JoinPlace",
    "JoinScore",
    "Metrics",
    "Motion",
    "Series",
    "Step",
    "Watch",
    "decibels",
    "measure",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How close frame `at` comes to the keyframe that stands there: PSNR (dB, infinite when equal) and SSIM of luma."""

    at: int
    psnr: float
    ssim: float

    def to_json(self) -> dict[str, Any]:
        """As plain data; an infinite PSNR is null."""
        return {"at": self.at, "psnr": decibels(self.psnr), "ssim": short(self.ssim)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metrics:
    """What was measured of a video of `frames` frames of `size` (width, height) pixels.

    `flicker` in grey levels; `frozen` are ranges of repeated frames.
    """

    frames: int
    size: tuple[int, int]
    fps: Fraction
    series: Series
    joins: tuple[JoinScore, ...]
    keyframes: tuple[Fidelity, ...]
    motion: Motion
    flicker: float
    frozen: tuple[FrozenRange, ...]

    @property
    def frozen_frames(self) -> int:
        """How many frames repeat the one before them."""
        return sum(part.stop - part.start for part in self.frozen)

    def to_json(self, *, series: bool = False) -> dict[str, Any]:
        """As plain JSON data, numbers with five digits; `series`: with the values of every frame."""
        data = {
            "frames": self.frames,
            "joins": [join.to_json() for join in self.joins],
            "keyframes": [keyframe.to_json() for keyframe in self.keyframes],
            "motion": {"median": short(self.motion.median), "high": short(self.motion.high)},
            "flicker": short(self.flicker),
            "frozen": {"frames": self.frozen_frames, "ranges": [[part.start, part.stop] for part in self.frozen]},
        }
        return {**data, "series": self.series.to_json()} if series else data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footage:
    """A video and what is known of it: its joins, and the fitted keyframe, (height, width, 3) RGB, at its frame.

    `keyframes` may load its pictures when they are asked for: each is taken once, in rising order.
    """

    path: Path
    joins: Sequence[JoinPlace] = ()
    keyframes: Mapping[int, Frame] = field(default_factory=dict)


class Watch:
    """Measures footage while somebody else looks at its frames.

    Raises `MediaError` when the video cannot be read, and for a join or a keyframe that is not in it.
    """

    def __init__(self, footage: Footage) -> None:
        self.where = index(footage.path)
        self._footage = footage
        self._meter = Meter()
        self._fidelity: list[Fidelity] = []
        _check_places(footage, self.where)

    def frames(self) -> Iterator[Luma]:
        """The luma of every frame, each measured before it is given."""
        for rank, luma in enumerate(lumas(self.where)):
            self._meter.add(luma)
            if rank in self._footage.keyframes:
                self._fidelity.append(self._compare(luma, rank=rank))
            yield luma

    def metrics(self) -> Metrics:
        """The metrics of all frames; after `frames` has ended."""
        series = self._meter.series()
        return Metrics(
            frames=self.where.frames,
            size=(self.where.width, self.where.height),
            fps=self.where.fps,
            series=series,
            joins=score_joins(series, joins=self._footage.joins),
            keyframes=tuple(self._fidelity),
            motion=motion(series),
            flicker=flicker(series),
            frozen=frozen(series),
        )

    def _compare(self, luma: Luma, *, rank: int) -> Fidelity:
        wanted = luma_of(self._footage.keyframes[rank])
        if wanted.shape != luma.shape:
            size, have = (f"{shape[1]}x{shape[0]}" for shape in (wanted.shape, luma.shape))
            raise MediaError(f"{self.where.path}: frames are {have}, but the keyframe at frame {rank} is {size}")
        return Fidelity(at=rank, psnr=psnr(first=luma, second=wanted), ssim=ssim(first=luma, second=wanted))


def measure(
    path: Path,
    *,
    joins: Sequence[JoinPlace] = (),
    keyframes: Mapping[int, Frame] | None = None,
    progress: Callable[[int], None] = lambda _frames: None,
) -> Metrics:
    """Measure a video; `keyframes` as in `Footage`. `progress` gets the number of frames done, and may raise to stop.

    Raises `MediaError` when the video cannot be read, for a join or a keyframe that is not in it, and for a keyframe of
    another size.
    """
    watch = Watch(Footage(path=path, joins=joins, keyframes=keyframes or {}))
    for done, _ in enumerate(watch.frames(), start=1):
        progress(done)
    return watch.metrics()


def decibels(value: float) -> float | None:
    """A PSNR for JSON, which has no infinity: None when there is no difference at all."""
    return None if math.isinf(value) else short(value)


def _check_places(footage: Footage, where: VideoIndex) -> None:
    for join in footage.joins:
        if join.overlap < 0 or not 0 < join.start <= join.start + join.overlap < where.frames:
            span = f"at frame {join.start} with {join.overlap} shared frames"
            raise MediaError(f"{where.path}: a join {span} is not in a video of {where.frames} frames")
    for at in footage.keyframes:
        if not 0 <= at < where.frames:
            raise MediaError(f"{where.path}: a keyframe at frame {at} is not in a video of {where.frames} frames")
