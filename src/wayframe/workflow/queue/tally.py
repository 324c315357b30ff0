"""What a rendering process tells its supervisor: what it is at, and what it has counted, a line of JSON at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TextIO

from wayframe.core.events import FrameRendered, RunEvent, SegmentPublished, StepApplied
from wayframe.store.artifacts import VIDEO
from wayframe.store.home import Home

TELL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The state and the counts of a process since its start.

    `ready`: it takes work; `run_id`: the run that it renders for now. `timed_steps` are the denoising steps that took
    the `step_seconds`: the first one of a segment is not timed, for models may be loaded before it.
    """

    ready: bool = False
    run_id: str | None = None
    steps: int = 0
    timed_steps: int = 0
    step_seconds: float = 0.0
    frames: int = 0
    published: int = 0
    published_bytes: int = 0
    fetched_bytes: int = 0
    batches: int = 0

    @staticmethod
    def parse(line: str) -> Told | None:
        """What a line tells, or None for one of another kind (an engine may print)."""
        with suppress(ValueError, TypeError):
            return Told(**json.loads(line))
        return None


class Tally:
    """Counts the events of this process, and writes what changed to `stream`, from a thread of its own.

    So a supervisor that does not read holds up nobody.
    """

    def __init__(self, stream: TextIO, *, home: Home, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._home, self._now = stream, home, now
        self._told = Told()
        self._last: tuple[int, int, float] | None = None
        self._lock, self._changed = threading.Lock(), threading.Event()

    def start(self) -> None:
        """Begin to tell."""
        threading.Thread(target=self._tell_on, name="tally", daemon=True).start()

    @property
    def told(self) -> Told:
        """The present state."""
        return self._told

    def change(self, update: Callable[[Told], Told]) -> None:
        """Put `update` of the state in its place."""
        with self._lock:
            self._told = update(self._told)
        self._changed.set()

    def hear(self, event: RunEvent) -> None:
        """Count an event."""
        if isinstance(event, StepApplied):
            self._step(event)
        elif isinstance(event, FrameRendered):
            self.change(lambda told: replace(told, frames=told.frames + 1))
        elif isinstance(event, SegmentPublished):
            self._published(self._size(event.key))

    def _step(self, event: StepApplied) -> None:
        now = self._now()
        last, self._last = self._last, (event.segment, event.step, now)
        self.change(lambda told: replace(told, steps=told.steps + 1))
        if last is not None and last[:2] == (event.segment, event.step - 1):
            self._timed(now - last[2])

    def _timed(self, seconds: float) -> None:
        self.change(
            lambda told: replace(told, timed_steps=told.timed_steps + 1, step_seconds=told.step_seconds + seconds)
        )

    def _published(self, size: int) -> None:
        self.change(
            lambda told: replace(told, published=told.published + 1, published_bytes=told.published_bytes + size)
        )

    def _size(self, key: str) -> int:
        with suppress(OSError):
            return (self._home.artifacts / key[:2] / key / VIDEO).stat().st_size
        return 0

    def _tell_on(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            self._stream.write(json.dumps(asdict(self._told)) + "\n")
            self._stream.flush()
            time.sleep(TELL_SECONDS)
