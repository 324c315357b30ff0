"""A process that renders: one capability, one batch at a time, until its supervisor asks it to stop.

Started by `worker` as ``python -m wayframe.workflow.queue.child``. It is a fresh process for every model, since nothing
else gives all of a GPU's memory back. Addresses of database and store, which may hold secrets, come through the
environment.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from wayframe import __version__
from wayframe.core.events import TRANSIENT, RunEvent
from wayframe.errors import StoreError
from wayframe.store.home import open_home
from wayframe.workflow.queue import flows
from wayframe.workflow.queue.adapter import launch, render_queue, stop
from wayframe.workflow.queue.handover import give_back
from wayframe.workflow.queue.lifeline import Stop, hold_lifeline
from wayframe.workflow.queue.liveness import Heart, executor_id, host_name
from wayframe.workflow.queue.logging_lines import LOGGER, carried_out, log_event, log_lines
from wayframe.workflow.queue.pace import Pace
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.readiness import ready
from wayframe.workflow.queue.rows import NewWorker, WorkerKind
from wayframe.workflow.queue.tally import Tally
from wayframe.workflow.queue.watch import Watch

LONGEST_DRAIN = 7 * 86400.0
LAST_SECONDS = 30.0
"""Given to work that was told to stop at once: an engine listens between two steps."""
ABANDONED = 4


def main() -> None:
    """Entry point: a child with its arguments, from its first signal handler to its last word."""
    own = _arguments()
    stop = Stop()
    stop.listen()
    hold_lifeline()
    log_lines(process=own.name, as_json=own.log_json)
    tally = Tally(_own_output(), home=open_home(own.home))
    tally.start()
    os._exit(carried_out(lambda: _child(own, stop=stop, tally=tally).run()))


@dataclass(slots=True, kw_only=True)
class Child:
    """The process, once its place and its name are known."""

    place: Place
    worker: NewWorker
    capability: str
    tally: Tally
    stop: Stop
    pace: Pace
    _heart: Heart = field(init=False)
    _watch: Watch | None = field(default=None, init=False)
    _run: str | None = field(default=None, init=False)

    def run(self) -> bool:
        """Render until asked to stop; False, for it never begins anew.

        Raises `StoreError` when the name is taken, or the database cannot be used.
        """
        ready(self.place.database)
        self._heart = Heart(self.place.workers, self.worker, lost=self._lost, beat=self.pace.beat)
        with self._heart:
            self._heart.tell(holding=self.capability, run_id=None)
            flows.use(
                flows.Setting(
                    place=self.place,
                    owner=self._heart.owner,
                    heard=self._hear,
                    busy=self._busy,
                    leaving=self.stop.asked.is_set,
                )
            )
            self.place.artifacts().sweep()
            launch(
                self.place.database,
                executor_id=executor_id(self._heart.owner),
                queues={render_queue(self.capability): 1},
            )
            self.tally.change(lambda told: replace(told, ready=True))
            LOGGER.info("ready for %s", self.capability)
            self.stop.asked.wait()
            self._drain()
        return False

    def _drain(self) -> None:
        """Finish the batch in work, or the segment of a chained one, and take no more; give it back when a second
        signal comes."""
        LOGGER.info("stopping: %s", f"finishing work for run {self._run}" if self._run else "nothing is in work")
        threading.Thread(target=self._hurry, name="hurry", daemon=True).start()
        stop(within=LONGEST_DRAIN)

    def _hurry(self) -> None:
        self.stop.hurried.wait()
        self._give_up()
        time.sleep(LAST_SECONDS)
        os._exit(ABANDONED)

    def _lost(self) -> None:
        """Another process has our name, or we were taken for dead: whatever we do is not ours any more."""
        LOGGER.error("this process was taken for dead; it stops")
        self.stop.asked.set()
        self.stop.hurried.set()

    def _give_up(self) -> None:
        """Give back what we have in work, then stop it.

        While the database is away nothing can be given back; then the process ends as if it had been killed.
        """
        try:
            give_back(self.place.database, owner=self._heart.owner)
        except StoreError:
            LOGGER.exception("what is in work could not be given back")
            os._exit(ABANDONED)
        if self._watch is not None:
            self._watch.lose()

    def _busy(self, run_id: str | None, watch: Watch | None) -> None:
        self._run, self._watch = run_id, watch
        self._heart.tell(holding=self.capability, run_id=run_id)
        begun = int(run_id is not None)
        fetched = self.place.objects.fetched_bytes
        self.tally.change(
            lambda told: replace(told, run_id=run_id, batches=told.batches + begun, fetched_bytes=fetched)
        )

    def _hear(self, event: RunEvent) -> None:
        self.tally.hear(event)
        if not isinstance(event, TRANSIENT):
            log_event(event, run_id=self._run)


def _child(own: argparse.Namespace, *, stop: Stop, tally: Tally) -> Child:
    worker = NewWorker(
        worker_id=own.name,
        boot=own.boot,
        kind=WorkerKind.RENDERER,
        host=host_name(),
        pid=os.getpid(),
        gpu=own.gpu,
        capabilities=(own.capability,),
        version=__version__,
    )
    place = Place.open(home=open_home(own.home))
    return Child(
        place=place,
        worker=worker,
        capability=own.capability,
        tally=tally,
        stop=stop,
        pace=Pace.here(),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wayframe child", description="Started by a worker.")
    for name in ("--name", "--boot", "--capability", "--gpu"):
        parser.add_argument(name, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--log-json", action="store_true")
    return parser.parse_args()


def _own_output() -> TextIO:
    """Standard output for what is told; whatever an engine prints goes to standard error."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return told


if __name__ == "__main__":
    main()
