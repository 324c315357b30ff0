"""What a writer is shown: one framed picture with both keyframes of a segment, labelled, or a lone keyframe."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LONGEST, GRID = 768, 2
"""Pixels of the longer side of each keyframe; larger ones cost tokens and tell a model little more."""
LAYOUT = "pair/1"
"""Names how pictures are framed: it enters the key of a written prompt, and changes with anything in this module."""
QUALITY = 90
_BORDER, _BAND, _LETTERS = 8, 36, 24
_GROUND, _INK = (24, 24, 24), (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How keyframes are fitted before they are framed: their size in pixels; fit and matte as the video has them."""

    width: int
    height: int
    fit: str
    matte: str

    def facts(self) -> list[str]:
        """What enters the key of a written prompt."""
        return [LAYOUT, f"{self.width}x{self.height}", self.fit, self.matte]


def framing_of(size: tuple[int, int], *, fit: str, matte: str) -> Framing:
    """The framing for a video of `size`: the same shape, the longer side of `LONGEST` pixels.

    So a draft in half the size shows its writer the same pictures as the whole video.
    """
    scale = LONGEST / max(size)
    width, height = (max(round(side * scale / GRID), 1) * GRID for side in size)
    return Framing(width=width, height=height, fit=fit, matte=matte)


def framed(*, first: NDArray[np.uint8], last: NDArray[np.uint8] | None) -> bytes:
    """A JPEG file of a segment's keyframes: (height, width, 3) RGB pictures of one size.

    Upright and square ones are put side by side, lying ones one above the other. Each has a band with its label above
    it, START and END. A lone keyframe is shown as it is.
    """
    if last is None:
        return _jpeg(Image.fromarray(first))
    height, width = first.shape[:2]
    beside = width <= height
    step = (width + _BORDER, 0) if beside else (0, height + _BAND + _BORDER)
    canvas = Image.new("RGB", (width + step[0] + 2 * _BORDER, height + _BAND + step[1] + 2 * _BORDER), _GROUND)
    pen = ImageDraw.Draw(canvas)
    for number, (label, pixels) in enumerate((("START", first), ("END", last))):
        left, top = _BORDER + number * step[0], _BORDER + number * step[1]
        pen.text((left + width // 2, top + _BAND // 2), label, _INK, font=ImageFont.load_default(_LETTERS), anchor="mm")
        canvas.paste(Image.fromarray(pixels), (left, top + _BAND))
    return _jpeg(canvas)


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY, subsampling=0, optimize=False)
    return stream.getvalue()
