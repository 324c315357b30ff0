"""Curves over time in a panel, drawn with smooth edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from wayframe.media.colour import Rgb
from wayframe.media.drawing import BAND, FAINT, SMOOTH, TEXT, TITLE, font
from wayframe.media.metrics_series import Numbers

_LINE = 2.2
_FILL, _FILL_ALONE = 40, 56
_GRID = 2
_LARGE = 100
_MOST_PEAKS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Curves that share one scale: `span` (lowest, highest value), value `i` at frame `start + i`.

    `key` names the curves and gives their colours; `note` stands at the right end of the title line.
    """

    title: str
    key: tuple[tuple[str, Rgb], ...]
    curves: tuple[Numbers, ...]
    span: tuple[float, float]
    start: int = 0
    filled: bool = True
    note: str = ""


def draw_panel(canvas: Image.Image, panel: Panel, *, left: int, right: int, rows: tuple[int, int], unit: float) -> None:
    """Draw a panel between `left` and `right` and the two `rows` (top, bottom); `unit` scales letters and lines."""
    size = right - left, rows[1] - rows[0]
    _draw_grid(canvas, panel, left=left, right=right, rows=rows, unit=unit)
    for curve, (_, colour) in zip(panel.curves, panel.key, strict=True):
        points = _points(panel, curve, size=size)
        alone = len(panel.curves) == 1
        if panel.filled:
            canvas.paste(colour, (left, rows[0]), _area(points, size=size, alpha=_FILL_ALONE if alone else _FILL))
        canvas.paste(colour, (left, rows[0]), _line(points, size=size, width=_LINE * unit))
    _draw_peaks(canvas, panel, left=left, right=right, top=rows[0], unit=unit)
    _draw_title(canvas, panel, left=left, right=right, top=rows[0], unit=unit)


def _draw_grid(canvas: Image.Image, panel: Panel, *, left: int, right: int, rows: tuple[int, int], unit: float) -> None:
    draw = ImageDraw.Draw(canvas)
    low, high = panel.span
    for line in range(_GRID + 1):
        y = round(rows[1] - (rows[1] - rows[0]) * line / _GRID)
        draw.line((left, y, right, y), fill=BAND, width=max(1, round(unit)))
        value = low + (high - low) * line / _GRID
        draw.text((left - 14 * unit, y), _number(value), font=font(14 * unit), fill=FAINT, anchor="rm")


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= _LARGE else f"{value:.3g}"


def _draw_title(canvas: Image.Image, panel: Panel, *, left: int, right: int, top: int, unit: float) -> None:
    draw, y, x = ImageDraw.Draw(canvas), top - round(16 * unit), float(left)
    draw.text((x, y), panel.title, font=font(18 * unit), fill=TITLE, anchor="ls")
    x += draw.textlength(panel.title, font=font(18 * unit)) + 26 * unit
    for name, colour in panel.key:
        if name:
            draw.line((x, y - 6 * unit, x + 22 * unit, y - 6 * unit), fill=colour, width=max(2, round(3 * unit)))
            draw.text((x + 30 * unit, y), name, font=font(16 * unit), fill=TEXT, anchor="ls")
            x += draw.textlength(name, font=font(16 * unit)) + 56 * unit
    draw.text((right, y), panel.note, font=font(16 * unit), fill=TEXT, anchor="rs")


def _draw_peaks(canvas: Image.Image, panel: Panel, *, left: int, right: int, top: int, unit: float) -> None:
    """Write the value of each peak that is cut off, at its place."""
    draw, letters, written = ImageDraw.Draw(canvas), font(14 * unit), float(left)
    highest = np.max(np.stack(panel.curves), axis=0)
    last = max(1, panel.start + len(highest) - 1)
    for at in _peaks(highest, limit=panel.span[1]):
        text = f"{highest[at]:.1f}"
        x = left + (right - left) * (panel.start + at) / last
        long = draw.textlength(text, font=letters)
        start = x + 8 * unit if x + 8 * unit + long < right else x - 8 * unit - long
        if start > written:
            draw.text((start, top + 4 * unit), text, font=letters, fill=TITLE, anchor="lt")
            written = start + long + 6 * unit


def _peaks(values: Numbers, *, limit: float) -> list[int]:
    """The highest place of each run above the limit, in order; of many runs the highest ones."""
    edges = np.flatnonzero(np.diff((values > limit).astype(np.int8), prepend=0, append=0))
    tops = [int(start + np.argmax(values[start:stop])) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(sorted(tops, key=lambda at: -values[at])[:_MOST_PEAKS])


def _points(panel: Panel, curve: Numbers, *, size: tuple[int, int]) -> list[tuple[float, float]]:
    """The curve in the panel's pixels, times `SMOOTH`; of many values a pixel, the lowest and the highest."""
    width, height = size[0] * SMOOTH, size[1] * SMOOTH
    last = max(1, panel.start + len(curve) - 1)
    low, high = panel.span
    x = (width - 1) * (panel.start + np.arange(len(curve))) / last
    y = (height - 1) * (1 - (np.clip(curve, low, high) - low) / (high - low))
    if len(curve) > 2 * size[0]:
        columns = np.flatnonzero(np.diff(x // SMOOTH, prepend=-1))
        lowest, highest = np.maximum.reduceat(y, columns), np.minimum.reduceat(y, columns)
        x, y = np.repeat(x[columns], 2), np.stack([lowest, highest], axis=1).ravel()
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _line(points: list[tuple[float, float]], *, size: tuple[int, int], width: float) -> Image.Image:
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH), 0)
    draw, thick = ImageDraw.Draw(large), max(1, round(width * SMOOTH))
    if len(points) > 1:
        draw.line(points, fill=255, width=thick, joint="curve")
    else:
        x, y = points[0]
        draw.ellipse((x - thick, y - thick, x + thick, y + thick), fill=255)
    return large.resize(size, Image.Resampling.BOX)


def _area(points: list[tuple[float, float]], *, size: tuple[int, int], alpha: int) -> Image.Image:
    """The ground under the curve, fainter towards the bottom."""
    large = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH), 0)
    bottom = large.height - 1
    ImageDraw.Draw(large).polygon([(points[0][0], bottom), *points, (points[-1][0], bottom)], fill=255)
    fading = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize(size)
    return ImageChops.multiply(
        large.resize(size, Image.Resampling.BOX), fading.point(lambda value: value * alpha // 128)
    )
