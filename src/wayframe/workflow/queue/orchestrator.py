"""Begins and finishes runs, and hands on the work of processes that died. Two or more may run; none needs a GPU."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from wayframe.errors import StoreError
from wayframe.workflow.queue import flows
from wayframe.workflow.queue.adapter import RUNS_QUEUE, client, launch, stop
from wayframe.workflow.queue.handover import give_back
from wayframe.workflow.queue.lifeline import Stop
from wayframe.workflow.queue.liveness import Heart, Sweeper, bury_gone, executor_id, host_name
from wayframe.workflow.queue.logging_lines import LOGGER
from wayframe.workflow.queue.mending import Mender, mend_quietly, orchestrator_version
from wayframe.workflow.queue.pace import Pace
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.readiness import ready
from wayframe.workflow.queue.rows import NewWorker, WorkerKind

RUNS_AT_ONCE = 200
"""Runs that one orchestrator looks after at a time; each takes a thread that asks the database a few times a second."""


MISSED_BEATS = 3
"""After a pause of so many beats this process was frozen, or the machine slept; the clock that counts sleep tells."""


@dataclass(slots=True, kw_only=True)
class Orchestrator:
    """One orchestrator. With `may_migrate` it makes or upgrades the tables of a PostgreSQL database, too."""

    place: Place
    name: str
    stop: Stop
    may_migrate: bool = False
    _name_lost: bool = field(default=False, init=False)

    def run(self) -> bool:
        """Work until asked to stop.

        True when it was taken for dead meanwhile: then it should begin anew. Raises `StoreError` when the name is
        taken, or the database cannot be used.
        """
        ready(self.place.database, may_migrate=self.may_migrate)
        bury_gone(self.place.workers)
        pace = Pace.here()
        with Heart(self.place.workers, self._row(), lost=self._lost, beat=pace.beat) as heart:
            flows.use(flows.Setting(place=self.place, owner=heart.owner))
            self.place.artifacts().sweep()  # steps to a final file are made here
            launch(self.place.database, executor_id=executor_id(heart.owner), queues={RUNS_QUEUE: RUNS_AT_ONCE})
            LOGGER.info("ready")
            self._look_after_all(pace.beat)
            LOGGER.info("stopping; its runs go on with the next orchestrator")
            stop(within=0)
            with suppress(StoreError):  # the database is away: the next sweep does it
                give_back(self.place.database, owner=heart.owner)
        return self._name_lost

    def _look_after_all(self, beat: float) -> None:
        connected = client(self.place.database)
        sweeper = Sweeper(self.place.database, workers=self.place.workers, client=connected)
        mender = Mender(place=self.place, client=connected)
        while not self.stop.asked.is_set():
            for row in sweeper.sweep():
                LOGGER.warning("%s %s is dead; its work is handed on", row.kind.value, row.worker_id)
            mend_quietly(mender)
            before = time.time()
            self.stop.asked.wait(beat)
            if time.time() - before > MISSED_BEATS * beat:
                sweeper.pardon()

    def _lost(self) -> None:
        LOGGER.error("this orchestrator was taken for dead; it begins anew")
        self._name_lost = True
        self.stop.asked.set()

    def _row(self) -> NewWorker:
        return NewWorker(
            worker_id=self.name,
            boot=uuid4().hex,
            kind=WorkerKind.ORCHESTRATOR,
            host=host_name(),
            pid=os.getpid(),
            gpu="",
            capabilities=(),
            version=orchestrator_version(),
        )
