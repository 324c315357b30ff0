"""Rendered segments under their content key. What is published is done, whoever made it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from wayframe.errors import StoreError
from wayframe.files import redact, sha256_file, sync, write_atomic
from wayframe.store.home import Home

VIDEO, SIDECAR, LOCK, GATE = "segment.mp4", "artifact.json", "lock", ".gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A published segment: its video and what is known of it (frames, digest, kept, applied steps, engine)."""

    key: str
    video: Path
    facts: Mapping[str, Any]


class ArtifactStore:
    """Artifacts of one home folder. Publishing is create-only: the first one under a key stays."""

    def __init__(self, home: Home) -> None:
        self._root = home.artifacts

    def find(self, key: str) -> Artifact | None:
        """The artifact of a key, or None. One whose bytes are not those that were published is moved away.

        Raises `StoreError` when it cannot be read here and now (rights, a failing disk, too many open files): that says
        nothing about what it holds, so it stays.
        """
        folder = self._folder(key)
        try:
            if not folder.is_dir():
                return None
            facts = _intact(folder)
        except OSError as error:
            where = error.filename or folder
            raise StoreError(
                f"artifact {key[:12]} cannot be read: {error.strerror}: {where}; it was left alone"
            ) from error
        if facts is None:
            self._discard(folder)
            return None
        return Artifact(key=key, video=folder / VIDEO, facts=facts)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder for an artifact in the making; removed afterwards, or by the next process when this one dies."""
        folder = self._root / f".making-{uuid4().hex}"
        owned = FileLock(folder / LOCK)
        try:
            with self._gate():
                folder.mkdir(parents=True)
                owned.acquire()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            owned.release()

    def publish(self, video: Path, *, key: str, facts: Mapping[str, Any]) -> Artifact:
        """Move a finished video under its key, with its facts beside it, in one step.

        When another process published the key first, that artifact stays and is given back.
        """
        complete = redact({**facts, "key": key, "sha256": sha256_file(video)})
        bundle = video.parent / f"bundle-{key[:8]}-{uuid4().hex[:8]}"
        bundle.mkdir()
        video.replace(bundle / VIDEO)
        write_atomic(bundle / SIDECAR, json.dumps(complete, indent=1))
        sync(bundle)
        folder = self._folder(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            bundle.rename(folder)
            sync(folder.parent)
        found = self.find(key)
        if found is None:
            raise StoreError(f"artifact {key[:12]} could not be published in {folder.parent}")
        return found

    def sweep(self) -> int:
        """Remove what dead processes left in the making; returns how many folders went."""
        removed = 0
        with self._gate():
            for folder in [*self._root.glob(".making-*"), *self._root.glob(".damaged-*")]:
                if not _in_use(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def _gate(self) -> FileLock:
        """Held while a folder gets its owner, so that a sweep never meets one that has none yet."""
        return FileLock(self._root / GATE)

    def _folder(self, key: str) -> Path:
        return self._root / key[:2] / key

    def _discard(self, folder: Path) -> None:
        grave = self._root / f".damaged-{uuid4().hex}"
        with suppress(FileNotFoundError):
            folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)


def _intact(folder: Path) -> dict[str, Any] | None:
    """The facts of an artifact whose files are all there and are those that were published, else None."""
    try:
        facts: dict[str, Any] = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        return facts if sha256_file(folder / VIDEO) == facts["sha256"] else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _in_use(folder: Path) -> bool:
    """Whether the process that makes an artifact here lives: the system frees its lock when it ends in any way.

    A process id would not tell: it is used again, in a container even at once.
    """
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except (Timeout, OSError):
        return True
