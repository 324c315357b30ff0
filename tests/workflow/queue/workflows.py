"""Workflows as DBOS holds them, planted for tests that need no executor."""

from __future__ import annotations

from sqlalchemy import text

from wayframe.workflow.queue.adapter import _table
from wayframe.workflow.queue.database import Database


def plant(database: Database, workflow: str, *, executor: str, queue: str | None) -> None:
    """A workflow that an executor has in work."""
    with database.transaction() as connection:
        connection.execute(
            text(
                f"insert into {_table(database)} (workflow_uuid, status, name, executor_id, queue_name, "
                "started_at_epoch_ms, owner_xid, created_at, updated_at) values "
                "(:id, 'PENDING', 'flow', :executor, :queue, 1000, 'first', 1, 1)"
            ),
            {"id": workflow, "executor": executor, "queue": queue},
        )


def give(database: Database, workflow: str, **values: object) -> None:
    """Change columns of a workflow."""
    names = ", ".join(f"{name} = :{name}" for name in values)
    with database.transaction() as connection:
        connection.execute(
            text(f"update {_table(database)} set {names} where workflow_uuid = :id"), {**values, "id": workflow}
        )
