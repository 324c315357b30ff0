"""A process that is started, heard, and buried by this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import IO, Any

import psutil

from wayframe.files import redact_text
from wayframe.workflow.queue.lifeline import VARIABLE

LAST_LINES = 20
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a process ended: its exit code or the signal that killed it, its last log lines, its peak memory in bytes."""

    code: int
    lines: tuple[str, ...]
    peak: int

    @property
    def signal(self) -> str | None:
        """The name of the signal that killed it."""
        if self.code >= 0:
            return None
        try:
            return signal.Signals(-self.code).name
        except ValueError:
            return f"signal {-self.code}"

    def as_detail(self) -> dict[str, Any]:
        """What is entered into the attempts that its end cut short."""
        detail: dict[str, Any] = {"error": self.words, "peak_memory_mib": round(self.peak / MIB)}
        return detail | ({"signal": self.signal} if self.signal else {"exit_code": self.code}) | self._said()

    @property
    def words(self) -> str:
        """The same in a few words."""
        return f"killed by {self.signal}" if self.signal else f"ended with code {self.code}"

    def _said(self) -> dict[str, Any]:
        return {"last_lines": list(self.lines)} if self.lines else {}


class Program:
    """A running child process. It ends when this process does, however that ends.

    `told` gets the lines of its standard output, in a thread; what it logs on standard error goes on to ours. It is in
    a process group of its own, so that Ctrl-C in a terminal reaches only this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        told: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._peak = 0
        self._process = subprocess.Popen(
            list(command),
            env={**os.environ, **environment, VARIABLE: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._readers = [
            _reading(self._process.stdout, told),
            _reading(self._process.stderr, self._logged),
        ]

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def look(self) -> Ending | None:
        """How it ended, or None while it runs."""
        self._peak = max(self._peak, _memory(self._process.pid))
        code = self._process.poll()
        if code is None:
            return None
        for reader in self._readers:
            reader.join(1.0)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Ending(code=code, lines=tuple(self._lines), peak=self._peak)

    def wait(self, seconds: float) -> Ending | None:
        """As `look`, but waits up to so many seconds for its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.look()

    def ask(self) -> None:
        """Ask it to end: the first time in good order, the second time at once."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without asking."""
        self._process.kill()

    def _logged(self, line: str) -> None:
        clean = redact_text(line)
        self._lines.append(clean)
        sys.stderr.write(clean + "\n")
        sys.stderr.flush()


def _reading(stream: IO[bytes] | None, take: Callable[[str], None]) -> threading.Thread:
    thread = threading.Thread(target=_read, args=(stream, take), daemon=True)
    thread.start()
    return thread


def _read(stream: IO[bytes] | None, take: Callable[[str], None]) -> None:
    with stream or nullcontext(()) as lines:
        for line in lines:
            take(line.decode(errors="replace").rstrip("\n"))


def _memory(pid: int) -> int:
    """Bytes of main memory that a process has now; 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
