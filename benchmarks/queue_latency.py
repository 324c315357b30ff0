"""How long the queue lets wait: from submit to the first segment, over a dead worker, and behind 100,000 that wait.

Each figure stands beside what it may be at most. A submitted run is picked twice, by an orchestrator and by a renderer,
each of which looks every half second. Then the table of workflows is filled with batches that come last, in the rows
themselves, and a run that is to come first is submitted on the same site as before: how long that waits, and what the
look of a worker at all that waits takes, are told beside the same without them. A worker and its renderer are stopped
(SIGSTOP) in mid-render: another one must begin their segment within 45 seconds: 30 without a sign of life, until a
sweep five, and ten to spare.

    python benchmarks/queue_latency.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import suppress

import psutil
from parts.queue_sites import Stand, first_start, sites, take, warm
from sqlalchemy import MetaData, String, Table, cast, insert, literal, null, select, true

from wayframe.workflow.queue.adapter import PICK_SECONDS, dbos_priority, depths
from wayframe.workflow.queue.pace import Pace

TAKEOVER, SECONDS = 45.0, 1.0
EMPTY = ("executor_id", "started_at_epoch_ms", "completed_at", "output", "error", "owner_xid")


def start_seconds(site: Stand, *, times: int) -> float:
    """The median time from the call of submit until the first segment is begun."""
    found = []
    for _ in range(times):
        trip, begin = take(site, 1), time.time()
        run = site.submit(trip, priority=100)
        site.finished(run)
        found.append(first_start(site, [run])[0] - begin)
    return statistics.median(found)


def takeover_seconds(site: Stand) -> float:
    """From the moment when a worker and its renderer stand still until another one begins their segment."""
    run = site.submit(take(site, 1), priority=100)
    row = site.until(lambda: next((one for one in site.attempts(run)), None))
    name = row.worker_id.partition("/")[0]
    worker = next(one for one in site.programs if name in one.words)
    process = psutil.Process(worker.process.pid)
    stopped = [process, *process.children(recursive=True)]
    for one in stopped:
        one.suspend()
    begin = time.time()
    try:
        site.finished(run)
    finally:
        for one in stopped:
            with suppress(psutil.Error):
                one.kill()
    other = next(one for one in site.attempts(run) if one.worker_id != row.worker_id)
    return other.started / 1000 - begin


def fill(site: Stand, count: int) -> None:
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


def look_ms(site: Stand) -> float:
    """How long a worker's look at what waits takes, in milliseconds."""
    found = []
    for _ in range(5):
        begin = time.perf_counter()
        depths(site.place.database)
        found.append((time.perf_counter() - begin) * 1000)
    return statistics.median(found)


def measured(name: str, site: Stand, *, count: int, times: int) -> bool:
    """Print the figures of a site; whether its takeover was in time."""
    warm(site, "a", "b")
    most = 2 * PICK_SECONDS
    start, look = start_seconds(site, times=times), look_ms(site)
    print(f"{name}: submit to start {start:.2f} s, {start / most:.2f}x of the two picks of {PICK_SECONDS:g} s")
    over = takeover_seconds(site)
    print(f"  takeover {over:.1f} s, {over / TAKEOVER:.2f}x of {TAKEOVER:g} s; dead after {Pace().dead:g} s")
    fill(site, count)
    full, waiting = start_seconds(site, times=times), depths(site.place.database)["render.slow"].waiting
    print(f"  behind {waiting:,} that wait {full:.2f} s, {full / start:.2f}x", end="; ")
    print(f"a worker's look at what waits {look_ms(site):.0f} ms, {look:.1f} ms when nothing does")
    return over <= TAKEOVER


def main() -> int:
    """Print the figures; 1 when a takeover takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 that wait instead of 100,000, and 3 times")
    quick = parser.parse_args().quick
    count, times = (10_000, 3) if quick else (100_000, 9)
    with sites(seconds=SECONDS) as found:
        fits = []
        for name, site in found.items():
            fits.append(measured(name, site, count=count, times=times))
            site.kill_everything()
    return 0 if all(fits) else 1


if __name__ == "__main__":
    sys.exit(main())
