"""The metrics of a video as one picture: its frames over curves, with joins, keyframes and frozen frames marked."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from wayframe.errors import MediaError
from wayframe.files import atomic_path
from wayframe.media.colour import Rgb
from wayframe.media.curves import Panel, draw_panel
from wayframe.media.drawing import FAINT, GROUND, INK, KEYFRAME, TEXT, TITLE, Font, font, rounded
from wayframe.media.fit import fit_image
from wayframe.media.index import VideoIndex, decode_some, index
from wayframe.media.metrics import Fidelity, JoinScore, Metrics
from wayframe.media.metrics_scores import FrozenRange
from wayframe.media.metrics_series import Numbers
from wayframe.media.pixels import Frame
from wayframe.media.reading import media_errors

_CHANGE, _UNEXPLAINED, _MOTION = (134, 142, 162), (255, 138, 101), (129, 212, 250)
_SHARPNESS, _LUMA, _FROZEN = (165, 214, 167), (240, 228, 180), (186, 146, 255)
_JOIN_COLOURS: Mapping[str, Rgb] = MappingProxyType(
    {"even": (126, 211, 160), "slight": (240, 214, 90), "visible": (255, 107, 107)}
)
_FILM_HEIGHT, _PANELS, _TALL = 120, 4, 1.5
_FEWEST_TILES, _MOST_TILES = 4, 24
_PEAK_PERCENTILE, _PEAK_ROOM = 90.0, 2.5
_LEAST_CHANGE, _LEAST_MOTION, _LEAST_LUMA = 2.0, 0.1, 8.0
_PERCENT = 100.0
_STEPS = (1, 2, 5)
_TOPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
_NARROWEST = 400


@dataclass(frozen=True)
class _Layout:
    """Where things go, in pixels; everything scales with the width of the picture."""

    width: int
    frames: int
    aspect: float

    @cached_property
    def unit(self) -> float:
        return self.width / 1600

    def px(self, length: float) -> int:
        return round(length * self.unit)

    @cached_property
    def left(self) -> int:
        return self.px(104)

    @cached_property
    def right(self) -> int:
        return self.width - self.px(44)

    @cached_property
    def tiles(self) -> int:
        fitting = round((self.right - self.left) / (self.px(_FILM_HEIGHT) * self.aspect))
        return min(self.frames, min(max(fitting, _FEWEST_TILES), _MOST_TILES))

    @cached_property
    def film(self) -> tuple[int, int]:
        """Top and height of the strip of frames."""
        across = (self.right - self.left) / self.tiles
        return self.px(112), max(1, min(round(across / self.aspect), self.px(2 * _FILM_HEIGHT)))

    @cached_property
    def marks(self) -> int:
        return sum(self.film) + self.px(12)

    def panel(self, number: int) -> tuple[int, int]:
        """Top and bottom of a panel's curves; the first one is taller."""
        pitch, high = self.px(150), self.px(96)
        first = self.marks + self.px(124)
        if number == 0:
            return first, first + round(high * _TALL)
        top = first + round(high * _TALL) - high + number * pitch
        return top, top + high

    @cached_property
    def axis(self) -> int:
        return self.panel(_PANELS - 1)[1]

    @cached_property
    def size(self) -> tuple[int, int]:
        return self.width, self.axis + self.px(84)

    def x(self, frame: float) -> float:
        """Where a frame stands; half frames are the borders between two."""
        return self.left + (self.right - self.left) * frame / max(1, self.frames - 1)

    def inside(self, x: float) -> int:
        return round(min(max(x, self.left), self.right))

    def font(self, size: float) -> Font:
        return font(size * self.unit)


def plot_metrics(
    path: Path,
    *,
    metrics: Metrics,
    target: Path,
    keyframes: Collection[int] = (),
    title: str = "",
    width: int = 1600,
) -> None:
    """Write a PNG, `width` pixels wide: frames of the video at `path`, and under them the curves of its `metrics`.

    Joins are bands with their scores, `keyframes` (frame numbers) are numbered from 0, with their fidelity where it was
    measured; repeated frames are shaded. Peaks that would flatten all else are cut off and their value written. Raises
    `MediaError` when the video cannot be read or the picture not written.
    """
    if width < _NARROWEST:
        raise MediaError(f"{target}: a plot of {width} pixels is too narrow; use at least {_NARROWEST}")
    video = index(path)
    marked = sorted(at for at in set(keyframes) if 0 <= at < video.frames)
    layout = _Layout(width=width, frames=video.frames, aspect=video.width / video.height)
    canvas = Image.new("RGB", layout.size, GROUND)
    _draw_header(canvas, layout, video, title=title or path.stem)
    _draw_film(canvas, layout, video, keyframes=marked)
    _draw_bands(canvas, layout, metrics)
    for number, panel in enumerate(_panels(metrics)):
        draw_panel(canvas, panel, left=layout.left, right=layout.right, rows=layout.panel(number), unit=layout.unit)
    _draw_keyframes(canvas, layout, metrics, keyframes=marked)
    _draw_scores(canvas, layout, metrics.joins)
    _draw_axis(canvas, layout, video)
    with media_errors(target, "draw"), atomic_path(target) as temporary:
        canvas.save(temporary, format="PNG")


def _panels(metrics: Metrics) -> Iterator[Panel]:
    series, motion = metrics.series, metrics.motion
    steps = slice(1, None) if len(series) > 1 else slice(None)
    yield Panel(
        title="change per frame",
        key=(("all of it", _CHANGE), ("not explained by motion", _UNEXPLAINED)),
        curves=(series.raw[steps], series.compensated[steps]),
        span=(0.0, _room(series.raw[steps], series.compensated[steps], least=_LEAST_CHANGE)),
        start=steps.start or 0,
        note=f"{metrics.frozen_frames} frozen frames" if metrics.frozen else "no frozen frames",
    )
    percent = series.motion[steps] * _PERCENT
    yield Panel(
        title="motion, % of the width per frame",
        key=(("", _MOTION),),
        curves=(percent,),
        span=(0.0, _room(percent, least=_LEAST_MOTION)),
        start=steps.start or 0,
        note=f"median {motion.median * _PERCENT:.2f}, 95th percentile {motion.high * _PERCENT:.2f}",
    )
    yield Panel(
        title="sharpness",
        key=(("", _SHARPNESS),),
        curves=(series.sharpness,),
        span=(0.0, _nice(max(1.0, float(series.sharpness.max())))),
        note="variance of the Laplacian",
    )
    middle, half = float(series.luma.max() + series.luma.min()) / 2, float(np.ptp(series.luma)) / 2
    half = max(half * 1.1, _LEAST_LUMA / 2)
    yield Panel(
        title="mean luma",
        key=(("", _LUMA),),
        curves=(series.luma,),
        span=(middle - half, middle + half),
        filled=False,
        note=f"flicker {metrics.flicker:.2f} grey levels",
    )


def _room(*curves: Numbers, least: float) -> float:
    """The top of a panel: its highest value, unless that is a peak far above the rest."""
    highest = max(float(curve.max()) for curve in curves)
    usual = max(float(np.percentile(curve, _PEAK_PERCENTILE)) for curve in curves) * _PEAK_ROOM
    return _nice(max(min(highest * 1.05, usual), least))


def _nice(value: float) -> float:
    """The next number up that has one or two digits, and so has its half."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in _TOPS if step * unit >= value)


def _draw_header(canvas: Image.Image, layout: _Layout, video: VideoIndex, *, title: str) -> None:
    draw = ImageDraw.Draw(canvas)
    seconds, fps = float(video.frames / video.fps), float(video.fps)
    count = f"{video.frames} frame{'' if video.frames == 1 else 's'}"
    facts = f"{count}   {seconds:.2f} s   {fps:g} fps   {video.width} x {video.height}"
    baseline = layout.px(72)
    draw.text((layout.left, baseline), title, font=layout.font(40), fill=TITLE, anchor="ls")
    draw.text((layout.right, baseline), facts, font=layout.font(21), fill=FAINT, anchor="rs")


def _draw_film(canvas: Image.Image, layout: _Layout, video: VideoIndex, *, keyframes: Sequence[int]) -> None:
    """Frames in a row, each above its own time; a tile in whose time a keyframe stands shows that keyframe."""
    top, height = layout.film
    edges = np.linspace(layout.left, layout.right, layout.tiles + 1).round().astype(int)
    borders = np.linspace(0, video.frames, layout.tiles + 1)
    shown: dict[int, int] = {}
    for tile in range(layout.tiles):
        middle = int((borders[tile] + borders[tile + 1]) / 2)
        within = [at for at in keyframes if borders[tile] <= at < borders[tile + 1]]
        shown[tile] = min(within, key=lambda at: abs(at - middle)) if within else middle
    pictures = dict(decode_some(video, ranks=set(shown.values())))
    gap = max(1, layout.px(3))
    for tile, frame in shown.items():
        place = int(edges[tile]) + gap, top
        size = (int(edges[tile + 1] - edges[tile]) - 2 * gap, height)
        _paste_tile(canvas, pictures[frame], place=place, size=size, mark=frame in keyframes)
        _write_number(canvas, layout, frame, corner=(place[0] + layout.px(6), top + height - layout.px(6)))


def _paste_tile(
    canvas: Image.Image, pixels: Frame, *, place: tuple[int, int], size: tuple[int, int], mark: bool
) -> None:
    radius = max(2, size[1] // 20)
    if mark:
        border = max(2, size[1] // 45)
        around = (size[0] + 2 * border, size[1] + 2 * border)
        canvas.paste(KEYFRAME, (place[0] - border, place[1] - border), rounded(around, radius + border))
    picture = fit_image(pixels, width=size[0], height=size[1], fit="cover")
    canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), place, rounded(size, radius))


def _write_number(canvas: Image.Image, layout: _Layout, frame: int, *, corner: tuple[int, int]) -> None:
    """A frame's number on a dark tag whose lower left end is `corner`."""
    draw, letters, high = ImageDraw.Draw(canvas), layout.font(13), layout.px(20)
    wide = round(draw.textlength(str(frame), font=letters)) + layout.px(12)
    tag = rounded((wide, high), high // 4).point(lambda value: value * 3 // 4)
    canvas.paste(GROUND, (corner[0], corner[1] - high), tag)
    draw.text((corner[0] + wide / 2, corner[1] - high / 2), str(frame), font=letters, fill=TITLE, anchor="mm")


def _draw_bands(canvas: Image.Image, layout: _Layout, metrics: Metrics) -> None:
    """Joins and repeated frames as shades over all panels, behind the curves."""
    top, bottom = layout.panel(0)[0], layout.axis
    for part in metrics.frozen:
        _shade(canvas, layout, (part.start - 0.5, part.stop - 0.5), rows=(top, bottom), colour=_FROZEN, alpha=44)
    for join in metrics.joins:
        ends = (join.start - 0.5, join.start + join.overlap - 0.5)
        rows = (layout.marks + layout.px(84), bottom)
        _shade(canvas, layout, ends, rows=rows, colour=_JOIN_COLOURS[join.verdict], alpha=60)
    draw, written = ImageDraw.Draw(canvas), float(layout.left)
    for part in metrics.frozen:
        x = layout.inside(layout.x(part.start - 0.5)) + layout.px(6)
        text = frozen_text(part)
        if x >= written:
            draw.text((x, top + layout.px(6)), text, font=layout.font(15), fill=_FROZEN, anchor="lt")
            written = x + draw.textlength(text, font=layout.font(15)) + layout.px(8)


def frozen_text(part: FrozenRange) -> str:
    """The frames that only repeat the one before them: `frozen 6`, `frozen 6 to 9`."""
    return f"frozen {part.start}" if part.stop - part.start == 1 else f"frozen {part.start} to {part.stop - 1}"


def join_text(join: JoinScore) -> str:
    """A join's score, and of one that is seen what shows it: `join 1.0`, `join 4.2 change`."""
    score = f"join {join.score:.1f}"
    return score if join.verdict == "even" else f"{score} {join.signal}"


def _shade(
    canvas: Image.Image,
    layout: _Layout,
    frames: tuple[float, float],
    *,
    rows: tuple[int, int],
    colour: Rgb,
    alpha: int,
) -> None:
    first, last = (layout.inside(layout.x(frame)) for frame in frames)
    thick = max(last - first, layout.px(2), 1)
    left = (first + last - thick) // 2
    mask = Image.new("L", (thick, rows[1] - rows[0]), alpha)
    canvas.paste(colour, (left, rows[0]), mask)


def _draw_keyframes(canvas: Image.Image, layout: _Layout, metrics: Metrics, *, keyframes: Sequence[int]) -> None:
    """Numbered dots under the film, with as much of their fidelity beside them as there is room for."""
    measured = {keyframe.at: keyframe for keyframe in metrics.keyframes}
    draw, dot, middle = ImageDraw.Draw(canvas), layout.px(24), layout.marks + layout.px(16)
    places = [round(layout.x(at)) for at in keyframes]
    taken = 0.0
    for number, (at, x) in enumerate(zip(keyframes, places, strict=True)):
        canvas.paste(KEYFRAME, (x - dot // 2, middle - dot // 2), rounded((dot, dot), dot // 2))
        draw.text((x, middle), str(number), font=layout.font(14), fill=INK, anchor="mm")
        ends = [*places, layout.width][number + 1] - dot, x - dot
        for text in _fidelity(measured.get(at)):
            long = draw.textlength(text, font=layout.font(16))
            if x + dot + long <= ends[0] or ends[1] - long >= taken:
                start = x + dot if x + dot + long <= ends[0] else ends[1] - long
                draw.text((start, middle), text, font=layout.font(16), fill=TEXT, anchor="lm")
                taken = start + long + dot
                break
        taken = max(taken, float(x + dot))


def _fidelity(found: Fidelity | None) -> tuple[str, ...]:
    """What can be said of a keyframe, the longest first."""
    if found is None:
        return ()
    short = f"{found.psnr:.1f} dB"
    return f"{short}   SSIM {found.ssim:.3f}", short


def _draw_scores(canvas: Image.Image, layout: _Layout, joins: Sequence[JoinScore]) -> None:
    """The score of each join on a pill at the head of its band; where they are too many, the worst."""
    draw, letters = ImageDraw.Draw(canvas), layout.font(15)
    top, high, taken = layout.marks + layout.px(50), layout.px(26), list[tuple[float, float]]()
    for join in sorted(joins, key=lambda join: -join.score):
        text = join_text(join)
        wide = round(draw.textlength(text, font=letters)) + layout.px(20)
        middle = layout.x(join.start + (join.overlap - 1) / 2)
        left = round(min(max(middle - wide / 2, layout.left), layout.right - wide))
        if any(left < end and start < left + wide for start, end in taken):
            continue
        taken.append((left, left + wide))
        canvas.paste(_JOIN_COLOURS[join.verdict], (left, top), rounded((wide, high), high // 2))
        draw.text((left + wide / 2, top + high / 2), text, font=letters, fill=INK, anchor="mm")


def _draw_axis(canvas: Image.Image, layout: _Layout, video: VideoIndex) -> None:
    """Frame numbers and seconds under the last panel."""
    draw, top = ImageDraw.Draw(canvas), layout.axis
    draw.line((layout.left, top, layout.right, top), fill=FAINT, width=max(1, layout.px(1)))
    widest = (layout.right - layout.left) / layout.px(96)
    step = next(
        size * 10**power for power in range(9) for size in _STEPS if video.frames / (size * 10**power) <= widest
    )
    for frame in range(0, video.frames, step):
        x = layout.x(frame)
        draw.line((x, top, x, top + layout.px(7)), fill=FAINT, width=max(1, layout.px(1)))
        draw.text((x, top + layout.px(12)), str(frame), font=layout.font(16), fill=TEXT, anchor="mt")
        seconds = f"{float(frame / video.fps):.2f} s"
        draw.text((x, top + layout.px(36)), seconds, font=layout.font(14), fill=FAINT, anchor="mt")
    draw.text(
        (layout.left - layout.px(14), top + layout.px(12)), "frame", font=layout.font(14), fill=FAINT, anchor="rt"
    )
