"""Which task the engine's parameters belong to: they carry no task id of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class _Execution:
    worker: str
    began: bool = False
    """Some parameters were seen that are certainly its own."""
    done: bool = False
    """Its whole block of parameters was seen; an execution sends one."""


class Executions:
    """The generations under way, as the log tells: one per worker, and workers of several processes may share a name.

    A line of parameters belongs to the only generation under way, or to the only one whose block has not been seen.
    In every other case nothing in the log tells whose it is.
    """

    def __init__(self) -> None:
        self._running: dict[str, _Execution] = {}
        self._workers: Counter[str] = Counter()

    def start(self, *, worker: str, work: str) -> None:
        """A worker executes something. With one worker of that name, what it did before is over."""
        single = self._workers[worker] <= 1
        for other, execution in list(self._running.items()):
            if execution.worker == worker and (single or execution.done):
                del self._running[other]
        self._running[work] = _Execution(worker=worker)

    def end(self, work: str) -> None:
        """Something is executed, failed, or was given back."""
        self._running.pop(work, None)

    def worker_started(self, worker: str) -> None:
        """A worker came up; two of one name are two processes, or one that died and came back."""
        self._workers[worker] += 1

    def worker_stopped(self, worker: str) -> None:
        """A worker went down in order."""
        self._workers[worker] = max(0, self._workers[worker] - 1)
        if not self._workers[worker]:
            self._running = {work: e for work, e in self._running.items() if e.worker != worker}

    def clear(self) -> None:
        """Another process writes from here on."""
        self._running.clear()
        self._workers.clear()

    def shut_down(self) -> None:
        """A process shuts down; with several, the log does not tell which."""
        if sum(self._workers.values()) <= 1:
            self.clear()

    def owners(self) -> list[str]:
        """Whose the next line of parameters may be: one name when it is certain, several when it is not."""
        waiting = [work for work, execution in self._running.items() if not execution.done]
        owners = list(self._running) if len(self._running) == 1 or not waiting else waiting
        if len(owners) == 1:
            self._running[owners[0]].began = True
        return owners

    def close_block(self) -> None:
        """A ruled line: it ends the block that is open, if there is one and no other could be meant."""
        waiting = [execution for execution in self._running.values() if not execution.done]
        if len(waiting) == 1 and waiting[0].began:
            waiting[0].done = True
