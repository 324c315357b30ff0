"""How close one picture is to another: PSNR and SSIM of luma as it is stored (8 bits, BT.709, limited range).

PSNR: 10 log10(255^2 / mean squared error), as FFmpeg's ``psnr`` filter gives it for Y.
SSIM: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE Transactions on Image Processing 13 (2004): Gaussian window of 11 x 11 and sigma 1.5, K1 = 0.01, K2 = 0.03 and
L = 255, averaged over the places where the window lies within the picture.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.media.pixels import Frame, rgb_to_video, video_to_yuv

Luma: TypeAlias = NDArray[np.uint8]
"""The Y plane of a picture: (height, width), 8 bits."""

_PEAK = 255.0
_SIGMA, _RADIUS = 1.5, 5
_WINDOW = (2 * _RADIUS + 1, 2 * _RADIUS + 1)
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


def luma_of(pixels: Frame) -> Luma:
    """The luma that a (height, width, 3) RGB picture is stored with; an odd last row or column is left out."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    return video_to_yuv(rgb_to_video(pixels[:height, :width]))[:height]


def psnr(*, first: Luma, second: Luma) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures. ValueError when their sizes differ."""
    _check_sizes(first, second)
    error = float(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size
    return 10 * math.log10(_PEAK**2 / error) if error else math.inf


def ssim(*, first: Luma, second: Luma) -> float:
    """Mean structural similarity: 1 for equal pictures, about 0 for unrelated ones; below 0 where they are opposed.

    Pictures smaller than the window are mirrored at their borders. ValueError when the sizes differ.
    """
    _check_sizes(first, second)
    x, y = first.astype(np.float32), second.astype(np.float32)
    mean_x, mean_y = _weighted(x), _weighted(y)
    variances = _weighted(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = _weighted(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + _C1) / (mean_x * mean_x + mean_y * mean_y + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return float(np.mean(_inner(light * structure), dtype=np.float64))


def _weighted(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, _WINDOW, _SIGMA, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _inner(values: NDArray[np.float32]) -> NDArray[np.float32]:
    if min(values.shape) <= 2 * _RADIUS:
        return values
    return values[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def _check_sizes(first: Luma, second: Luma) -> None:
    if first.shape != second.shape:
        raise ValueError(f"pictures of one size are needed, not {first.shape} and {second.shape}")
