"""Pictures that were sent here: named by the sha256 of their bytes, decoded once, never by a path of the client's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from anyio import to_thread
from pydantic import BaseModel

from wayframe.errors import StoreMissingError
from wayframe.files import redact_text, write_atomic
from wayframe.store.home import Home
from wayframe.web.decoding import Decoding
from wayframe.web.problems import RefusalError
from wayframe.web.settings import Limits

ID = r"^[0-9a-f]{64}$"
NAME_LENGTH = 120
INCOMING, ORPHANED_SECONDS, DAY = "incoming-", 3600, 86400
_ID = re.compile(ID)
_UNSAFE = re.compile(r"[^\w .,()+-]")
_WRITE = 2**20


class Upload(BaseModel):
    """A picture that is here. `id` is the sha256 of its bytes, width and height are those of the upright picture."""

    id: str
    name: str
    width: int
    height: int
    format: str
    bytes: int
    thumbnail: str
    findings: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that came in and has not been looked at."""

    path: Path
    digest: str
    size: int


class Uploads:
    """The folder ``uploads`` of a home."""

    def __init__(self, *, home: Home, decoding: Decoding, limits: Limits) -> None:
        self.root = home.root / "uploads"
        self._decoding, self._limits = decoding, limits
        self._lock = threading.Lock()

    async def receive(self, body: AsyncIterator[bytes]) -> Received:
        """Write a body to the disk as it comes. Raises `RefusalError` when there is no room for it."""
        await to_thread.run_sync(self._check_room)
        path = self.root / f"{INCOMING}{uuid4().hex}"
        try:
            digest, size = await self._write(path, body)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Received(path=path, digest=digest, size=size)

    async def _write(self, path: Path, body: AsyncIterator[bytes]) -> tuple[str, int]:
        """Write a body into a new file, a MiB at a time; its sha256 and its size."""
        found, size, waiting = hashlib.sha256(), 0, bytearray()
        with path.open("xb") as stream:
            async for chunk in body:
                found.update(chunk)
                size += len(chunk)
                waiting += chunk
                if len(waiting) >= _WRITE:
                    await to_thread.run_sync(stream.write, bytes(waiting))
                    waiting.clear()
                    await to_thread.run_sync(self._check_disk)
            await to_thread.run_sync(stream.write, bytes(waiting))
        return found.hexdigest(), size

    async def picture(self, body: AsyncIterator[bytes], *, name: str) -> tuple[Upload, bool]:
        """Take a picture, and whether it is new. Raises `ImageError` for what is none."""
        received = await self.receive(body)
        return await asyncio.shield(to_thread.run_sync(self.take, received, shown_name(name)))

    def fetched(self, fetch: Callable[[Path], object], *, digest: str) -> Received:
        """A file of this digest that `fetch` puts at a path; nothing stays behind when it fails."""
        self._check_room()
        path = self.root / f"{INCOMING}{uuid4().hex}"
        try:
            fetch(path)
            return Received(path=path, digest=digest, size=path.stat().st_size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def find(self, upload_id: str) -> Upload:
        """The picture of an id. Raises `StoreMissingError`."""
        try:
            if _ID.fullmatch(upload_id):
                return Upload(**json.loads(self._note(upload_id).read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        raise StoreMissingError("there is no upload of that id; send the picture again")

    def path(self, upload_id: str) -> Path:
        """The file of a picture. Raises `StoreMissingError`."""
        upload = self.find(upload_id)
        path = self._file(upload_id, kind=upload.format)
        if not path.is_file():
            raise StoreMissingError("there is no upload of that id; send the picture again")
        return path

    def thumbnail(self, upload_id: str) -> Path:
        """The small JPEG of a picture. Raises `StoreMissingError`."""
        self.find(upload_id)
        return self._small(upload_id)

    def discard(self, received: Received) -> None:
        """Remove what came in."""
        received.path.unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what broken off requests left, and pictures of long ago; how many files went.

        A run that was submitted has its own copies.
        """
        gone, now = 0, time.time()
        for path in self.root.glob("*") if self.root.is_dir() else ():
            with suppress(OSError):
                left = path.name.startswith(INCOMING)
                kept = ORPHANED_SECONDS if left else self._limits.uploads_days * DAY
                if now - path.stat().st_mtime > kept:
                    path.unlink()
                    gone += 1
        return gone

    def take(self, received: Received, name: str) -> tuple[Upload, bool]:
        """The picture of a file that came in, and whether it is new; the file is gone then. Raises `ImageError`."""
        try:
            with suppress(StoreMissingError):
                known = self.find(received.digest)
                for path in (self._note(known.id), self._small(known.id), self.path(known.id)):
                    path.touch()
                return known.model_copy(update={"name": name}), False
            return self._new(received, name=name), True
        finally:
            received.path.unlink(missing_ok=True)

    def _new(self, received: Received, *, name: str) -> Upload:
        facts = self._decoding.picture(received.path, thumbnail=self._small(received.digest))
        upload = Upload(
            id=received.digest,
            name=name,
            width=facts["width"],
            height=facts["height"],
            format=facts["format"],
            bytes=received.size,
            thumbnail=f"/api/v1/uploads/{received.digest}/thumbnail.jpg",
            findings=[_shown(item, hidden=received.path.name, name=name) for item in facts["findings"]],
        )
        received.path.replace(self._file(upload.id, kind=upload.format))
        write_atomic(self._note(upload.id), upload.model_dump_json())
        return upload

    def _check_room(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock:
            sizes = [path.stat().st_size for path in self.root.iterdir() if path.is_file()]
        if len(sizes) >= 3 * self._limits.uploads_count or sum(sizes) >= self._limits.uploads_bytes:
            detail = "there are too many uploads already; those that are not used go by themselves"
            raise RefusalError(HTTPStatus.INSUFFICIENT_STORAGE, detail, kind="uploads")
        self._check_disk()

    def _check_disk(self) -> None:
        if shutil.disk_usage(self.root).free < self._limits.free:
            raise RefusalError(HTTPStatus.INSUFFICIENT_STORAGE, "the server's disk is nearly full", kind="disk")

    def _file(self, upload_id: str, *, kind: str) -> Path:
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
        return self.root / f"{upload_id}.{suffix}"

    def _small(self, upload_id: str) -> Path:
        return self.root / f"{upload_id}.thumb.jpg"

    def _note(self, upload_id: str) -> Path:
        return self.root / f"{upload_id}.json"


def shown_name(name: str) -> str:
    """A file's name as it is shown and written into records: without folders and without what looks like a secret."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return redact_text(_UNSAFE.sub("_", base)).strip()[:NAME_LENGTH] or "picture"


def _shown(item: dict[str, Any], *, hidden: str, name: str) -> dict[str, str]:
    return {key: str(value).replace(hidden, name) for key, value in item.items()}
