"""Loads of experts for 10 segments where only one fits on the device, and what that is in memory.

Segment by segment, as the stock pipeline with model offloading works, each segment loads both experts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from parts.wan_models import Large, bytes_14b, jobs, plans, setup

from wayframe.engines.wan.engine import WanEngine
from wayframe.engines.wan.tally import peak_memory

SEGMENTS, SIZE, FRAMES = 10, (64, 32), 5
PHASE_MAJOR, SEGMENT_BY_SEGMENT = 2, 20
GIGA, MEBI, KIB = 10**9, 2**20, 1024
WORKER = "--peak"
LARGE_HEADS, LARGE_LAYERS = 16, 5
MOST_OF_BOTH = 0.75


@dataclass(frozen=True, kw_only=True)
class Loads:
    """What an engine loaded."""

    experts: int
    moved: int


def loads(models: Large, *, batch: int) -> Loads:
    """Render all segments with one expert at a time on the device, `batch` segments held at once."""
    engine = WanEngine(setup(models, offload="model", batch=str(batch)))
    said: dict[str, object] = {"phases": [{"steps": 1, "guidance": 1, "expert": expert} for expert in ("high", "low")]}
    segments = plans(models, size=SIZE, frames=FRAMES, segments=SEGMENTS, said=said)
    for _ in engine.render(jobs(segments, size=SIZE)):
        pass
    counts = engine.report().counts
    engine.close()
    return Loads(experts=counts["expert_loads"], moved=counts["bytes_moved"])


def peak(folder: Path, *, offload: str) -> int:
    """The peak resident memory of a process of its own that renders one segment, in bytes."""
    command = [sys.executable, __file__, WORKER, str(folder), offload]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


def own_peak() -> int:
    """The peak of this process in bytes; Linux counts what its parent had before exec into getrusage's."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * KIB
    return peak_memory(torch.device("cpu")) or 0


def large(folder: Path) -> Large:
    return Large(root=folder, heads=LARGE_HEADS, layers=LARGE_LAYERS)


def worker(folder: Path, offload: str) -> None:
    """Render one segment and print the peak of this process; `nothing` loads the libraries alone."""
    models = large(folder)
    said: dict[str, object] = {"phases": [{"steps": 1, "guidance": 1, "expert": expert} for expert in ("high", "low")]}
    segments = plans(models, size=SIZE, frames=FRAMES, segments=1, said=said)
    if offload != "nothing":
        list(WanEngine(setup(models, offload=offload)).render(jobs(segments, size=SIZE)))
    print(own_peak())


def main() -> int:
    """Print loads and peaks; 1 when there are more loads than two, or one expert at a time needs the memory of both."""
    with tempfile.TemporaryDirectory() as name:
        models = Large(root=Path(name) / "small", heads=1, layers=1)
        ours, theirs = loads(models, batch=SEGMENTS), loads(models, batch=1)
        folder = Path(name) / "large"
        weights = (large(folder).folder("t2v") / "transformer" / "diffusion_pytorch_model.safetensors").stat().st_size
        peaks = {offload: peak(folder, offload=offload) for offload in ("nothing", "none", "model")}
    one = bytes_14b()
    print(f"{SEGMENTS} segments load {ours.experts} experts, segment by segment {theirs.experts}")
    print(f"  at 14B in bfloat16 ({one / GIGA:.1f} GB each): {ours.experts * one / GIGA:.0f} GB instead of", end=" ")
    print(f"{theirs.experts * one / GIGA:.0f} GB; here {theirs.moved / ours.moved:.1f}x fewer bytes moved")
    above = {offload: bytes_ - peaks["nothing"] for offload, bytes_ in peaks.items()}
    ratio = above["model"] / above["none"]
    print(
        f"peak memory above the libraries' {peaks['nothing'] / MEBI:.0f} MiB, experts of {weights / MEBI:.0f} MiB each:"
    )
    print(f"  offload=none {above['none'] / MEBI:.0f} MiB, offload=model {above['model'] / MEBI:.0f} MiB: {ratio:.2f}x")
    right = (ours.experts, theirs.experts) == (PHASE_MAJOR, SEGMENT_BY_SEGMENT) and ratio <= MOST_OF_BOTH
    print(f"  {PHASE_MAJOR} against {SEGMENT_BY_SEGMENT}, at most {MOST_OF_BOTH}x: {'yes' if right else 'NO'}")
    return 0 if right else 1


if __name__ == "__main__":
    if sys.argv[1:2] == [WORKER]:
        worker(Path(sys.argv[2]), sys.argv[3])
        sys.exit(0)
    sys.exit(main())
