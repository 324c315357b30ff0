"""Answers that a client may keep and ask about: ETag and If-None-Match (RFC 9110), for JSON and for files."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel

KEEP = "private, max-age=86400, immutable"
ASK = "private, no-cache"


def json_answer(request: Request, content: Any) -> Response:
    """Data as JSON with the digest of it as ETag; 304 without a body when the client has it already."""
    data = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": ASK}
    if has(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def file_answer(request: Request, path: Path, *, media_type: str, download: str | None = None) -> Response:
    """A file, or the range of it that is asked for; 304 when the client has it already."""
    status = path.stat()
    tag = f'"{hashlib.sha256(f"{status.st_mtime_ns}-{status.st_size}-{path.name}".encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": ASK}
    if has(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return FileResponse(
        path,
        media_type=media_type,
        filename=download,
        headers=headers,
        stat_result=status,
        content_disposition_type="inline" if download is None else "attachment",
    )


def has(request: Request, tag: str) -> bool:
    """Whether the client has what this tag names."""
    said = request.headers.get("if-none-match", "")
    return said.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in said.split(",")]
