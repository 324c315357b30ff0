"""What the processes of the queue log: one line each, with time, level, process, run and task, and without secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from wayframe.core.events import RunEvent
from wayframe.errors import WayframeError
from wayframe.files import redact_text
from wayframe.workflow.journal import described

LOGGER = logging.getLogger("wayframe.queue")
REFUSED, AGAIN = 1, 75


class LineFormatter(logging.Formatter):
    """``TIME LEVEL PROCESS run=RUN task=TASK MESSAGE``, or the same as a JSON object."""

    def __init__(self, *, process: str, as_json: bool) -> None:
        super().__init__()
        self._process, self._json = process, as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        about = {"run": getattr(record, "run", None) or _run_of(record), "task": getattr(record, "task", None)}
        message = redact_text(" ".join((record.getMessage() + self._trouble(record)).split()))
        if self._json:
            facts = {"time": time, "level": record.levelname, "process": self._process, **about, "message": message}
            return json.dumps({name: value for name, value in facts.items() if value is not None})
        words = "".join(f" {name}={value}" for name, value in about.items() if value)
        return f"{time} {record.levelname:<7} {self._process}{words} {message}"

    def _trouble(self, record: logging.LogRecord) -> str:
        """The traceback of a bug, and only the words of one of our own errors."""
        kind, error, trace = _parts(record)
        if error is None:
            return ""
        if isinstance(error, WayframeError) or kind is None:
            return f": {error}"
        return f": {self.formatException((kind, error, trace))}"


def log_lines(*, process: str, as_json: bool) -> None:
    """Have everything that is logged here go to standard error in such lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(process=process, as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    dbos = logging.getLogger("dbos")
    dbos.handlers[:] = [handler]  # where it finds none, it adds one of its own, which would not redact
    dbos.propagate = False


def log_event(event: RunEvent, *, run_id: str | None) -> None:
    """Log what happens to a run, as its debug.log tells it; steps only at the level DEBUG."""
    level, _component, task, message = described(event)
    number = logging.getLevelNamesMapping()[level]
    LOGGER.log(number, message, extra={"run": run_id, "task": task})


def carried_out(work: Callable[[], bool]) -> int:
    """The exit code of a process that does this work, `AGAIN` when the work says that it should begin anew.

    What ended it is logged.
    """
    code = 0
    try:
        code = AGAIN if work() else 0
    except BaseException:
        LOGGER.exception("it cannot go on")
        code = REFUSED
    logging.shutdown()
    return code


def _run_of(record: logging.LogRecord) -> str | None:
    """The run whose workflow said it, as DBOS notes that down: RUN~ATTEMPT, and more for a batch."""
    return str(getattr(record, "operationUUID", "")).partition("~")[0] or None


def _parts(
    record: logging.LogRecord,
) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
    return record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)
