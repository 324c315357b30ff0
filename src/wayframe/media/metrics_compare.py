"""Two videos over time: how alike their frames are, and where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.errors import MediaError
from wayframe.media.metrics import Footage, Metrics, Watch, decibels
from wayframe.media.metrics_quality import Luma, psnr, ssim
from wayframe.media.metrics_series import Numbers, short

_PARTED = 0.9
"""SSIM below which two frames count as different pictures; encoding one picture twice stays above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Frames of video a and frames of video b that show the same part of the way, e.g. one segment.

    Of ranges with different lengths both ends meet, and frames in between are those at the same share of the way: as
    many pairs as the longer range has frames.
    """

    a: range
    b: range

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The frames that are compared: (frame of a, frame of b)."""
        count = max(len(self.a), len(self.b))
        for step in range(count):
            share = step / (count - 1) if count > 1 else 0.0
            yield self.a[round(share * (len(self.a) - 1))], self.b[round(share * (len(self.b) - 1))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoComparison:
    """Two videos held against each other.

    `pairs` (n, 2) are the frames that were compared; `psnr` (dB, infinite for equal pictures) and `ssim` (n values)
    tell how alike the lumas of each pair are, at `size` (width, height): that of the smaller video. `differs_at` is the
    first pair that differs at all, `parts_at` the first that shows another picture (SSIM below 0.9); None where there
    is none. `a` and `b` are the metrics of each video.
    """

    pairs: NDArray[np.int64]
    psnr: Numbers
    ssim: Numbers
    size: tuple[int, int]
    differs_at: int | None
    parts_at: int | None
    a: Metrics
    b: Metrics

    def to_json(self, *, series: bool = False) -> dict[str, Any]:
        """As plain JSON data; frames of the pairs are [a, b]. `series`: with the values of every pair and frame."""
        data: dict[str, Any] = {
            "pairs": len(self.pairs),
            "size": list(self.size),
            "psnr": {"median": decibels(float(np.median(self.psnr))), "least": decibels(float(self.psnr.min()))},
            "ssim": {"median": short(float(np.median(self.ssim))), "least": short(float(self.ssim.min()))},
            "differs_at": self._frames(self.differs_at),
            "parts_at": self._frames(self.parts_at),
            "a": self.a.to_json(series=series),
            "b": self.b.to_json(series=series),
        }
        if series:
            values = {"psnr": [decibels(value) for value in self.psnr], "ssim": [short(value) for value in self.ssim]}
            data["series"] = {"frames": self.pairs.tolist(), **values}
        return data

    def _frames(self, pair: int | None) -> list[int] | None:
        return None if pair is None else [int(frame) for frame in self.pairs[pair]]


def compare_videos(*, a: Footage, b: Footage, alignment: Sequence[Aligned] | None = None) -> VideoComparison:
    """Compare two videos frame by frame in one pass over each, with flat memory.

    Without `alignment` frame i is held against frame i, to the end of the shorter one. The ranges of an alignment rise
    in both videos; neighbours may share a frame. Raises `MediaError` when a video cannot be read, and for ranges that
    are empty, not in the video, or go back.
    """
    watches = Watch(a), Watch(b)
    shared = range(min(watch.where.frames for watch in watches))
    parts = [Aligned(a=shared, b=shared)] if alignment is None else list(alignment)
    _check_ranges([part.a for part in parts], watches[0])
    _check_ranges([part.b for part in parts], watches[1])
    size = min(((watch.where.width, watch.where.height) for watch in watches), key=lambda size: size[0] * size[1])
    first, second = _Frames(watches[0], size), _Frames(watches[1], size)
    pairs = [pair for part in parts for pair in part.pairs()]
    alike = np.array([_alike(first.at(left), second.at(right)) for left, right in pairs])
    return VideoComparison(
        pairs=np.array(pairs, dtype=np.int64),
        psnr=alike[:, 0],
        ssim=alike[:, 1],
        size=size,
        differs_at=_first(np.isfinite(alike[:, 0])),
        parts_at=_first(alike[:, 1] < _PARTED),
        a=first.finish(),
        b=second.finish(),
    )


class _Frames:
    """The frames of a video at `size`, asked for in rising order; the current one may be asked for again."""

    def __init__(self, watch: Watch, size: tuple[int, int]) -> None:
        self._watch, self._size = watch, size
        self._coming = enumerate(watch.frames())
        self._rank, self._luma = -1, np.zeros((0, 0), np.uint8)

    def at(self, rank: int) -> Luma:
        while self._rank < rank:
            self._rank, self._luma = next(self._coming)
        width, height = self._size[0] // 2 * 2, self._size[1] // 2 * 2
        if self._luma.shape == (height, width):
            return self._luma
        return np.asarray(cv2.resize(self._luma, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def finish(self) -> Metrics:
        for _ in self._coming:
            pass
        return self._watch.metrics()


def _alike(left: Luma, right: Luma) -> tuple[float, float]:
    return psnr(first=left, second=right), ssim(first=left, second=right)


def _first(where: NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else None


def _check_ranges(ranges: Sequence[range], watch: Watch) -> None:
    path, frames = watch.where.path, watch.where.frames
    if not ranges:
        raise MediaError(f"{path}: an alignment without ranges compares nothing")
    for part in ranges:
        if part.step != 1 or not 0 <= part.start < part.stop <= frames:
            raise MediaError(f"{path}: cannot align frames {part.start} to {part.stop} of {frames}")
    for before, after in pairwise(ranges):
        if after.start < before.stop - 1:
            raise MediaError(f"{path}: frames to align go back from {before.stop} to {after.start}")
