"""An S3 server in a process of its own, shared by all workers of a test session, and a proxy that makes it fail."""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from filelock import FileLock

ACCESS_KEY, SECRET_KEY = "AKIAWAYFRAMETEST0001", "wayframe+test/secret0001"
PATIENCE, TICK = 60.0, 0.02


def s3_environment(endpoint: str) -> dict[str, str]:
    """The AWS_* variables of a client of that endpoint."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }


def s3_endpoint(base: Path) -> str:
    """The address of the session's server, started by whoever asks first; `base` is pytest's base temporary folder."""
    worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = base.parent if worker else base
    with FileLock(folder / "s3.lock"):
        told = folder / "s3.address"
        if not told.exists():
            _start(told, watched=os.getppid() if worker else os.getpid())
        return told.read_text()


def new_bucket(endpoint: str) -> str:
    """The name of a new, empty bucket."""
    name = f"bucket-{uuid4().hex[:12]}"
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=PATIENCE)
    connection.request("PUT", f"/{name}", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x/x/us-east-1/s3/x"})
    assert connection.getresponse().status == 200
    connection.close()
    return name


def _start(told: Path, *, watched: int) -> None:
    """Start the server without an object that wants to be waited for: it outlives the worker that started it."""
    log = (os.POSIX_SPAWN_OPEN, 1, str(told.with_suffix(".log")), os.O_WRONLY | os.O_CREAT, 0o644)
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py")), str(told), str(watched)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=[log, (os.POSIX_SPAWN_DUP2, 1, 2)])
    until = time.monotonic() + PATIENCE
    while not told.exists():
        assert time.monotonic() < until, told.with_suffix(".log").read_text()
        time.sleep(TICK)


@dataclass(slots=True)
class Faults:
    """What the next requests get instead of an answer; `only` says by method and part of the path which ones."""

    status: deque[int] = field(default_factory=deque)
    body: bytes = b"<Error><Code>SlowDown</Code></Error>"
    delay: float = 0.0
    drop: int = 0
    """So many requests are carried out, but their answer breaks off after `cut_after` bytes, at once when it is 0."""
    cut_after: int = 0
    flip: bool = False
    only: tuple[str, str] = ("", "")
    seen: list[tuple[str, str]] = field(default_factory=list)

    def hit(self, method: str, *, path: str) -> bool:
        """Whether a request is one of those that go wrong."""
        self.seen.append((method, path))
        return method.startswith(self.only[0]) and self.only[1] in path


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, endpoint: str, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.behind, self.faults = urlsplit(endpoint).netloc, faults


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went away
            self.close_connection = True

    def relay(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client was killed in mid-upload: the store gets nothing whole, and keeps nothing
            self.close_connection = True
            return
        faults = self.server.faults
        hit = faults.hit(self.command, path=self.path)
        if hit and faults.delay:
            time.sleep(faults.delay)
        if hit and faults.status:
            self._answer(faults.status.popleft(), faults.body, headers=[])
            return
        with closing(http.client.HTTPConnection(self.server.behind, timeout=PATIENCE)) as connection:
            connection.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
        if hit and faults.flip and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if hit and faults.drop:
            faults.drop -= 1
            self._answer(answer.status, data, headers=answer.getheaders(), cut=faults.cut_after)
        else:
            self._answer(answer.status, data, headers=answer.getheaders())

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.relay
        raise AttributeError(name)

    def _answer(self, status: int, data: bytes, *, headers: list[tuple[str, str]], cut: int | None = None) -> None:
        self.close_connection = self.close_connection or cut is not None
        if cut == 0:
            return
        self.send_response_only(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data[:cut])

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def faulty_proxy(endpoint: str) -> Iterator[tuple[str, Faults]]:
    """A server before `endpoint`: its address, and the faults that it makes."""
    faults = Faults()
    with _Proxy(endpoint, faults) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": TICK})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", faults
        finally:
            server.shutdown()
            thread.join()
