"""What is measured of every frame of a video, in one pass that keeps two pictures and a few numbers a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.media.index import VideoIndex, decode, decode_yuv
from wayframe.media.metrics_quality import Luma, luma_of

Numbers: TypeAlias = NDArray[np.float64]

_WORK_PIXELS = 256 * 192
"""Flow at this size costs about a quarter of decoding, and tells nearly the same as at twice as many pixels."""
_SMALLEST_SIDE = 16  # OpenCV's DIS reads outside of smaller pictures
_REPEATED_MEAN, _REPEATED_PEAK = 0.1, 8.0
_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One value a frame. Those of steps belong to the step from the frame before; at frame 0 they are 0.

    * `raw`: mean absolute difference of luma, in grey levels of 255.
    * `compensated`: the same at working size after the motion was taken out: the frame is warped back along the optical
      flow (DIS: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016). What is left is what motion
      does not explain: a cut, a dissolve, a change of light.
    * `motion`: mean length of the flow, in fractions of the picture's width.
    * `sharpness`: variance of the Laplacian at full size (Pech-Pacheco et al., "Diatom autofocusing in brightfield
      microscopy", ICPR 2000).
    * `luma`: mean luma in grey levels.
    * `repeated`: whether the frame shows what the frame before showed. Encoders touch up a still picture, which stays
      below 0.1 grey levels on average and 8 at working size; a pan of a tenth of a pixel a frame does not, unless the
      encoder left it out.
    """

    raw: Numbers
    compensated: Numbers
    motion: Numbers
    sharpness: Numbers
    luma: Numbers
    repeated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.luma)

    def to_json(self) -> dict[str, list[float]]:
        """Each series as a list; `repeated` as 0 and 1."""
        return {field.name: [short(value) for value in getattr(self, field.name)] for field in fields(self)}


def short(value: float) -> float:
    """A number with five significant digits, which is more than a measurement of video holds."""
    return float(f"{value:.{_DIGITS}g}")


def lumas(where: VideoIndex) -> Iterator[Luma]:
    """The luma of every frame of a video; raises `MediaError` as `decode` does."""
    if where.width % 2 or where.height % 2:  # such pictures cannot be stored as ours are
        return (luma_of(pixels) for pixels in decode(where.path))
    pictures = decode_yuv(where, start=0, stop=where.frames)
    return (picture[: picture.shape[0] * 2 // 3] for picture in pictures)


class Meter:
    """Takes the luma of one frame after another and gives the `Series`; the frames have one size."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: tuple[Luma, Luma] | None = None
        self._places: NDArray[np.float32] | None = None
        self._rows: list[tuple[float, ...]] = []

    def add(self, luma: Luma) -> None:
        """Measure the next frame."""
        small = _small(luma)
        step = (0.0, 0.0, 0.0, False)
        if self._before is not None:
            step = self._step(luma, small, before=self._before)
        raw, compensated, motion, repeated = step
        self._rows.append((raw, compensated, motion, _sharpness(luma), float(cv2.mean(luma)[0]), repeated))
        self._before = luma, small

    def series(self) -> Series:
        """All frames so far."""
        table = np.array(self._rows, dtype=np.float64).reshape(-1, len(fields(Series)))
        raw, compensated, motion, sharpness, luma, repeated = np.ascontiguousarray(table.T)
        return Series(
            raw=raw,
            compensated=compensated,
            motion=motion,
            sharpness=sharpness,
            luma=luma,
            repeated=repeated.astype(np.bool_),
        )

    def _step(self, luma: Luma, small: Luma, *, before: tuple[Luma, Luma]) -> tuple[float, float, float, bool]:
        raw = float(cv2.mean(cv2.absdiff(luma, before[0]))[0])
        changed = cv2.absdiff(small, before[1])
        repeated = raw < _REPEATED_MEAN and float(changed.max()) < _REPEATED_PEAK
        if repeated or min(small.shape) < _SMALLEST_SIDE:
            return raw, float(cv2.mean(changed)[0]), 0.0, repeated
        flow = self._flow.calc(before[1], small, None)
        warped = cv2.remap(small, self._grid(small) + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        length = cv2.mean(cv2.magnitude(flow[..., 0], flow[..., 1]))[0]
        return raw, float(cv2.mean(cv2.absdiff(warped, before[1]))[0]), float(length) / small.shape[1], repeated

    def _grid(self, small: Luma) -> NDArray[np.float32]:
        if self._places is None:
            rows, columns = np.mgrid[0 : small.shape[0], 0 : small.shape[1]]
            self._places = np.dstack((columns, rows)).astype(np.float32)
        return self._places


def _small(luma: Luma) -> Luma:
    height, width = luma.shape
    scale = (_WORK_PIXELS / (height * width)) ** 0.5
    if scale >= 1:
        return luma
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _sharpness(luma: Luma) -> float:
    deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
    return float(deviation.item()) ** 2
