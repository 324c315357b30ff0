"""How long the queue lets wait: from submit to the first segment, over a dead worker, and behind 100,000 that wait.

Each figure stands beside what it may be at most. A submitted run is picked twice, by an orchestrator and by a renderer,
each of which looks every half second. A dead worker's work is begun by another one within nine beats: six until it is
dead, one until a sweep, two to spare; measured with a beat of half a second, and told for the five seconds of the
default. The table of workflows is filled directly; then a run that is to come first is submitted, on the same site as
before.

    python benchmarks/queue_latency.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import psutil
from parts.queue_sites import first_start, sites, take, warm
from sqlalchemy import MetaData, String, Table, cast, insert, literal, null, select, true

from faults.queue.site import BEAT, Site
from wayframe.workflow.queue.adapter import PICK_SECONDS, dbos_priority, depths
from wayframe.workflow.queue.pace import BEATS_UNTIL_DEAD, Pace

BEATS, SECONDS = 9, 1.0
EMPTY = ("executor_id", "started_at_epoch_ms", "completed_at", "output", "error", "owner_xid")


def start_seconds(site: Site, *, times: int) -> float:
    """The median time from the call of submit until the first segment is begun."""
    found = []
    for _ in range(times):
        trip, begin = take(site, 1), time.time()
        run = site.submit(trip, priority=100)
        site.completed(run)
        found.append(first_start(site, [run])[0] - begin)
    return statistics.median(found)


def takeover_seconds(site: Site) -> float:
    """From the moment when a worker and its renderer stand still until another one begins their segment."""
    run = site.submit(take(site, 1))
    row = site.until(lambda: next((one for one in site.attempts(run)), None))
    name = row.worker_id.partition("/")[0]
    worker = next(one for one in site.programs if name in one.words)
    process = psutil.Process(worker.process.pid)
    stopped = [process, *process.children(recursive=True)]
    for one in stopped:
        one.suspend()
    begin = time.time()
    site.completed(run)
    for one in stopped:
        one.kill()
    other = next(one for one in site.attempts(run) if one.worker_id != row.worker_id)
    return other.started / 1000 - begin


def fill(site: Site, count: int) -> None:
    """Put many batches that come last into the queue: copies of one that was rendered, whose run is over."""
    database = site.place.database
    schema = None if database.dialect == "sqlite" else "dbos"
    with database.transaction() as connection:
        table = Table("workflow_status", MetaData(), schema=schema, autoload_with=connection)
        numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
        numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < count))
        done = table.c.queue_name == "render.slow", table.c.status == "SUCCESS"
        one = select(table).where(*done).limit(1).subquery()
        values = {column.name: one.c[column.name] for column in table.columns} | {name: null() for name in EMPTY}
        values["workflow_uuid"] = literal("filled-").concat(cast(numbers.c.n, String))
        values["status"], values["priority"] = literal("ENQUEUED"), literal(dbos_priority(-100, number=0))
        rows = select(*values.values()).select_from(one.join(numbers, true()))
        connection.execute(insert(table).from_select(list(values), rows))


def look_ms(site: Site) -> float:
    """How long a worker's look at what waits takes, in milliseconds."""
    found = []
    for _ in range(5):
        begin = time.perf_counter()
        assert depths(site.place.database)
        found.append((time.perf_counter() - begin) * 1000)
    return statistics.median(found)


def measured(name: str, site: Site, *, count: int, times: int) -> bool:
    """Print the figures of a site; whether all are within their limits."""
    warm(site, "a", "b")
    most, limit = 2 * PICK_SECONDS, BEATS * BEAT
    start = start_seconds(site, times=times)
    print(f"{name}: submit to start {start:.2f} s, {start / most:.2f}x of the two picks of {PICK_SECONDS:g} s")
    fill(site, count)
    full = start_seconds(site, times=times)
    waiting = depths(site.place.database)["render.slow"].waiting
    print(f"  behind {waiting:,} that wait {full:.2f} s, {full / start:.2f}x; a worker's look {look_ms(site):.0f} ms")
    over = takeover_seconds(site)
    default = over / BEAT * Pace().beat
    told = f"dead after {BEATS_UNTIL_DEAD * BEAT:g} s, at most {limit:g} s, {over / limit:.2f}x"
    print(f"  takeover {over:.1f} s with a beat of {BEAT:g} s ({told}); {default:.0f} s of 45 s with the default")
    return over <= limit


def main() -> int:
    """Print the figures; 1 when a takeover takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 that wait instead of 100,000, and 3 times")
    quick = parser.parse_args().quick
    count, times = (10_000, 3) if quick else (100_000, 5)
    with sites(seconds=SECONDS) as found:
        fits = []
        for name, site in found.items():
            fits.append(measured(name, site, count=count, times=times))
            site.kill_everything()
    return 0 if all(fits) else 1


if __name__ == "__main__":
    sys.exit(main())
