"""What stands before every route: which name the server was called by, who asks, from which page, and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wayframe.web.problems import RefusalError, bug, fitting, problem
from wayframe.web.sessions import Doorkeeper, Guesses
from wayframe.web.settings import Settings, is_loopback

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
LONGEST_NUMBER = 18
READS = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC = "/static/"
OPEN_PATHS = ("/login", STATIC, "/healthz")
UPLOADS, VIDEOS = "/api/v1/uploads", ("/api/v1/specs/from-video", "/api/v1/uploads/media")


class Guard:
    """ASGI middleware; every refusal is a problem, and every answer gets the headers that browsers obey."""

    def __init__(self, app: ASGIApp, settings: Settings, keeper: Doorkeeper, guesses: Guesses) -> None:
        self.app, self.settings, self.keeper, self.guesses = app, settings, keeper, guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        request = Request(scope)
        try:
            self._check_host(request)
            self._check_site(request)
            sent_away = self._check_who(request)
            bounded = self._bounded(request, receive)
        except RefusalError as error:
            refused = problem(error.status, error.detail, kind=error.kind, headers=error.headers)
            sent_away = fitting(request, refused)
        if sent_away is not None:
            await sent_away(scope, receive, with_headers)
            return
        try:
            await self.app(scope, bounded, with_headers)
        except Exception as error:
            if started:
                raise
            await fitting(request, bug(error))(scope, receive, with_headers)

    def _check_host(self, request: Request) -> None:
        """Refuse a name that is not ours: a foreign one that leads here is a page of others that rebinds its name.

        Styles and scripts are in every package: a refusal's page may use them.
        """
        if request.url.path.startswith(STATIC):
            return
        named = _host(request.headers.get("host", ""))
        if named not in {_host(self.settings.host), *map(_host, self.settings.hosts)} and not self._is_known(named):
            detail = "this server is not called by that name; allow it with --allow-host"
            raise RefusalError(HTTPStatus.MISDIRECTED_REQUEST, detail, kind="host")

    def _is_known(self, named: str) -> bool:
        """This machine's own names; and, where a token guards the server, whatever address it listens to."""
        if is_loopback(named):
            return True
        return self.settings.token is not None and _is_ip(named)

    def _check_site(self, request: Request) -> None:
        """Refuse what another page makes a browser send: all changes, and reading other than by following a link."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        change = request.method not in READS
        link = (
            request.headers.get("sec-fetch-mode") == "navigate" and request.headers.get("sec-fetch-dest") == "document"
        )
        foreign = site == "cross-site" or (change and site not in (None, "same-origin", "none"))
        if foreign and (change or not link):
            raise RefusalError(HTTPStatus.FORBIDDEN, "the request comes from another site", kind="cross-site")
        if change and origin is not None and not self._is_own(origin, host=request.headers.get("host", "")):
            raise RefusalError(HTTPStatus.FORBIDDEN, "the request comes from another origin", kind="cross-site")

    @staticmethod
    def _is_own(origin: str, *, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def _check_who(self, request: Request) -> Response | None:
        """None for who may go on; a browser without a session is sent to the login."""
        if self.settings.token is None or request.url.path.startswith(OPEN_PATHS):
            return None
        client = request.client.host if request.client else "unknown"
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            check_guesses(self.guesses, client=client)
            if self.keeper.knows(given.strip()):
                return None
            self.guesses.wrong(client)
        elif self.keeper.admits(request.cookies.get(cookie_name(self.settings), "")):
            return None
        if request.url.path.startswith("/api/") or request.method not in READS:
            headers = {"WWW-Authenticate": 'Bearer realm="wayframe"'}
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "a token is needed", kind="token", headers=headers)
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=HTTPStatus.SEE_OTHER)

    def _bounded(self, request: Request, receive: Receive) -> Receive:
        """`receive` that gives up on a body that is too large or too slow, whatever its head says of its length."""
        limits = self.settings.limits
        path = request.url.path
        limit = limits.upload if path == UPLOADS else limits.video if path in VIDEOS else limits.body
        too_large = f"the body has more than {limit} bytes"
        said = request.headers.get("content-length", "0")
        if not said.isdecimal() or len(said) > LONGEST_NUMBER or int(said) > limit:
            raise RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large, kind="size", headers=_CLOSE)
        taken, whole = 0, False

        async def bounded() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), limits.silence)
            except TimeoutError as error:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly", headers=_CLOSE) from error
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large, headers=_CLOSE)
            return message

        return bounded


def check_guesses(guesses: Guesses, *, client: str) -> None:
    """Refuse a client that has guessed too often."""
    if guesses.too_many(client):
        headers = {"Retry-After": "60"}
        raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens; wait", kind="guesses", headers=headers)


def cookie_name(settings: Settings) -> str:
    """The cookie's name; browsers send those of one host to all its ports."""
    return f"wayframe_{settings.port}"


_CLOSE: Mapping[str, str] = {"Connection": "close"}


def _host(text: str) -> str:
    """The name in a Host header, without its port."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") > 1 else text.partition(":")[0]


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
