"""What an orchestrator looks after besides its own runs: those that nothing carries out any more."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbos import DBOSClient

from wayframe import __version__
from wayframe.core.events import RunState
from wayframe.errors import StoreError
from wayframe.workflow.queue.adapter import FLOW_VERSION, stranded, strays, translated
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.flows import enqueue_run
from wayframe.workflow.queue.logging_lines import LOGGER
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.request import has_request
from wayframe.workflow.queue.rows import OPEN, QueueState, WorkerKind

CANCELLED = "CANCELLED"
_Stray = tuple[str, int, str | None]


def orchestrator_version() -> str:
    """The version that an orchestrator shows: of the program, and of the workflows that it carries out."""
    return f"{__version__}+{FLOW_VERSION}"


@dataclass(slots=True, kw_only=True)
class Mender:
    """Begins runs anew that wait for a version which is gone, and runs or ends those that lost their workflow."""

    place: Place
    client: DBOSClient
    _seen: set[_Stray] = field(default_factory=set)

    def mend(self) -> None:
        """One look. Safe in several processes at once. Raises `StoreError` while the database or the store is away."""
        self._restart()
        self._adopt()

    def _restart(self) -> None:
        """Begin the next attempt of what an orchestrator of another flow version left behind.

        An upgrade may change what the workflows record. As long as an orchestrator of that version lives, it is left to
        it.
        """
        waiting = stranded(self.place.database)
        if not waiting:
            return
        alive = self.place.workers.alive(kind=WorkerKind.ORCHESTRATOR)
        living = {row.version.partition("+")[2] for row in alive}
        for workflow, version in waiting:
            if version not in living:
                self._begin_anew(workflow, version=version)

    def _begin_anew(self, workflow: str, *, version: str) -> None:
        run_id, _, attempt = workflow.rpartition("~")
        row = self.place.runs.find(run_id)
        with translated(self.place.database):
            self.client.cancel_workflow(workflow, cancel_children=True)
        if row is None or row.state not in OPEN or self.place.runs.begin_anew(run_id, attempt=int(attempt)) is None:
            return
        LOGGER.warning("begun anew: it waited for version %s, this one is %s", version, FLOW_VERSION, extra=_of(run_id))
        self._enqueue(run_id)

    def _adopt(self) -> None:
        """Carry out or end what was the same at two looks: whoever submits or cancels does it in several steps."""
        found = set(strays(self.place.database))
        for stray in sorted(found & self._seen, key=lambda one: one[0]):
            self._settle(stray)
        self._seen = found

    def _settle(self, stray: _Stray) -> None:
        run_id, attempt, status = stray
        if status is None:
            if has_request(self.place, run_id):
                self._enqueue(run_id)
            return
        cancelled = status == CANCELLED
        state = QueueState.CANCELLED if cancelled else QueueState.FAILED
        error = None if cancelled else f"its workflow ended as {status}; the log of the orchestrator tells why"
        if self.place.runs.end(run_id, attempt=attempt, state=state, error=error):
            LOGGER.warning("ended as %s: %s", state.value, error or "it was cancelled", extra=_of(run_id))
            Finishing.of(self.place, run_id).end(state=RunState(state.value), error=error)

    def _enqueue(self, run_id: str) -> None:
        with translated(self.place.database):
            enqueue_run(self.client, self.place.runs.get(run_id))


def mend_quietly(mender: Mender) -> None:
    """Mend what can be mended now; what cannot is logged, and tried at the next beat."""
    try:
        mender.mend()
    except StoreError as error:
        LOGGER.warning("nothing was mended: %s", error)


def _of(run_id: str) -> dict[str, str]:
    return {"run": run_id}
