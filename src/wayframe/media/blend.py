"""Crossfades of two runs of frames, in the values that are stored (YUV), computed in whole numbers.

All curves ease with a cosine or stay straight; they differ in where they stand and in what they sharpen. Integer
arithmetic makes a blend the same on any machine, and with it the packets that come of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.errors import MediaError
from wayframe.media.pixels import Yuv

_ONE = 1 << 16
_SHARPEN = 0.3
_BLUR_SIGMA = 3.0


def ease(t: float) -> float:
    """The raised cosine (1 - cos(pi t)) / 2: 0 at 0, 1 at 1, level at both."""
    return (1 - math.cos(math.pi * t)) / 2


def bell(*, left: Yuv, right: Yuv, step: int, steps: int) -> Yuv:
    """Eased over t = (step + 1) / (steps + 1): symmetric, no frame is one side alone, nothing is sharpened."""
    return _mixed(left, right, ease((step + 1) / (steps + 1)))


def linear(*, left: Yuv, right: Yuv, step: int, steps: int) -> Yuv:
    """Straight over t = (step + 1) / (steps + 1), as FFmpeg's ``xfade=fade``."""
    return _mixed(left, right, (step + 1) / (steps + 1))


def upstream(*, left: Yuv, right: Yuv, step: int, steps: int) -> Yuv:
    """As upstream's crossfade: eased over t = (step + 1) / steps, so that the last frame is the right side alone.

    Luma is sharpened by an unsharp mask (sigma 3) of 0.3 times the weight, which grows until the blend ends: the
    sharpness jumps there. Kept to reproduce old results.
    """
    weight = ease((step + 1) / steps)
    mixed = _mixed(left, right, weight)
    luma = mixed[: mixed.shape[0] * 2 // 3]
    luma[:] = _sharpened(luma, _SHARPEN * weight)
    return mixed


class Curve(Protocol):
    """Mixes frame `step` of `steps`; the arrays are those of `decode_yuv`."""

    def __call__(self, *, left: Yuv, right: Yuv, step: int, steps: int) -> Yuv: ...


CURVES: Mapping[str, Curve] = MappingProxyType({"bell": bell, "linear": linear, "upstream": upstream})


def curve_named(name: str) -> Curve:
    """The curve of this name; `MediaError` lists them when there is none."""
    if name not in CURVES:
        raise MediaError(f"blend curve {name!r} is not known; there are {', '.join(CURVES)}")
    return CURVES[name]


def _mixed(left: Yuv, right: Yuv, weight: float) -> Yuv:
    moved = np.subtract(right, left, dtype=np.int32)
    moved *= round(weight * _ONE)
    moved += _ONE // 2
    moved >>= 16
    moved += left
    return moved.astype(np.uint8)


def _sharpened(luma: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    share = round(amount * _ONE)
    blurred = cv2.GaussianBlur(np.ascontiguousarray(luma), (0, 0), _BLUR_SIGMA)
    total = luma.astype(np.int32) * (_ONE + share) - blurred.astype(np.int32) * share
    return np.asarray(np.clip((total + _ONE // 2) >> 16, 0, 255), dtype=np.uint8)
