"""The test's side of prompt_server.py: starts it, tells it what to answer, and reads what it was asked."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from prompt_server import COLOURS

Data = dict[str, Any]
KEY = "unremarkable-0123456789"
"""A key that looks like nothing: it can be kept out of what is written only by whoever knows it."""
PATIENCE, TICK = 600.0, 0.02
"""On a machine with other work a program may need a minute to start; nothing waits longer than it must."""
GOOD: Data = {"kind": "good"}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running server."""

    address: str

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def script(self, *answers: Data) -> None:
        """What the next answers are, in order; good ones after them. Forgets what was asked so far."""
        self._call("/_script", list(answers))

    def release(self) -> None:
        self._call("/_release", {})

    def state(self) -> Data:
        return self._call("/_seen", None)

    @property
    def seen(self) -> list[Data]:
        """The requests so far, in order of their arrival."""
        seen: list[Data] = self.state()["seen"]
        return seen

    def await_requests(self, count: int) -> None:
        """Return as soon as so many requests have come."""
        until = time.monotonic() + PATIENCE
        while len(self.seen) < count:
            assert time.monotonic() < until
            time.sleep(TICK)

    def _call(self, path: str, data: object) -> Data:
        method = "GET" if data is None else "POST"
        answer: Data = httpx.request(method, f"{self.address}{path}", json=data, timeout=PATIENCE).json()
        return answer


@contextmanager
def serving(folder: Path) -> Iterator[Endpoint]:
    """A server in a process of its own, until the end of the block."""
    told = folder / "prompts.address"
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("prompt_server.py")), str(told)])
    try:
        until = time.monotonic() + PATIENCE
        while not told.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(TICK)
        yield Endpoint(address=told.read_text())
    finally:
        process.terminate()
        process.wait(PATIENCE)


def paint(folder: Path, *names: str, size: tuple[int, int] = (64, 48)) -> None:
    """A picture NAME.png of one colour for each name of a colour."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size, COLOURS[name]).save(folder / f"{name}.png")


def files_that_hold(text: str, folder: Path) -> list[Path]:
    """The files below a folder whose bytes hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
