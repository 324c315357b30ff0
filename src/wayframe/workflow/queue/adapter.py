"""DBOS Transact as this program uses it: the one file that knows what is not in its public API.

What is not public here, each with a test in tests/workflow/queue/test_adapter.py that names the version: the serializer
that would unpickle (`dbos._serialization.DefaultSerializer`), the table `workflow_status` (for the depth of queues),
and that the tables lie in the schema `dbos` on PostgreSQL and without one on SQLite.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from dbos import _serialization as serialization
from sqlalchemy import bindparam, text

from wayframe.errors import StoreError
from wayframe.workflow.queue.database import BUSY_SECONDS, KEEPALIVES, Database

DBOS_VERSION = "3.4"
"""The minor version that this file was written against."""
APPLICATION = "wayframe"
FLOW_VERSION = "flow-1"
"""Changes only when the workflows' code no longer fits steps that an earlier one recorded; see `orchestrator`."""
RUNS_QUEUE = "runs"
RENDER_PREFIX = "render."
PICK_SECONDS = 0.5
HIGHEST_PRIORITY, PRIORITY_STRIDE = 100, 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What waits in a queue: how many workflows, and the creation time (ms) of the one that waits longest."""

    waiting: int
    oldest: int


def render_queue(capability: str) -> str:
    """The queue of batches that need a capability (`preview`, `wan:MODEL`)."""
    return RENDER_PREFIX + capability


def dbos_priority(priority: int, *, number: int) -> int:
    """DBOS's priority (lower is earlier) for ours (-100 to 100, higher is earlier), first come first served.

    The number of the run keeps the order: on SQLite DBOS's own times are whole seconds.
    """
    return (HIGHEST_PRIORITY - priority) * PRIORITY_STRIDE + number % PRIORITY_STRIDE + 1


def refuse_pickle() -> None:
    """Have rows that ask to be unpickled refused: whoever can write one could run code in a mere reader."""

    def refuse(_self: object, _data: object) -> NoReturn:
        raise StoreError("a row of the queue is pickled, which is refused: it was not written by wayframe")

    setattr(serialization.DefaultSerializer, "deserialize", refuse)
    setattr(serialization.DefaultSerializer, "serialize", refuse)


def migrate_dbos(database: Database, *, application_role: str | None = None) -> None:
    """Make or upgrade DBOS's tables; `application_role` is a PostgreSQL role that may then use them."""
    DBOS.migrate(database.text, application_role=application_role)
    if database.file is not None:
        with database.reading():
            pass  # connecting sets WAL, which stays with the file


def launch(database: Database, *, executor_id: str, queues: Mapping[str, int | None]) -> None:
    """Begin to carry out workflows from `queues` (name to how many at once here; None: any number).

    The tables must be there (`migrate_dbos`): the role of a worker need not be allowed to make any.
    """
    refuse_pickle()
    DBOS(config=_config(database, executor_id=executor_id))
    DBOS.listen_queues(list(queues))
    DBOS.launch()
    for name, at_once in queues.items():
        DBOS.register_queue(
            name, worker_concurrency=at_once, polling_interval_sec=PICK_SECONDS, on_conflict="always_update"
        )


def stop(*, within: float) -> None:
    """Take no more workflows, and give those in work `within` seconds to end."""
    DBOS.destroy(workflow_completion_timeout_sec=round(within))


def _config(database: Database, *, executor_id: str) -> DBOSConfig:
    logging.getLogger("dbos").setLevel(logging.WARNING)
    return {
        "name": APPLICATION,
        "system_database_url": database.text,
        "db_engine_kwargs": _engine_arguments(database),
        "application_version": FLOW_VERSION,
        "executor_id": executor_id,
        "serializer": DBOSPortableJSONSerializer(),
        "run_migrations": False,
        "log_level": "WARNING",
        "notification_listener_polling_interval_sec": 0.2,
    }


def _engine_arguments(database: Database) -> dict[str, Any]:
    if database.dialect == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    return {
        "pool_size": 8,
        "max_overflow": 4,
        "pool_pre_ping": True,
        "connect_args": {**KEEPALIVES, "application_name": "wayframe-queue"},
    }


def client(database: Database) -> DBOSClient:
    """What submits, cancels and looks, and carries out nothing. Raises `StoreError` when the tables are not there."""
    refuse_pickle()
    return DBOSClient(
        system_database_url=database.text,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        system_database_pool_size=4,
        retry_connection_errors=False,
    )


def depths(database: Database) -> dict[str, Depth]:
    """What waits in each queue that is not empty."""
    query = (
        f"select queue_name, count(*), min(created_at) from {_table(database)} "
        "where status = 'ENQUEUED' and queue_name is not null group by queue_name"
    )
    with database.reading() as connection:
        rows = connection.execute(text(query))
        return {str(name): Depth(waiting=int(count), oldest=int(oldest)) for name, count, oldest in rows}


def unfinished(database: Database, *, executors: Sequence[str] | None = None) -> list[tuple[str, str, str, str]]:
    """Workflows in work, as (id, queue, executor, application version); only those of `executors` where given."""
    query = (
        f"select workflow_uuid, queue_name, executor_id, application_version from {_table(database)} "
        "where status = 'PENDING'"
    )
    statement = text(query)
    if executors is not None:
        statement = text(f"{query} and executor_id in :executors").bindparams(bindparam("executors", expanding=True))
    with database.reading() as connection:
        rows = connection.execute(statement, {} if executors is None else {"executors": list(executors)})
        return [(str(row[0]), str(row[1] or ""), str(row[2] or ""), str(row[3] or "")) for row in rows]


def _table(database: Database) -> str:
    return "workflow_status" if database.dialect == "sqlite" else "dbos.workflow_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who carries a workflow out: its status, the executor, and when it was taken from its queue."""

    status: str
    executor_id: str
    taken: int


def holding(database: Database, workflow_id: str) -> Holding | None:
    """Who carries a workflow out now; None when it is unknown."""
    query = f"select status, executor_id, started_at_epoch_ms from {_table(database)} where workflow_uuid = :workflow"
    with database.reading() as connection:
        row = connection.execute(text(query), {"workflow": workflow_id}).first()
    return None if row is None else Holding(status=str(row[0]), executor_id=str(row[1]), taken=int(row[2] or 0))
