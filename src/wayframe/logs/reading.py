"""Runs from log files: what `wayframe logs runs` and `wayframe logs show` call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from wayframe.errors import LogError
from wayframe.files import Redactor
from wayframe.logs.builder import RunBuilder
from wayframe.logs.lines import Clock
from wayframe.logs.literals import Object
from wayframe.logs.ours import OwnFormat, own_format
from wayframe.logs.own_runs import OwnRuns
from wayframe.logs.own_scan import OwnScan
from wayframe.logs.record import RunRecord, RunStatus
from wayframe.logs.scan import SentLines, Tally, candidates
from wayframe.logs.sources import in_order, rotated_set

_DATED_NAME = re.compile(r"_\d{8}_\d{6}\.")


class RunReader:
    """One pass over a log. Iterate it once for the runs; the counts are right when the iteration is over.

    Completed runs come in the order in which the log completes them, then those that failed, were cancelled or did
    not end, in the order in which the log names them; runs of our own logs come after upstream's. Memory is bounded by
    the runs that are open at one time.
    Iterating raises LogError for a file that cannot be read.
    """

    def __init__(self, paths: Iterable[Path], *, statuses: Iterable[RunStatus] | None = None) -> None:
        self._files = in_order(paths)
        self._statuses = frozenset(RunStatus if statuses is None else statuses)
        self._tally, self._redactor = Tally(), Redactor()

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._tally.lines

    @property
    def unread_lines(self) -> int:
        """Lines so far that could not be read whole: no UTF-8, NULs, too long, cut off."""
        return self._tally.unread_lines

    @property
    def secrets_redacted(self) -> int:
        """Secrets taken out of what was read so far, of all runs."""
        return self._redactor.count

    def __iter__(self) -> Iterator[RunRecord]:
        return (run for run in self._all() if run.status in self._statuses)

    def _all(self) -> Iterator[RunRecord]:
        formats = {path: own_format(path) for path in self._files}
        yield from self._upstream([path for path in self._files if formats[path] is None])
        events = [path for path in self._files if formats[path] is OwnFormat.EVENTS]
        told: set[tuple[Path, str | None]] = set()
        for folder, run in self._own(events, OwnFormat.EVENTS):
            told.add((folder, run.run_id))
            yield run
        debug = [path for path in self._files if formats[path] is OwnFormat.DEBUG]
        for folder, run in self._own(debug, OwnFormat.DEBUG):
            if run.run_id is None or (folder, run.run_id) not in told:  # its events tell the same run, and better
                yield run

    def _own(self, files: list[Path], form: OwnFormat) -> Iterator[tuple[Path, RunRecord]]:
        """The runs of our own logs with the folders that these lie in; each rotated set by itself."""
        for (folder, _), paths in groupby(files, rotated_set):
            for run in self._of_set(list(paths), form):
                yield folder, run

    def _of_set(self, paths: list[Path], form: OwnFormat) -> Iterator[RunRecord]:
        runs, scan = OwnRuns(), OwnScan(form, tally=self._tally, redactor=self._redactor)
        for path in paths:
            file = path.name if len(self._files) > 1 else None
            for line in scan.lines(path):
                yield from runs.take(line, file=file)
        yield from runs.finish()

    def _upstream(self, paths: list[Path]) -> Iterator[RunRecord]:
        clock = Clock()
        builder = RunBuilder(redactor=self._redactor, several_files=len(self._files) > 1)
        for path in paths:
            builder.open_file(path.name, new_process=_DATED_NAME.search(path.name) is not None)
            for candidate in candidates(path, tally=self._tally, clock=clock):
                if isinstance(candidate, SentLines):
                    yield from builder.read_sent(candidate, clock=clock)
                    continue
                yield from builder.read(candidate, clock=clock)
                if builder.damaged and candidate.sound:
                    self._tally.unread(file=str(path), line=candidate.line)
        yield from builder.finish()

    def json_lines(self) -> Iterator[str]:
        """The pieces of the JSON document, run by run, so that a large log needs no more memory to write than to read.

        Joined they are ``{"runs": [...], "lines": n, "unread_lines": n, "secrets_redacted": n}``.
        """
        separator = '{"runs": ['
        for run in self:
            yield f"{separator}\n{json.dumps(run.to_json(), ensure_ascii=False)}"
            separator = ","
        counts = {"lines": self.lines, "unread_lines": self.unread_lines, "secrets_redacted": self.secrets_redacted}
        opening = separator if separator != "," else "\n"
        yield f"{opening}], {json.dumps(counts)[1:]}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRuns:
    """The runs of a log, and what was counted on the way."""

    runs: tuple[RunRecord, ...]
    lines: int
    unread_lines: int
    secrets_redacted: int

    def to_json(self) -> Object:
        """The whole document as plain JSON data."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "lines": self.lines,
            "unread_lines": self.unread_lines,
            "secrets_redacted": self.secrets_redacted,
        }


def runs(paths: Iterable[Path], *, statuses: Iterable[RunStatus] | None = None) -> LogRuns:
    """All runs of a log (of these statuses only), with the counts. For a large log iterate a `RunReader` instead."""
    reader = RunReader(paths, statuses=statuses)
    found = tuple(reader)
    return LogRuns(
        runs=found,
        lines=reader.lines,
        unread_lines=reader.unread_lines,
        secrets_redacted=reader.secrets_redacted,
    )


def find_run(paths: Iterable[Path], run: str) -> RunRecord:
    """The run whose run id or orchestrator task id is `run`, or begins with it.

    Raises LogError when there is none, or several: then it names them. An exact id wins over a beginning; of several
    attempts under one id the last one is given.
    """
    exact: RunRecord | None = None
    begun: dict[str, RunRecord] = {}
    seen: list[str] = []
    for record in RunReader(paths):
        ids = [known for known in (record.run_id, record.orchestrator_task_id) if known]
        seen.append(ids[0] if ids else "?")
        if run in ids:
            exact = record
        elif run and any(known.startswith(run) for known in ids):
            begun[ids[0]] = record
    if exact is not None:
        return exact
    if len(begun) == 1:
        return next(iter(begun.values()))
    if begun:
        raise LogError("run", "is the beginning of several ids", run, fix=f"choose one of {_listed(list(begun))}")
    raise LogError("run", "is not in this log", run, fix=f"it holds {_listed(seen)}" if seen else "it holds no run")


def _listed(ids: list[str], *, most: int = 8) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
