"""The look that all pictures about videos share: colours, letters, and shapes with smooth edges."""

from __future__ import annotations

from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from wayframe.media.colour import Rgb

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

SMOOTH = 4
"""Shapes are drawn this many times larger and scaled down, because Pillow draws them without smoothing."""

GROUND: Rgb = (17, 18, 22)
BAND: Rgb = (44, 47, 56)
BAND_ALTERNATE: Rgb = (60, 64, 76)
TITLE: Rgb = (240, 240, 244)
TEXT: Rgb = (196, 199, 208)
FAINT: Rgb = (124, 128, 140)
KEYFRAME: Rgb = (255, 184, 76)
JOIN: Rgb = (112, 190, 255)
INK: Rgb = (28, 22, 10)

_SMALLEST_LETTERS = 7.0


def font(size: float) -> Font:
    """Pillow's own letters at `size` pixels, never so small that they cannot be read."""
    return ImageFont.load_default(size=max(_SMALLEST_LETTERS, size))


def rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask of `size` (width, height): 255 inside of a rectangle with round corners, 0 outside."""
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH), 0)
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius=radius * SMOOTH, fill=255)
    return large.resize(size, Image.Resampling.BOX)
