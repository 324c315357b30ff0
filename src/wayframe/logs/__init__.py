"""Debug logs, ours and upstream's: lines to records, records to runs."""

from __future__ import annotations

from wayframe.logs.follow import follow
from wayframe.logs.ours import OwnFormat, own_format
from wayframe.logs.reading import LogRuns, RunReader, find_run, runs
from wayframe.logs.record import (
    AMBIGUOUS,
    Evidence,
    Missing,
    RunRecord,
    RunStatus,
    SegmentRecord,
    StitchRecord,
    TaskStatus,
)
from wayframe.logs.records import LogRecord, records

__all__ = [
    "AMBIGUOUS",
    "Evidence",
    "LogRecord",
    "LogRuns",
    "Missing",
    "OwnFormat",
    "RunReader",
    "RunRecord",
    "RunStatus",
    "SegmentRecord",
    "StitchRecord",
    "TaskStatus",
    "find_run",
    "follow",
    "own_format",
    "records",
    "runs",
]
