"""Videos and sounds that were sent here, beside the pictures: named by the sha256 of their bytes, looked at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from anyio import to_thread
from pydantic import BaseModel

from wayframe.errors import MediaError, StoreMissingError
from wayframe.files import write_atomic
from wayframe.web.decoding import Decoding
from wayframe.web.uploads import ID, Received, Uploads, shown_name

_ID = re.compile(ID)
_GONE = "there is no video or sound of that id; send it again"


class MediaUpload(BaseModel):
    """A video or a sound that is here. `id` is the sha256 of its bytes; a sound has no frames, size and thumbnail."""

    id: str
    name: str
    kind: Literal["video", "sound"]
    bytes: int
    seconds: float
    frames: int | None = None
    fps: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    suffix: str


class MediaUploads:
    """The videos and sounds in the folder of `uploads`, within the same bounds."""

    def __init__(self, *, uploads: Uploads, decoding: Decoding) -> None:
        self._uploads, self._decoding, self._root = uploads, decoding, uploads.root

    async def receive(self, body: AsyncIterator[bytes], *, name: str) -> tuple[MediaUpload, bool]:
        """Take a video or a sound, and whether it is new. Raises `MediaError` for what is neither."""
        received = await self._uploads.receive(body)
        return await asyncio.shield(to_thread.run_sync(self.take, received, shown_name(name)))

    def take(self, received: Received, name: str) -> tuple[MediaUpload, bool]:
        """The video or sound of a file that came in, and whether it is new; the file is gone then."""
        try:
            with suppress(StoreMissingError):
                return self._known(received.digest).model_copy(update={"name": name}), False
            return self._new(received, name=name), True
        finally:
            self._uploads.discard(received)

    def find(self, upload_id: str) -> MediaUpload:
        """The video or sound of an id. Raises `StoreMissingError`."""
        try:
            if _ID.fullmatch(upload_id):
                found = MediaUpload(**json.loads(self._note(upload_id).read_text(encoding="utf-8")))
                if self._file(found).is_file():
                    return found
        except FileNotFoundError:
            pass
        raise StoreMissingError(_GONE)

    def path(self, upload_id: str) -> Path:
        """The file of a video or sound. Raises `StoreMissingError`."""
        return self._file(self.find(upload_id))

    def thumbnail(self, upload_id: str) -> Path:
        """A video's last frame as a small JPEG. Raises `StoreMissingError`."""
        if self.find(upload_id).thumbnail is None:
            raise StoreMissingError("a sound has no picture")
        return self._small(upload_id)

    def _known(self, upload_id: str) -> MediaUpload:
        """One that is here already, which is young again."""
        known = self.find(upload_id)
        for path in (self._note(known.id), self._small(known.id), self._file(known)):
            with suppress(FileNotFoundError):
                os.utime(path)
        return known

    def _new(self, received: Received, *, name: str) -> MediaUpload:
        small = received.path.with_name(f"{received.path.name}.jpg")
        try:
            facts = self._decoding.media(received.path, thumbnail=small)
            shown = f"/api/v1/uploads/media/{received.digest}/thumbnail.jpg" if small.is_file() else None
            made = MediaUpload(id=received.digest, name=name, bytes=received.size, thumbnail=shown, **facts)
            received.path.replace(self._file(made))
            if shown:
                small.replace(self._small(made.id))
        except MediaError as error:
            hidden = str(received.path)
            raise MediaError(str(error).replace(hidden, name).replace(received.path.name, name)) from error
        finally:
            small.unlink(missing_ok=True)
        write_atomic(self._note(made.id), made.model_dump_json())
        return made

    def _file(self, upload: MediaUpload) -> Path:
        return self._root / f"{upload.id}{upload.suffix}"

    def _small(self, upload_id: str) -> Path:
        return self._root / f"{upload_id}.last.jpg"

    def _note(self, upload_id: str) -> Path:
        return self._root / f"{upload_id}.media.json"
