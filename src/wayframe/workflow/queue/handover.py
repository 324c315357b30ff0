"""Work of a process that ends, given back at once by the process itself or by whoever started it."""

from __future__ import annotations

from contextlib import closing

from wayframe.workflow.queue.adapter import client, hand_on, translated, unfinished
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.liveness import executor_id
from wayframe.workflow.queue.rows import Owner


def give_back(database: Database, *, owner: Owner) -> int:
    """Put what a process has in work back into its queues, and give how much that was. Raises `StoreError`.

    From then on DBOS refuses what that process records of it. Call it before the work is stopped, else its end would be
    recorded as the work's own.
    """
    executor, moved = executor_id(owner), 0
    with translated(database):
        found = unfinished(database, executors=[executor])
        if found:
            with closing(_Connected(database)) as connected:
                for workflow, queue, _, _ in found:
                    moved += connected.hand_on(workflow, executor=executor, queue=queue)
    return moved


class _Connected:
    def __init__(self, database: Database) -> None:
        self._client = client(database)

    def hand_on(self, workflow: str, *, executor: str, queue: str) -> bool:
        return hand_on(self._client, workflow_id=workflow, executor_id=executor, queue=queue)

    def close(self) -> None:
        self._client.destroy()
