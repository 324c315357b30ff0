"""Real processes around a real database and a real store, what they leave behind, and means to hurt them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import psutil

from wayframe.core.spec import parse_spec
from wayframe.store.artifacts import ArtifactStore
from wayframe.store.home import Home, open_home
from wayframe.workflow.queue.client import QueueClient, SubmitOptions
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import OPEN, AttemptRow, Outcome, QueueState, RunRow, WorkerRow
from wayframe.workflow.run import RunOptions, run_trip
from wayframe.workflow.sources import SpecSource, trip_of_spec
from wayframe.workflow.trip import Trip
from workflow.rides import draw, through

PATIENCE, TICK = 90.0, 0.05
BEAT = 0.5
ENGINE = Path(__file__).with_name("slow_engine")
_Found = TypeVar("_Found")


class Submitting(TypedDict, total=False):
    """As `SubmitOptions`."""

    run_id: str
    priority: int
    batch: int
    keep_going: bool


@dataclass(frozen=True, kw_only=True)
class Started:
    """A process of ours, and how it was started."""

    process: subprocess.Popen[bytes]
    words: tuple[str, ...]
    home: str
    extra: Mapping[str, str]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@dataclass(kw_only=True)
class Site:
    """A database, a store (None: the home), and homes of machines below `folder`."""

    folder: Path
    database: str
    store: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.3
    programs: list[Started] = field(default_factory=list)
    _homes: dict[str, Home] = field(default_factory=dict)

    def home(self, name: str) -> Home:
        """A machine's home; on one machine all have the same."""
        shared = name if self.store else "home"
        return self._homes.setdefault(shared, open_home(self.folder / shared))

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def fails(self) -> Path:
        """While this file exists, segments whose prompt says so fail."""
        return self.folder / "fails"

    @cached_property
    def place(self) -> Place:
        """The place as the user's machine has it."""
        return Place.open(home=self.home("client"), database=self.database, store=self.store)

    def close(self) -> None:
        """Kill what still runs, and give back all connections."""
        self.kill_everything()
        self.place.database.close()

    def start(self, *words: str, home: str = "client", wait: bool = True, **extra: str) -> Started:
        """Start a command of ours; waits until it is in the table of processes."""
        name = words[words.index("--name") + 1] if "--name" in words else words[0]
        said = self.folder / f"{name}.log"
        environment = {
            **os.environ,
            **self.environment,
            "WAYFRAME_HOME": str(self.home(home).root),
            "WAYFRAME_DATABASE": self.database,
            "WAYFRAME_BEAT_SECONDS": str(BEAT),
            "SLOW_LEDGER": str(self.ledger),
            "SLOW_SECONDS": str(self.seconds),
            "SLOW_FAILS": str(self.fails),
            "PYTHONPATH": import_path(),
            **({"WAYFRAME_STORE": self.store} if self.store else {}),
            **extra,
        }
        with said.open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, "-m", "wayframe", *words], env=environment, stdout=log, stderr=log, process_group=0
            )
        started = Started(process=program, words=words, home=home, extra=extra)
        self.programs.append(started)
        if wait:
            self.until(lambda: self.is_up(name) or program.poll() is not None)
        return started

    def start_again(self) -> None:
        """What a service manager does: start what died, as it was started before."""
        for dead in [one for one in self.programs if one.process.poll() is not None]:
            self.programs.remove(dead)
            self.start(*dead.words, home=dead.home, wait=False, **dead.extra)

    def worker(self, name: str, *words: str, wait: bool = True, **extra: str) -> Started:
        return self.start("worker", "--name", name, "--gpu", "cpu", *words, home=name, wait=wait, **extra)

    def orchestrator(self, name: str = "boss", *, wait: bool = False, **extra: str) -> Started:
        return self.start("orchestrator", "--name", name, home=name, wait=wait, **extra)

    def is_up(self, name: str) -> bool:
        rows = self.place.workers.alive()
        return bool(rows) if name == "up" else any(row.worker_id == name for row in rows)

    def submit(self, trip: Trip, **options: Unpack[Submitting]) -> RunRow:
        with self.client() as client:
            return client.submit(trip, options=SubmitOptions(**options))

    @contextmanager
    def client(self) -> Iterator[QueueClient]:
        """What a user's commands do."""
        client = QueueClient(self.place)
        try:
            yield client
        finally:
            client.close()

    def trip(self, segments: int, *, prompts: tuple[str, ...] = (), engine: str = "slow", **said: object) -> Trip:
        """A trip of so many segments of five frames."""
        pictures = self.folder / "pictures"
        draw(pictures, segments + 1)
        data = through(*range(segments + 1), prompts=prompts, engine=engine, **said)
        return trip_of_spec(SpecSource(spec=parse_spec(data), base=pictures), home=self.home("client"))

    def undisturbed(self, trip: Trip) -> str:
        """The digest of the video that the plain loop makes of a trip, without any queue."""
        result = run_trip(trip, home=open_home(self.folder / "undisturbed"), options=RunOptions())
        return str(result.record["outcome"]["digest"])

    def row(self, run: RunRow) -> RunRow:
        return self.place.runs.get(run.run_id)

    def ended(self, run: RunRow) -> RunRow:
        """The run, once it has ended."""
        return self.until(lambda: row if (row := self.row(run)).state not in OPEN else None)

    def completed(self, run: RunRow) -> dict[str, Any]:
        """The record of a run that must complete."""
        row = self.ended(run)
        assert row.state is QueueState.COMPLETED, (row.error, self.logs())
        return self.record(run)

    def record(self, run: RunRow) -> dict[str, Any]:
        return Finishing.of(self.place, run.run_id).record()

    def attempts(self, run: RunRow) -> list[AttemptRow]:
        return self.place.attempts.of_run(run.run_id)

    def published(self, run: RunRow) -> list[int]:
        return sorted(row.segment for row in self.attempts(run) if row.outcome is Outcome.PUBLISHED)

    def rendered(self) -> list[dict[str, Any]]:
        """The whole lines of the ledger."""
        lines = self.ledger.read_text().splitlines(keepends=True) if self.ledger.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def begun(self, segment: int | None = None) -> list[dict[str, Any]]:
        return [line for line in self.rendered() if line["what"] == "begin" and segment in (None, line["segment"])]

    def renderer(self, worker: str) -> WorkerRow:
        """The process that renders for a worker."""
        return self.until(lambda: self._row(f"{worker}/render"))

    def _row(self, worker_id: str) -> WorkerRow | None:
        return next((row for row in self.place.workers.listed() if row.worker_id == worker_id), None)

    def until(self, happened: Callable[[], _Found | None], *, patience: float = PATIENCE) -> _Found:
        """Look again and again; what was found."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            found = happened()
            if found:
                return found
            time.sleep(TICK)
        raise AssertionError(f"it did not happen\n{self.logs()}")

    def kill_everything(self) -> None:
        """kill -9 of all processes, in no order."""
        for program in self.programs:
            with suppress(psutil.Error):
                process = psutil.Process(program.process.pid)
                for one in [process, *process.children(recursive=True)]:
                    with suppress(psutil.Error):
                        one.kill()
            program.process.wait(PATIENCE)
        self.programs.clear()

    def stop(self) -> None:
        """Ask all to end in good order."""
        for program in self.programs:
            program.send(signal.SIGTERM)
        for program in self.programs:
            program.process.wait(PATIENCE)
        self.programs.clear()

    def logs(self) -> str:
        """What all processes said last."""
        return "\n".join(f"-- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def check_whole(self, run: RunRow, *, digest: str, kills: int = 0) -> None:
        """Nothing is lost, nothing finished was rendered again, and the video is that of an undisturbed run."""
        record = self.completed(run)
        assert record["outcome"]["digest"] == digest
        rows = self.attempts(run)
        keys = {segment["key"] for segment in record["planned"]["segments"]}
        published = Counter(row.key for row in rows if row.outcome is Outcome.PUBLISHED)
        assert set(published.values()) == {1}
        untold = keys - published.keys()  # uploaded by a worker that was killed before it could say so
        assert untold <= {row.key for row in rows if row.outcome is Outcome.CRASHED}
        assert len(untold) <= kills
        ends = {row.key: row.ended or 0 for row in rows if row.outcome is Outcome.PUBLISHED}
        late = [row for row in rows if row.key in ends and row.started > ends[row.key]]
        assert late == []
        assert len(self.begun()) <= run.segments + kills
        assert {row.outcome for row in rows} <= {Outcome.PUBLISHED, Outcome.CRASHED, Outcome.LOST}
        store = ArtifactStore(self.home("client"), remote=self.place.objects if self.store else None)
        assert all(store.find(key) for key in keys)


def import_path(*folders: Path) -> str:
    """Where processes of ours look for modules first: some folders, the engine, and what these tests were told."""
    return os.pathsep.join(filter(None, [*map(str, folders), str(ENGINE), os.environ.get("PYTHONPATH")]))
