"""What is kept of every run, so that a list need not read ten thousand records: in memory, and in a small file."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wayframe.errors import StoreError
from wayframe.store import query
from wayframe.store.home import Home
from wayframe.store.runs import RECORD, RunFolder
from wayframe.web.listing import Entry, bare_entry, entry_of, order_of
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.request import get_request
from wayframe.workflow.queue.rows import RunRow

FILE, VERSION = "page-runs.db", 2
BUDGET_SECONDS = 0.25
"""How long a request may read records before it answers."""
REST, LONGEST_REST = 20.0, 1.0
"""A look is repeated after so many times what it took, and after a second at most: at once for a few runs."""
UNREADABLE = "unreadable"
_log = logging.getLogger("wayframe.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All runs at one moment: `order` holds (17 digits, id), newest first."""

    order: tuple[tuple[str, str], ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    queued: Mapping[str, RunRow] = field(default_factory=dict)
    unread: int = 0


class RunIndex:
    """Looks now and then which records changed, and reads those; the newest first."""

    def __init__(self, place: Place, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._place, self._now = place, monotonic
        self._lock = threading.Lock()
        self._kept = _Kept(place.home)
        self._entries: dict[str, Entry] = self._kept.load()
        self._stamp: str | None = None
        self._records: dict[str, Path] = {}
        self._due = float("-inf")
        self._known = Known()

    def known(self, *, budget: float = BUDGET_SECONDS) -> Known:
        """All runs as they are now. Raises `StoreError` when the database cannot be used."""
        with self._lock:
            begin = self._now()
            if self._known.unread or begin >= self._due:
                self._due = float("inf")
                self._look_until(begin + budget)
                now = self._now()
                self._due = min(self._due, now + min(REST * (now - begin), LONGEST_REST))
            return self._known

    def _look_until(self, until: float) -> None:
        try:
            self._look(until)
        except BaseException:
            self.stale()
            raise

    def stale(self) -> None:
        """Have the next one look anew: this process has changed something."""
        self._due = float("-inf")

    def _look(self, until: float) -> None:
        stamps, queued, before = self._stamps(), self._queued(), self._entries
        wanted = {name: "request" for name in queued if name not in stamps} | stamps
        entries = {name: entry for name, entry in before.items() if name in wanted}
        changed = [name for name, stamp in wanted.items() if name not in entries or entries[name].stamp != stamp]
        changed.sort(key=lambda name: _order(name, entries=entries, queued=queued), reverse=True)
        read: dict[str, Entry] = {}
        for name in changed:
            if self._now() > until:
                break
            read[name] = self._read(name, stamp=wanted[name], queued=queued.get(name))
        entries |= read
        self._kept.save(read, gone=before.keys() - entries.keys())
        unread = len(changed) - len(read)
        if entries != before or queued is not self._known.queued or unread != self._known.unread:
            self._entries = entries
            self._known = _known(entries, queued=queued, unread=unread)

    def _stamps(self) -> dict[str, str]:
        """For each run folder with a record what changes when the record does.

        The paths are kept: to make ten thousand takes longer than to ask for the state of the files.
        """
        found: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for folder in os.scandir(self._place.home.runs):
                record = self._records.get(folder.name)
                if record is None:
                    record = self._records[folder.name] = Path(folder.path, RECORD)
                with suppress(OSError):
                    status = record.stat()
                    found[folder.name] = f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"
        self._records = {name: self._records[name] for name in found}
        return found

    def _queued(self) -> Mapping[str, RunRow]:
        stamp = self._place.runs.stamp()
        if stamp == self._stamp:
            return self._known.queued
        rows = {row.run_id: row for row in self._place.runs.listed(limit=1_000_000)}
        self._stamp = stamp
        return rows

    def _read(self, name: str, *, stamp: str, queued: RunRow | None) -> Entry:
        """What is kept of a run; one that cannot be read is remembered as such."""
        try:
            if stamp == "request":
                return entry_of(get_request(self._place, name).record, stamp=stamp)
            return entry_of(RunFolder(path=self._place.home.runs / name).read(), stamp=stamp)
        except StoreError as error:
            if error.retryable:
                raise
            _log.warning("run %s is not listed in full: %s", name, error)
        bare = bare_entry(queued) if queued else None
        return replace(bare, stamp=stamp) if bare else Entry(stamp=stamp, row=_nothing(name), title="", findings={})


def _nothing(name: str) -> query.RunRow:
    unknown: dict[str, Any] = dict.fromkeys(query.COLUMNS)
    return query.RunRow(**{**unknown, "run_id": name, "status": UNREADABLE, "imported": False, "segments": 0})


def _known(entries: Mapping[str, Entry], *, queued: Mapping[str, RunRow], unread: int) -> Known:
    readable = {name: entry for name, entry in entries.items() if entry.row.status != UNREADABLE}
    bare = {name: bare_entry(row) for name, row in queued.items() if name not in readable}
    shown = readable | bare
    order = sorted(((_order(name, entries=shown, queued=queued), name) for name in shown), reverse=True)
    return Known(order=tuple(order), entries=shown, queued=queued, unread=unread)


def _order(name: str, *, entries: Mapping[str, Entry], queued: Mapping[str, RunRow]) -> str:
    row, entry = queued.get(name), entries.get(name)
    created = bare_entry(row).row.created if row else entry.row.created if entry else None
    return order_of(name, created=created)


class _Kept:
    """The entries in a file, so that a restart reads only what changed; without it nothing is lost but time."""

    def __init__(self, home: Home) -> None:
        self._path = home.root / "cache" / FILE

    def load(self) -> dict[str, Entry]:
        try:
            with closing(self._open()) as database:
                rows = database.execute("select run_id, body from entries").fetchall()
            return {name: Entry.of_json(json.loads(body)) for name, body in rows}
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("the list of runs is read anew: %s", error)
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return {}

    def save(self, entries: Mapping[str, Entry], *, gone: Iterable[str]) -> None:
        names = [(name,) for name in gone]
        if not entries and not names:
            return
        try:
            with closing(self._open()) as database, database:
                rows = [(name, json.dumps(entry.to_json())) for name, entry in entries.items()]
                database.executemany("insert or replace into entries values (?, ?)", rows)
                database.executemany("delete from entries where run_id = ?", names)
        except (sqlite3.Error, OSError) as error:
            _log.warning("the list of runs could not be kept: %s", error)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=5)
        database.execute("pragma journal_mode = wal")
        if database.execute("pragma user_version").fetchone()[0] != VERSION:
            database.execute("drop table if exists entries")
            database.execute("create table entries (run_id text primary key, body text not null)")
            database.execute(f"pragma user_version = {VERSION}")
            database.commit()
        return database
