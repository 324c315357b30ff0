"""One pass over a log of ours: its lines are counted, its records put together, and each read as what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wayframe.core.events import RunFinished, TaskChanged
from wayframe.files import Redactor, redact_text
from wayframe.logs.lines import clean
from wayframe.logs.ours import OwnFormat
from wayframe.logs.own_lines import OwnEvent, begins_record, day_line, debug_event, json_event, json_object
from wayframe.logs.record import excerpt
from wayframe.logs.scan import Tally, is_text
from wayframe.logs.sources import blocks

_MOST_LINES, _EVIDENCE_OF = 200, 400
"""Lines of one message, and characters of its first line, that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLine:
    """What a record tells, without secrets: an event, or the id of the run that the next one belongs to."""

    line: int
    text: str
    time: str | None = None
    event: OwnEvent | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    line: int
    text: str
    ended: bool
    is_text: bool


class OwnScan:
    """Reads files of one rotated set, one after the other; the day goes on from file to file."""

    def __init__(self, form: OwnFormat, *, tally: Tally, redactor: Redactor) -> None:
        self._form, self._tally, self._redactor = form, tally, redactor
        self._day: str | None = None
        self._path = Path()

    def lines(self, path: Path) -> Iterator[OwnLine]:
        """The records of a file that tell something of a run. Raises LogError when it cannot be read."""
        self._path = path
        if self._form is OwnFormat.DEBUG:
            for lines in self._records():
                yield from self._debug(lines)
            return
        for raw in self._raw():
            yield from self._event(raw)

    def _raw(self) -> Iterator[_Raw]:
        """The lines that hold anything; what is no text is counted as unread, and read as far as it goes."""
        number = 1
        for block in blocks(self._path):
            self._tally.unread_lines += block.too_long
            found = block.data.split(b"\n")
            whole = len(found) - 1
            for at, data in enumerate(found):
                text = clean(data)
                raw = _Raw(line=number + at, text=text, ended=at < whole, is_text=is_text(data))
                if not raw.is_text:
                    self._tally.unread(file=str(self._path), line=raw.line)
                if text.strip():
                    yield raw
            number += whole
            self._tally.lines += whole + (not block.ended)

    def _unread(self, raw: _Raw) -> None:
        """Count a line that tells nothing, once: what is no text was counted when it came."""
        if raw.is_text:
            self._tally.unread(file=str(self._path), line=raw.line)

    def _event(self, raw: _Raw) -> Iterator[OwnLine]:
        try:
            data = json_object(raw.text)
            time, event = json_event(self._redactor.value(data))
        except ValueError:
            self._unread(raw)
            return
        if event is not None:
            yield OwnLine(line=raw.line, text=_shown(raw.text), time=time, event=event)

    def _records(self) -> Iterator[list[_Raw]]:
        """The lines of each record of a debug.log."""
        lines: list[_Raw] = []
        for raw in self._raw():
            if begins_record(raw.text):
                if lines:
                    yield lines
                lines = [raw]
            elif not lines or not raw.ended:
                self._unread(raw)
            elif len(lines) < _MOST_LINES:
                lines.append(raw)
        if lines:
            yield lines

    def _debug(self, lines: list[_Raw]) -> Iterator[OwnLine]:
        first = lines[0]
        day = day_line(first.text)
        if day is not None:
            self._day, run_id = day
            yield OwnLine(line=first.line, text=_shown(first.text), run_id=self._redactor.text(run_id))
            return
        text = "\n".join([first.text, *(line.text.removeprefix("    ") for line in lines[1:])])
        try:
            told = debug_event(self._redactor.text(text))
        except ValueError:
            told = None
        if told is None or not (first.ended or _is_whole(told[1])):
            self._unread(first)
        elif told[1] is not None:
            time = f"{self._day}T{told[0]}" if self._day else None
            yield OwnLine(line=first.line, text=_shown(first.text), time=time, event=told[1])


def _is_whole(event: OwnEvent | None) -> bool:
    """Whether a line without its end can have lost nothing: its last word is a state, and no value follows."""
    return isinstance(event, TaskChanged | RunFinished) and event.error is None


def _shown(text: str) -> str:
    return excerpt(redact_text(text[:_EVIDENCE_OF]))
