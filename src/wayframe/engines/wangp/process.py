"""The process that runs WanGP: started once, spoken to in JSON lines, ended with all that it started."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from wayframe.engines.wangp import child
from wayframe.engines.wangp.options import WangpOptions
from wayframe.errors import CancelledError, EngineError
from wayframe.files import redact_text

Json: TypeAlias = dict[str, Any]
LAST_LINES = 4
GRACE = 30.0
"""Seconds that WanGP has to stop within a step, and to end, before it is killed."""
_PAUSE = 0.1
_NOT_ITS_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_POSIX = os.name == "posix"
_LAST = ("done", "failed")
"""Events that end a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line that WanGP printed."""

    text: str


Heard: TypeAlias = Json | Said | None
"""An event (as in `child`), a line, or None: the process is at its end."""


class WangpProcess:
    """A WanGP that runs; making it starts the process. It is of use until it ended or had to be killed."""

    def __init__(self, options: WangpOptions, *, outputs: Path) -> None:
        self._silence = options.silence
        self._heard: queue.Queue[Heard] = queue.Queue()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._number, self._loaded = 0, False
        self._process = _started(options)
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_events, self._read_lines)]
        for reader in self._readers:
            reader.start()
        self._send(
            do="start",
            root=str(options.installation()),
            config=None if options.config is None else str(options.config),
            outputs=str(outputs),
            arguments=options.arguments(),
        )

    @property
    def is_ready(self) -> bool:
        """Whether it was loaded and can be given work."""
        return self._loaded and self._process.poll() is None

    def until_ready(self, *, cancelled: Callable[[], bool]) -> Iterator[Json | Said]:
        """What WanGP says until it is loaded; ``ready`` comes last.

        Raises `CancelledError`, and `EngineError` when it ends or hangs.
        """
        for heard in self._listen(cancelled, what="while it was started"):
            self._loaded = isinstance(heard, dict) and heard["event"] == "ready"
            yield heard
            if self._loaded:
                return

    def render(
        self, segment: int, *, settings: Mapping[str, Any], frames: Path, cancelled: Callable[[], bool]
    ) -> Iterator[Json | Said]:
        """What WanGP says while it makes a segment; ``done`` comes last. `frames` is the file that it fills.

        Raises `CancelledError`, and `EngineError` when it fails, ends or hangs. WanGP is stopped where this is left
        before its end.
        """
        self._number += 1
        self._send(do="render", id=self._number, settings=settings, frames=str(frames))
        is_over = False
        try:
            for heard in self._about_job(cancelled, what=f"at segment {segment}"):
                is_over = isinstance(heard, dict) and heard["event"] in _LAST
                yield _successful(heard, segment=segment)
        finally:
            if not is_over and self._process.poll() is None:
                self._stop()

    def close(self) -> None:
        """End the process and all that it started; again does nothing."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE)
        self._kill()
        for reader in self._readers:
            reader.join(timeout=GRACE)
        for stream in (self._process.stdout, self._process.stderr):
            _pipe(stream).close()

    def _about_job(self, cancelled: Callable[[], bool], *, what: str) -> Iterator[Json | Said]:
        """What is said about the present job, to its end; what is left of one that was stopped is passed over."""
        for heard in self._listen(cancelled, what=what):
            if isinstance(heard, Said):
                yield heard
            elif heard.get("id") == self._number:
                yield heard
                if heard["event"] in _LAST:
                    return

    def _listen(self, cancelled: Callable[[], bool], *, what: str) -> Iterator[Json | Said]:
        """Everything that is heard, in order."""
        since = time.monotonic()
        while not cancelled():
            try:
                heard = self._heard.get(timeout=_PAUSE)
            except queue.Empty:
                self._check_silence(time.monotonic() - since, what=what)
                continue
            if heard is None:
                raise EngineError(self._ended(what))
            yield heard
            since = time.monotonic()
        raise CancelledError("rendering was cancelled")

    def _stop(self) -> None:
        """Ask WanGP to stop, and wait for that; it is killed when it does not."""
        self._send(do="cancel", id=self._number)
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            with suppress(queue.Empty):
                heard = self._heard.get(timeout=_PAUSE)
                if heard is None or (isinstance(heard, dict) and heard["event"] in _LAST):
                    return
        self._kill()

    def _check_silence(self, seconds: float, *, what: str) -> None:
        if seconds > self._silence:
            self._kill()
            way_out = "--option silence=SECONDS gives it longer"
            raise EngineError(
                f"WanGP said nothing for {self._silence:g} s {what} and was ended; {way_out}; {self._words()}"
            )

    def _ended(self, what: str) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE)
        self._kill()
        code = self._process.returncode
        for reader in self._readers:
            reader.join(timeout=GRACE)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"WanGP ended {what} ({how}); {self._words()}"

    def _words(self) -> str:
        return f"its last lines: {one_line(self._last)}" if self._last else "it printed nothing"

    def _send(self, **command: object) -> None:
        stream = _pipe(self._process.stdin)
        with suppress(OSError):  # that it has ended is told by the end of its events
            stream.write(json.dumps(command) + "\n")
            stream.flush()

    def _read_events(self) -> None:
        """Pass events on; one that is cut off is the last sign of a process that was killed."""
        with suppress(ValueError):
            for line in _pipe(self._process.stdout):
                self._heard.put(json.loads(line))
        self._heard.put(None)

    def _read_lines(self) -> None:
        for line in _pipe(self._process.stderr):
            if text := redact_text(line.rstrip()):
                self._last.append(text)
                self._heard.put(Said(text=text))

    def _kill(self) -> None:
        """End it and what it started; on Windows what it started is left to end by itself."""
        with suppress(ProcessLookupError, PermissionError):
            if _POSIX:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()


def _successful(heard: Json | Said, *, segment: int) -> Json | Said:
    if isinstance(heard, dict) and heard["event"] == "failed":
        raise EngineError(f"WanGP failed at segment {segment}: {one_line([heard['message']])}")
    return heard


def _started(options: WangpOptions) -> subprocess.Popen[str]:
    python = options.interpreter()
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_ITS_OWN}
    try:
        return subprocess.Popen(
            [str(python), "-u", str(Path(child.__file__).resolve())],
            cwd=options.installation(),
            env={**environment, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=_POSIX,
        )
    except OSError as error:
        raise EngineError(f"{python} cannot be started: {error.strerror or error}; see --option python=PATH") from error


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise EngineError("WanGP was started without pipes")
    return stream


def one_line(lines: Iterable[object]) -> str:
    """Lines as one, without secrets."""
    return " | ".join(redact_text(" ".join(str(line).split())) for line in lines)
