"""Garbage: segments and input files that no run refers to, and what is left of runs in the database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from wayframe.core.documents import parse_plan
from wayframe.errors import InputError, StoreError, StoreMissingError
from wayframe.store.collect import Garbage, Kind, collect, find_garbage
from wayframe.store.objects import ObjectStore, open_store
from wayframe.store.runs import list_runs
from wayframe.workflow.guides import guide_keys
from wayframe.workflow.queue.adapter import client, ended_before, translated
from wayframe.workflow.queue.flows import run_of_workflow
from wayframe.workflow.queue.gate import collecting
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.readiness import ready
from wayframe.workflow.queue.request import LIMIT, REQUEST, RUNS, files_of, inputs_folder

_LEFT = ("wf_events", "wf_attempts")
_AT_ONCE = 500


@dataclass(slots=True, kw_only=True)
class Live:
    """What is referred to: content keys, and digests of input files.

    `unknown` are open runs whose requests are not published yet, and `unreadable` runs of this home whose record cannot
    be read: what they need is not known, so no artifact and no input file may go.
    """

    keys: set[str] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all that is referred to is known."""
        return not self.unknown and not self.unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was removed, or would be: objects with the place where they are, workflows, rows of removed runs.

    `unknown` and `unreadable` (with the reason) are the runs that kept all artifacts and input files from going.
    """

    garbage: tuple[tuple[str, Garbage], ...]
    inputs: tuple[tuple[Path, int], ...]
    workflows: int
    rows: int
    unknown: tuple[str, ...]
    unreadable: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(item.size for _, item in self.garbage) + sum(size for _, size in self.inputs)


class Collector:
    """Removes what no run refers to and is older than `older_than`, by the store's clock and the database's.

    Runs are those of the table, of the store's requests (so those of other databases too), and of this home's folders.
    Where a store is shared, this home's own copies are collected by the same rule.
    """

    def __init__(self, place: Place, *, older_than: timedelta) -> None:
        ready(place.database)
        self._place, self._older = place, older_than
        self._known: dict[str, tuple[set[str], set[str]]] = {}

    def dry_run(self) -> Collected:
        """What would be removed now."""
        live = self.live()
        found = [
            (store.location, item)
            for store in self._stores()
            for item in find_garbage(store, live_keys=live.keys, live_blobs=live.blobs, older_than=self._older)
            if _may_go(item, live=live)
        ]
        return Collected(
            garbage=tuple(found),
            inputs=tuple(self._inputs(live)),
            workflows=len(self._workflows()),
            rows=self._rows(remove=False),
            unknown=tuple(sorted(live.unknown)),
            unreadable=live.unreadable,
        )

    def collect(self) -> Collected:
        """Remove it, and say what went. Nobody can submit a run in the moment in which something is removed."""
        live = self.live()
        removed: list[tuple[str, Garbage]] = []
        held = _Held(self._place, self.live)
        for store in self._stores():
            gone = collect(
                store, live_keys=live.keys, live_blobs=live.blobs, older_than=self._older, unused=held.unused
            )
            removed += [(store.location, item) for item in gone]
        inputs = list(self._inputs(live))
        for path, _ in inputs:
            path.unlink(missing_ok=True)
        return Collected(
            garbage=tuple(removed),
            inputs=tuple(inputs),
            workflows=self._remove_workflows(),
            rows=self._rows(remove=True),
            unknown=tuple(sorted(live.unknown)),
            unreadable=live.unreadable,
        )

    def live(self) -> Live:
        """What is referred to now; requests that were read before are not read again."""
        published = set[str]()
        for store in self._stores():
            published |= set(self._requests(store))
        unreadable = dict[str, str]()
        for folder in list_runs(self._place.home):
            try:
                self._known[folder.run_id] = (_keys_of_record(folder.read()), set())
            except StoreError as error:
                unreadable[folder.run_id] = str(error)
        waiting = {row.run_id for row in self._place.runs.open_runs()}
        return Live(
            keys={key for keys, _ in self._known.values() for key in keys},
            blobs={digest for _, blobs in self._known.values() for digest in blobs},
            unknown=waiting - published,
            unreadable=unreadable,
        )

    def _stores(self) -> Iterator[ObjectStore]:
        yield self._place.objects
        if self._place.shared:
            yield open_store(self._place.home.root)

    def _requests(self, store: ObjectStore) -> Iterator[str]:
        """The runs that a store holds the requests of."""
        for item in _listed(store):
            folder, _, name = item.removeprefix(f"{RUNS}/").partition("/")
            known = f"{store.location}/{folder}"
            if name == REQUEST and known not in self._known:
                self._known[known] = _references(store, item)
            if name == REQUEST:
                yield folder

    def _inputs(self, live: Live) -> Iterator[tuple[Path, int]]:
        """Keyframes and LoRAs that runs were given here; they are fetched again where they are wanted."""
        if not live.complete:
            return
        before = time.time() - self._older.total_seconds()
        used = {digest[:16] for digest in live.blobs}
        for path in _files(inputs_folder(self._place.home)):
            status = path.stat()
            if path.name[:16] not in used and status.st_mtime < before:
                yield path, status.st_size

    def _workflows(self) -> list[str]:
        """Workflows that ended long ago, of runs that are not open: nothing is asked of them any more."""
        waiting = {row.run_id for row in self._place.runs.open_runs()}
        found = ended_before(self._place.database, seconds=self._older.total_seconds())
        return [name for name in found if run_of_workflow(name) not in waiting]

    def _remove_workflows(self) -> int:
        names = self._workflows()
        if names:
            with ExitStack() as stack:
                dbos = client(self._place.database)
                stack.callback(dbos.destroy)
                stack.enter_context(translated(self._place.database))
                for start in range(0, len(names), _AT_ONCE):
                    dbos.delete_workflows(names[start : start + _AT_ONCE])
        return len(names)

    def _rows(self, *, remove: bool) -> int:
        """Events and attempts of runs that were removed; a worker may have told something afterwards."""
        database, count = self._place.database, 0
        before = f"{database.now} - {round(self._older.total_seconds() * 1000)}"
        for table, moment in zip(_LEFT, ("time", "started"), strict=True):
            where = f"{moment} <= {before} and not exists (select 1 from wf_runs where wf_runs.run_id = {table}.run_id)"
            if remove:
                with database.transaction() as connection:
                    count += connection.execute(text(f"delete from {table} where {where}")).rowcount
            else:
                with database.reading() as connection:
                    count += int(connection.execute(text(f"select count(*) from {table} where {where}")).scalar() or 0)
        return count


class _Held:
    """Asks once more, behind the gate, whether something is unused; the gate stays shut until it is removed.

    Only a run that was submitted since the last answer can make a difference. Whatever takes long, such as looking at
    what is referred to, is done while the gate is open.
    """

    def __init__(self, place: Place, look: Callable[[], Live]) -> None:
        self._place, self._look = place, look
        self._newest, self._live = self._number(), look()

    @contextmanager
    def unused(self, item: Garbage) -> Iterator[bool]:
        """Whether it may go now; what is asked about while runs come in all the time stays."""
        newest = self._number()
        if newest != self._newest:
            self._newest, self._live = newest, self._look()
        with collecting(self._place.database):
            yield self._number() == self._newest and _may_go(item, live=self._live)

    def _number(self) -> int:
        return max((row.number for row in self._place.runs.listed(limit=1)), default=0)


def _may_go(item: Garbage, *, live: Live) -> bool:
    if item.kind is Kind.ARTIFACT:
        return item.name not in live.keys and live.complete
    if item.kind is Kind.BLOB:
        return item.name not in live.blobs and live.complete
    return True


def _listed(store: ObjectStore) -> list[str]:
    with suppress(StoreMissingError):  # a folder without runs
        return [item.key for item in store.list(RUNS)]
    return []


def _references(store: ObjectStore, key: str) -> tuple[set[str], set[str]]:
    """Content keys and input files of a request. Raises `StoreError` for one that cannot be read: all could be its."""
    try:
        data = json.loads(store.read(key, limit=LIMIT))
        return _keys(data["plan"]), files_of(data)
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise StoreError(f"{key} in {store.location} cannot be read, so nothing is removed: {error!r}") from error


def _keys_of_record(record: Mapping[str, Any]) -> set[str]:
    """Content keys of a run's segments, and of the steps to its final file. `StoreError` when they cannot be told."""
    try:
        outcome = record.get("outcome") or {}
        files = [outcome.get("after") or {}, *outcome.get("finished", ())]
        steps = [step for file in files for step in file.get("steps", ())]
        return _keys(record.get("planned")) | {str(step["key"]) for step in steps if "key" in step}
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise StoreError(f"what the run refers to cannot be told: {error}") from error


def _keys(plan: object) -> set[str]:
    """Content keys of a plan's segments and guides; a log's plan may have none. Raises `InputError` for bad guides."""
    segments = plan.get("segments", []) if isinstance(plan, dict) else []
    keys = {str(segment["key"]) for segment in segments if isinstance(segment, dict) and "key" in segment}
    guided = isinstance(plan, dict) and bool(plan.get("guides"))
    return keys | guide_keys(parse_plan(plan)) if guided else keys


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
