"""Events of runs as server-sent events. However many listen to a run, it is looked at once, by one task."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from anyio import to_thread

from wayframe.core.events import RunFinished, RunStarted
from wayframe.errors import StoreError, StoreMissingError
from wayframe.store.runs import EVENTS
from wayframe.web.library import FoundRun, Library
from wayframe.web.listing import iso
from wayframe.workflow.queue.bodies import KIND
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import OPEN

QUICK, SLOW, SLOWER = 0.2, 1.0, 1.3
HEARTBEAT, UNTOLD_SECONDS = 15.0, 4.0
PAGE, KEPT = 500, 4000
"""Events read at a time, and those of a run that are kept for listeners to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event with its number, as it is sent."""

    seq: int
    kind: str
    data: bytes


class Source(Protocol):
    """Where the events of a run are written down. Both methods block."""

    def after(self, seq: int, *, limit: int) -> list[Told]:
        """The events behind `seq`, at most `limit`."""

    def is_open(self) -> bool:
        """Whether more may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSource:
    """The events of a submitted run, numbered as in the table of events."""

    place: Place
    run_id: str

    def after(self, seq: int, *, limit: int) -> list[Told]:
        """The events behind `seq`, at most `limit`."""
        rows = self.place.events.after(self.run_id, seq, limit=limit)
        return [told(row.seq, {**row.body, "time": iso(row.time)}) for row in rows]

    def is_open(self) -> bool:
        """Whether the run is queued or running."""
        row = self.place.runs.find(self.run_id)
        return row is not None and row.state in OPEN


class FileSource:
    """The events of a run in its folder, numbered by their lines from 1."""

    def __init__(self, run: FoundRun) -> None:
        self._folder = run.folder
        self._seq, self._offset = 0, 0

    def after(self, seq: int, *, limit: int) -> list[Told]:
        """The events behind `seq`, at most `limit`; a line that is still being written is left for the next time."""
        path = self._folder.path / EVENTS
        if seq != self._seq or (path.exists() and path.stat().st_size < self._offset):
            self._seq, self._offset = 0, 0
        lines = self._lines(path, skip=seq - self._seq, limit=limit)
        return [told(seq + number, json.loads(raw)) for number, raw in enumerate(lines, start=1)]

    def _lines(self, path: Path, *, skip: int, limit: int) -> list[bytes]:
        lines: list[bytes] = []
        with suppress(FileNotFoundError), path.open("rb") as stream:
            stream.seek(self._offset)
            for raw in islice(stream, skip + limit):
                if not raw.endswith(b"\n"):
                    break
                self._seq, self._offset = self._seq + 1, self._offset + len(raw)
                lines.append(raw)
        return lines[skip:]

    def is_open(self) -> bool:
        """Whether a process holds the run."""
        return self._folder.is_held()


def told(seq: int, body: Mapping[str, Any]) -> Told:
    """An event's body, ready to be sent."""
    data = json.dumps({"seq": seq, **body}, ensure_ascii=False, separators=(",", ":")).encode()
    return Told(seq=seq, kind=str(body.get(KIND)), data=data)


class Channel:
    """One run that is listened to: a task reads what is new, and wakes all listeners.

    `ended`: nothing more comes; `over`: because the run has ended. `polls` counts the looks at the source.
    """

    def __init__(self, make: Callable[[], Source]) -> None:
        self._source, self._make = make(), make
        self._kept: deque[Told] = deque(maxlen=KEPT)
        self._seq, self._floor = 0, 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.listeners, self.ended, self.over, self.polls = 0, False, False, 0
        self.error: StoreError | None = None

    async def listen(self, after: int) -> AsyncGenerator[Told | None, None]:
        """The events behind `after` until the run has ended; None stands for a heartbeat."""
        self.listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
        try:
            async with aclosing(self._items(after)) as items:
                async for item in items:
                    yield item
        finally:
            self.listeners -= 1
            if self.listeners == 0 and self._task is not None:
                self._task.cancel()

    def close(self) -> None:
        """End all listening."""
        self.ended = True
        self._wake()

    async def _items(self, after: int) -> AsyncGenerator[Told | None, None]:
        over = False
        while True:
            changed = self._changed
            items = await self._behind(after)
            for item in items:
                after = item.seq
                counts = not over or item.kind in (RunStarted.__name__, RunFinished.__name__)
                over = item.kind == RunFinished.__name__ or (over and item.kind != RunStarted.__name__)
                if counts:
                    yield item
            if items:
                continue
            if self.ended or self.error is not None:
                return
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT)
            except TimeoutError:
                yield None

    async def _behind(self, after: int) -> list[Told]:
        """What is kept behind a number; what came before that is read once more."""
        if after >= self._floor and self._kept:
            first = next((at for at, item in enumerate(self._kept) if item.seq > after), len(self._kept))
            return list(islice(self._kept, first, None))
        if after >= self._seq:
            return []
        async with _READS:
            return await to_thread.run_sync(lambda: self._make().after(after, limit=PAGE))

    async def _follow(self) -> None:
        pause, loop = QUICK, asyncio.get_running_loop()
        closed_since: float | None = None
        finished = False
        try:
            while True:
                self.polls += 1
                items = await to_thread.run_sync(lambda: self._source.after(self._seq, limit=PAGE))
                self._keep(items)
                for item in items:
                    finished = item.kind == RunFinished.__name__ or (finished and item.kind != RunStarted.__name__)
                if items:
                    pause = QUICK
                    continue
                is_open = await to_thread.run_sync(self._source.is_open)
                closed_since = None if is_open else closed_since or loop.time()
                if closed_since is not None and (finished or loop.time() - closed_since >= UNTOLD_SECONDS):
                    self.ended = self.over = True
                    return
                await asyncio.sleep(pause)
                pause = min(pause * SLOWER, SLOW)
        except StoreError as error:
            self.error = error
        finally:
            self._wake()

    def _keep(self, items: list[Told]) -> None:
        for item in items:
            if len(self._kept) == KEPT:
                self._floor = self._kept[0].seq
            self._kept.append(item)
            self._seq = item.seq
        if items:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


_READS = asyncio.Semaphore(4)
"""Listeners that come late and read old events at the same time."""


class Streams:
    """The channels of all runs that are listened to."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._channels: dict[str, Channel] = {}

    def channel(self, run: FoundRun) -> Channel:
        """The channel of a run; one that everybody has left, or that has ended, is made anew."""
        known = self._channels.get(run.item.id)
        if known is not None and known.listeners and not known.ended and known.error is None:
            return known
        channel = Channel(lambda: self._source(run))
        self._channels = {name: old for name, old in self._channels.items() if old.listeners} | {run.item.id: channel}
        return channel

    def is_over(self, run: FoundRun, *, after: int) -> bool:
        """Whether a run has ended, and nothing that counts is behind `after`. Blocks."""
        source = self._source(run)
        if source.is_open():
            return False
        items = source.after(after - 1, limit=PAGE)
        if not items or items[0].seq != after:
            return not items
        begins = any(item.kind == RunStarted.__name__ for item in items[1:])
        return len(items) == 1 or (items[0].kind == RunFinished.__name__ and not begins)

    def close(self) -> None:
        """End all streams: the server stops. Listeners come back to the next one with their last number."""
        for channel in self._channels.values():
            channel.close()

    def _source(self, run: FoundRun) -> Source:
        if run.item.source == "log":
            raise StoreMissingError(f"run {run.item.id} is known from a log: it has no events")
        if run.row is None:
            return FileSource(run)
        source = QueueSource(place=self._library.place, run_id=run.item.id)
        gone = run.row.state not in OPEN and not source.after(0, limit=1)
        return FileSource(run) if gone else source
