"""The program behind `s3.s3_endpoint`: serves S3 (moto) until the process that it is told to watch is gone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import psutil
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def in_turn(application: Application) -> Application:
    """One request at a time: moto looks whether an object exists and makes it in two steps, S3 does it in one.

    The body is read before its turn: a client that sends it slowly, or not to its end, holds up nobody else.
    """
    lock = Lock()

    def serve_one(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        with lock:
            return application(environ, start_response)

    return serve_one


def serve(told: Path, *, watched: int) -> None:
    """Serve on a free port and write the address to `told`."""
    application = in_turn(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    told.with_suffix(".part").write_text(f"http://127.0.0.1:{server.server_port}")
    told.with_suffix(".part").replace(told)
    psutil.wait_procs([psutil.Process(watched)])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), watched=int(sys.argv[2]))
