"""Work that may take long, beside requests: a submission whose LoRAs are fetched, the measuring of a long video.

A request waits for it for a while only. When it is not over by then, the answer says how far it has come, and the work
goes on: the same request sent again, or at the same time, waits for the same work. Nothing is promised before it is
done - a run is queued at the very end - so a restart of the server loses none; what was fetched and written is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, Self, TypeVar

from wayframe.core.events import LoraFetching, PromptWritten, RunEvent
from wayframe.errors import CancelledError
from wayframe.web.problems import RefusalError

FORGOTTEN_SECONDS, AT_ONCE = 60.0, 8
"""How long work goes on that nobody asks for, and how much of it there is at one time."""
ASK_AGAIN = "2"
PER_MEGABYTE = 1e6
Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Work(Generic[Answer]):
    """One piece of work: what it tells, who waits for it, and what came of it."""

    now: Callable[[], float]
    asked: float
    told: str
    waiting: int = 0
    stopped: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    answers: list[Answer] = field(default_factory=list)
    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        """Keep what was raised for the request that waits."""
        self.error = error
        self.done.set()
        return True

    def listen(self, event: RunEvent) -> None:
        """Remember how far it is."""
        if isinstance(event, LoraFetching):
            whole = f" of {event.size / PER_MEGABYTE:.0f}" if event.size else ""
            self.told = f"LoRA {event.lora} is being fetched: {event.done / PER_MEGABYTE:.0f}{whole} MB"
        elif isinstance(event, PromptWritten):
            self.told = f"prompts are being written: {event.done} of {event.total}"

    def cancelled(self) -> bool:
        """Whether nobody wants it any more."""
        return self.stopped or (not self.waiting and self.now() - self.asked > FORGOTTEN_SECONDS)

    def check(self) -> None:
        """Raise `CancelledError` when nobody wants it any more."""
        if self.cancelled():
            raise CancelledError("it was given up: nobody asked for it any more")


class Preparing(Generic[Answer]):
    """The work that is under way, by what was asked for; a request waits `patience` seconds for it.

    `told` is what is said of work that says nothing itself.
    """

    def __init__(self, *, told: str, patience: float, now: Callable[[], float] = time.monotonic) -> None:
        self._told, self._patience, self._now = told, patience, now
        self._lock = threading.Lock()
        self._works: dict[str, Work[Answer]] = {}

    def answer(self, key: str, do: Callable[[Work[Answer]], Answer]) -> Answer:
        """What `do` gives or raises, when it is over in time; it goes on with what an earlier request began.

        Raises `RefusalError` (503, kind ``preparing``) when it takes longer, and (kind ``busy``) when too many do.
        """
        work = self._work(key, do)
        over = work.done.wait(self._patience)
        with self._lock:
            work.waiting, work.asked = work.waiting - 1, self._now()
            if over and self._works.get(key) is work:
                del self._works[key]
        if not over:
            again = {"Retry-After": ASK_AGAIN}
            detail = f"{work.told}; ask again"
            raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="preparing", headers=again)
        if work.error is not None:
            raise work.error
        return work.answers[0]

    def close(self) -> None:
        """Give up everything: the server stops."""
        with self._lock:
            for work in self._works.values():
                work.stopped = True

    def _work(self, key: str, do: Callable[[Work[Answer]], Answer]) -> Work[Answer]:
        """The work of a key, with one more that waits for it; it is begun where there is none."""
        with self._lock:
            self._works = {name: old for name, old in self._works.items() if not old.cancelled()}
            found = self._works.get(key)
            if found is None:
                self._check_room()
                found = self._works[key] = Work(now=self._now, asked=self._now(), told=self._told)
                threading.Thread(target=_do, args=(found, do), name="preparing", daemon=True).start()
            found.waiting += 1
            return found

    def _check_room(self) -> None:
        if sum(not work.done.is_set() for work in self._works.values()) >= AT_ONCE:
            again = {"Retry-After": ASK_AGAIN}
            detail = "too much is being made ready; try again"
            raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="busy", headers=again)


def _do(work: Work[Answer], do: Callable[[Work[Answer]], Answer]) -> None:
    """The body of a thread."""
    with work:
        work.answers.append(do(work))
