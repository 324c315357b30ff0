"""What a camera shows of a picture, and what reading between its pixels costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
"""(height, width, 3), RGB."""
Places: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Where a picture is read: the column and the row for each point of the output, in pixels."""

_EVERY = 7  # pixels between the places at which the loss of sharpness is judged
_CRISPER = 0.15  # sharpening for a picture read halfway between pixels in one direction


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A camera: the output's point (x, y) shows the picture's point (x * scale + left, y * scale + top), in pixels."""

    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0


WHOLE = View()


def look(picture: Picture, *, view: View) -> Picture:
    """A copy of `picture` as `view` shows it; the very same pixels for `WHOLE`."""
    if view == WHOLE:
        return picture.copy()
    matrix = np.array([[view.scale, 0, view.left], [0, view.scale, view.top]])
    flags, size = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, (picture.shape[1], picture.shape[0])
    still = np.zeros(picture.shape[:2], np.float32)
    seen = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crisp(np.asarray(seen, dtype=np.uint8), lost=softness(reading(view, x=still, y=still)))


def reading(view: View, *, x: NDArray[np.float32], y: NDArray[np.float32]) -> Places:
    """Where to read for each point of the output: what the camera shows plus the offset (x, y), both in pixels."""
    columns = np.arange(x.shape[1]) * view.scale + view.left
    rows = np.arange(x.shape[0]) * view.scale + view.top
    return x + columns.astype(np.float32), y + rows.astype(np.float32)[:, None]


def read_at(picture: Picture, places: Places) -> Picture:
    """The picture read at these places, by cubic interpolation; beyond the border its last pixel goes on."""
    return np.asarray(cv2.remap(picture, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def softness(places: Places) -> float:
    """How much a picture loses when it is read at these places: 0 on its pixels, 1 halfway between them in one way."""
    return float(sum(np.mean(np.sin(np.pi * axis[::_EVERY, ::_EVERY]) ** 2) for axis in places))


def crisp(picture: Picture, *, lost: float) -> Picture:
    """The picture with what was lost between the pixels given back, lest every keyframe flash up among its neighbours.

    `lost` is what `softness` told; the mask is an unsharp one with a binomial kernel of 3 x 3.
    """
    amount = _CRISPER * lost
    if amount == 0:
        return picture
    kernel = -amount / 16 * np.outer([1, 2, 1], [1, 2, 1])
    kernel[1, 1] += 1 + amount
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)
