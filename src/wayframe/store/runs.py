"""Run folders: a record that grows, an event log, a debug log, and the video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wayframe.errors import StoreError
from wayframe.files import redact, write_atomic
from wayframe.store.home import Home

RECORD_SCHEMA = "wayframe.run/1"
RECORD, EVENTS, DEBUG_LOG, VIDEO, SHEET, LOCK = (
    "run.json",
    "events.jsonl",
    "debug.log",
    "travel.mp4",
    "contact-sheet.jpg",
    ".lock",
)
RUNNING, INCOMPLETE = "running", "incomplete"
PATIENCE = 1.0
"""Seconds to wait for a run: whoever lists runs holds each for a moment, to see whether anybody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Paths of one run; its name is its id."""

    path: Path

    @property
    def run_id(self) -> str:
        """UTC time of its start to the millisecond, as digits: 20251007044548003."""
        return self.path.name

    @property
    def video(self) -> Path:
        """The final video."""
        return self.path / VIDEO

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.path / SHEET

    def read(self) -> dict[str, Any]:
        """The record; one marked running whose process is gone reads as incomplete.

        Raises `StoreError` when there is none or it cannot be read.
        """
        record = self._read()
        if record["status"] == RUNNING and not self.is_held():
            record = self._read()  # it may have ended, properly, since it was read
            if record["status"] == RUNNING:
                record["status"] = INCOMPLETE
        return record

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(f"{self.path} holds no {RECORD}") from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path / RECORD} cannot be read: {error}") from error
        found = record.get("schema") if isinstance(record, dict) else None
        if found != RECORD_SCHEMA or not isinstance(record, dict):
            raise StoreError(f"{self.path / RECORD}: expected a record of schema {RECORD_SCHEMA}, got {found!r}")
        if not isinstance(record.get("status"), str):
            raise StoreError(f"{self.path / RECORD} does not say what became of the run: it holds no status")
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace the record in one step, without secrets."""
        write_atomic(self.path / RECORD, json.dumps(redact(record), indent=1, ensure_ascii=False) + "\n")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Own the run while it goes on; `StoreError` when another process does."""
        try:
            with FileLock(self.path / LOCK, timeout=PATIENCE):
                yield
        except Timeout as error:
            raise StoreError(f"run {self.run_id} is already going on in another process") from error

    def is_held(self) -> bool:
        """Whether a living process owns the run."""
        if not (self.path / LOCK).exists():
            return False
        try:
            with FileLock(self.path / LOCK, timeout=0):
                return False
        except Timeout:
            return True

    def clear_partial_files(self) -> None:
        """Remove what a killed process left half-written: files beside their place, and the end of a line."""
        for left in self.path.glob(".*.part*"):
            with suppress(FileNotFoundError):
                left.unlink()
        for name in (EVENTS, DEBUG_LOG):
            log = self.path / name
            if log.exists() and not (written := log.read_bytes()).endswith(b"\n"):
                os.truncate(log, written.rfind(b"\n") + 1)


def claim_run(home: Home, *, now: datetime | None = None) -> RunFolder:
    """Make a new run folder; its id is the time, and the first free millisecond after it when that is taken."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return claim_id(home, int(moment.strftime("%Y%m%d%H%M%S")) * 1000 + moment.microsecond // 1000)


def claim_id(home: Home, stamp: int) -> RunFolder:
    """Make a new run folder of this id (17 digits), or of the next one that is free."""
    while True:
        folder = home.runs / f"{stamp:017d}"
        try:
            folder.mkdir()
        except FileExistsError:
            stamp += 1
            continue
        return RunFolder(path=folder)


def list_runs(home: Home) -> list[RunFolder]:
    """All run folders with a record, newest first."""
    folders = sorted((path for path in home.runs.iterdir() if (path / RECORD).is_file()), reverse=True)
    return [RunFolder(path=path) for path in folders]


def readable_runs(home: Home) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    """Runs with their records, newest first; those of another version, and damaged ones, are left out."""
    for folder in list_runs(home):
        with suppress(StoreError):
            yield folder, folder.read()


def find_run(home: Home, name: str) -> RunFolder:
    """The run of an id, of the beginning of an id, or of a folder; ``last`` is the newest one.

    Raises `StoreError` when there is none, or several.
    """
    if os.sep in name or (Path(name) / RECORD).is_file():
        return RunFolder(path=Path(name).absolute())
    runs = list_runs(home)
    found = runs[:1] if name == "last" else [run for run in runs if run.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    what = "several runs" if found else "no run"
    hint = ", ".join(run.run_id for run in (found or runs)[:5]) or "there is none yet"
    raise StoreError(f"{what} of id {name!r} in {home.runs}; there: {hint}")
