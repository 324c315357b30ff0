"""Files that are either whole or not there, their digests, and secrets kept out of what is written."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

REDACTED = "[redacted]"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it is synced and renamed over it, else removed.

    The temporary name keeps the suffix of `target` (writers choose a format by it) and starts with a dot.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:12]}.part{target.suffix}")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_atomic(target: Path, data: bytes | str) -> None:
    """Replace `target` by `data` in one step; a reader sees the old file or the new one, never a part."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def publish_new(source: Path, *, target: Path) -> bool:
    """Move a finished file to `target` unless that exists; True when it was published, False when it was there."""
    _sync(source)
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    finally:
        source.unlink()
    _sync(target.parent)
    return True


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_\-.])(?:api_?-?key|apikey|access_?key(?:_?id)?|secret(?:_?key)?|token|passw(?:or)?d|passphrase|"
    r"credentials?|authorization|bearer|cookie|signature|private_?key|service_?role(?:_?key)?|anon_?key|jwt|sig)$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_VALUE = re.compile(
    r"""(?x)
      \b(?:sk|pk|rk)-[A-Za-z0-9_\-]{8,}              # OpenAI, Anthropic and kin
    | \bhf_[A-Za-z0-9]{8,}                           # Hugging Face
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,}
    | \bsb(?:p|_secret|_publishable)_[A-Za-z0-9_\-]{8,}   # Supabase
    | \bAKIA[0-9A-Z]{16}\b | \bAIza[0-9A-Za-z_\-]{30,} | \bxox[abprs]-[A-Za-z0-9\-]{8,}
    | \beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,2}   # JSON web token
    | (?i:(?<=bearer\ ))[A-Za-z0-9._\-~+/=]{8,}
    """
)
_URL = re.compile(r"""[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s'"<>\\]+""")
_PARAMETER = re.compile(
    r"(?i)^(?:x-(?:amz|goog|ms)-|.*(?:token|sig(?:nature)?|key|password|secret|credential|expires))"
)
_NAMED = re.compile(
    r"""(?ix)(["']?[\w\-.]*(?:api_?-?key|secret(?:_?key)?|token|passw(?:or)?d|authorization|private_?key
        |service_?role(?:_?key)?|anon_?key)["']?\s*[:=]\s*)(?P<quote>["'])(?P<value>(?:\\.|(?!(?P=quote)).)+)(?P=quote)"""
)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret (``openai_api_key``, ``accessToken``, ``password``...)."""
    return bool(_SECRET_NAME.search(_CAMEL.sub("_", name)))


def redact_text(text: str) -> str:
    """`text` without anything that looks like a key, a token, a password or a signed URL's signature."""
    if len(text) < _SHORTEST_SECRET:
        return text
    clean = _URL.sub(lambda match: _clean_url(match.group()), text)
    clean = _NAMED.sub(lambda m: f"{m.group(1)}{m.group('quote')}{REDACTED}{m.group('quote')}", clean)
    return _SECRET_VALUE.sub(REDACTED, clean)


_SHORTEST_SECRET = 8


def redact(value: Any) -> Any:
    """A copy of plain JSON data without secrets: values of secret names, and secret-looking parts of any text."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: _member(str(key), item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redact(item) for item in value]
    return value


def _member(name: str, item: object) -> object:
    return REDACTED if item and is_secret_name(name) and isinstance(item, str) else redact(item)


def _clean_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc
    if "@" in host:
        host = f"{REDACTED}@{host.rpartition('@')[2]}"
    query = parse_qsl(parts.query, keep_blank_values=True)
    secret = any(_PARAMETER.match(name) for name, _ in query)
    if host == parts.netloc and not secret:
        return url
    kept = [(name, REDACTED if _PARAMETER.match(name) else value) for name, value in query]
    cleaned = urlencode(kept, safe="[]:/") if secret else parts.query
    return urlunsplit((parts.scheme, host, parts.path, cleaned, parts.fragment))
