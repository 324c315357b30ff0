"""Run folders: a record that grows, an event log, a debug log, and the video."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
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
FINAL = "final"
FINALS = (f"{FINAL}.mp4", f"{FINAL}.mov")
PLAN_DIGEST, GATE, PARTIAL = "plan-digest", ".runs-gate", ".*.part*"
ID_DIGITS = 17
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

    def final(self, suffix: str) -> Path:
        """The final file that the spec asked for beside the video, with its suffix."""
        return self.path / f"{FINAL}{suffix}"

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
            return self.read_held()  # once more: it may have ended, properly, since it was read
        return record

    def read_held(self) -> dict[str, Any]:
        """As `read`, for whoever holds the run: nobody else runs it, so one marked running is incomplete."""
        record = self._read()
        if record["status"] == RUNNING:
            record["status"] = INCOMPLETE
        return record

    def plan_digest(self) -> str | None:
        """What the run was started for, from a small file beside the record: a record may hold megabytes."""
        try:
            return (self.path / PLAN_DIGEST).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"{self.path} holds no {RECORD}" if self.path.is_dir() else f"there is no run folder {self.path}"
            raise StoreError(what) from error
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
        for left in self.path.glob(PARTIAL):
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


@contextmanager
def new_run(home: Home, *, plan_digest: str) -> Iterator[RunFolder]:
    """Make a new run folder for a plan and hold it."""
    with ExitStack() as stack:
        with _gate(home):
            folder = claim_run(home)
            stack.enter_context(folder.hold())
            write_atomic(folder.path / PLAN_DIGEST, f"{plan_digest}\n")
        yield folder


def sweep_runs(home: Home) -> int:
    """Remove the folders of runs whose process died before it wrote a record; returns how many went.

    Nothing is lost: such a folder holds no more than its id. One that anybody holds, or that holds more, stays.
    """
    with _gate(home):
        without = [path for path in home.runs.glob("[0-9]" * ID_DIGITS) if not (path / RECORD).exists()]
        return sum(_remove_unbegun(RunFolder(path=path)) for path in without)


def _gate(home: Home) -> FileLock:
    """Held while a new folder gets its owner, so that a sweep never meets one that has none yet."""
    return FileLock(home.root / GATE)


def _remove_unbegun(folder: RunFolder) -> bool:
    left = [path for path in folder.path.iterdir() if path.name in (LOCK, PLAN_DIGEST) or _is_scrap(path)]
    begun = len(left) < len(list(folder.path.iterdir()))
    if begun or (left and not (folder.path / LOCK).exists()) or folder.is_held():
        return False
    try:
        for path in left:
            path.unlink()
        folder.path.rmdir()
    except OSError:  # not ours to remove, or no longer empty
        return False
    return True


def _is_scrap(path: Path) -> bool:
    return path.match(PARTIAL) or (path.name in (EVENTS, DEBUG_LOG) and not path.stat().st_size)


def claim_id(home: Home, stamp: int) -> RunFolder:
    """Make a new run folder of this id (17 digits), or of the next one that is free."""
    while True:
        folder = home.runs / f"{stamp:0{ID_DIGITS}d}"
        try:
            folder.mkdir()
        except FileExistsError:
            stamp += 1
            continue
        return RunFolder(path=folder)


def list_runs(home: Home) -> list[RunFolder]:
    """All run folders with a record, newest first."""
    if not home.runs.is_dir():
        return []
    folders = sorted((path for path in home.runs.iterdir() if (path / RECORD).is_file()), key=_began, reverse=True)
    return [RunFolder(path=path) for path in folders]


def _began(folder: Path) -> str:
    """What runs are ordered by: an id that is a time, else when the record was written, in the same form."""
    if folder.name.isdigit() and len(folder.name) == ID_DIGITS:
        return folder.name
    return f"{datetime.fromtimestamp((folder / RECORD).stat().st_mtime, UTC):%Y%m%d%H%M%S}"


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
    if not home.root.is_dir():
        raise StoreError(f"no run of id {name!r}: there is no home folder {home.root}; choose another with --home")
    what = "several runs" if found else "no run"
    hint = ", ".join(run.run_id for run in (found or runs)[:5]) or "there is none yet"
    raise StoreError(f"{what} of id {name!r} in {home.runs}; there: {hint}")
