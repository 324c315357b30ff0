"""The server as a process: it stops while pages listen, a restart disturbs nothing, and slow or endless bodies end."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from web.browser import PATIENCE, Served, messages
from workflow.queue.stage import Stage
from workflow.rides import through


def test_it_stops_at_once_while_pages_listen(stage: Stage) -> None:
    row = stage.submit(stage.ground.trip(through(0, 1)))  # nobody carries it out: its stream would go on
    with Served.at(stage.ground.home.root, environment=stage.environment) as served, served.client() as client:
        with client.stream("GET", f"/api/v1/runs/{row.run_id}/events") as answer, ThreadPoolExecutor() as pool:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            rest = pool.submit(lambda: list(messages(lines)))
            code, seconds = served.stop()
            assert rest.result(PATIENCE) == []  # no message of type end: the page comes back
        assert code == 0
        assert seconds < 8


def test_a_restart_disturbs_no_run(stage: Stage) -> None:
    home, environment = stage.ground.home.root, stage.environment
    with Served.at(home, environment=environment) as served, served.client() as client:
        ids = [
            client.post("/api/v1/uploads", content=(stage.ground.folder / f"{number}.png").read_bytes()).json()["id"]
            for number in (0, 1)
        ]
        spec = {"engine": "null", "keyframes": [{"image": name} for name in ids], "segment_frames": 5}
        made = client.post("/api/v1/runs", json={"spec": spec})
        assert made.status_code == 201, made.text
        served.process.kill()
    with stage.at_work():
        row, _ = stage.followed(stage.place.runs.get(made.json()["id"]))
    assert row.state == "completed"
    with Served.at(home, environment=environment) as again, again.client() as client:
        assert client.get(made.headers["location"]).json()["run"]["state"] == "completed"


def test_an_endless_body_is_cut_off(stage: Stage) -> None:
    with Served.at(stage.ground.home.root, environment=stage.environment) as served:
        for path, limit in (("/api/v1/plan", 4 * 2**20), ("/api/v1/uploads", 64 * 2**20)):
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            sent = 0
            with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as line:
                line.sendall(head.encode())
                chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
                try:
                    while sent < 3 * limit:
                        line.sendall(chunk)
                        sent += 0x40000
                except OSError:
                    pass  # it was cut off
                assert sent < 2 * limit
        left = list((stage.ground.home.root / "uploads").glob("*"))
        assert left == []
        with served.client() as client:
            assert client.get("/healthz").json() == {"status": "ok"}


def test_a_body_that_is_shorter_than_it_said_is_no_upload(stage: Stage) -> None:
    with Served.at(stage.ground.home.root, environment=stage.environment) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as line:
            head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: 1000\r\n\r\n"
            line.sendall(head.encode() + b"x" * 10)
        with served.client() as client:
            assert client.get("/healthz").status_code == 200
        served.stop()
    assert list((stage.ground.home.root / "uploads").glob("*")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "there is no token"),
        (["--token-file", "/nothing/here"], "--token-file: cannot be read"),
        (["--loras", "/nothing/here"], "--loras: is not a folder"),
    ],
)
def test_it_does_not_start_in_a_way_that_is_not_safe(stage: Stage, words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "wayframe", "serve", "--no-open", "--port", "0"]
    ended = subprocess.run(
        [*command, "--home", str(stage.ground.home.root), *words], capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_said_in_one_line(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "wayframe", "serve", "--no-open", "--port", str(taken.getsockname()[1])]
        home = ["--home", str(stage.ground.home.root)]
        ended = subprocess.run([*command, *home], capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "cannot be listened to" in ended.stderr
