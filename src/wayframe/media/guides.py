"""What a guide video shows: itself, its edges, or its motion as colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.flow import FlowPair
from wayframe.media.pixels import Frame

_LOW, _HIGH = 100, 200  # thresholds of Canny's hysteresis
_WHITE = 255
_ARCS = (
    (15, (255, 0, 0)),
    (6, (255, 255, 0)),
    (4, (0, 255, 0)),
    (11, (0, 255, 255)),
    (13, (0, 0, 255)),
    (6, (255, 0, 255)),
)
"""Steps from one colour to the next around the wheel: red, yellow, green, cyan, blue, magenta, red."""


def edges(frames: Iterable[Frame]) -> Iterator[Frame]:
    """White edges on black, by Canny's detector (IEEE TPAMI 8(6), 1986) as OpenCV has it."""
    for frame in frames:
        found = cv2.Canny(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), _LOW, _HIGH)
        yield np.asarray(cv2.cvtColor(found, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def motion(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The motion from each frame to the next as colours; the last frame shows the motion that led to it.

    One frame alone has none, and is white.
    """
    before: Frame | None = None
    drawn: Frame | None = None
    for frame in frames:
        if before is not None:
            drawn = _drawn(before, frame)
            yield drawn
        before = frame
    if before is not None:
        yield np.full_like(before, _WHITE) if drawn is None else drawn


def _drawn(a: Frame, b: Frame) -> Frame:
    height, width = a.shape[:2]
    flow = FlowPair.of(first=a, last=b).ahead.flow
    ratio = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return flow_colours(np.asarray(cv2.resize(flow * ratio, (width, height)), np.float32))


def flow_colours(flow: NDArray[np.float32]) -> Frame:
    """A flow (height, width, 2; right and down, in pixels) as colours: hue its direction, saturation its length.

    White is at rest, and the longest vector has full colour. The wheel is Middlebury's: Baker, Scharstein, Lewis, Roth,
    Black, Szeliski: A Database and Evaluation Methodology for Optical Flow, IJCV 92, 2011.
    """
    wheel = _wheel()
    length = np.hypot(flow[..., 0], flow[..., 1])
    length = length / max(float(length.max()), 1.0)
    turn = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(turn).astype(int)
    share = (turn - low)[..., None]
    colour = (1 - share) * wheel[low] + share * wheel[(low + 1) % len(wheel)]
    return np.asarray(np.rint(_WHITE - length[..., None] * (_WHITE - colour)), dtype=np.uint8)


def _wheel() -> NDArray[np.float64]:
    """(55, 3): the colours around the wheel."""
    ends = [colour for _, colour in _ARCS[1:]] + [_ARCS[0][1]]
    arcs = [np.linspace(colour, end, steps, endpoint=False) for (steps, colour), end in zip(_ARCS, ends, strict=True)]
    return np.floor(np.concatenate(arcs))
