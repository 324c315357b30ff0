"""Many short segments on eight workers, against the ideal: as many segments as fit at once, with nothing between them.

A run of segments that sleep 0.2 s each, on SQLite, with eight workers (sixteen processes) that all have their engine
loaded. 200 segments, not 1,000: what is measured is the rate, and it is the same after a few seconds. The ideal is the
bare call of the engine, measured in this run, times the segments, divided by eight. On a machine with few cores it is
the cores that limit it: the sleep costs none, but encoding and publishing do.

    python benchmarks/queue_many.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys

from parts.queue_sites import bare_seconds, published_seconds, sites, take, warm

WORKERS, SECONDS = 8, 0.2


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="80 segments instead of 200")
    segments = 80 if parser.parse_args().quick else 200
    with sites(seconds=SECONDS) as found:
        site = found["SQLite"]
        warm(site, *(f"w{number}" for number in range(WORKERS)))
        bare = bare_seconds(take(site, 5).plan)
        run = site.submit(take(site, segments))
        site.completed(run)
        took, row = published_seconds(site, run), site.row(run)
        whole = ((row.finished or 0) - (row.started or 0)) / 1000
        busy = len({attempt.worker_id for attempt in site.attempts(run)})
    ideal = segments * bare / WORKERS
    print(f"{segments} segments of {bare:.3f} s on {busy} of {WORKERS} workers, {os.cpu_count()} cores")
    print(f"ideal {ideal:.1f} s; all published after {took:.1f} s: {took / ideal:.2f}x; with the stitch {whole:.1f} s")
    return 0 if busy == WORKERS else 1


if __name__ == "__main__":
    sys.exit(main())
