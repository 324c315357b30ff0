"""The grammar of a log line: heads of records, what stands inside a value, and dates inherited from lines around.

A record begins with one of four heads::

    [DEBUG 2025-10-07T05:06:14.601786] text               full date
    [05:06:14] LEVEL COMPONENT [Task UUID] text           time of day only; LEVEL is a word or a mark
    2025-10-07 05:06:14,601 [LEVEL] component: text       full date
    Task UUID (Type: ...) / Orchestrator UUID: ...        untimed prints that name what they speak of

Two processes that share a file glue records: the second head then stands in the middle of a line. The same characters
inside a value (a prompt, a string of a literal) are part of that value and never a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
HEAD = re.compile(
    rf"""(?x)
    \[DEBUG\ (?P<debug_day>\d{{4}}-\d\d-\d\d)T(?P<debug_time>\d\d:\d\d:\d\d(?:\.\d{{1,6}})?)\]\ ?
    | \[(?P<time>\d\d:\d\d:\d\d)\]\ (?P<level>INFO|DEBUG|WARNING|ERROR|🔴\ CRITICAL|CRITICAL|✅|⚠️?|❌|⏳|📊)
      \ (?P<component>[A-Za-z][\w.\-]*)(?:\ \[Task\ (?P<task>[^\]\s]+)\])?\ ?
    | (?P<log_day>\d{{4}}-\d\d-\d\d)\ (?P<log_time>\d\d:\d\d:\d\d,\d{{3}})\ \[
      (?P<log_level>INFO|WARNING|ERROR|DEBUG|CRITICAL)\]\ (?P<log_component>[\w.]+):\ ?
    | (?=Task\ {UUID}\ \(Type:\ ) | (?=Orchestrator\ {UUID}:\ Successfully\ enqueued\ )
    """
)
_BRACKETED = re.compile(r"\[(?:\d\d:\d\d:\d\d\] |DEBUG \d)")
_HEAD_PARTS = (
    " [INFO] ",
    " [WARNING] ",
    " [ERROR] ",
    " [DEBUG] ",
    " [CRITICAL] ",
    "(Type: ",
    ": Successfully enqueued ",
)
LONGEST_VALUE = 1 << 16
"""Characters of a value that is kept to recognise what stands inside values."""
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_TOKEN = re.compile(rf"(?P<escape>\\.)|(?P<quote>['\"])|(?P<head>{HEAD.pattern.removeprefix('(?x)')})", re.VERBOSE)
_FREE_TEXT = re.compile(
    r"(?i)(?:\[FINAL_PARAMS\] (?!\w*prompt_type)\w*prompt\w*: |\bTask override \w*prompt\w*: .*? → "
    r"|\bApplied \w*prompt\w*: .*? → |\[VLM_\w+\] (?:Generated|Segment \d+): )"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One record of a line: its head's parts, and the text after the head."""

    text: str
    whole: str
    """Head and text, as they stand in the line."""
    day: str | None = None
    time: str | None = None
    level: str | None = None
    component: str | None = None
    task: str | None = None


def clean(raw: bytes) -> str:
    """A line as text: without line end, NULs and terminal colours; what is no UTF-8 becomes U+FFFD."""
    text = raw.rstrip(b"\r\n").replace(b"\0", b"").decode("utf-8", "replace")
    return _ANSI.sub("", text) if "\x1b" in text else text


class Known(Protocol):
    """What is known of the values that a log may print."""

    def __contains__(self, text: object) -> bool:
        """Whether a text is a whole prompt."""

    def is_a_value(self, text: str) -> bool:
        """Whether a text that looks like a record is a part of a value."""


def pieces(text: str, *, known: Known | None = None) -> list[Piece]:
    """The records of one cleaned line; the first may have no head at all (an untimed print, or a value's next line).

    A head in the middle of the line begins a record unless it stands inside quotes, or inside the free text after a
    prompt's name; free text that is `known` to be a whole prompt has ended, and a text known as a value begins nothing.
    """
    first = HEAD.match(text)
    if not may_hold_a_record(text, start=max(first.end(), 1) if first else 1):
        return [_piece(text, first)]
    starts = [(0, first), *((match.start(), match) for match in _glued(text, first, known=known))]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [_piece(text[start:end], HEAD.match(text[start:end])) for (start, _), end in zip(starts, ends, strict=True)]


def one_piece(text: str) -> Piece:
    """A cleaned line as one record, whatever stands inside it: in our own logs nothing is glued."""
    return _piece(text, HEAD.match(text))


def may_hold_a_record(text: str, *, start: int = 0) -> bool:
    """A quick no for nearly all texts; the head itself is a slow pattern to search for in a long one."""
    return _BRACKETED.search(text, start) is not None or any(text.find(part, start) >= 0 for part in _HEAD_PARTS)


def _piece(whole: str, head: re.Match[str] | None) -> Piece:
    if head is None:
        return Piece(text=whole, whole=whole)
    return Piece(
        text=whole[head.end() :],
        whole=whole,
        day=head["debug_day"] or head["log_day"],
        time=head["debug_time"] or head["time"] or head["log_time"],
        level=head["level"] or head["log_level"],
        component=head["component"] or head["log_component"],
        task=head["task"],
    )


def _glued(text: str, first: re.Match[str] | None, *, known: Known | None) -> list[re.Match[str]]:
    """The heads after the first one that begin a record of their own; one pass, whatever the line holds."""
    found: list[re.Match[str]] = []
    start, quote = (first.end() if first else 0), ""
    free = _FREE_TEXT.match(text, start)
    for token in _TOKEN.finditer(text, start if first else 1):
        at = token.start()
        if token["quote"]:
            quote = _after_quote(text, at, quote)
        elif token["escape"] is None and at > 0 and not _in_quotes(text, at, quote):
            if free and (known is None or text[free.end() : at] not in known):
                break
            if known is None or not known.is_a_value(text[at : at + LONGEST_VALUE + 1].strip()):
                found.append(token)
                start, quote = token.end(), ""
                free = _FREE_TEXT.match(text, start)
    return found


def _in_quotes(text: str, at: int, quote: str) -> bool:
    """Whether a quote is really open: upstream cuts long values with dots, in the middle of their quotes."""
    return bool(quote) and not text.endswith(("\r", "…", "..."), 0, at)


def _after_quote(text: str, at: int, quote: str) -> str:
    """The quote that is open after the character at `at`; an apostrophe inside a word opens and closes nothing."""
    character = text[at]
    if quote:
        closes = character == quote and not text[at + 1 : at + 2].isalnum()
        return "" if closes else quote
    opens = not text[at - 1 : at].isalnum() if at else True
    return character if opens else ""


_DATED_LINE = re.compile(rb"(?:\[DEBUG )?(?P<day>\d{4}-\d\d-\d\d)[ T](?P<time>\d\d:\d\d:\d\d)")
_ANY_DATED = re.compile(rb"(?m)^(?:\[DEBUG )?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_TIMED_LINE = re.compile(rb"\n\[(\d\d):(\d\d):(\d\d)\] ")
_TIMED_HOUR = re.compile(rb"\n\[(\d\d):\d\d:\d\d\] ")
_DATES_ARE_NEAR = 1 << 20
"""Bytes without a dated line after which the lines with a time only must tell of midnight; they may be forged."""
_DISORDER, _DAY = 3600, 24 * 3600
"""Seconds by which lines may stand out of order; a time that goes back by more is past midnight."""

_FILE_DAY = re.compile(r"_(\d{4})(\d\d)(\d\d)_\d{6}")
_A_DATE = re.compile(rb"\d{4}-\d\d-\d\d")


class Clock:
    """The day and time that a log has reached; gives lines that carry a time of day only their date.

    A time that goes back by more than an hour means that midnight has passed; processes that share a file may write a
    little out of order.
    """

    def __init__(self) -> None:
        self._day: date | None = None
        self._seconds = 0
        self._data, self._from, self._to = b"", 0, 0
        self._undated = 0

    def begin(self, data: bytes, *, name: str) -> None:
        """Find the day at which a file begins, from its first dated line or else from its name."""
        dated = _ANY_DATED.search(data)
        moment = _DATED_LINE.match(data, dated.start()) if dated else None
        if moment:
            self._set(moment)
            first = _TIMED_LINE.search(b"\n" + data[: moment.start()])
            if first and self._day and _seconds(first) - self._seconds > _DISORDER:
                self._day -= timedelta(days=1)
            if first:
                self._seconds = _seconds(first)
            return
        named = _FILE_DAY.search(name)
        first_line = _A_DATE.search(data, 0, max(data.find(b"\n"), 0))
        text = "-".join(named.groups()) if named else first_line[0].decode() if first_line else ""
        day = _as_date(text)
        self._day, self._seconds = (day, 0) if day else (self._day, self._seconds)

    def reach(self, data: bytes, *, end: int) -> None:
        """The lines of a block up to `end` lie behind; they are looked at when a record has no date of its own."""
        if data is not self._data:
            self._data, self._from = data, 0
        self._to = end

    def leave(self, data: bytes) -> None:
        """The whole block lies behind."""
        self.reach(data, end=len(data))
        self._catch_up()
        self._data, self._from, self._to = b"", 0, 0

    def _catch_up(self) -> None:
        data, start, end = self._data, self._from, self._to
        for mark in (b"\n[DEBUG 2", b"\n20"):
            moment = self._last_dated(data, mark, (start, end))
            if moment is not None:
                self._set(moment)
                start, self._undated = moment.end(), 0
        self._undated += end - start
        if self._undated > _DATES_ARE_NEAR:
            self._pass_times(data, max(start - 1, 0), end)
        self._from = end

    def _last_dated(self, data: bytes, mark: bytes, span: tuple[int, int]) -> re.Match[bytes] | None:
        start, end = span
        while (at := data.rfind(mark, start, end)) >= 0:
            moment = _DATED_LINE.match(data, at + 1)
            if moment and self._is_likely(moment, data, end):
                return moment
            end = at
        return None

    def _is_likely(self, moment: re.Match[bytes], data: bytes, end: int) -> bool:
        """A leap over days is believed when the next dated line goes on from there: a value may hold any date."""
        day = _as_date(moment["day"].decode())
        if day is None or self._day is None or abs((day - self._day).days) <= 1:
            return day is not None
        later = _ANY_DATED.search(data, end)
        after = _DATED_LINE.match(data, later.start()) if later else None
        next_day = _as_date(after["day"].decode()) if after else None
        return next_day is not None and 0 <= (next_day - day).days <= 1

    def _pass_times(self, data: bytes, start: int, end: int) -> None:
        hours = _TIMED_HOUR.findall(data, start, end)
        if hours and hours.count(hours[0]) == len(hours):  # nearly always: then only the last one matters
            start = data.rfind(b"\n[" + hours[0] + b":", start, end)
        for timed in _TIMED_LINE.finditer(data, start, end) if hours else ():
            self._tick(_seconds(timed))

    def stamp(self, piece: Piece) -> str | None:
        """When a record was written, as ISO 8601 text without a zone; None when the log tells no date for it."""
        if piece.time is None:
            return None
        hours, minutes, seconds = (int(part) for part in piece.time[:8].split(":"))
        now = hours * 3600 + minutes * 60 + seconds
        own = _as_date(piece.day) if piece.day else None
        if own:
            self._day, self._seconds, self._from, self._undated = own, now, self._to, 0
        else:
            self._catch_up()
            self._tick(now)
        return f"{self._day}T{piece.time.replace(',', '.')}" if self._day else None

    def _set(self, moment: re.Match[bytes]) -> None:
        day = _as_date(moment["day"].decode())
        if day:
            hours, minutes, seconds = moment["time"].split(b":")
            self._day, self._seconds = day, int(hours) * 3600 + int(minutes) * 60 + int(seconds)

    def _tick(self, seconds: int) -> None:
        gone = self._seconds - seconds
        if self._day and date.min < self._day < date.max:
            self._day += timedelta(days=(gone > _DISORDER) - (-gone > _DAY - _DISORDER))
        self._seconds = seconds


def _seconds(timed: re.Match[bytes]) -> int:
    return int(timed[1]) * 3600 + int(timed[2]) * 60 + int(timed[3])


def _as_date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
