"""Errors as answers: ``application/problem+json`` (RFC 9457) with the true status, and a page for browsers."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from wayframe.core.spec import field_path
from wayframe.errors import (
    CancelledError,
    EngineError,
    InputError,
    MediaError,
    PromptError,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
    WayframeError,
)
from wayframe.files import redact_text
from wayframe.web.templating import render

MEDIA_TYPE = "application/problem+json"
LONGEST = 2000
_log = logging.getLogger("wayframe.web")
_STATUS: tuple[tuple[type[WayframeError], HTTPStatus], ...] = (
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StoreMissingError, HTTPStatus.NOT_FOUND),
    (StoreUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreDamagedError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (StoreError, HTTPStatus.CONFLICT),
    (CancelledError, HTTPStatus.CONFLICT),
    (MediaError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (EngineError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (PromptError, HTTPStatus.BAD_GATEWAY),
)
_KEPT = frozenset({"retry-after", "connection", "www-authenticate", "allow"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Problem(BaseModel):
    """What went wrong. `field`, `value` and `fix` are there where one input is to blame."""

    type: str = Field(description="a URN that names the kind of problem")
    title: str
    status: int
    detail: str
    field: str | None = None
    value: str | None = None
    fix: str | None = None


class RefusalError(Exception):
    """A request that is refused before anything is done for it."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.headers = status, detail, kind, dict(headers or {})


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "What the request is wrong in",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    },
    "5XX": {
        "description": "What the server cannot do",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    },
}
"""What every route may answer beside its own."""


def problem(
    status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **more: str | None
) -> Response:
    """A problem as an answer; secrets are taken out of every text."""
    phrase = HTTPStatus(status).phrase
    body = {
        "type": f"urn:wayframe:problem:{kind or phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": int(status),
        "detail": redact_text(detail)[:LONGEST],
        **{name: redact_text(text)[:LONGEST] for name, text in more.items() if text},
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def answer(error: WayframeError, *, home: str) -> Response:
    """The answer to one of our errors. `home`, the path of the home folder, is not shown to clients."""
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    headers = {"Retry-After": "2"} if error.retryable else {}
    more: dict[str, str | None] = {}
    if isinstance(error, InputError):
        value = None if error.value is None else str(error.value)
        more = {"field": error.field, "value": value, "fix": error.fix}
    hidden = {name: text and text.replace(home, "HOME") for name, text in more.items()}
    kind = type(error).__name__.removeprefix("_").removesuffix("Error").lower()
    return problem(status, str(error).replace(home, "HOME"), kind=kind, headers=headers, **hidden)


def install(app: FastAPI, *, home: str) -> None:
    """Have every error of the app answered in this way."""

    async def ours(request: Request, error: WayframeError) -> Response:
        return fitting(request, answer(error, home=home))

    app.exception_handler(WayframeError)(ours)
    app.exception_handler(RefusalError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(OSError)(_disk)


def fitting(request: Request, answered: Response) -> Response:
    """A problem as it is, or as a page for who asked for one, with the headers that it came with."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return answered
    body = json.loads(bytes(answered.body))
    told = {"title": body["title"], "detail": body["detail"], "fix": body.get("fix")}
    ours = request.app.state.site.settings.address if body["type"].endswith(":host") else "/"
    page = render(request, "error.html", status=answered.status_code, ours=ours, **told)
    page.headers.update({name: text for name, text in answered.headers.items() if name in _KEPT})
    return page


async def _refused(request: Request, error: RefusalError) -> Response:
    return fitting(request, problem(error.status, error.detail, kind=error.kind, headers=error.headers))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    place = field_path(tuple(part for part in first["loc"] if part not in ("body", "query", "path", "header")))
    detail = f"{place or 'body'}: {first['msg']}"
    invalid = problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="validation", field=place or "body")
    return fitting(request, invalid)


async def _http(request: Request, error: HTTPException) -> Response:
    what = {404: "there is nothing at this address", 405: f"{request.method} is not possible here"}
    detail = what.get(error.status_code, str(error.detail))
    return fitting(request, problem(error.status_code, detail, headers=error.headers))


async def _disk(request: Request, error: OSError) -> Response:
    _log.error("the disk failed", exc_info=error)
    if error.errno in _FULL:
        return fitting(request, problem(HTTPStatus.INSUFFICIENT_STORAGE, "the server's disk is full"))
    return fitting(request, problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server could not use its disk"))


def bug(error: Exception) -> Response:
    """The answer to an error that nobody foresaw; it is logged with its traceback."""
    _log.error("a request failed", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")
