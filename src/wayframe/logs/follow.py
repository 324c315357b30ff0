"""The records of a log that is still being written: `wayframe logs tail`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from wayframe.errors import LogError
from wayframe.logs.records import LogRecord, RecordReader
from wayframe.logs.sources import CHUNK_BYTES, LONGEST_LINE

_SHOWN_OF = 1 << 18
"""Bytes at the end of a file among which its last records are looked for."""
_PACKED = (b"\x1f\x8b", b"\x28\xb5")


def follow(path: Path, *, wait: Callable[[], bool], last: int = 10) -> Iterator[LogRecord]:
    """The last records of a file, then every new one as it is written.

    `wait` is called whenever there is nothing more to read: it comes back when it is time to look again, and gives
    False to end. A file that was cut off is read from its start again; when another file takes the name (the log was
    rotated), the old one is read to its end and then the new one. A line is read once its end was written. Raises
    LogError when there is no such file, or it is compressed.
    """
    file = _Followed(path)
    try:
        shown: deque[LogRecord] = deque(maxlen=max(last, 0))
        shown.extend(file.new())
        shown.extend(file.flush())
        yield from shown
        while wait():
            found = False
            for record in file.new():
                found = True
                yield record
            if not found:
                yield from file.flush()
        yield from file.new()
        yield from file.flush()
    finally:
        file.close()


class _Followed:
    """A file by its name, whichever file that is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._stream: BinaryIO = path.open("rb")
        except OSError as exc:
            raise LogError(str(path), f"cannot be followed ({exc.strerror or exc})", fix="check the path") from exc
        if self._stream.read(2) in _PACKED:
            self._stream.close()
            raise LogError(str(path), "is compressed: nothing more will be written to it", fix="use `logs show`")
        self._begin(self._stream)
        self._skip_to_the_end()

    def _skip_to_the_end(self) -> None:
        """Start at the last lines of a long file; its lines before are counted only."""
        far = os.fstat(self._stream.fileno()).st_size - _SHOWN_OF
        passed = 0
        while self._stream.tell() < far:
            passed += self._stream.read(min(CHUNK_BYTES, far - self._stream.tell())).count(b"\n")
        if far > 0:
            passed += self._stream.readline(LONGEST_LINE).endswith(b"\n")
            self._reader = RecordReader(name=self._path.name, line=passed + 1)

    def _begin(self, stream: BinaryIO) -> None:
        self._stream, self._rest = stream, b""
        self._stream.seek(0)
        self._reader = RecordReader(name=self._path.name)

    def new(self) -> Iterator[LogRecord]:
        """The records that were completed since the last call."""
        yield from self._written()
        if self._was_cut():
            yield from self.flush()
            self._begin(self._stream)
            yield from self._written()
        newer = self._replacement()
        if newer is not None:
            yield from self._written()  # what was written between the two looks
            yield from self._reader.feed(self._rest)
            yield from self.flush()
            self._stream.close()
            self._begin(newer)
            yield from self._written()

    def flush(self) -> Iterator[LogRecord]:
        """The record that waits for its next line."""
        return self._reader.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    def _written(self) -> Iterator[LogRecord]:
        while chunk := self._stream.read(CHUNK_BYTES):
            data = self._rest + chunk
            cut = data.rfind(b"\n") + 1
            self._rest = data[cut:] if len(data) - cut <= LONGEST_LINE else b""
            if cut:
                yield from self._reader.feed(data[:cut])

    def _was_cut(self) -> bool:
        named = self._named()
        return named is not None and self._is_own(named) and named.st_size < self._stream.tell()

    def _replacement(self) -> BinaryIO | None:
        named = self._named()
        if named is None or self._is_own(named):
            return None
        try:
            return self._path.open("rb")
        except OSError:
            return None

    def _named(self) -> os.stat_result | None:
        try:
            return self._path.stat()
        except OSError:
            return None

    def _is_own(self, named: os.stat_result) -> bool:
        return os.path.samestat(named, os.fstat(self._stream.fileno()))
