"""What this program takes for granted of DBOS Transact 3.4 and does not find in its public API, and the rest of it."""

from __future__ import annotations

import base64
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dbos import DBOS, DBOSClient
from dbos import _serialization as serialization
from dbos._client import EnqueueOptions
from sqlalchemy import inspect, make_url, text

import postgres
from wayframe.errors import StoreError, StoreUnavailableError
from wayframe.store.home import Home
from wayframe.workflow.queue import adapter, readiness, schema
from wayframe.workflow.queue.adapter import (
    DBOS_VERSION,
    FLOW_VERSION,
    RUNS_QUEUE,
    Depth,
    client,
    dbos_priority,
    dbos_versions,
    depths,
    ended_before,
    hand_on,
    holding,
    launch,
    migrate_dbos,
    move,
    outranked,
    render_queue,
    stop,
    stranded,
    strays,
    translated,
    unfinished,
)
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.rows import QueueState
from wayframe.workflow.queue.runs import Runs
from workflow.queue.outage import fallible
from workflow.queue.rows import new_run, until
from workflow.queue.workflows import give

QUEUE = render_queue("preview")
RAW, ESCAPED = "hunter2@/:secret", "hunter2%40%2F%3Asecret"
COLUMNS = {"workflow_uuid", "status", "executor_id", "queue_name", "created_at", "started_at_epoch_ms", "owner_xid"}
COLUMNS |= {"application_version", "serialization", "priority", "parent_workflow_id", "completed_at", "updated_at"}
done: list[str] = []
gate = threading.Event()


@DBOS.workflow(name="test_note")
def note(word: str) -> str:
    """Write a word down."""
    done.append(word)
    return word


@DBOS.workflow(name="test_hold")
def hold(word: str) -> str:
    """Stay in work until the gate is open."""
    done.append(word)
    gate.wait(30)
    return word


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(adapter, "PICK_SECONDS", 0.05)
    done.clear()
    gate.clear()
    yield
    gate.set()
    DBOS.destroy()


@pytest.fixture
def asker(database: Database) -> Iterator[DBOSClient]:
    ours = client(database)
    yield ours
    ours.destroy()


@contextmanager
def executor(
    database: Database, *, queue: str = QUEUE, at_once: int | None = 1, name: str = "gpu-0#b"
) -> Iterator[None]:
    launch(database, executor_id=name, queues={queue: at_once})
    try:
        yield
    finally:
        stop(within=0)


def enqueue(asker: DBOSClient, word: object, *, workflow: str = "test_note", **options: object) -> str:
    wanted: EnqueueOptions = {
        "workflow_name": workflow,
        "queue_name": QUEUE,
        "workflow_id": word,
        "app_version": FLOW_VERSION,
        **options,
    }
    return asker.enqueue(wanted, word).get_workflow_id()


def status(database: Database, workflow: str) -> str | None:
    found = holding(database, workflow)
    return found.status if found else None


def has_ended(database: Database, workflow: str) -> Callable[[], bool]:
    return lambda: status(database, workflow) in {"SUCCESS", "ERROR", "CANCELLED"}


def test_the_version_is_the_one_that_the_adapter_was_written_against() -> None:
    assert DBOS_VERSION == "3.4"
    assert version("dbos").startswith("3.4.")


def test_the_tables_and_columns_that_the_adapter_reads_are_there(database: Database) -> None:
    kind = None if database.dialect == "sqlite" else "dbos"
    with database.reading() as connection:
        found = {column["name"] for column in inspect(connection).get_columns("workflow_status", schema=kind)}
        assert [c["name"] for c in inspect(connection).get_columns("dbos_migrations", schema=kind)] == ["version"]
    assert found >= COLUMNS


def test_versions_of_dbos_tables_are_known_before_and_after(empty: Database) -> None:
    found, needed = dbos_versions(empty)
    assert found == 0 < needed
    migrate_dbos(empty)
    assert dbos_versions(empty) == (needed, needed)


def test_the_private_parts_that_are_used_are_as_they_were() -> None:
    assert serialization.DefaultSerializer().name() == "py_pickle"
    assert serialization.DBOSDefaultSerializer.__class__ is serialization.DefaultSerializer
    assert serialization.DBOSPortableJSON.name() == "portable_json"


@pytest.mark.parametrize("higher", [-100, 0, 99])
def test_a_higher_priority_comes_first_and_runs_of_one_priority_in_their_order(higher: int) -> None:
    assert dbos_priority(higher + 1, number=9_999_999) < dbos_priority(higher, number=0)
    assert dbos_priority(higher, number=1) < dbos_priority(higher, number=2)
    assert 1 <= dbos_priority(100, number=10_000_000) <= dbos_priority(-100, number=9_999_999) < 2**31


def test_an_executor_carries_out_what_a_client_asked_for(database: Database, asker: DBOSClient) -> None:
    enqueue(asker, "one")
    assert depths(database)[QUEUE].waiting == 1
    with executor(database):
        until(has_ended(database, "one"))
    assert done == ["one"]
    assert depths(database) == {}


def test_priority_decides_the_order_and_not_the_time(database: Database, asker: DBOSClient) -> None:
    order = {"late": (0, 3), "urgent": (50, 4), "first": (0, 1), "lazy": (-5, 0), "second": (0, 2)}
    for word, (priority, number) in order.items():
        enqueue(asker, word, priority=dbos_priority(priority, number=number))
    with executor(database):
        until(has_ended(database, "lazy"))
    assert done == ["urgent", "first", "second", "late", "lazy"]


def test_a_queue_may_be_filled_before_anybody_has_heard_of_it(database: Database, asker: DBOSClient) -> None:
    enqueue(asker, "early", queue_name=render_queue("wan:tiny"))
    enqueue(asker, "other")
    with executor(database, name="gpu-1#b"):
        until(has_ended(database, "other"))
        assert status(database, "early") == "ENQUEUED"
    with executor(database, queue=render_queue("wan:tiny")):
        until(has_ended(database, "early"))
    assert done == ["other", "early"]


def test_one_executor_may_follow_another_in_one_process(database: Database, asker: DBOSClient) -> None:
    for word in ("a", "b", "c"):
        enqueue(asker, word)
        with executor(database, name=f"gpu-0#{word}"):
            until(has_ended(database, word))
        found = holding(database, word)
        assert found is not None
        assert found.executor_id == f"gpu-0#{word}"


def test_a_launch_that_fails_leaves_nothing_behind(empty: Database) -> None:
    for _ in range(2):
        with pytest.raises(StoreError):
            launch(empty, executor_id="gpu-0#b", queues={QUEUE: 1})
    migrate_dbos(empty)
    with executor(empty):
        assert depths(empty) == {}


def test_depths_tell_how_many_wait_and_since_when(database: Database, asker: DBOSClient) -> None:
    assert depths(database) == {}
    for word in ("a", "b"):
        enqueue(asker, word)
    enqueue(asker, "c", queue_name=RUNS_QUEUE)
    found = depths(database)
    assert {name: depth.waiting for name, depth in found.items()} == {QUEUE: 2, RUNS_QUEUE: 1}
    assert isinstance(found[QUEUE], Depth)
    assert found[QUEUE].oldest > 1_700_000_000_000
    asker.cancel_workflow("a")
    assert depths(database)[QUEUE].waiting == 1


def test_work_is_found_with_who_has_it(database: Database, asker: DBOSClient) -> None:
    enqueue(asker, "held", workflow="test_hold")
    assert unfinished(database) == []
    assert holding(database, "nothing") is None
    waiting = holding(database, "held")
    assert waiting is not None
    assert waiting.status == "ENQUEUED"
    with executor(database):
        until(lambda: done == ["held"])
        assert unfinished(database) == [("held", QUEUE, "gpu-0#b", FLOW_VERSION)]
        assert unfinished(database, executors=["gpu-0#b"]) == unfinished(database)
        assert unfinished(database, executors=["gpu-1#b"]) == unfinished(database, executors=[]) == []
        found = holding(database, "held")
        assert found is not None
        assert (found.status, found.executor_id) == ("PENDING", "gpu-0#b")
        assert found.token
        assert found.taken > 1_700_000_000_000
        gate.set()
        until(has_ended(database, "held"))


def test_the_age_of_a_queue_is_that_of_the_one_that_waits_longest_and_its_first_is_the_next(
    database: Database, asker: DBOSClient
) -> None:
    enqueue(asker, "old", priority=9)
    give(database, "old", created_at=(holding_time := 1_700_000_000_000))
    enqueue(asker, "new", priority=4)
    found = depths(database)[QUEUE]
    assert (found.waiting, found.oldest, found.first) == (2, holding_time, 4)
    assert found.age > 3600


def test_ended_workflows_are_found_by_how_long_ago_that_was(database: Database, asker: DBOSClient) -> None:
    for word in ("done", "cancelled", "waits"):
        enqueue(asker, word)
    asker.cancel_workflow("cancelled")
    give(database, "waits", queue_name="another")
    with executor(database):
        until(has_ended(database, "done"))
    assert sorted(ended_before(database, seconds=-60)) == ["cancelled", "done"]
    assert ended_before(database, seconds=3600) == []
    give(database, "done", completed_at=1000)
    assert ended_before(database, seconds=3600) == ["done"]


def test_a_run_and_its_batches_that_wait_get_another_place(database: Database, asker: DBOSClient) -> None:
    for word in ("run", "batch", "at-work", "other"):
        enqueue(asker, word, priority=9)
    for word in ("batch", "at-work"):
        give(database, word, parent_workflow_id="run")
    give(database, "at-work", status="PENDING")
    move(database, workflow_id="run", priority=2)
    with database.reading() as connection:
        rows = connection.execute(text(f"select workflow_uuid, priority from {adapter._table(database)}"))
        assert {name: int(priority) for name, priority in rows} == {"run": 2, "batch": 2, "at-work": 9, "other": 9}


@pytest.mark.parametrize(("others", "outranks"), [(4, False), (5, False), (6, True), (100, True)])
def test_only_what_waits_with_a_higher_priority_comes_before_a_run_in_work(
    database: Database, asker: DBOSClient, others: int, outranks: bool
) -> None:
    Runs(database).add(new_run("mine", priority=0))
    Runs(database).prioritise("mine", priority=5)
    enqueue(asker, "waits", priority=dbos_priority(others, number=1))
    enqueue(asker, "elsewhere", priority=dbos_priority(100, number=1))
    give(database, "elsewhere", queue_name="another")
    enqueue(asker, "in-work", priority=dbos_priority(100, number=1))
    give(database, "in-work", status="PENDING")
    assert outranked(database, run_id="mine", queue=QUEUE) is outranks
    assert not outranked(database, run_id="nobody", queue=QUEUE)


def test_runs_that_wait_for_another_version_of_the_flow_are_found(database: Database, asker: DBOSClient) -> None:
    for word, version_of, queue in (
        ("trip~1", "flow-0", RUNS_QUEUE),
        ("trip~2", FLOW_VERSION, RUNS_QUEUE),
        ("trip~1.b0", "flow-0", QUEUE),
    ):
        enqueue(asker, word, app_version=version_of, queue_name=queue)
    assert stranded(database) == [("trip~1", "flow-0")]


def test_open_runs_that_nothing_carries_out_are_found(database: Database, asker: DBOSClient) -> None:
    runs = Runs(database)
    for name in ("never-queued", "waits", "failed", "over", "anew"):
        runs.add(new_run(name))
    runs.end("over", attempt=1, state=QueueState.FAILED)
    runs.begin_anew("anew", attempt=1)
    for word in ("waits~1", "failed~1", "anew~1"):
        enqueue(asker, word, queue_name=RUNS_QUEUE)
    for word in ("failed~1", "anew~1"):
        give(database, word, status="ERROR")
    assert strays(database) == [("never-queued", 1, None), ("failed", 1, "ERROR"), ("anew", 2, None)]


def held_by_the_dead(database: Database, asker: DBOSClient) -> None:
    """A workflow whose executor ended without a word."""
    enqueue(asker, "held", workflow="test_hold")
    with executor(database, name="gpu-0#dead"):
        until(lambda: done == ["held"])
    gate.set()
    with database.transaction() as connection:
        connection.execute(
            text(
                f"update {adapter._table(database)} set status = 'PENDING', executor_id = 'gpu-0#dead', output = null, "
                "error = null, completed_at = null where workflow_uuid = 'held'"
            )
        )


def test_work_of_a_dead_executor_is_carried_out_by_another(database: Database, asker: DBOSClient) -> None:
    held_by_the_dead(database, asker)
    before = holding(database, "held")
    assert hand_on(asker, workflow_id="held", executor_id="gpu-0#dead", queue=QUEUE)
    assert not hand_on(asker, workflow_id="held", executor_id="gpu-0#dead", queue=QUEUE)
    assert depths(database)[QUEUE].waiting == 1
    with executor(database, name="gpu-1#alive"):
        until(has_ended(database, "held"))
    after = holding(database, "held")
    assert before is not None
    assert after is not None
    assert (after.status, after.executor_id) == ("SUCCESS", "gpu-1#alive")
    assert after.token != before.token


def test_what_was_cancelled_or_taken_meanwhile_is_not_handed_on(database: Database, asker: DBOSClient) -> None:
    held_by_the_dead(database, asker)
    assert not hand_on(asker, workflow_id="held", executor_id="gpu-9#other", queue=QUEUE)
    asker.cancel_workflow("held")
    assert not hand_on(asker, workflow_id="held", executor_id="gpu-0#dead", queue=QUEUE)
    assert status(database, "held") == "CANCELLED"


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def bomb(tmp_path: Path) -> tuple[str, Path]:
    """What whoever can write to the database may plant, and the folder that would show that it went off."""
    folder = tmp_path / "went-off"
    armed = base64.b64encode(pickle.dumps(Bomb(folder))).decode()
    pickle.loads(base64.b64decode(armed))
    assert folder.is_dir()
    folder.rmdir()
    return armed, folder


def plant(database: Database, workflow: str, **values: str | None) -> None:
    names = ", ".join(f"{name} = :{name}" for name in values)
    with database.transaction() as connection:
        connection.execute(
            text(
                f"update {adapter._table(database)} set serialization = 'py_pickle', {names} where workflow_uuid = :id"
            ),
            {**values, "id": workflow},
        )


def test_a_pickled_input_is_not_read_by_an_executor_and_others_go_on(
    database: Database, asker: DBOSClient, bomb: tuple[str, Path]
) -> None:
    enqueue(asker, "planted", priority=1)
    enqueue(asker, "good", priority=2)
    plant(database, "planted", inputs=bomb[0])
    with executor(database):
        until(has_ended(database, "good"))
    assert done == ["good"]
    assert not bomb[1].exists()


def test_a_pickled_input_output_or_error_is_not_read_by_a_client(
    database: Database, asker: DBOSClient, bomb: tuple[str, Path]
) -> None:
    for word, column in (("i", "inputs"), ("o", "output"), ("e", "error")):
        enqueue(asker, word)
        plant(database, word, **{column: bomb[0], "status": "ERROR" if column == "error" else "SUCCESS"})
    asker.list_workflows()
    for word in ("o", "e"):
        with pytest.raises(StoreError, match="pickled, which is refused"):
            asker.retrieve_workflow(word).get_result(polling_interval_sec=0.01)
    asker.retrieve_workflow("i").get_status()
    assert not bomb[1].exists()


def test_a_pickled_event_is_not_read(database: Database, asker: DBOSClient, bomb: tuple[str, Path]) -> None:
    enqueue(asker, "w")
    table = "workflow_events" if database.dialect == "sqlite" else "dbos.workflow_events"
    with database.transaction() as connection:
        connection.execute(
            text(
                f"insert into {table} (workflow_uuid, key, value, serialization) values ('w', 'k', :value, 'py_pickle')"
            ),
            {"value": bomb[0]},
        )
    with pytest.raises(StoreError, match="pickled, which is refused"):
        asker.get_event("w", "k", timeout_seconds=1)
    assert not bomb[1].exists()


def test_nothing_is_written_pickled(database: Database, asker: DBOSClient) -> None:
    with pytest.raises(TypeError, match="not portable JSON"):
        enqueue(asker, b"bytes", workflow_id="x")
    with pytest.raises(StoreError, match="pickled, which is refused"):
        serialization.DefaultSerializer().serialize(1)
    enqueue(asker, "w")
    with executor(database):
        until(has_ended(database, "w"))
    with database.reading() as connection:
        kinds = connection.execute(text(f"select distinct serialization from {adapter._table(database)}")).all()
    assert [tuple(kind) for kind in kinds] == [("portable_json",)]


def test_a_client_of_a_database_without_tables_says_what_to_do(empty: Database) -> None:
    with pytest.raises(StoreError, match="run `wayframe db migrate`"):
        client(empty)


def test_a_client_does_not_make_a_file(tmp_path: Path) -> None:
    database = Database.at(f"sqlite:///{tmp_path / 'none.db'}", home=Home(root=tmp_path))
    with pytest.raises(StoreError, match="run `wayframe db migrate`"):
        client(database)
    database.close()


def test_a_client_of_a_server_that_is_away_is_told_without_the_password(tmp_path: Path) -> None:
    with fallible(tmp_path, dialect="postgresql") as ours:
        url = make_url(ours.database.text).set(username="postgres", password=RAW).render_as_string(hide_password=False)
        database = Database.at(url, home=Home(root=tmp_path))
        asker = client(database)
        ours.begin_outage()
        acts: tuple[Callable[[], object], ...] = (
            lambda: client(database),
            lambda: launch(database, executor_id="x#y", queues={QUEUE: 1}),
            lambda: migrate_dbos(database),
            lambda: depths(database),
        )
        for act in acts:
            with pytest.raises(StoreUnavailableError) as caught:
                act()
            assert not any(word in str(caught.value) for word in (RAW, ESCAPED, "hunter2", "\n"))
        with pytest.raises(StoreUnavailableError, match=r"database postgresql://127\.0\.0\.1"), translated(database):
            enqueue(asker, "never")
        asker.destroy()
        database.close()


def test_errors_of_dbos_are_ours_in_one_line(database: Database, asker: DBOSClient) -> None:
    with pytest.raises(StoreError, match="nothing") as caught, translated(database):
        asker.retrieve_workflow("nothing").get_status()
    assert "\n" not in str(caught.value)
    assert not caught.value.retryable


def test_a_role_that_may_not_create_tables_can_do_all_the_work(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = postgres.session_server(tmp_path_factory.getbasetemp())
    owner = Database.at(postgres.new_database(server), home=Home(root=tmp_path))
    role = f"worker_{uuid4().hex[:8]}"
    with owner.transaction() as connection:
        connection.execute(text(f"create role {role} login"))
        connection.execute(text("revoke create on schema public from public"))
    readiness.migrate(owner, role=role)
    worker = Database.at(
        make_url(owner.text).set(username=role).render_as_string(hide_password=False), home=Home(root=tmp_path)
    )
    with pytest.raises(StoreError, match="permission denied"), worker.transaction() as connection:
        connection.execute(text("create table t (x integer)"))
    with pytest.raises(StoreError, match="permission denied"), worker.transaction() as connection:
        connection.execute(text(f"delete from {schema.TABLE}"))
    assert readiness.ready(worker).usable
    assert Runs(worker).add(new_run())[1]
    asker = client(worker)
    enqueue(asker, "one")
    with executor(worker):
        until(has_ended(worker, "one"))
    assert done == ["one"]
    asker.destroy()
    worker.close()
    owner.close()
