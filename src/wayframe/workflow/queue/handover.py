"""Work of a process that ends, given back at once by the process itself or by whoever started it."""

from __future__ import annotations

from wayframe.workflow.queue.adapter import client, hand_on, translated, unfinished
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.liveness import executor_id
from wayframe.workflow.queue.rows import Owner


def give_back(database: Database, *, owner: Owner) -> int:
    """Put what a process has in work back into its queues, and give how much that was. Raises `StoreError`.

    From then on DBOS refuses what that process records of it. Call it before the work is stopped, else its end would be
    recorded as the work's own.
    """
    executor = executor_id(owner)
    found = unfinished(database, executors=[executor])
    if not found:
        return 0
    connected = client(database)
    try:
        with translated(database):
            return sum(
                hand_on(connected, workflow_id=workflow, executor_id=executor, queue=queue)
                for workflow, queue, _, _ in found
            )
    finally:
        connected.destroy()
