"""A trip whose engine drifts in colour, without and with `look.colour_match`: seams, keyframes met, and what it costs.

The frames are the preview's between three photographs, made colder and darker from frame to frame. Seams are scored as
in a record (below 1.5 nobody sees one), keyframes by the PSNR of their luma. Limits: the match lowers the seam's score
and lifts every keyframe that drifted by 6 dB, and takes less time than encoding the frames.

    PYTHONPATH=tests python benchmarks/colour_match.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib import resources
from itertools import pairwise
from pathlib import Path

from wayframe.core.look import Look
from wayframe.engines.base import Frame
from wayframe.flow import FlowPair
from wayframe.media.colour_match import ColourStats, matched
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.images import fit_image, load_image
from wayframe.media.metrics import JoinPlace, Metrics, measure
from workflow.drifting import drifted

SIZE, FRAMES, RATE = (768, 576), 25, Fraction(16)
LEAST_GAIN = 6.0


def photographs() -> list[Frame]:
    with resources.as_file(resources.files("wayframe.demo")) as folder:
        pictures = [load_image(folder / f"{name}.jpg") for name in ("dawn", "day", "dusk")]
    return [fit_image(picture, width=SIZE[0], height=SIZE[1], fit="cover") for picture in pictures]


def segment(first: Frame, *, last: Frame) -> list[Frame]:
    pair = FlowPair.of(first=first, last=last)
    places = [index / (FRAMES - 1) for index in range(FRAMES)]
    return [drifted(pair.frame(t), t=t) for t in places]


def matching(frames: Sequence[Frame], *, first: Frame, last: Frame, look: Look) -> Iterator[Frame]:
    start, end = ColourStats.of(first), ColourStats.of(last)
    for index, frame in enumerate(frames):
        target = start.toward(end, t=index / (len(frames) - 1))
        yield matched(frame, target=target, strength=look.colour_match)


def written(path: Path, frames: Sequence[Frame]) -> float:
    """Seconds to encode them."""
    begin = time.perf_counter()
    width, height = SIZE
    with VideoWriter(path, width=width, height=height, fps=RATE, cuts=(), profile=PROFILES["h264"]) as writer:
        for frame in frames:
            writer.write(frame)
    return time.perf_counter() - begin


def measured(path: Path, keyframes: Sequence[Frame]) -> Metrics:
    places = {index * (FRAMES - 1): picture for index, picture in enumerate(keyframes)}
    return measure(path, joins=[JoinPlace(start=FRAMES - 1, overlap=1)], keyframes=places)


def main() -> None:
    keyframes = photographs()
    parts = [segment(first, last=last) for first, last in pairwise(keyframes)]
    begin = time.perf_counter()
    pulled = [
        list(matching(part, first=keyframes[index], last=keyframes[index + 1], look=Look(colour_match=1)))
        for index, part in enumerate(parts)
    ]
    seconds = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as folder:
        plain, even = Path(folder) / "plain.mp4", Path(folder) / "matched.mp4"
        encoding = written(plain, [*parts[0], *parts[1][1:]])
        written(even, [*pulled[0], *pulled[1][1:]])
        before, after = measured(plain, keyframes), measured(even, keyframes)
    print(f"seam: {before.joins[0].score:.2f} before, {after.joins[0].score:.2f} after")
    for old, new in zip(before.keyframes, after.keyframes, strict=True):
        print(f"keyframe at {old.at}: {old.psnr:.1f} dB before, {new.psnr:.1f} dB after")
    print(f"match {seconds / FRAMES / 2 * 1000:.1f} ms a frame, encode {encoding / FRAMES / 2 * 1000:.1f} ms")
    assert after.joins[0].score < before.joins[0].score
    pairs = list(zip(before.keyframes, after.keyframes, strict=True))[1:]
    assert all(new.psnr > old.psnr + LEAST_GAIN for old, new in pairs)
    assert seconds < encoding


if __name__ == "__main__":
    main()
