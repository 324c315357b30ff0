"""Waiting for a database or a store that is away: as long as it takes, for a run must not fail because of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from wayframe.errors import WayframeError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
TELL_AFTER = 5
"""Tries after which the waiting is logged, every so often."""
_LOGGER = logging.getLogger("wayframe.queue")
_Result = TypeVar("_Result")


def patiently(call: Callable[[], _Result], *, over: threading.Event | None = None) -> _Result:
    """What `call` gives, once that which it needs is there; any error that does not pass by itself is raised.

    When `over` is set while it waits, the last error is raised. `call` must do no harm when it is carried out twice.
    """
    ended = over or threading.Event()
    waiting = Retrying(
        retry=retry_if_exception(passes),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
        stop=stop_when_event_set(ended),
        sleep=sleep_using_event(ended),
        before_sleep=_tell,
        reraise=True,
    )
    return waiting(call)


def passes(error: BaseException) -> bool:
    """Whether the same call may succeed later, without a change by the user."""
    return isinstance(error, WayframeError) and error.retryable


def _tell(state: RetryCallState) -> None:
    if state.outcome is not None and state.attempt_number % TELL_AFTER == 0:
        _LOGGER.warning("waiting: %s", state.outcome.exception())
