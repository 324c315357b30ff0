"""What metrics cost: frames per CPU second against plain decoding of the same file, in the same run.

    python benchmarks/metrics.py [--quick]

A trip between three photographs at 768x576 is rendered by the preview engine and encoded. Then the file is (a) decoded
and thrown away, (b) measured with joins and keyframes as a run does it, (c) compared with itself frame by frame. CPU
time is user + system over all threads. Exits with an error when measuring is slower than a third of decoding, or takes
more than 15 % of the time that rendering and encoding the frames took.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np

from wayframe.core.plan import SegmentPlan
from wayframe.engines.base import Frame, FrameDone, SegmentJob
from wayframe.engines.preview import PreviewEngine
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.metrics import Footage, JoinPlace, measure
from wayframe.media.metrics_compare import compare_videos

WIDTH, HEIGHT = 768, 576
NAMES = ("motorcycle_left.png", "motorcycle_right.png", "coffee.png")
LEAST_OF_DECODING, MOST_OF_RENDERING = 1 / 3, 0.15


def photograph(name: str) -> Frame:
    data = np.frombuffer(files("skimage").joinpath("data", name).read_bytes(), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return np.asarray(cv2.resize(decoded, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def rendered(pictures: list[Frame], *, frames: int) -> Iterator[Frame]:
    """The trip's frames; neighbouring segments share the frame that shows their keyframe."""
    for number in range(len(pictures) - 1):
        plan = SegmentPlan(
            index=number,
            start=number * (frames - 1),
            end=number * (frames - 1) + frames,
            frames=frames,
            overlap_before=min(number, 1),
            overlap_after=0,
            seed=1,
            prompt="",
            negative_prompt="",
            amount_of_motion=0.5,
            forwards=0,
            solver="euler",
            thresholds=(),
            timesteps=(),
            steps=(),
        )
        job = SegmentJob(
            segment=plan, width=WIDTH, height=HEIGHT, first=pictures[number], last=pictures[number + 1], given=()
        )
        done = (event.pixels for event in PreviewEngine().render([job]) if isinstance(event, FrameDone))
        for place, pixels in enumerate(done):
            if place or not number:
                yield pixels


def render(path: Path, pictures: list[Frame], *, frames: int) -> None:
    profile = PROFILES["h264"]
    cuts = {number * (frames - 1) + 1 for number in range(1, len(pictures) - 1)}
    with VideoWriter(path, width=WIDTH, height=HEIGHT, fps=Fraction(16), cuts=cuts, profile=profile) as writer:
        for pixels in rendered(pictures, frames=frames):
            writer.write(pixels)


def decode(path: Path) -> None:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0):
            pass


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads of this process while `work` goes on."""

    def now() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    before = now()
    work()
    return now() - before


def main() -> int:
    """Print the figures; 1 when metrics cost more than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, one round")
    quick: bool = parser.parse_args().quick
    frames, rounds = (17, 1) if quick else (61, 3)
    pictures = [photograph(name) for name in NAMES]
    places = [number * (frames - 1) for number in range(len(pictures))]
    joins = [JoinPlace(start=place, overlap=1) for place in places[1:-1]]
    keyframes = dict(zip(places, pictures, strict=True))
    count = places[-1] + 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trip.mp4"
        rendering = cpu_seconds(lambda: render(path, pictures, frames=frames))
        footage = Footage(path=path)
        work: list[Callable[[], object]] = [
            lambda: decode(path),
            lambda: measure(path, joins=joins, keyframes=keyframes),
            lambda: compare_videos(a=footage, b=footage),
        ]
        for task in work:
            task()  # loads what is loaded once
        decoding, measuring, comparing = (min(cpu_seconds(task) for _ in range(rounds)) for task in work)
    print(f"metrics at {WIDTH}x{HEIGHT}: {count / measuring:.0f} frames per CPU second")
    print(f"  {decoding / measuring:.2f} of plain decoding ({count / decoding:.0f})")
    print(f"  {measuring / rendering:.1%} of the time of rendering and encoding with the preview engine")
    print(f"  comparing two videos, with the metrics of both: {count / comparing:.0f} pairs per CPU second")
    good = decoding / measuring >= LEAST_OF_DECODING and measuring / rendering <= MOST_OF_RENDERING
    print(f"  at least {LEAST_OF_DECODING:.2f} of decoding, at most {MOST_OF_RENDERING:.0%} of rendering: ", end="")
    print("yes" if good else "NO")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
