"""CPU time of `wayframe --help` against that of importing what draws it (typer and rich), in the same run."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys

MOST = 2.0
PEER = [sys.executable, "-c", "import typer, rich"]
OURS = [sys.executable, "-m", "wayframe", "--help"]


def cpu_seconds(command: list[str]) -> float:
    """CPU time, user and system, of one process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    """Print both and their ratio; 1 when help takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 5 if parser.parse_args().quick else 15
    times = [(cpu_seconds(OURS), cpu_seconds(PEER)) for _ in range(rounds)]  # in turns: a busy moment hits both
    ours, peer = (min(column) for column in zip(*times, strict=True))
    ratio = ours / peer
    print(
        f"wayframe --help: {ratio:.2f}x the CPU time of `import typer, rich` ({ours * 1000:.0f} / {peer * 1000:.0f} ms)"
    )
    print(f"  under {MOST:g}x: {'yes' if ratio < MOST else 'NO'}")
    return 0 if ratio < MOST else 1


if __name__ == "__main__":
    sys.exit(main())
