"""What no run refers to any more, found in a store and removed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wayframe.store.blobs import BLOBS
from wayframe.store.objects import UPLOADS, ObjectStore, Stored
from wayframe.store.shared import ARTIFACTS, SIDECAR, SharedArtifacts

_ARTIFACT = re.compile(rf"{ARTIFACTS}/../([^/]+)/[^/]+")
_BLOB = re.compile(rf"{BLOBS}/../([0-9a-f]{{64}})")
_VIDEO = re.compile(r"([0-9a-f]{64})\.mp4")


class Kind(StrEnum):
    """What a piece of garbage was."""

    ARTIFACT = "artifact"
    BLOB = "blob"
    STRAY = "stray"
    """A video of an artifact whose sidecar names another one, or of a worker that died before its sidecar."""
    UPLOAD = "upload"
    """What a process left that died in the middle of an upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Objects that go together; `name` is the content key of an artifact, the digest of a blob, else a key."""

    kind: Kind
    name: str
    objects: tuple[Stored, ...]

    @property
    def size(self) -> int:
        """Bytes that its removal frees."""
        return sum(item.size for item in self.objects)

    @property
    def modified(self) -> datetime:
        """When the newest part of it was stored, by the store's clock."""
        return max(item.modified for item in self.objects)


def find_garbage(
    store: ObjectStore, *, live_keys: Collection[str], live_blobs: Collection[str], older_than: timedelta
) -> list[Garbage]:
    """What neither `live_keys` (content keys of artifacts) nor `live_blobs` (digests) name and is older than that.

    Ages are by the store's own clock. Nothing is removed: this is the list of a dry run. On S3 the hidden parts of
    broken multipart uploads are not seen; see `ObjectStore.leftovers`.
    """
    before = store.now() - older_than
    found = [*_artifacts(store, live=live_keys), *_blobs(store, live=live_blobs), *_uploads(store)]
    return sorted((item for item in found if item.modified < before), key=lambda item: (item.kind, item.name))


def collect(
    store: ObjectStore,
    *,
    live_keys: Collection[str],
    live_blobs: Collection[str],
    older_than: timedelta,
    unused: Callable[[Garbage], AbstractContextManager[bool]],
) -> list[Garbage]:
    """Remove what `find_garbage` finds; what was removed comes back.

    `unused` is asked once more right before each object is removed, and held during it: a run may refer to it since the
    list was made. What was stored again since then stays too.
    """
    found = find_garbage(store, live_keys=live_keys, live_blobs=live_blobs, older_than=older_than)
    return [gone for item in found if (gone := _removed(store, item, unused=unused))]


def _removed(
    store: ObjectStore, item: Garbage, *, unused: Callable[[Garbage], AbstractContextManager[bool]]
) -> Garbage | None:
    """What was removed of a piece of garbage, one object at a time; None when it stays."""
    gone: list[Stored] = []
    for part in _unchanged(store, item):
        with unused(item) as certain:
            if not certain:
                break
            _remove(store, part)
        gone.append(part)
    return replace(item, objects=tuple(gone)) if gone else None


def _artifacts(store: ObjectStore, *, live: Collection[str]) -> Iterator[Garbage]:
    for key, objects in _grouped(store.list(ARTIFACTS), pattern=_ARTIFACT).items():
        if key in live:
            yield from _strays(store, key=key, objects=objects)
        else:
            first = sorted(objects, key=lambda item: not item.key.endswith(f"/{SIDECAR}"))  # never a sidecar alone
            yield Garbage(kind=Kind.ARTIFACT, name=key, objects=tuple(first))


def _strays(store: ObjectStore, *, key: str, objects: Collection[Stored]) -> Iterator[Garbage]:
    """Videos of a live artifact that are not the one of its sidecar."""
    videos = {match.group(1): item for item in objects if (match := _VIDEO.fullmatch(item.key.rpartition("/")[2]))}
    if not videos or (len(videos) == 1 and len(objects) > 1):  # the rule: one video and its sidecar
        return
    facts = SharedArtifacts(store).facts(key) or {}
    for digest, item in videos.items():
        if digest != facts.get("sha256"):
            yield Garbage(kind=Kind.STRAY, name=item.key, objects=(item,))


def _blobs(store: ObjectStore, *, live: Collection[str]) -> Iterator[Garbage]:
    for digest, objects in _grouped(store.list(BLOBS), pattern=_BLOB).items():
        if digest not in live:
            yield Garbage(kind=Kind.BLOB, name=digest, objects=tuple(objects))


def _uploads(store: ObjectStore) -> Iterator[Garbage]:
    left = [item for folder in (ARTIFACTS, BLOBS, UPLOADS) for item in store.leftovers(folder)]
    for item in [*store.list(UPLOADS), *left]:
        yield Garbage(kind=Kind.UPLOAD, name=item.key, objects=(item,))


def _grouped(objects: Iterable[Stored], *, pattern: re.Pattern[str]) -> dict[str, list[Stored]]:
    groups: dict[str, list[Stored]] = defaultdict(list)
    for item in objects:
        match = pattern.fullmatch(item.key)
        if match:
            groups[match.group(1)].append(item)
    return groups


def _unchanged(store: ObjectStore, item: Garbage) -> tuple[Stored, ...]:
    """The parts that are still there; none at all when one of them is not what it was."""
    if item.kind is Kind.UPLOAD:
        return item.objects
    now = [store.stat(part.key) for part in item.objects]
    there = tuple(part for part in now if part is not None)
    same = all(part.modified <= item.modified for part in there)
    return there if same else ()


def _remove(store: ObjectStore, part: Stored) -> None:
    if "#" in part.key:
        store.discard(part)
    else:
        store.delete(part.key)
