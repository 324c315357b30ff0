"""Everything on one machine: an orchestrator and a worker for each GPU, started, watched, and started again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from wayframe.errors import StoreError
from wayframe.store.home import Home
from wayframe.workflow.queue.lifeline import Stop
from wayframe.workflow.queue.supervise import Ending, Program

LOCK, PROCESS = "up.lock", "up.pid"
LOOK_SECONDS, STEADY_SECONDS = 0.1, 60.0
FIRST_REST, LONGEST_REST = 1.0, 60.0


@dataclass(slots=True, kw_only=True)
class Part:
    """A process that must run: its name, and the command that starts it. `last` ones are stopped after the others."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    last: bool = False
    _program: Program | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)
    _started: float = field(default=0.0, init=False)
    _deaths: int = field(default=0, init=False)
    _not_before: float = field(default=0.0, init=False)

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._program is not None

    def keep_up(self, say: Callable[[str], None]) -> None:
        """Start it when it does not run and has rested after its last death."""
        if self._program is None and time.monotonic() >= self._not_before:
            self._program = Program(self.command, environment=self.environment)
            self._started = time.monotonic()
            say(f"{self.name} started (process {self._program.pid})")

    def look(self, say: Callable[[str], None]) -> None:
        """Notice its end."""
        ending = self._program.look() if self._program else None
        if ending is None:
            return
        self._program = None
        say(f"{self.name} {self._ended(ending)}")

    def ask(self, times: int) -> None:
        """Have it been asked to stop so many times: once in good order, twice at once."""
        while self._program is not None and self._asked < times:
            self._asked += 1
            self._program.ask()

    def _ended(self, ending: Ending) -> str:
        if self._asked:
            return "stopped" if ending.code == 0 else f"stopped: it {ending.words}"
        steady = time.monotonic() - self._started > STEADY_SECONDS
        self._deaths = 1 if steady else self._deaths + 1
        rest = min(FIRST_REST * 2 ** (self._deaths - 1), LONGEST_REST)
        self._not_before = time.monotonic() + rest
        return f"{ending.words}; again in {rest:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """Keeps its parts running until it is asked to stop; `say` gets a line at every change."""

    home: Home
    parts: Sequence[Part]
    stop: Stop
    say: Callable[[str], None]

    def run(self) -> None:
        """Run until asked to stop and everything has ended. Raises `StoreError` when another one runs on this home."""
        with self._alone():
            while not self.stop.asked.is_set():
                for part in self.parts:
                    part.keep_up(self.say)
                    part.look(self.say)
                self.stop.asked.wait(LOOK_SECONDS)
            self.say("stopping: work in hand is finished first; Ctrl-C again stops at once")
            self._wind_up([part for part in self.parts if not part.last])
            self._wind_up(self.parts)

    def _wind_up(self, parts: Sequence[Part]) -> None:
        while any(part.runs for part in parts):
            for part in parts:
                part.ask(2 if self.stop.hurried.is_set() else 1)
                part.look(self.say)
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock, told = FileLock(self.home.root / LOCK, timeout=0), self.home.root / PROCESS
        try:
            lock.acquire()
        except Timeout as error:
            number = told.read_text() if told.exists() else "unknown"
            where = f"{self.home.root} (process {number})"
            raise StoreError(f"wayframe up runs already on {where}; stop it, or choose another --home") from error
        try:
            told.write_text(str(os.getpid()))
            yield
        finally:
            told.unlink(missing_ok=True)
            lock.release()
