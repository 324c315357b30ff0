"""All runs that the page knows - those of the queue and those of the home folder - by their ids."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import text

from wayframe.core.documents import parse_plan
from wayframe.core.plan import Plan
from wayframe.errors import StoreError, StoreMissingError
from wayframe.store.query import matching
from wayframe.store.runs import INCOMPLETE, RECORD, RUNNING, RunFolder
from wayframe.web.index import Known, RunIndex
from wayframe.web.listing import NAME, ListQuery, RunItem, RunPage, item_of
from wayframe.workflow.queue.finishing import Finishing
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import OPEN, RunRow

RECORDS = 16
_NAME = re.compile(NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run: its line, its folder here (which may not be there), and its row in the queue where it has one."""

    item: RunItem
    folder: RunFolder
    row: RunRow | None
    library: Library

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self.item.state in ("queued", RUNNING)

    def record(self) -> dict[str, Any]:
        """Its record, as far as it has come. Raises `StoreError`."""
        return self.library.record(self)

    def plan(self) -> Plan:
        """What was planned. Raises `StoreMissingError` for a run that is known from a log only."""
        record = self.record()
        if "planned" not in record:
            raise StoreMissingError(f"run {self.item.id} is known from a log: it has no plan")
        return parse_plan(record["planned"])

    def file(self, name: str) -> Path:
        """One of its files, fetched from a shared store when it is not here. Raises `StoreMissingError`."""
        path = self.folder.path / name
        ended = self.row is not None and self.row.state not in OPEN
        if not path.is_file() and ended and self.library.place.shared:
            Finishing.of(self.library.place, self.item.id).fetch()
        if path.is_symlink() or not path.is_file():
            raise StoreMissingError(f"run {self.item.id} is {self.item.state} and has no {name}")
        return path


class Library:
    """Runs by their ids, and the list of them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._index = RunIndex(place)
        self._records: OrderedDict[str, tuple[str, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self) -> Known:
        """All runs as they are now."""
        return self._index.known()

    def read_more(self) -> bool:
        """Read records for a while; whether there are more."""
        return self._index.known().unread > 0

    def stale(self) -> None:
        """Look anew, the next time: something was changed."""
        self._index.stale()

    def listed(self, query: ListQuery) -> RunPage:
        """A page of the list. Raises `SpecError` for an expression that is none."""
        known = self._index.known()
        order = known.order
        if query.before is not None:
            key, _, name = query.before.partition("~")
            order = order[_behind(order, (key, name)) :]
        wanted = self._matching(known, where=query.where) if query.where.strip() else None
        found = (
            (key, name)
            for key, name in order
            if (wanted is None or name in wanted) and (not query.state or self._state(known, name) in query.state)
        )
        shown = list(islice(found, query.limit + 1))
        page, more = shown[: query.limit], shown[query.limit :]
        return RunPage(
            items=[self._item(known, name) for _, name in page],
            next="~".join(page[-1]) if more else None,
            unread=known.unread,
        )

    def get(self, run_id: str) -> FoundRun:
        """The run of an id. Raises `StoreMissingError`."""
        known = self._index.known()
        if _NAME.match(run_id) and run_id not in known.entries:
            self._index.stale()
            known = self._index.known()
        if run_id not in known.entries:
            raise StoreMissingError("there is no run of that id")
        folder = RunFolder(path=self.place.home.runs / run_id)
        return FoundRun(item=self._item(known, run_id), folder=folder, row=known.queued.get(run_id), library=self)

    def revisions(self, item: RunItem) -> list[RunItem]:
        """The run that this one is a redo of, or itself, and all its redos, the oldest first."""
        known, root = self._index.known(), item.revision_of or item.id
        names = [name for name, row in known.queued.items() if root in (row.revision_of, name)]
        return sorted((self._item(known, name) for name in names), key=lambda found: found.revision)

    def record(self, run: FoundRun) -> dict[str, Any]:
        """The record of a run: of one in the queue that goes on, what its events make of it; else its own."""
        if run.row is None or (run.row.state not in OPEN and (run.folder.path / RECORD).is_file()):
            return run.folder.read()
        stamp = f"{run.row.attempt}:{self._last_event(run.item.id)}"
        with self._lock:
            kept = self._records.get(run.item.id)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        record = self._folded(run)
        with self._lock:
            self._records[run.item.id] = (stamp, record)
            while len(self._records) > RECORDS:
                self._records.popitem(last=False)
        return record

    def _folded(self, run: FoundRun) -> dict[str, Any]:
        finishing = Finishing.of(self.place, run.item.id)
        if run.row is not None and run.row.state not in OPEN and self.place.shared:
            folder = finishing.fetch()
            if (folder.path / RECORD).is_file():
                return folder.read()
        return finishing.record()

    def _last_event(self, run_id: str) -> int:
        with self.place.database.reading() as connection:
            found = connection.execute(text("select max(seq) from wf_events where run_id = :run"), {"run": run_id})
            return int(found.scalar() or 0)

    def _matching(self, known: Known, *, where: str) -> set[str]:
        rows = [replace(known.entries[name].row, status=self._state(known, name)) for _, name in known.order]
        return set(matching(rows, where=where))

    def _item(self, known: Known, name: str) -> RunItem:
        return item_of(known.entries[name], queued=known.queued.get(name), state=self._state(known, name))

    def _state(self, known: Known, name: str) -> str:
        row = known.queued.get(name)
        if row is not None:
            return row.state.value
        status = known.entries[name].row.status
        if status in (RUNNING, INCOMPLETE):
            return RUNNING if self._is_held(name) else INCOMPLETE
        return status

    def _is_held(self, name: str) -> bool:
        try:
            return RunFolder(path=self.place.home.runs / name).is_held()
        except (StoreError, OSError):
            return False


def _behind(order: tuple[tuple[str, str], ...], last: tuple[str, str]) -> int:
    """Where the page behind `last` begins in a falling order, whether or not `last` is still there."""
    return next((at for at, pair in enumerate(order) if pair < last), len(order))
