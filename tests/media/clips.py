"""Small moving pictures, and files made of them that tests share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.media.encode import PROFILES, VideoWriter

WIDTH, HEIGHT, FPS = 96, 64, Fraction(16)


def texture(look: int) -> NDArray[np.uint8]:
    """A soft random pattern, larger than a frame."""
    coarse = np.random.default_rng(look).integers(0, 256, (12, 15, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH + 64, HEIGHT + 64), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def moving(frames: int, *, look: int = 0) -> Iterator[NDArray[np.uint8]]:
    """A window that slides over `texture(look)`, one pixel a frame."""
    pattern = texture(look)
    for place in range(frames):
        x, y = place % 64, place // 2 % 64
        yield pattern[y : y + HEIGHT, x : x + WIDTH]


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    cuts: Iterable[int] = (),
    profile: str = "h264",
    fps: Fraction = FPS,
) -> VideoWriter:
    """Write `pictures`; the writer that comes back has the facts."""
    pictures = list(pictures)
    height, width, _ = pictures[0].shape
    with VideoWriter(path, width=width, height=height, fps=fps, cuts=set(cuts), profile=PROFILES[profile]) as writer:
        for picture in pictures:
            writer.write(picture)
    return writer


def write_foreign(path: Path, frames: int, *, codec: str = "mpeg4") -> Path:
    """A video as another program would make it: another codec, and none of our settings."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in moving(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    return path


class Library:
    """Encoded pieces that are made once, and fresh names for what a test writes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, count()
        self._pieces: dict[tuple[int, frozenset[int], int, str], Path] = {}

    def piece(self, frames: int, *, cuts: Iterable[int] = (), look: int = 0, profile: str = "h264") -> Path:
        """A file of `frames` frames of pattern `look`; asked for again, the same file."""
        key = (frames, frozenset(cut for cut in cuts if 0 < cut < frames), look, profile)
        if key not in self._pieces:
            path = self.fresh("piece")
            write_video(path, moving(frames, look=look), cuts=key[1], profile=profile)
            self._pieces[key] = path
        return self._pieces[key]

    def fresh(self, stem: str) -> Path:
        """A path that nobody has written to."""
        return self._folder / f"{stem}-{next(self._number)}.mp4"
