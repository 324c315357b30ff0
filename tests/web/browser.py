"""A page to try: in this process, or served by the program itself in one of its own."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from wayframe.web.app import create_app
from wayframe.web.settings import Settings
from wayframe.web.site import Site
from wayframe.workflow.queue.place import Place

ORIGIN = "http://127.0.0.1:8311"
API = "/api/v1"
PATIENCE = 60.0
TOKEN = "a-token-that-nobody-guesses"  # the test's own


@dataclass(frozen=True, kw_only=True)
class Browser:
    """Asks the page as a script on this machine does; `site` is what the page works with."""

    client: TestClient
    site: Site

    @staticmethod
    @contextmanager
    def of(place: Place, settings: Settings | None = None) -> Iterator[Browser]:
        app = create_app(place, settings=settings)
        with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
            yield Browser(client=client, site=app.state.site)

    def get(self, path: str, **said: Any) -> httpx.Response:
        return self.client.get(API + path, **said)

    def post(self, path: str, **said: Any) -> httpx.Response:
        return self.client.post(API + path, **said)

    def send(self, picture: Path) -> str:
        """Upload a picture; its id."""
        answer = self.post("/uploads", params={"name": picture.name}, content=picture.read_bytes())
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    def ids(self, **query: Any) -> list[str]:
        """The ids of the list."""
        return [item["id"] for item in self.get("/runs", params=query).json()["items"]]


@dataclass(frozen=True, kw_only=True)
class Served:
    """`wayframe serve` in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    @staticmethod
    @contextmanager
    def at(home: Path, *words: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
        command = [sys.executable, "-m", "wayframe", "serve", "--no-open", "--port", "0", "--home", str(home), *words]
        environment = {**os.environ, **(environment or {})}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Served(process=process, address=_address(process))
            finally:
                process.kill()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, **said: Any) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False, **said)

    def stop(self) -> tuple[int, float]:
        """Ask it to stop: its exit code, and after how many seconds it was gone."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - begin


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    found = re.search(r"http://[^/\s]+", line)
    if found is None:
        process.kill()  # what it said ends with it: one that is only slow would be waited for without end
    assert found is not None, line or process.stderr.read()
    return found.group()


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message of a stream of server-sent events."""

    id: str | None
    kind: str
    data: str


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """The messages that a browser would hear (HTML Living Standard, section 9.2.6); comments are left out."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if not line and "data" in fields:
            kind = fields.get("event", ["message"])[-1]
            yield Message(id=fields.get("id", [None])[-1], kind=kind, data="\n".join(fields["data"]))
        if not line:
            fields = {}
        elif name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
