"""Folders for what an engine may use again after a crash: one for each plan, gone when its run completes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from wayframe.store.home import Home

DAYS_KEPT = 14
_DAY = 24 * 60 * 60


def scratch_folder(home: Home, *, plan_digest: str) -> Path:
    """The folder of a plan, made when it is missing."""
    folder = _root(home) / plan_digest
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_scratch(home: Home, *, plan_digest: str) -> None:
    """Remove the folder of a plan whose run is complete."""
    shutil.rmtree(_root(home) / plan_digest, ignore_errors=True)


def sweep_scratch(home: Home, *, now: float | None = None) -> int:
    """Remove the folders that nothing was written to for `DAYS_KEPT` days; returns how many went.

    `now` is in seconds since 1970.
    """
    oldest = (time.time() if now is None else now) - DAYS_KEPT * _DAY
    old = [folder for folder in _root(home).glob("*") if folder.is_dir() and _last_change(folder) < oldest]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _last_change(folder: Path) -> float:
    """The last change of a folder or of a file in it; a file that goes away meanwhile counts as just changed."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:
        return time.time()


def _root(home: Home) -> Path:
    return home.root / "scratch"
