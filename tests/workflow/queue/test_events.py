"""The table of events, their bodies, and switches."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from wayframe.core import events
from wayframe.core.events import RunEvent, RunState, TaskKind, TaskState
from wayframe.core.findings import Finding, Severity
from wayframe.errors import StoreError
from wayframe.workflow.queue.bodies import body_of, event_of
from wayframe.workflow.queue.database import Database
from wayframe.workflow.queue.events import EventTable, Switches
from workflow.queue.rows import at_once, until

KEY = "AKIAABCDEFGHIJKLMNOP"
FINDING = Finding(
    code="x-1", severity=Severity.WARNING, message="m", where="segments[0]", evidence={"frames": [1, 2]}, action="a"
)
TASK = {"task": "t", "kind": TaskKind.SEGMENT, "state": TaskState.FAILED}
SEGMENT = {"task": "t", "segment": 1, "key": "k", "frames": 49, "digest": "d"}
EVENTS: tuple[RunEvent, ...] = (
    events.RunStarted(run_id="r", engine="preview", segments=2, frames=97, continued=True),
    events.TaskChanged(**TASK, segment=1, error="no memory"),
    events.SegmentReused(**SEGMENT),
    events.SegmentPublished(**SEGMENT),
    events.LoraFetching(lora="l", done=1, size=None),
    events.PromptWritten(segment=1, text="t", writer="w/m", done=1, total=2),
    events.LoraReady(lora="l", sha256="s", commit=None),
    events.WeightsReady(model="m", identity="i"),
    events.StepApplied(
        task="t",
        segment=1,
        step=0,
        timestep=999.0,
        expert="high",
        guidance=1.0,
        loras={"a": 0.1},
        forwards=2,
        sigma=1.0,
        sigma_next=0.1 + 0.2,
        modules={"a": (400, 401)},
    ),
    events.FrameRendered(segment=1, done=1, frames=49),
    events.StitchProgress(done=1, frames=97),
    events.FindingMade(finding=FINDING),
    events.EngineReported(device="cpu", versions={"torch": "2"}, counts={"forwards": 9}),
    events.EngineTold(text="Loading model"),
    events.RunFinished(run_id="r", state=RunState.FAILED, error="e", outcome={"frames": None, "list": [1, {"a": 2.5}]}),
)


@pytest.fixture
def table(database: Database) -> EventTable:
    return EventTable(database)


def numbers(table: EventTable, run_id: str = "r") -> list[object]:
    return [row.body["n"] for row in table.all_of(run_id)]


def test_every_kind_of_event_is_tried_here() -> None:
    assert {type(event) for event in EVENTS} == set(events.RunEvent.__args__)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_the_table_as_it_was(table: EventTable, event: RunEvent) -> None:
    table.add("r", [body_of(event)])
    (row,) = table.after("r")
    assert event_of(row.body) == event


def test_a_body_that_is_no_event_of_ours_is_refused() -> None:
    with pytest.raises(StoreError, match="an event of kind 'Party' is unknown to this version"):
        event_of({"event": "Party"})
    with pytest.raises(StoreError, match="an event of kind None is unknown"):
        event_of({})
    with pytest.raises(StoreError, match="an event of kind FrameRendered cannot be read: Input should be"):
        event_of({"event": "FrameRendered", "segment": "one", "done": 1, "frames": 2})


def test_events_come_in_the_order_in_which_they_were_written(table: EventTable) -> None:
    table.add("r", [{"n": 0}, {"n": 1}])
    table.add("other", [{"n": 9}])
    table.add("r", [{"n": 2}])
    rows = table.all_of("r")
    assert [row.body["n"] for row in rows] == [0, 1, 2]
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    assert all(row.run_id == "r" for row in rows)
    assert rows[0].time <= rows[-1].time


def test_whoever_follows_asks_for_what_came_after(table: EventTable) -> None:
    table.add("r", [{"n": n} for n in range(5)])
    first = table.after("r", limit=2)
    rest = table.after("r", first[-1].seq)
    assert [row.body["n"] for row in (*first, *rest)] == [0, 1, 2, 3, 4]
    assert table.after("r", rest[-1].seq) == []


def test_no_events_are_no_transaction(empty: Database) -> None:
    EventTable(empty).add("r", [])


def test_of_several_events_all_are_written_or_none(table: EventTable) -> None:
    with pytest.raises(TypeError):
        table.add("r", [{"n": 0}, {"n": object()}])
    assert table.all_of("r") == []


def test_events_hold_no_secret_and_any_text(table: EventTable) -> None:
    table.add("r", [{"n": f"the key {KEY}", "token": "abcdefgh", "name": "a\0b \udcff ü"}])
    (row,) = table.all_of("r")
    assert KEY not in str(row.body)
    assert "abcdefgh" not in str(row.body)
    assert row.body["name"] == "a\0b \udcff ü"


def test_a_reader_that_follows_never_misses_an_event_of_concurrent_writers(table: EventTable) -> None:
    writers, each, seen, over = 5, 30, [], threading.Event()

    def write(writer: int) -> None:
        for number in range(each):
            table.add("r", [{"n": (writer, number, part)} for part in range(1 + (writer + number) % 4)])

    def follow() -> None:
        while True:
            done = over.is_set()
            page = table.after("r", seen[-1].seq if seen else 0, limit=7)
            seen.extend(page)
            if done and not page:
                return

    reader = threading.Thread(target=follow)
    reader.start()
    assert at_once([lambda writer=writer: write(writer) for writer in range(writers)]) == [None] * writers
    over.set()
    reader.join()
    assert seen == table.all_of("r")
    for writer in range(writers):
        mine = [row.body["n"] for row in seen if row.body["n"][0] == writer]
        assert mine == sorted(mine)


def test_a_writer_waits_for_one_that_has_its_numbers_already(table: EventTable, database: Database) -> None:
    """PostgreSQL gives numbers out before a transaction is visible: the later number must not be seen first."""
    if database.dialect == "sqlite":
        pytest.skip("an SQLite file has one writer at a time")
    waiting = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    thread = threading.Thread(target=lambda: table.add("r", [{"n": "late"}]))
    with database.transaction() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtextextended('r', 0))"))
        thread.start()

        def one_waits() -> bool:
            with database.reading() as other:
                return bool(other.execute(waiting).scalar())

        until(one_waits)
        table.add("another run", [{"n": 0}])
        connection.execute(
            text(f"insert into wf_events (run_id, time, body) values ('r', {database.now}, :body)"),
            {"body": '{"n": "early"}'},
        )
    thread.join()
    assert numbers(table) == ["early", "late"]


def test_a_switch_holds_its_last_value(database: Database) -> None:
    switches = Switches(database)
    assert switches.get("paused") is None
    switches.put("paused", value="yes")
    switches.put("paused", value="no")
    assert switches.get("paused") == "no"
    assert at_once([lambda n=n: switches.put("paused", value=str(n)) for n in range(5)]) == [None] * 5
    assert switches.get("paused") in set("01234")
