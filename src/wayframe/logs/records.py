"""Every record of a log, ours or upstream's, one by one: for showing and following, not for finding runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wayframe.files import redact_text
from wayframe.logs.lines import Clock, Piece, clean, one_piece, pieces
from wayframe.logs.ours import is_own_record
from wayframe.logs.own_lines import begins_record
from wayframe.logs.sources import blocks, in_order

_LONGEST_TEXT = 1 << 16
_CONTINUES = (" ", "\t", "{", "}", "[", "]", '"', "'", "...", "Traceback", "During handling of")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record, without secrets."""

    line: int
    """The number of its first line in its file, from 1."""
    time: str | None
    """ISO 8601 without a zone; a time of day alone where the log tells no date; None for an untimed print."""
    level: str | None
    component: str | None
    task_id: str | None
    text: str
    """The message; of a record that spans lines, all of them."""


def records(paths: Iterable[Path]) -> Iterator[LogRecord]:
    """All records of a log in order. Raises LogError for a file that cannot be read."""
    for path in in_order(paths):
        reader = RecordReader(name=path.name)
        for block in blocks(path):
            yield from reader.feed(block.data)
        yield from reader.flush()


class RecordReader:
    """Cuts bytes into records as they come; a record is given out when the next one begins, or by `flush`."""

    def __init__(self, *, name: str, line: int = 1) -> None:
        self._name, self._line, self._clock = name, line, Clock()
        self._begun = self._own = False
        self._open: LogRecord | None = None

    def feed(self, data: bytes) -> Iterator[LogRecord]:
        """The records that whole lines complete; `data` ends with a line's end, or is the file's last line."""
        if not data:
            return
        if not self._begun:
            self._clock.begin(data, name=self._name)
            self._begun = True
        for raw in data.removesuffix(b"\n").split(b"\n"):
            yield from self._take(raw)
            self._line += 1

    def flush(self) -> Iterator[LogRecord]:
        """The record that was still open: nothing more of it is expected."""
        if self._open is not None:
            yield self._open
        self._open = None

    def _take(self, raw: bytes) -> Iterator[LogRecord]:
        text = clean(raw)
        if self._name.removesuffix(".gz").removesuffix(".zst").endswith(".jsonl"):
            yield from self._json(text)
            return
        for at, piece in enumerate(self._pieces(text)):
            if at == 0 and self._continues(piece):
                continue
            yield from self.flush()
            self._open = self._record(piece) if piece.whole.strip() else None

    def _pieces(self, text: str) -> list[Piece]:
        """The records of a line; inside a message of ours, which goes on four blanks in, there is none."""
        if self._own and not begins_record(text):
            return [Piece(text=text, whole=text)]
        self._own = is_own_record(text)
        return [one_piece(text)] if self._own else pieces(text)

    def _continues(self, piece: Piece) -> bool:
        """Whether a line without a head belongs to the record before; if so it is added there."""
        record = self._open
        if record is None or piece.time is not None:
            return False
        if piece.whole and not piece.whole.startswith(_CONTINUES) and record.text.strip():
            return False
        if len(record.text) < _LONGEST_TEXT:
            self._open = replace(record, text=f"{record.text}\n{redact_text(piece.whole)}")
        return True

    def _record(self, piece: Piece) -> LogRecord:
        return LogRecord(
            line=self._line,
            time=self._clock.stamp(piece) or piece.time,
            level=piece.level or ("DEBUG" if piece.day and not piece.component else None),
            component=redact_text(piece.component) if piece.component else None,
            task_id=redact_text(piece.task) if piece.task else None,
            text=redact_text(piece.text.rpartition("\r")[2] if piece.time is None else piece.text),
        )

    def _json(self, text: str) -> Iterator[LogRecord]:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            event = None
        known = _texts(event)
        if text.strip():
            yield LogRecord(
                line=self._line,
                time=known.get("time") or known.get("at"),
                level=None,
                component=known.get("event") or known.get("kind") or known.get("type"),
                task_id=known.get("task_id"),
                text=redact_text(text),
            )


def _texts(event: object) -> dict[str, str]:
    members = event.items() if isinstance(event, dict) else ()
    return {str(key): redact_text(str(value)) for key, value in members if value is not None}
