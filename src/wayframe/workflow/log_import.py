"""Runs of an upstream log as run folders of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.logs import RunReader, RunRecord
from wayframe.store.home import Home
from wayframe.store.runs import RECORD_SCHEMA, RunFolder, claim_id, readable_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A run folder that holds a logged run; `new` is False when the very run was there already."""

    folder: RunFolder
    new: bool


def import_log(paths: Iterable[Path], *, home: Home) -> Iterator[Imported]:
    """Make a run folder of every run of a log. Importing the same log again makes nothing twice.

    A folder is named by the run's id, or the next free one where another run has it.
    """
    known = {_identity(record): folder for folder, record in readable_runs(home) if "logged" in record}
    for run in RunReader(paths):
        record = _record(run, source=", ".join(path.name for path in paths))
        there = known.get(_identity(record))
        if there is not None:
            yield Imported(folder=there, new=False)
            continue
        folder = claim_id(home, int(run.run_id) if run.run_id and run.run_id.isdigit() else 0)
        folder.write({**record, "run_id": folder.run_id})
        known[_identity(record)] = folder
        yield Imported(folder=folder, new=True)


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
    logged = record["logged"]
    tasks = tuple(segment["task_id"] for segment in logged["segments"])
    return logged["run_id"], logged["orchestrator_task_id"], logged["status"], tasks
