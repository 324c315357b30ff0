"""Runs of a log as run folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.errors import StoreError
from wayframe.logs import RunReader, RunRecord
from wayframe.store.home import Home
from wayframe.store.runs import RECORD_SCHEMA, RunFolder, claim_id, readable_runs

ID, DIGITS = re.compile(r"[0-9]{1,17}"), 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A run folder that holds a logged run; `new` is False when all that the log tells of it was there already.

    `own` says that the log is that of a run of this home, which has its own record.
    """

    folder: RunFolder
    new: bool
    own: bool = False


def import_log(paths: Iterable[Path], *, home: Home) -> Iterator[Imported]:
    """Make a run folder of every run of a log. Importing the same log again makes nothing twice.

    A folder is named by the run's id, or the next free one where another run has it. A run of which the log now tells
    another end than when it was imported is written again in its folder.
    """
    files = list(paths)
    known = {_identity(record): (folder, _end(record)) for folder, record in readable_runs(home) if "logged" in record}
    for run in RunReader(files):
        own = _own_folder(run, home)
        if own is not None:
            yield Imported(folder=own, new=False, own=True)
            continue
        record = _record(run, source=", ".join(path.name for path in files))
        folder, end = known.get(_identity(record), (None, None))
        if folder is not None and end == _end(record):
            yield Imported(folder=folder, new=False)
            continue
        folder = folder or claim_id(home, _stamp(run))
        folder.write({**record, "run_id": folder.run_id})
        known[_identity(record)] = folder, _end(record)
        yield Imported(folder=folder, new=True)


def _own_folder(run: RunRecord, home: Home) -> RunFolder | None:
    """The folder of the run itself, when the log is of a run of this home: their tasks have the same ids."""
    if run.run_id is None or not ID.fullmatch(run.run_id):
        return None
    folder = RunFolder(path=home.runs / run.run_id)
    try:
        tasks = {task["id"] for task in folder.read().get("tasks", ())}
    except StoreError:
        return None
    logged = {run.orchestrator_task_id, *(segment.task_id for segment in run.segments)}
    return folder if tasks & logged else None


def _stamp(run: RunRecord) -> int:
    """The run's id where it is a time as ours is, else the time at which it began."""
    if run.run_id and ID.fullmatch(run.run_id):
        return int(run.run_id)
    return int(re.sub(r"[^0-9]", "", run.started or "")[:DIGITS].ljust(DIGITS, "0"))


def _record(run: RunRecord, *, source: str) -> dict[str, Any]:
    return {
        "schema": RECORD_SCHEMA,
        "run_id": run.run_id,
        "status": run.status.value,
        "created": run.started,
        "finished": run.finished,
        "error": None,
        "source": source,
        "logged": run.to_json(),
    }


def _identity(record: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes two logged runs the same: attempts under one id differ in their start."""
    logged = record["logged"]
    ids = logged["run_id"], logged["orchestrator_task_id"]
    tasks = () if any(ids) else tuple(segment["task_id"] for segment in logged["segments"])
    return *ids, _second(logged["started"]), tasks


def _end(record: Mapping[str, Any]) -> tuple[object, ...]:
    logged = record["logged"]
    tasks = tuple((segment["task_id"], segment["status"]) for segment in logged["segments"])
    return logged["status"], _second(logged["finished"]), tasks


def _second(time: str | None) -> str | None:
    """A time without its fraction: our two logs tell the same time, one of them to the second."""
    return time and time.partition(".")[0]
