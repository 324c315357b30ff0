"""What the queue adds to each segment, against the bare call of the engine and against the plain loop of this run.

A worker renders a run with an engine that sleeps half a second for each segment of five small frames; counted is from
the beginning of the run until its last segment is published: handing out, claiming, encoding, publishing, and of a
chained run the queueing of each segment behind the one before. What is added does not depend on how long a segment
takes, so it is told in seconds, and as the part of a segment of ten seconds, which must stay under 3 %.

    python benchmarks/queue_overhead.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time

from parts.queue_sites import bare_seconds, published_seconds, sites, take, warm

from faults.queue.site import Site
from wayframe.store.home import open_home
from wayframe.workflow.run import RunOptions, run_trip

SECONDS, SEGMENT, LIMIT = 0.5, 10.0, 0.03


def loop_seconds(site: Site, *, segments: int, chaining: str) -> float:
    """What the plain loop takes for each segment, stitched and all."""
    trip = take(site, segments, chaining=chaining)
    begin = time.perf_counter()
    run_trip(trip, home=open_home(site.folder / "plain"), options=RunOptions())
    return (time.perf_counter() - begin) / segments


def added(site: Site, *, segments: int, chaining: str, bare: float) -> float:
    """The seconds that the queue adds to each segment."""
    run = site.submit(take(site, segments, chaining=chaining))
    site.completed(run)
    return published_seconds(site, run) / segments - bare


def main() -> int:
    """Print the figures; 1 when one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="6 segments instead of 16")
    segments = 6 if parser.parse_args().quick else 16
    most = 0.0
    with sites(seconds=SECONDS) as found:
        for name, site in found.items():
            warm(site, "a")
            for chaining in ("independent", "chained"):
                bare = bare_seconds(take(site, segments).plan)
                queue = added(site, segments=segments, chaining=chaining, bare=bare)
                most = max(most, queue / SEGMENT)
                told = f"{queue:.3f} s more than the bare call of {bare:.3f} s"
                print(f"{name}, {chaining}, {segments} segments: {told}; {queue / SEGMENT:.1%} of {SEGMENT:g} s")
            site.stop()
        loop = loop_seconds(found["SQLite"], segments=segments, chaining="independent")
    print(f"the plain loop, for comparison, with its stitch: {loop:.3f} s a segment")
    print(f"at most {most:.1%} of a segment of {SEGMENT:g} s; the limit is {LIMIT:.0%}")
    return 0 if most <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
