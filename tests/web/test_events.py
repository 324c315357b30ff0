"""Streams of events, from a server in a process of its own; and the channel that listeners share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import httpx
import pytest

from wayframe.core.events import RunFinished, RunStarted
from wayframe.web.streams import Channel, FileSource, Told, told
from wayframe.workflow.queue.finishing import counting
from web.browser import TOKEN, Browser, Served, messages
from workflow.queue.stage import Stage
from workflow.rides import through


@pytest.fixture
def served(stage: Stage) -> Iterator[Served]:
    with Served.at(stage.ground.home.root, environment=stage.environment) as made:
        yield made


Heard = tuple[str | None, str, str]


def heard(client: httpx.Client, run_id: str, *, last: str = "", limit: int = 10_000) -> list[Heard]:
    """Id, type and event's name of what a listener hears until the stream ends, or until `limit` messages came."""
    headers = {"Last-Event-ID": last} if last else {}
    found: list[Heard] = []
    with client.stream("GET", f"/api/v1/runs/{run_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for message in messages(answer.iter_lines()):
            found.append((message.id, message.kind, json.loads(message.data).get("event", "")))
            if len(found) == limit:
                break
    return found


def test_a_queued_run_is_heard_from_before_its_beginning_to_its_end(stage: Stage, served: Served) -> None:
    row = stage.submit(stage.ground.trip(through(0, 1, 2)))
    with served.client() as client, ThreadPoolExecutor() as pool:
        early = pool.submit(heard, client, row.run_id)
        with stage.at_work():
            whole = early.result(60)
        assert whole[-1] == (None, "end", "")
        assert whole[-2][2] == RunFinished.__name__
        numbers = [int(number) for number, _, _ in whole[:-1] if number]
        assert numbers == [row.seq for row, _ in counting(stage.place.events.all_of(row.run_id))]
        assert heard(client, row.run_id) == whole


def test_who_comes_back_hears_the_rest_and_nothing_twice(stage: Stage, served: Served) -> None:
    row = stage.submit(stage.ground.trip(through(0, 1, 2)))
    with stage.at_work(), served.client() as client:
        whole = heard(client, row.run_id)
        first = heard(client, row.run_id, limit=5)
        assert first == whole[:5]
        assert heard(client, row.run_id, last=str(first[-1][0])) == whole[5:]
        after = client.get(f"/api/v1/runs/{row.run_id}/events", headers={"Last-Event-ID": str(whole[-2][0])})
        assert (after.status_code, after.content) == (204, b"")


def test_a_plain_run_is_heard_by_the_lines_of_its_events(stage: Stage, served: Served) -> None:
    run = stage.ground.run(through(0, 1)).folder
    lines = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    with served.client() as client:
        whole = heard(client, run.run_id)
        assert [name for _, _, name in whole[:-1]] == [line["event"] for line in lines]
        assert [number for number, _, _ in whole[:-1]] == [str(number + 1) for number in range(len(lines))]
        assert heard(client, run.run_id, last="3") == whole[3:]
        assert heard(client, run.run_id, last="no number") == whole


def test_a_stream_needs_the_token(stage: Stage) -> None:
    run = stage.ground.run(through(0, 1)).folder.run_id
    environment = {**stage.environment, "WAYFRAME_TOKEN": TOKEN}
    with Served.at(stage.ground.home.root, environment=environment) as served, served.client() as client:
        assert client.get(f"/api/v1/runs/{run}/events").status_code == 401
        with served.client(headers={"Authorization": f"Bearer {TOKEN}"}) as known:
            assert heard(known, run)[-1][1] == "end"


def test_a_run_that_is_not_there_has_no_stream(served: Served) -> None:
    with served.client() as client:
        assert client.get("/api/v1/runs/nothing/events").status_code == 404


def test_a_removed_run_ends_its_stream(stage: Stage, browser: Browser) -> None:
    row = stage.submit(stage.ground.trip(through(0, 1)))
    run = browser.site.library.get(row.run_id)

    async def listen() -> list[Told | None]:
        async with aclosing(browser.site.streams.channel(run).listen(0)) as items:
            first = asyncio.create_task(anext(items, None))
            await asyncio.sleep(0.05)
            stage.client.cancel(row.run_id)
            stage.client.remove(row.run_id)
            return [await first, *[item async for item in items]]

    kinds = [item.kind for item in asyncio.run(listen()) if item]
    assert kinds in ([], ["TaskChanged", "RunFinished"], ["RunFinished"]) or kinds[-1] == RunFinished.__name__


class Script:
    """A source whose events come when a test says so."""

    def __init__(self) -> None:
        self.events: list[Told] = []
        self.open = True
        self.reads = 0

    def add(self, *kinds: str) -> None:
        for kind in kinds:
            self.events.append(told(len(self.events) + 1, {"event": kind}))

    def after(self, seq: int, *, limit: int) -> list[Told]:
        self.reads += 1
        return self.events[seq : seq + limit]

    def is_open(self) -> bool:
        return self.open


async def collect(channel: Channel, *, after: int = 0) -> list[int]:
    async with aclosing(channel.listen(after)) as items:
        return [item.seq async for item in items if item is not None]


def test_two_hundred_listeners_cost_one_look_at_a_time() -> None:
    script = Script()
    script.add(RunStarted.__name__, "SegmentPublished")

    async def run() -> list[list[int]]:
        channel = Channel(lambda: script)
        listeners = [asyncio.create_task(collect(channel)) for _ in range(200)]
        while channel.polls < 3:
            await asyncio.sleep(0.01)
        script.add(RunFinished.__name__)
        script.open = False
        found = await asyncio.gather(*listeners)
        assert script.reads <= channel.polls + 5  # a listener that came before the first look may ask for itself
        return found

    assert asyncio.run(run()) == [[1, 2, 3]] * 200


def test_who_comes_late_hears_what_is_no_longer_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayframe.web.streams.KEPT", 4)
    script = Script()
    script.add(RunStarted.__name__, *["StepApplied"] * 50)

    async def run() -> list[list[int]]:
        channel = Channel(lambda: script)
        first = asyncio.create_task(collect(channel))
        while channel.polls < 3:
            await asyncio.sleep(0.01)
        late = asyncio.create_task(collect(channel))
        later = asyncio.create_task(collect(channel, after=30))
        script.add(RunFinished.__name__)
        script.open = False
        return list(await asyncio.gather(first, late, later))

    whole = list(range(1, 53))
    assert asyncio.run(run()) == [whole, whole, whole[30:]]


def test_what_a_worker_tells_after_the_end_is_left_out_until_the_run_begins_anew() -> None:
    script = Script()
    script.add(RunStarted.__name__, RunFinished.__name__, "StepApplied", RunStarted.__name__, RunFinished.__name__)
    script.open = False
    assert asyncio.run(collect(Channel(lambda: script))) == [1, 2, 4, 5]


def test_a_silent_run_sends_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayframe.web.streams.HEARTBEAT", 0.05)
    script = Script()

    async def run() -> Told | None:
        async with aclosing(Channel(lambda: script).listen(0)) as items:
            return await anext(items)

    assert asyncio.run(run()) is None


def test_nobody_listening_is_no_work() -> None:
    script = Script()

    async def run() -> tuple[int, int]:
        channel = Channel(lambda: script)
        listener = asyncio.create_task(collect(channel))
        while channel.polls < 2:
            await asyncio.sleep(0.01)
        listener.cancel()
        await asyncio.sleep(0.05)
        before = script.reads
        await asyncio.sleep(0.5)
        return before, script.reads

    before, after = asyncio.run(run())
    assert before == after


def test_a_line_that_is_being_written_is_left_for_the_next_look(stage: Stage, browser: Browser) -> None:
    run = browser.site.library.get(stage.ground.run(through(0, 1)).folder.run_id)
    path = run.folder.path / "events.jsonl"
    count = len(path.read_text().splitlines())
    source = FileSource(run)
    assert len(source.after(0, limit=100)) == count
    with path.open("a") as stream:
        stream.write('{"event": "Step')
        stream.flush()
        assert source.after(count, limit=100) == []
        stream.write('Applied"}\n')
        stream.flush()
        assert [item.seq for item in source.after(count, limit=100)] == [count + 1]
    assert [item.seq for item in FileSource(run).after(2, limit=1)] == [3]
