"""Peak memory of a run of 100 segments at 768x576 against its limit, and against a run of 20: it may hardly grow."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

SEGMENTS, FEW, FRAMES = 100, 20, 13
WIDTH, HEIGHT = 768, 576
MOST_MIB, MOST_GROWTH = 400, 1.25
KIB_IN_MIB = 1024
PHOTOGRAPHS = ("motorcycle_left.png", "motorcycle_right.png", "astronaut.png", "coffee.png", "chelsea.png")


def peak_mib(segments: int, *, folder: Path, frames: int) -> float:
    """Peak resident memory of one whole `wayframe run`, as the system counts it, in MiB."""
    pictures = [PHOTOGRAPHS[index % len(PHOTOGRAPHS)] for index in range(segments + 1)]
    command = [sys.executable, "-m", "wayframe", "run", *pictures, "--frames", str(frames), "--seed", str(segments)]
    command += ["--resolution", f"{WIDTH}x{HEIGHT}", "--quiet", "--home", str(folder / f"home-{segments}")]
    with subprocess.Popen(command, cwd=folder) as program:
        _, status, usage = os.wait4(program.pid, 0)  # the peak of this one child, not of all so far
        program.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"the run of {segments} segments failed ({status})")
    return usage.ru_maxrss / KIB_IN_MIB


def main() -> int:
    """Print peaks and ratios; 1 when the run needs more than it may, or memory grows with its length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two frames a segment")
    frames = 2 if parser.parse_args().quick else FRAMES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for photograph in PHOTOGRAPHS:
            (folder / photograph).write_bytes(files("skimage").joinpath("data", photograph).read_bytes())
        short, long = (peak_mib(segments, folder=folder, frames=frames) for segments in (FEW, SEGMENTS))
    fits, flat = long < MOST_MIB, long < short * MOST_GROWTH
    print(f"{SEGMENTS} segments of {WIDTH}x{HEIGHT}: {long:.0f} MiB, {long / MOST_MIB:.2f} of the {MOST_MIB} MiB limit")
    print(f"  {long / short:.2f}x that of {FEW} segments ({short:.0f} MiB), at most {MOST_GROWTH}x")
    print(f"  under the limit: {'yes' if fits else 'NO'}; flat: {'yes' if flat else 'NO'}")
    return 0 if fits and flat else 1


if __name__ == "__main__":
    sys.exit(main())
