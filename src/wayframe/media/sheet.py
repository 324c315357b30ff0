"""A contact sheet: frames of a video side by side, with its keyframes and joins marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from wayframe.errors import MediaError
from wayframe.files import atomic_path
from wayframe.media.drawing import (
    BAND,
    BAND_ALTERNATE,
    FAINT,
    GROUND,
    INK,
    JOIN,
    KEYFRAME,
    TEXT,
    TITLE,
    Font,
    font,
    rounded,
)
from wayframe.media.fit import fit_image
from wayframe.media.index import VideoIndex, decode_some, index
from wayframe.media.pixels import Frame
from wayframe.media.reading import media_errors

_ROWS = 4
_QUALITY = 90
_HIGHEST = 65_000
"""Pixels; a JPEG holds 65,535, libjpeg 65,500."""


@dataclass(frozen=True)
class _Layout:
    """Where things go, in pixels; everything scales with the width of the sheet."""

    width: int
    columns: int
    tiles: int
    aspect: float

    @cached_property
    def unit(self) -> float:
        return self.width / 1600

    @cached_property
    def margin(self) -> int:
        return round(40 * self.unit)

    @cached_property
    def gap(self) -> int:
        return round(14 * self.unit)

    @cached_property
    def header(self) -> int:
        return round(112 * self.unit)

    @cached_property
    def caption(self) -> int:
        return round(34 * self.unit)

    @cached_property
    def footer(self) -> int:
        return round(96 * self.unit)

    @cached_property
    def tile(self) -> tuple[int, int]:
        across = (self.width - 2 * self.margin - (self.columns - 1) * self.gap) // self.columns
        return across, max(1, round(across / self.aspect))

    @cached_property
    def grid_end(self) -> int:
        rows = -(-self.tiles // self.columns)
        return self.header + rows * (self.tile[1] + self.caption + self.gap)

    @cached_property
    def size(self) -> tuple[int, int]:
        return self.width, self.grid_end + self.footer

    def place(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        x = self.margin + column * (self.tile[0] + self.gap)
        return x, self.header + row * (self.tile[1] + self.caption + self.gap)

    def font(self, size: float) -> Font:
        return font(size * self.unit)


def chosen_frames(frames: int, *, tiles: int, always: Collection[int]) -> tuple[int, ...]:
    """Up to `tiles` ranks: the first, the last, all of `always`, and others spread evenly between them.

    More than `tiles` only when `always` alone needs more.
    """
    fixed = sorted({0, frames - 1} | {rank for rank in always if 0 <= rank < frames})
    gaps = [[left, right, 1] for left, right in pairwise(fixed)]
    for _ in range(min(tiles, frames) - len(fixed)):
        widest = max(gaps, key=lambda gap: (gap[1] - gap[0]) / gap[2])
        widest[2] += 1
    between = {left + (right - left) * step // parts for left, right, parts in gaps for step in range(parts)}
    return tuple(sorted(between | set(fixed)))


def contact_sheet(
    path: Path,
    *,
    target: Path,
    keyframes: Mapping[int, int] | None = None,
    joins: Collection[int] = (),
    columns: int = 6,
    width: int = 1600,
) -> None:
    """Write a JPEG of frames of the video at `path`, `width` pixels wide with `columns` frames in a row.

    Where it would be higher than a JPEG can be, for hundreds of keyframes, there are more in a row.
    The first frame, the last one and every keyframe are always there. `keyframes` are the numbers of keyframes by the
    frames of the video that show them, `joins` frames where it is joined; all are marked.
    Raises `MediaError` when the video cannot be read or the sheet not written.
    """
    if columns < 1 or width < columns * _ROWS:
        raise MediaError(f"{target}: a sheet of {width} pixels cannot hold {columns} columns")
    video = index(path)
    marked = {rank: number for rank, number in sorted((keyframes or {}).items()) if 0 <= rank < video.frames}
    ranks = chosen_frames(video.frames, tiles=_tiles(len(marked), columns), always=marked)
    layout = _fitting(_Layout(width=width, columns=columns, tiles=len(ranks), aspect=video.width / video.height))
    sheet = Image.new("RGB", layout.size, GROUND)
    _draw_header(sheet, layout, video, keyframes=len(marked))
    for number, (rank, pixels) in enumerate(decode_some(video, ranks=ranks)):
        keyframe = marked.get(rank)
        _draw_tile(sheet, layout, number, pixels=pixels, keyframe=keyframe)
        _draw_caption(sheet, layout, number, rank=rank, time=float(rank / video.fps), keyframe=keyframe)
    _draw_timeline(sheet, layout, video.frames, keyframes=marked, joins=joins)
    with media_errors(target, "draw"), atomic_path(target) as temporary:
        sheet.save(temporary, format="JPEG", quality=_QUALITY, subsampling=0)


def _fitting(layout: _Layout) -> _Layout:
    while layout.size[1] > _HIGHEST and layout.tile[0] > 1:
        layout = replace(layout, columns=layout.columns + 1)
    return layout


def _tiles(keyframes: int, columns: int) -> int:
    """Full rows, at least four of them, with room between the keyframes."""
    return max(_ROWS, -(-2 * keyframes // columns)) * columns


def _draw_header(sheet: Image.Image, layout: _Layout, video: VideoIndex, *, keyframes: int) -> None:
    draw = ImageDraw.Draw(sheet)
    seconds = float(video.frames / video.fps)
    facts = [
        f"{video.frames} frames",
        f"{seconds:.2f} s",
        f"{float(video.fps):g} fps",
        f"{video.width} x {video.height}",
    ]
    if keyframes:
        facts.append(f"{keyframes} keyframes")
    baseline = round(72 * layout.unit)
    draw.text((layout.margin, baseline), video.path.stem, font=layout.font(40), fill=TITLE, anchor="ls")
    draw.text(
        (layout.width - layout.margin, baseline), "   ".join(facts), font=layout.font(21), fill=FAINT, anchor="rs"
    )


def _draw_tile(sheet: Image.Image, layout: _Layout, number: int, *, pixels: Frame, keyframe: int | None) -> None:
    width, height = layout.tile
    picture = Image.fromarray(np.ascontiguousarray(fit_image(pixels, width=width, height=height, fit="stretch")))
    x, y = layout.place(number)
    radius = round(8 * layout.unit)
    if keyframe is not None:
        border = max(2, round(4 * layout.unit))
        frame = rounded((width + 2 * border, height + 2 * border), radius + border)
        sheet.paste(KEYFRAME, (x - border, y - border), frame)
    sheet.paste(picture, (x, y), rounded((width, height), radius))


def _draw_caption(
    sheet: Image.Image, layout: _Layout, number: int, *, rank: int, time: float, keyframe: int | None
) -> None:
    draw = ImageDraw.Draw(sheet)
    x, y = layout.place(number)
    baseline, right = y + layout.tile[1] + round(25 * layout.unit), x + layout.tile[0]
    name = str(rank) if keyframe is None else f"{rank}   keyframe {keyframe}"
    colour = TEXT if keyframe is None else KEYFRAME
    draw.text((x, baseline), name, font=layout.font(19), fill=colour, anchor="ls")
    draw.text((right, baseline), f"{time:.2f} s", font=layout.font(17), fill=FAINT, anchor="rs")


def _draw_timeline(
    sheet: Image.Image, layout: _Layout, frames: int, *, keyframes: Mapping[int, int], joins: Collection[int]
) -> None:
    """A bar of the whole length: shades change at the joins, dots are the keyframes."""
    left, right = layout.margin, layout.width - layout.margin
    top, thick = layout.grid_end + round(34 * layout.unit), max(2, round(10 * layout.unit))
    bar = Image.new("RGB", (right - left, thick), BAND)
    draw = ImageDraw.Draw(bar)

    def across(rank: int) -> int:
        return round((right - left - 1) * rank / max(1, frames - 1))

    borders = sorted(join for join in set(joins) if 0 < join < frames)
    for number, start in enumerate(borders):
        shade = BAND if number % 2 else BAND_ALTERNATE
        draw.rectangle((across(start), 0, right - left, thick), fill=shade)
    for start in borders:
        draw.rectangle((across(start) - 1, 0, across(start), thick), fill=JOIN)
    sheet.paste(bar, (left, top), rounded(bar.size, thick // 2))
    dot = round(22 * layout.unit)
    for rank, number in keyframes.items():
        place = (left + across(rank) - dot // 2, top + thick // 2 - dot // 2)
        sheet.paste(KEYFRAME, place, rounded((dot, dot), dot // 2))
        middle = (place[0] + dot / 2, place[1] + dot / 2)
        ImageDraw.Draw(sheet).text(middle, str(number), font=layout.font(14), fill=INK, anchor="mm")
