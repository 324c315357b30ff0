"""Which logs are our own: known by what they hold, for a mailed file may have any name."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import islice
from pathlib import Path

from wayframe.logs.lines import clean
from wayframe.logs.own_lines import day_line, debug_event, json_object
from wayframe.logs.sources import blocks

_EVENTS_NAME = re.compile(r"events\.jsonl(?:\.\d{1,4})?(?:\.(?:gz|zst))?$")
_DEBUG_NAME = re.compile(r"debug\.log(?:\.\d{1,4})?(?:\.(?:gz|zst))?$")
_LINES_LOOKED_AT = 8
"""Of a file that was cut at its beginning, whose first lines may be the rest of a longer message."""


class OwnFormat(StrEnum):
    """The two logs that a run of ours keeps."""

    EVENTS = "events.jsonl"
    DEBUG = "debug.log"


def own_format(path: Path) -> OwnFormat | None:
    """Which of our logs a file is, None for any other log. Raises LogError when it cannot be read.

    The first line decides. A part of a rotated log of ours begins anywhere: its name says what it is, and for a
    ``debug.log``, which upstream's may be called, too, one of its first lines.
    """
    data = next((block.data for block in blocks(path) if block.data), b"")
    lines = [clean(raw) for raw in islice((raw for raw in data.split(b"\n") if raw.strip()), _LINES_LOOKED_AT)]
    if lines and day_line(lines[0]) is not None:
        return OwnFormat.DEBUG
    if _EVENTS_NAME.fullmatch(path.name) or (lines and _is_event(lines[0])):
        return OwnFormat.EVENTS
    named = _DEBUG_NAME.fullmatch(path.name) is not None
    return OwnFormat.DEBUG if named and any(is_own_record(line) for line in lines) else None


def _is_event(line: str) -> bool:
    try:
        json_object(line)
    except ValueError:
        return False
    return True


def is_own_record(line: str) -> bool:
    """Whether a line begins a record that only a ``debug.log`` of ours holds."""
    try:
        record = debug_event(line)
    except ValueError:
        return False
    return day_line(line) is not None or (record is not None and record[1] is not None)
