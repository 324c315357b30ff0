"""Preview frames per CPU second at 768x576, against a plain dissolve and ffmpeg's minterpolate in the same run."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files

import cv2
import imageio_ffmpeg
import numpy as np

from wayframe.core.plan import SegmentPlan
from wayframe.engines.base import Frame, FrameDone, SegmentJob
from wayframe.engines.preview import PreviewEngine

WIDTH, HEIGHT, FRAMES = 768, 576, 61
LEAST_FRAMES_PER_CPU_SECOND = 25


def photograph(name: str) -> Frame:
    data = np.frombuffer(files("skimage").joinpath("data", name).read_bytes(), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return np.asarray(cv2.resize(decoded, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def preview(first: Frame, last: Frame) -> Iterator[Frame]:
    plan = SegmentPlan(
        index=0,
        key="",
        start=0,
        end=FRAMES,
        frames=FRAMES,
        overlap_before=0,
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
    job = SegmentJob(segment=plan, width=WIDTH, height=HEIGHT, first=first, last=last)
    return (event.pixels for event in PreviewEngine().render([job]) if isinstance(event, FrameDone))


def dissolve(first: Frame, last: Frame) -> Iterator[Frame]:
    for number in range(FRAMES):
        t = number / (FRAMES - 1)
        yield np.asarray(cv2.addWeighted(first, 1 - t, last, t, 0), dtype=np.uint8)


def minterpolate(first: Frame, last: Frame) -> Iterator[Frame]:
    """The same number of frames from the same two pictures; the filter needs company before and after them."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "1", "-i", "-"),
        *("-vf", f"minterpolate=fps={FRAMES}:mi_mode=mci:mc_mode=aobmc:vsbmc=1:scd=none"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    pictures = b"".join(picture.tobytes() for picture in (first, last, first, last))
    output = subprocess.run(command, input=pictures, capture_output=True, check=True).stdout
    size = WIDTH * HEIGHT * 3
    for start in range(0, len(output) - size + 1, size):
        yield np.frombuffer(output[start : start + size], np.uint8).reshape(HEIGHT, WIDTH, 3)


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended, all threads together."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def frames_per_cpu_second(make: Callable[[Frame, Frame], Iterator[Frame]], *, first: Frame, last: Frame) -> float:
    before = cpu_seconds()
    count = sum(1 for _ in make(first, last))
    return count / (cpu_seconds() - before)


def main() -> int:
    """Print frames per CPU second and the ratios; 1 when the preview is slower than it must be."""
    first, last = photograph("motorcycle_left.png"), photograph("motorcycle_right.png")
    speed = {make.__name__: 0.0 for make in (preview, dissolve, minterpolate)}
    for make in (preview, dissolve, minterpolate):
        rounds = 1 if make is minterpolate else 3
        speed[make.__name__] = max(frames_per_cpu_second(make, first=first, last=last) for _ in range(rounds))
    print(f"preview at {WIDTH}x{HEIGHT}: {speed['preview']:.1f} frames per CPU second")
    print(f"  {speed['preview'] / speed['minterpolate']:.1f}x ffmpeg minterpolate ({speed['minterpolate']:.1f})")
    print(f"  1/{speed['dissolve'] / speed['preview']:.0f} of a plain dissolve ({speed['dissolve']:.0f})")
    enough = speed["preview"] >= LEAST_FRAMES_PER_CPU_SECOND
    print(f"  at least {LEAST_FRAMES_PER_CPU_SECOND}: {'yes' if enough else 'NO'}")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
