"""DBOS Transact as this program uses it: the one file that knows what is not in its public API.

What is not public here, each with a test in tests/workflow/queue/test_adapter.py that names the version: the serializer
that would unpickle (`dbos._serialization.DefaultSerializer`), the tables `workflow_status` (what is in work, and the
depth of queues) and `dbos_migrations`, that they lie in the schema `dbos` on PostgreSQL and without one on SQLite, how
many migrations there are (`dbos._migration`), and `reenqueue_for_recovery`, which hands the work of one dead executor
on and leaves alone what was cancelled or taken meanwhile; the public `resume_workflow` would revive it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from dbos import _serialization as serialization
from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSException
from dbos._migration import get_dbos_migrations, sqlite_migrations
from sqlalchemy import String, bindparam, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from wayframe.errors import StoreError
from wayframe.files import redact_text
from wayframe.workflow.queue.database import BUSY_SECONDS, Database

DBOS_VERSION = "3.4"
"""The minor version that this file was written against."""
APPLICATION = "wayframe"
FLOW_VERSION = "flow-2"
"""Changes only when the workflows' code no longer fits steps that an earlier one recorded; see `orchestrator`."""
RUNS_QUEUE = "runs"
RENDER_PREFIX = "render."
PICK_SECONDS = 0.5
SCHEMA = "dbos"
HIGHEST_PRIORITY, PRIORITY_STRIDE = 100, 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What waits in a queue: how many workflows, and the creation time (ms) of the one that waits longest.

    `age` is the same in seconds until now, `first` DBOS's priority of the one that is taken next.
    """

    waiting: int
    oldest: int
    age: float = field(default=0.0, compare=False)
    first: int = field(default=0, compare=False)


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

    def _refuse(_self: object, _data: object) -> NoReturn:
        raise StoreError("a row of the queue is pickled, which is refused: it was not written by wayframe")

    setattr(serialization.DefaultSerializer, "deserialize", _refuse)
    setattr(serialization.DefaultSerializer, "serialize", _refuse)


@contextmanager
def translated(database: Database) -> Iterator[None]:
    """Give errors of DBOS and of the driver as our own, in one line and without secrets.

    `StoreUnavailableError` when the database is away, else `StoreError`. Wraps every call of a client's methods.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise database.refusal(error) from error
    except DBOSException as error:
        raise StoreError(redact_text(f"database {database.shown}: {' '.join(str(error).split())}")) from error


def migrate_dbos(database: Database, *, application_role: str | None = None) -> None:
    """Make or upgrade DBOS's tables; `application_role` is a PostgreSQL role that may then use them."""
    _quiet()
    with translated(database):
        DBOS.migrate(database.text, application_role=application_role)


def dbos_versions(database: Database) -> tuple[int, int]:
    """How far DBOS's tables are in a database (0: not there), and how far this program's DBOS needs them."""
    if database.dialect == "sqlite":
        needed, schema, table = len(sqlite_migrations), None, "dbos_migrations"
    else:
        needed = len(get_dbos_migrations(SCHEMA, use_listen_notify=True, is_cockroach=False))
        schema, table = SCHEMA, f"{SCHEMA}.dbos_migrations"
    with database.reading() as connection:
        if not inspect(connection).has_table("dbos_migrations", schema=schema):
            return 0, needed
        return int(connection.execute(text(f"select version from {table}")).scalar() or 0), needed


def launch(database: Database, *, executor_id: str, queues: Mapping[str, int | None]) -> None:
    """Begin to carry out workflows from `queues` (name to how many at once here; None: any number).

    The tables must be there (`migrate_dbos`): the role of a worker need not be allowed to make any. When it fails,
    nothing stays behind.
    """
    refuse_pickle()
    _quiet()
    try:
        with translated(database):
            DBOS(config=_config(database, executor_id=executor_id))
            DBOS.listen_queues(list(queues))
            DBOS.launch()
            for name, at_once in queues.items():
                DBOS.register_queue(
                    name, worker_concurrency=at_once, polling_interval_sec=PICK_SECONDS, on_conflict="always_update"
                )
    except BaseException:
        with suppress(DBOSException):
            DBOS.destroy()
        raise


def stop(*, within: float) -> None:
    """Take no more workflows, and give those in work `within` seconds to end."""
    DBOS.destroy(workflow_completion_timeout_sec=round(within))


def _config(database: Database, *, executor_id: str) -> DBOSConfig:
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


def _quiet() -> None:
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_CALM)  # the same one is added once


class _Calm(logging.Filter):
    """Leaves out the exception that DBOS reports when a workflow was cancelled, which is no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        return not isinstance(error, DBOSAwaitedWorkflowCancelledError)


_CALM = _Calm()


def _engine_arguments(database: Database) -> dict[str, Any]:
    if database.dialect == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    return {
        "pool_size": 8,
        "max_overflow": 4,
        "pool_pre_ping": True,
        "connect_args": {"application_name": "wayframe-queue"},
    }


def client(database: Database) -> DBOSClient:
    """What submits, cancels and looks, and carries out nothing. Raises `StoreError` when the tables are not there.

    While the database is away its methods raise the driver's own errors: call them inside `translated`.
    """
    refuse_pickle()
    _quiet()
    found, needed = dbos_versions(database)
    if found < needed:
        raise StoreError(f"{database.shown} has no tables for this version; run `wayframe db migrate`")
    with translated(database):
        return DBOSClient(
            system_database_url=database.text,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            system_database_pool_size=4,
            retry_connection_errors=False,
        )


def hand_on(client: DBOSClient, *, workflow_id: str, executor_id: str, queue: str) -> bool:
    """Put a workflow of a dead executor back into its queue; False when it was cancelled or taken over meanwhile."""
    return client._sys_db.reenqueue_for_recovery(workflow_id, [executor_id], queue)


def ended_before(database: Database, *, seconds: float) -> list[str]:
    """Workflows that ended longer ago than that, however they ended."""
    query = (
        f"select workflow_uuid from {_table(database)} where status not in ('ENQUEUED', 'PENDING', 'DELAYED') "
        f"and coalesce(completed_at, updated_at) <= {database.now} - :age"
    )
    with database.reading() as connection:
        return [str(row[0]) for row in connection.execute(text(query), {"age": round(seconds * 1000)})]


def move(database: Database, *, workflow_id: str, priority: int) -> None:
    """Give a workflow, and its batches, another place in their queues, where they still wait."""
    query = (
        f"update {_table(database)} set priority = :priority where status = 'ENQUEUED' "
        "and (workflow_uuid = :workflow or parent_workflow_id = :workflow)"
    )
    with database.transaction() as connection:
        connection.execute(text(query), {"priority": priority, "workflow": workflow_id})


def outranked(database: Database, *, run_id: str, queue: str) -> bool:
    """Whether something waits in a queue whose priority, as its user gave it, is higher than that of a run now."""
    query = (
        f"select 1 from {_table(database)} where status = 'ENQUEUED' and queue_name = :queue and priority <= "
        "(select (:highest - priority) * :stride from wf_runs where run_id = :run) limit 1"
    )
    values = {"queue": queue, "run": run_id, "highest": HIGHEST_PRIORITY, "stride": PRIORITY_STRIDE}
    with database.reading() as connection:
        return connection.execute(text(query), values).first() is not None


def depths(database: Database) -> dict[str, Depth]:
    """What waits in each queue that is not empty."""
    query = (
        "select queue_name, count(*), min(created_at), "
        f"({database.now} - min(created_at)) / 1000.0, min(priority) from {_table(database)} "
        "where status = 'ENQUEUED' and queue_name is not null group by queue_name"
    )
    with database.reading() as connection:
        rows = connection.execute(text(query))
        return {
            str(name): Depth(waiting=int(count), oldest=int(oldest), age=max(float(age), 0.0), first=int(first or 0))
            for name, count, oldest, age, first in rows
        }


def unfinished(database: Database, *, executors: Sequence[str] | None = None) -> list[tuple[str, str, str, str]]:
    """Workflows in work, as (id, queue, executor, application version); only those of `executors` where given."""
    query = (
        f"select workflow_uuid, queue_name, executor_id, application_version from {_table(database)} "
        "where status = 'PENDING'"
    )
    statement = text(query)
    if executors is not None:
        statement = text(f"{query} and executor_id in :executors").bindparams(
            bindparam("executors", expanding=True, type_=String())
        )
    with database.reading() as connection:
        rows = connection.execute(statement, {} if executors is None else {"executors": list(executors)})
        return [(str(row[0]), str(row[1] or ""), str(row[2] or ""), str(row[3] or "")) for row in rows]


def stranded(database: Database) -> list[tuple[str, str]]:
    """Runs' workflows that wait for an orchestrator of another flow version, as (id, that version)."""
    query = (
        f"select workflow_uuid, application_version from {_table(database)} where status = 'ENQUEUED' "
        "and queue_name = :queue and application_version <> :version"
    )
    with database.reading() as connection:
        rows = connection.execute(text(query), {"queue": RUNS_QUEUE, "version": FLOW_VERSION})
        return [(str(workflow), str(version)) for workflow, version in rows]


def strays(database: Database) -> list[tuple[str, int, str | None]]:
    """Open runs that nothing carries out: (run id, attempt, status of its workflow; None when there is none)."""
    query = (
        "select run.run_id, run.attempt, flow.status from wf_runs run "
        f"left join {_table(database)} flow on flow.workflow_uuid = run.run_id || '~' || run.attempt "
        "where run.state in ('queued', 'running') "
        "and (flow.status is null or flow.status not in ('PENDING', 'ENQUEUED', 'DELAYED')) order by run.number"
    )
    with database.reading() as connection:
        return [(str(run), int(attempt), status) for run, attempt, status in connection.execute(text(query))]


def _table(database: Database) -> str:
    return "workflow_status" if database.dialect == "sqlite" else f"{SCHEMA}.workflow_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who carries a workflow out: its status, the executor, and when it was taken from its queue.

    `token` is new every time that it is taken: on SQLite DBOS's times may be whole seconds.
    """

    status: str
    executor_id: str
    taken: int
    token: str = ""


def holding(database: Database, workflow_id: str) -> Holding | None:
    """Who carries a workflow out now; None when it is unknown."""
    query = (
        f"select status, executor_id, started_at_epoch_ms, owner_xid from {_table(database)} "
        "where workflow_uuid = :workflow"
    )
    with database.reading() as connection:
        row = connection.execute(text(query), {"workflow": workflow_id}).first()
    if row is None:
        return None
    status, executor, taken, token = row
    return Holding(status=str(status), executor_id=str(executor or ""), taken=int(taken or 0), token=str(token or ""))
