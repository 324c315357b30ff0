"""Rendered segments under their content key. What is published is done, whoever made it.

The home folder holds them all, and is a cache where many machines share a store.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock, Timeout

from wayframe.errors import StoreDamagedError, StoreError, StoreMissingError
from wayframe.files import redact, sha256_file, sync, write_atomic
from wayframe.store.home import Home
from wayframe.store.shared import SharedArtifacts

if TYPE_CHECKING:
    from wayframe.store.objects import ObjectStore

VIDEO, SIDECAR, LOCK, GATE = "segment.mp4", "artifact.json", "lock", ".gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A published segment: its video and what is known of it (frames, digest, kept, applied steps, engine)."""

    key: str
    video: Path
    facts: Mapping[str, Any]


class ArtifactStore:
    """Artifacts of one home folder. Publishing is create-only: the first one under a key stays.

    With `remote` all machines that use that store have the same artifact under a key: the first one published there.
    What is found here is offered to it, since a store that was out of order, or another run, may have left it out.
    `worker` goes into the sidecars of what is published.
    """

    def __init__(self, home: Home, *, remote: ObjectStore | None = None, worker: str | None = None) -> None:
        self._root = home.artifacts
        self._shared = SharedArtifacts(remote) if remote else None
        self._published_by = {"worker": worker} if worker else {}
        self._damaged: set[str] = set()

    def find(self, key: str) -> Artifact | None:
        """The artifact of a key, or None. One whose bytes are not those that were published is moved away.

        Raises `StoreError` when it cannot be read here and now (rights, a failing disk, too many open files): that says
        nothing about what it holds, so it stays. The same holds for a shared store that does not answer.
        """
        found = self._find_here(key)
        if self._shared is None:
            return found
        return self._fetched(key, shared=self._shared) if found is None else self._agreed(found, shared=self._shared)

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
        """Move a finished video under its key, with its facts beside it, in one step; then share it.

        When another process, or another machine, published the key first, that artifact stays and is given back. When
        sharing fails (`StoreError`) the artifact stays here, and the next `find` shares it.
        """
        mine = self._install(video, key=key, facts={**facts, **self._published_by, "sha256": sha256_file(video)})
        return mine if self._shared is None else self._agreed(mine, shared=self._shared)

    def sweep(self) -> int:
        """Remove what dead processes left in the making; returns how many folders went."""
        removed = 0
        with self._gate():
            for folder in [*self._root.glob(".making-*"), *self._root.glob(".damaged-*")]:
                if not _in_use(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def _find_here(self, key: str) -> Artifact | None:
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

    def _install(self, video: Path, *, key: str, facts: Mapping[str, Any]) -> Artifact:
        """The artifact of this home under a key: of `video`, which moves there, or the one that was there before."""
        bundle = video.parent / f"bundle-{key[:8]}-{uuid4().hex[:8]}"
        bundle.mkdir()
        video.replace(bundle / VIDEO)
        write_atomic(bundle / SIDECAR, json.dumps(redact({**facts, "key": key}), indent=1))
        sync(bundle)
        folder = self._folder(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            bundle.rename(folder)
            sync(folder.parent)
        found = self._find_here(key)
        if found is None:
            raise StoreError(f"artifact {key[:12]} could not be published in {folder.parent}")
        return found

    def _agreed(self, mine: Artifact, *, shared: SharedArtifacts) -> Artifact:
        """The artifact that all machines have: mine, unless another one was shared before."""
        key, folder, facts = mine.key, mine.video.parent, mine.facts
        theirs = shared.facts(key)
        if theirs is None and shared.publish(key, folder, video=VIDEO, facts=facts):
            return mine
        theirs = theirs or shared.facts(key)
        if theirs is not None and theirs["sha256"] == facts["sha256"] and key not in self._damaged:
            return mine
        taken = self._fetched(key, shared=shared)
        if taken is not None:
            return taken
        shared.replace(key, folder, video=VIDEO, facts=facts)
        self._damaged.discard(key)
        return mine

    def _fetched(self, key: str, *, shared: SharedArtifacts) -> Artifact | None:
        """The shared artifact of a key, downloaded in the place of what is here; None when there is no whole one."""
        facts = shared.facts(key)
        if facts is None:
            return None
        with self.staging() as folder:
            try:
                shared.fetch(key, folder / VIDEO, facts=facts)
            except (StoreMissingError, StoreDamagedError):
                self._damaged.add(key)
                return None
            self._damaged.discard(key)
            here = self._find_here(key)
            if here is not None and here.facts["sha256"] != facts["sha256"]:
                self._discard(here.video.parent)
            return self._install(folder / VIDEO, key=key, facts=facts)

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
