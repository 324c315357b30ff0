"""Many short segments on eight workers, against the ideal: as many segments as fit at once, with nothing between them.

A run of segments that sleep 0.2 s each, on SQLite, with eight workers (sixteen processes) that all have their engine
loaded. The ideal is the bare call of the engine, measured in this run, times the segments, divided by eight. The sleep
costs no processor, but encoding, publishing and the queue do: where there are few of them it is they that limit it. So
what all processes used of the processors while the run went on is told too, and how near it came to what is possible
here: the ideal, or all processors busy without a pause.

    python benchmarks/queue_many.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys

from parts.queue_sites import bare_seconds, published_seconds, sites, take, warm

WORKERS, SECONDS = 8, 0.2


def main() -> int:
    """Print the figures; 1 when not all workers took part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 segments instead of 1,000")
    segments, cores = 200 if parser.parse_args().quick else 1000, os.cpu_count() or 1
    with sites(seconds=SECONDS) as found:
        site = found["SQLite"]
        warm(site, *(f"w{number}" for number in range(WORKERS)))
        bare, before = bare_seconds(take(site, 5).plan), site.processor_seconds()
        run = site.submit(take(site, segments))
        row = site.finished(run)
        used = (site.processor_seconds() - before) / cores
        took, whole = published_seconds(site, run), ((row.finished or 0) - (row.started or 0)) / 1000
        busy = len({attempt.worker_id for attempt in site.attempts(run)})
    ideal = segments * bare / WORKERS
    print(f"{segments} segments of {bare:.3f} s on {busy} of {WORKERS} workers, {cores} cores")
    print(f"ideal {ideal:.1f} s; all published after {took:.1f} s: {took / ideal:.2f}x; with the stitch {whole:.1f} s")
    print(f"the processors had {used:.1f} s of work each, {used / whole:.0%} of that time")
    print(f"{took / max(ideal, used * took / whole):.2f}x of what is possible here")
    return 0 if busy == WORKERS else 1


if __name__ == "__main__":
    sys.exit(main())
