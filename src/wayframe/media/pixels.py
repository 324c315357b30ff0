"""Frames as they are computed with (RGB) and as they are stored (YUV 4:2:0, BT.709, limited range).

A stored picture travels as one array (height * 3 / 2, width): the rows of Y, then those of U and V at half size.
"""

from __future__ import annotations

from typing import TypeAlias

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]
"""One picture: (height, width, 3), RGB, 8 bits."""
Yuv: TypeAlias = NDArray[np.uint8]
"""One stored picture: (height * 3 / 2, width), 8 bits."""

BT709 = 1
LIMITED = 1
UNSPECIFIED = 2

# The default flags of swscale lose 17 dB on a round trip (chroma by nearest neighbour); BITEXACT keeps every CPU alike.
SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_MATRIX = {5: Colorspace.ITU601, 6: Colorspace.ITU601, 4: Colorspace.FCC, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020}
"""ITU-T H.273 matrix coefficients of files that other programs made; all others are read as BT.709."""


def rgb_to_video(pixels: Frame) -> av.VideoFrame:
    """A picture ready for the encoder: yuv420p, BT.709, limited range."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return picture.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=SCALING,
        threads=1,
    )


def yuv_to_video(pixels: Yuv) -> av.VideoFrame:
    """A stored picture ready for the encoder; no value changes."""
    picture = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
    picture.colorspace, picture.color_range = BT709, LIMITED
    return picture


def video_to_rgb(picture: av.VideoFrame) -> Frame:
    """A decoded picture as (height, width, 3) RGB."""
    converted = picture.reformat(
        format="rgb24",
        src_colorspace=_matrix_of(picture),
        src_color_range=_range_of(picture),
        dst_color_range=ColorRange.JPEG,
        interpolation=SCALING,
        threads=1,
    )
    return np.asarray(converted.to_ndarray(), dtype=np.uint8)


def video_to_yuv(picture: av.VideoFrame) -> Yuv:
    """A decoded picture as stored; one in another format or range is converted to BT.709 limited first."""
    as_ours = picture.format.name == "yuv420p" and _range_of(picture) == ColorRange.MPEG
    if not as_ours or _matrix_of(picture) != Colorspace.ITU709:
        picture = picture.reformat(
            format="yuv420p",
            src_colorspace=_matrix_of(picture),
            dst_colorspace=Colorspace.ITU709,
            src_color_range=_range_of(picture),
            dst_color_range=ColorRange.MPEG,
            interpolation=SCALING,
            threads=1,
        )
    return np.asarray(picture.to_ndarray(), dtype=np.uint8)


def _matrix_of(picture: av.VideoFrame) -> Colorspace:
    return _MATRIX.get(int(picture.colorspace), Colorspace.ITU709)


def _range_of(picture: av.VideoFrame) -> ColorRange:
    full = picture.color_range == ColorRange.JPEG or picture.format.name.startswith(("yuvj", "rgb", "bgr", "gbr"))
    return ColorRange.JPEG if full else ColorRange.MPEG
