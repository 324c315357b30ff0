"""The page's server: uvicorn on a socket of our own, which ends open streams before it stops."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import uvicorn

from wayframe.errors import SpecError
from wayframe.web.app import create_app
from wayframe.web.settings import Settings
from wayframe.web.site import Site
from wayframe.workflow.queue.place import Place

STOP_SECONDS, CONNECTIONS, BACKLOG = 10, 2000, 512


class PageServer(uvicorn.Server):
    """uvicorn waits for open answers when it stops; streams of events would go on for ever."""

    def __init__(self, config: uvicorn.Config, *, site: Site) -> None:
        super().__init__(config)
        self._site = site

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all streams, then stop as uvicorn does."""
        self._site.streams.close()
        await super().shutdown(sockets)


def listen(*, host: str, port: int) -> socket.socket:
    """A socket that listens; `port` 0 takes a free one. Raises `SpecError` when the address cannot be had.

    It is a TCP socket by name: only for such does asyncio switch off the waiting for full packets, which would hold up
    every answer by 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    heard = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind((host, port))
        heard.listen(BACKLOG)
        return heard
    except OSError as error:
        heard.close()
        fix = "choose another with --port, or stop what listens there"
        raise SpecError("--port", f"{host} cannot be listened to: {error.strerror}", port, fix=fix) from error


def serve(place: Place, *, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or Ctrl-C; `ready` gets its address when it is listened to.

    Raises `SpecError` for settings that would leave it open to others and for a port that cannot be had, `StoreError`
    when the database cannot be used.
    """
    settings.check()
    with listen(host=settings.host, port=settings.port) as heard:
        settings = replace(settings, port=heard.getsockname()[1])
        app = create_app(place, settings=settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stopped)  # uvicorn raises again what has stopped it
        ready(settings.address)
        PageServer(config, site=app.state.site).run(sockets=[heard])


def _stopped(_number: int, _frame: FrameType | None) -> None:
    """To be asked to stop is no failure."""
