"""Coroutines that run beside the caller: it gets their results one by one, and can stop them at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from wayframe.errors import CancelledError

_T = TypeVar("_T")
_POLL = 0.05
"""Seconds after which it is looked whether the work is to be stopped; results are passed on at once."""


class _End:
    """Stands after the last result."""


def results_of(
    work: Callable[[Callable[[_T], None]], Coroutine[Any, Any, None]], *, cancelled: Callable[[], bool]
) -> Iterator[_T]:
    """Yield what `work` tells the function that it is given, while it runs in an event loop of a thread of its own.

    So a caller that has an event loop itself can use it, and an interrupt reaches the caller. Once `cancelled()` is
    true, what is ready is still given out, then `CancelledError` is raised; the coroutine is cancelled then, and when
    the caller stops early. An error of `work` is raised after its results.
    """
    told: SimpleQueue[_T | _End] = SimpleQueue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(work(told.put))

    def run() -> None:
        loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        told.put(_End())

    thread = Thread(target=run, name="wayframe-prompts", daemon=True)
    thread.start()
    try:
        yield from _taken(told, cancelled=cancelled)
    finally:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
    task.result()


def _taken(told: SimpleQueue[_T | _End], *, cancelled: Callable[[], bool]) -> Iterator[_T]:
    while True:
        try:
            item = told.get(timeout=_POLL)
        except Empty:
            if cancelled():
                raise CancelledError("writing prompts was cancelled") from None
            continue
        if isinstance(item, _End):
            return
        yield item
