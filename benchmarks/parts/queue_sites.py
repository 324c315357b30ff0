"""Real workers, orchestrators and databases for the benchmarks of the queue, with an engine that sleeps.

They beat every five seconds, as they do for users. PostgreSQL runs without fsync, as in the tests. SIGTERM ends a
benchmark as Ctrl-C does: no process of it stays behind.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

sys.path.append(str(Path(__file__).parents[2] / "tests"))

import numpy as np
import psutil

import postgres
from faults.queue.site import ENGINE, Site, Started
from wayframe.core.plan import Plan
from wayframe.engines.base import SegmentJob
from wayframe.engines.registry import load_engine
from wayframe.workflow.queue import readiness
from wayframe.workflow.queue.pace import BEAT_SECONDS, VARIABLE
from wayframe.workflow.queue.rows import OPEN, Outcome, QueueState, RunRow
from wayframe.workflow.trip import Trip

sys.path.append(str(ENGINE))
TAKES = count()
PATIENCE, LOOK = 600.0, 0.5


class Stand(Site):
    """A site whose processes beat as often as they do for users."""

    def start(self, *words: str, home: str = "client", wait: bool = True, **extra: str) -> Started:
        """As a site does."""
        return super().start(*words, home=home, wait=wait, **{VARIABLE: str(BEAT_SECONDS), **extra})

    def finished(self, run: RunRow) -> RunRow:
        """A run once it is completed, however long that takes; looked at twice a second, so as to disturb little."""
        limit = time.monotonic() + PATIENCE
        while (row := self.row(run)).state in OPEN:
            assert time.monotonic() < limit, self.logs()
            time.sleep(LOOK)
        assert row.state is QueueState.COMPLETED, row.error
        return row

    def processor_seconds(self) -> float:
        """What all its processes have used of processors so far."""
        roots = [psutil.Process(program.process.pid) for program in self.programs]
        found = [one for root in roots for one in (root, *root.children(recursive=True))]
        return sum(times.user + times.system for times in (one.cpu_times() for one in found))


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def sites(*, seconds: float) -> Iterator[dict[str, Stand]]:
    """A site on SQLite, and one on PostgreSQL where its wheel runs; their engine sleeps `seconds` for each segment."""
    signal.signal(signal.SIGTERM, _end)
    os.environ["SLOW_SECONDS"] = str(seconds)  # for the bare call, and the plain loop
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="wayframe-queue-")))
        urls = {"SQLite": f"sqlite:///{folder / 'queue.db'}"}
        try:
            server = stack.enter_context(postgres.Server())
        except postgres.CannotRunError as error:
            print(f"PostgreSQL is left out: {error}")
        else:
            urls["PostgreSQL"] = postgres.new_database(server.url)
        found = {name: Stand(folder=folder / name, database=url, seconds=seconds) for name, url in urls.items()}
        for site in found.values():
            site.folder.mkdir()
            stack.callback(site.close)
            readiness.migrate(site.place.database)
        yield found


def take(site: Site, segments: int, **said: object) -> Trip:
    """A trip of so many segments that nobody has rendered yet."""
    return site.trip(segments, prompts=tuple(f"take {next(TAKES)}" for _ in range(segments)), overlap=1, **said)


def warm(site: Stand, *workers: str) -> None:
    """Start an orchestrator and some workers, and have each of them load the engine."""
    site.orchestrator()
    for name in workers:
        site.worker(name, wait=False)
    site.until(lambda: all(site.is_up(name) for name in workers), patience=PATIENCE)
    while not all(site.is_up(f"{name}/render") for name in workers):
        site.finished(site.submit(take(site, 4 * len(workers)), batch=1))


def bare_seconds(plan: Plan) -> float:
    """What the bare call of the engine takes for each segment of a plan."""
    engine = load_engine("slow")
    width, height = plan.size
    blank = np.zeros((height, width, 3), np.uint8)
    jobs = [
        SegmentJob(segment=segment, width=width, height=height, first=blank, last=blank) for segment in plan.segments
    ]
    begin = time.perf_counter()
    assert sum(1 for _ in engine.render(jobs)) > len(jobs)
    return (time.perf_counter() - begin) / len(jobs)


def published_seconds(site: Site, run: RunRow) -> float:
    """From the beginning of a run until its last segment was published, by the database's clock."""
    rows = [row for row in site.attempts(run) if row.outcome is Outcome.PUBLISHED]
    assert len(rows) == run.segments, rows
    begun = site.row(run).started
    assert begun is not None
    return (max(row.ended or 0 for row in rows) - begun) / 1000


def first_start(site: Site, runs: Sequence[RunRow]) -> list[float]:
    """When the first segment of each run was begun, in seconds since 1970."""
    return [min(row.started for row in site.attempts(run)) / 1000 for run in runs]
