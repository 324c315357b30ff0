"""Input files of a run (keyframes, LoRA files, plans) in a store, named by their content, with a cache in the home."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from wayframe.errors import StoreError
from wayframe.files import atomic_path, remove_partial
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home
from wayframe.store.objects import ObjectStore

BLOBS = "blobs"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_READ_ONLY = 0o444


class BlobStore:
    """Files under ``blobs/DD/DIGEST``; a digest is a sha256 as 64 hex digits.

    Whoever refers to a blob records that first and puts it then: what nothing refers to may be collected.
    """

    def __init__(self, home: Home, *, objects: ObjectStore) -> None:
        self._home, self._objects = home, objects

    def put_blob(self, path: Path) -> str:
        """Store a file, unless the store has its content already; its digest comes back.

        Raises `StoreError` when it cannot be read, or changes in between.
        """
        try:
            digest = DigestCache(self._home).sha256(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        key = _key(digest)
        if not self._objects.exists(key):
            self._objects.put_new(key, path, sha256=digest)
        return digest

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Those of `digests` that the store does not have, in their order."""
        return [digest for digest in digests if not self._objects.exists(_key(digest))]

    def get_blob(self, digest: str, target: Path) -> Path:
        """Put the file of a digest at `target`, which comes back; read-only, and linked to the cache where it can be.

        Downloaded once for all processes of a home. Raises `StoreMissingError`, `StoreDamagedError` (the store's bytes
        are others) and other `StoreError`; then `target` is as it was.
        """
        cached = self._cached(digest)
        try:
            if target.exists() and target.samefile(cached):  # to rename one link of a file to another does nothing
                return target
            with atomic_path(target) as temporary:
                with suppress(OSError):  # another file system, or one without links
                    os.link(cached, temporary)
                if not temporary.exists():
                    shutil.copyfile(cached, temporary)
                    temporary.chmod(_READ_ONLY)
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}") from error
        return target

    def _cached(self, digest: str) -> Path:
        """The file in the home, downloaded when it is not there or is not what its name says."""
        key = _key(digest)
        path = self._home.blobs / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{digest}.lock")):
            if not self._is_whole(path, digest=digest):
                remove_partial(path)
                self._objects.fetch(key, path, sha256=digest)
                path.chmod(_READ_ONLY)
        return path

    def _is_whole(self, path: Path, *, digest: str) -> bool:
        try:
            return DigestCache(self._home).sha256(path) == digest
        except FileNotFoundError:
            return False


def _key(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise StoreError(f"a blob is named by a sha256 of 64 hex digits, not by {digest[:80]!r}")
    return f"{BLOBS}/{digest[:2]}/{digest}"
