"""The beginning of a file that is still coming: kept beside its place, with the digest of what is here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 1024**2
_PARTIAL, _OUT_OF_RANGE = 206, 416


@dataclass(slots=True)
class PartFile:
    """The bytes of `target` that came so far; `size` counts them. `address` is where from, without secrets."""

    target: Path
    address: str = field(kw_only=True)
    size: int = field(default=0, kw_only=True)
    _sha256: hashlib._Hash = field(default_factory=hashlib.sha256, kw_only=True)
    _etag: str | None = field(default=None, kw_only=True)
    _trusted: bool = field(default=False, kw_only=True)

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _note(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.json")

    def load(self, *, trusted: bool) -> None:
        """Take up what an earlier process left; `trusted`: the whole will be checked, so that no ETag is needed."""
        self._trusted = trusted
        note = _read_note(self._note)
        self._etag = note.get("etag") if note.get("address") == self.address else None
        if not self.path.is_file() or not (self._etag or trusted):
            self.clear()
            return
        with self.path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                self._sha256.update(chunk)
                self.size += len(chunk)

    def range_headers(self) -> dict[str, str]:
        """The headers that ask for the rest only, if the file is still the same (RFC 9110 section 13.1.5)."""
        if not self.size or not (self._etag or self._trusted):
            return {}
        condition = {"If-Range": self._etag} if self._etag else {}
        return {"Range": f"bytes={self.size}-", **condition}

    def goes_on(self, status: int, *, headers: Mapping[str, str]) -> bool:
        """Whether an answer goes on where this ends, or says that this is the whole."""
        span = headers.get("content-range", "")
        whole = status == _OUT_OF_RANGE and span == f"bytes */{self.size}"
        return self.size > 0 and (whole or (status == _PARTIAL and span.startswith(f"bytes {self.size}-")))

    def note_version(self, etag: str | None) -> None:
        """Remember which version is coming; a weak ETag is not kept: it does not promise equal bytes."""
        self._etag = etag if etag and etag.startswith('"') else None
        self._note.write_text(json.dumps({"address": self.address, "etag": self._etag or ""}))

    def write(self, chunk: bytes, *, to: Callable[[bytes], int | None]) -> None:
        """Append all of a chunk by `to`, which may write less than it is given."""
        while chunk:
            written = to(chunk) or 0
            self._sha256.update(chunk[:written])
            self.size += written
            chunk = chunk[written:]

    def digest(self) -> str:
        """The sha256 of what is here, as 64 hex digits."""
        return self._sha256.hexdigest()

    def clear(self) -> None:
        """Begin anew."""
        self.size, self._sha256, self._etag = 0, hashlib.sha256(), None
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the whole file into its place."""
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)


def _read_note(path: Path) -> dict[str, str]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
