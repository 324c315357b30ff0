"""Files that are either whole or not there, their digests, and secrets kept out of what is written."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

REDACTED = "[redacted]"
_MIB = 2**20
_SMALL = 16 * _MIB


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it is synced and renamed over it, else removed.

    The temporary name keeps the suffix of `target` (writers choose a format by it) and starts with a dot.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:12]}.part{target.suffix}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def remove_partial(target: Path) -> None:
    """Remove what killed writers of `target` left beside it; nobody may be writing it at this moment."""
    for left in target.parent.glob(f".{glob.escape(target.stem)}.{'[0-9a-f]' * 12}.part{glob.escape(target.suffix)}"):
        with suppress(FileNotFoundError):
            left.unlink()


def write_atomic(target: Path, data: bytes | str) -> None:
    """Replace `target` by `data` in one step; a reader sees the old file or the new one, never a part."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sample_sha256(path: Path) -> str:
    """SHA-256 of a file of up to 16 MiB; of a larger one, that of its first and last MiB: a moment even for 60 GB.

    It tells files of weights apart: their head names every tensor with its place, and training or merging changes all
    of the data. A byte that was changed by hand in the middle goes unnoticed.
    """
    size = path.stat().st_size
    if size <= _SMALL:
        return sha256_file(path)
    with path.open("rb") as stream:
        sample = hashlib.sha256(stream.read(_MIB))
        stream.seek(-_MIB, 2)
        sample.update(stream.read(_MIB))
    return sample.hexdigest()


def sync(path: Path) -> None:
    """Have a file, or a folder's entries, on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_\-.])(?:api_?-?key|apikey|access_?key(?:_?id)?|secret(?:_?key)?|token|passw(?:or)?d|passphrase|"
    r"credentials?|authorization|bearer|cookie|signature|private_?key|service_?role(?:_?key)?|anon_?key|jwt|sig|"
    r"(?:openai|anthropic|gemini|google|supabase|replicate|runpod|fal|hf|hugging_?face|aws|azure)_?key)$"
)
_SECRETS_NAME = re.compile(r"(?i)(?:^|[_\-.])(?:api_?-?keys|access_?keys|secrets|tokens|passwords|cookies)$")
"""Names of several secrets; a number under such a name is a count (``max_tokens``)."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_VALUE = re.compile(
    r"""(?x)
      (?:(?<![A-Za-z0-9])|(?<=\\[abfnrtv])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))(?:  # an escape may stand before
        (?:sk|pk|rk)-[A-Za-z0-9_\-]{8,}               # OpenAI, Anthropic and kin
      | (?:sk|pk|rk|whsec)_(?:live|test)_[A-Za-z0-9]{8,}   # Stripe
      | hf_[A-Za-z0-9]{8,} | r8_[A-Za-z0-9]{20,}      # Hugging Face, Replicate
      | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_\w{20,} | glpat-[A-Za-z0-9_\-]{16,}
      | sb(?:p|_secret|_publishable)_[A-Za-z0-9_\-]{8,}   # Supabase
      | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z]) | AIza[0-9A-Za-z_\-]{30,} | xox[abprs]-[A-Za-z0-9\-]{8,}
      | eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,2}   # JSON web token
      )
    | (?i:(?<=bearer\ ))(?!\[redacted)[A-Za-z0-9._\-~+/=]{8,}
    """
)
# Every repetition in these patterns is bounded, or begins at a fixed word: a line may hold a megabyte of anything.
_URL = re.compile(r"""[a-zA-Z][a-zA-Z0-9+.\-]{0,20}://[^\s'"<>\\]+""")
_PARAMETER = re.compile(
    r"(?i)^(?:x-(?:amz|goog|ms)-|.*(?:token|sig(?:nature)?|key|password|secret|credential|expires))"
)
_NAMED = re.compile(
    r"""(?ix)((?:api_?-?key|access_?key(?:_?id)?|secret(?:_?key)?|token|passw(?:or)?d|passphrase|credentials?
        |authorization|cookie|signature|private_?key|service_?role(?:_?key)?|anon_?key|jwt
        |(?:openai|anthropic|gemini|supabase|replicate|runpod)_?key)\\{0,4}["']?\s{0,4}[:=]\s{0,4})
        (?P<quote>\\{0,4}["'])(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\])|\\){1,4096}?)(?:(?P=quote)|\Z)"""
)
_GROUPED = re.compile(
    r"""(?ix)((?:credentials?|secrets|tokens|api_?keys|passwords|cookies)\\{0,4}["']\s{0,4}[:=]\s{0,4})
        (?:\{[^{}]{1,4096}\}|\[[^\[\]]{1,4096}\])"""
)
_ASSIGNED = re.compile(
    r"""(?ix)((?:api_?-?key|access_?key(?:_?id)?|secret_?key|token|passw(?:or)?d|private_?key
        |service_?role(?:_?key)?|anon_?key)=|(?:api_?-?key|passw(?:or)?d|secret_?key|access_?token):\s?(?=\S{0,200}\d)
        |authorization:\s?(?:basic\s)?)(?!\\*["'\[]|bearer\b)[^\s'",;&)}\]\\]{6,}"""
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret (``openai_api_key``, ``accessToken``, ``password``...)."""
    return bool(_SECRET_NAME.search(_CAMEL.sub("_", name)))


def redact_text(text: str) -> str:
    """`text` without anything that looks like a key, a token, a password or a signed URL's signature."""
    return Redactor().text(text)


def redact(value: Any) -> Any:
    """A copy of plain JSON data without secrets: values of secret names, and secret-looking parts of any text."""
    return Redactor().value(value)


class Redactor:
    """Takes secrets out as `redact` and `redact_text` do, and keeps `count`: how many it took out so far.

    `known` are secrets (see `secret_values`) that are taken out of every text, whatever they look like.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.count = 0
        self._known = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` without what looks like a secret."""
        if len(text) < _SHORTEST_SECRET:
            return text
        for secret in self._known:
            self.count += text.count(secret)
            text = text.replace(secret, REDACTED)
        clean, found = _redacted_again(text) if len(text) <= _REMEMBERED else _redacted(text)
        self.count += found
        return clean

    def value(self, value: Any) -> Any:
        """A copy of plain JSON data without secrets, keys included; tuples and other sequences become lists."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._key(key): self._member(str(key), item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [self.value(item) for item in value]
        return value

    def _key(self, key: object) -> object:
        return self.text(key) if isinstance(key, str) else key

    def _member(self, name: str, item: object) -> object:
        several = isinstance(item, str | Sequence | Mapping) and _SECRETS_NAME.search(_CAMEL.sub("_", name))
        return self._blanked(item) if several or is_secret_name(name) else self.value(item)

    def _blanked(self, item: object) -> object:
        if isinstance(item, Mapping):
            return {self._key(key): self._blanked(part) for key, part in item.items()}
        if isinstance(item, Sequence) and not isinstance(item, str | bytes | bytearray):
            return [self._blanked(part) for part in item]
        if not item or isinstance(item, bool) or item == REDACTED:
            return item
        self.count += 1
        return REDACTED


_SHORTEST_SECRET, _REMEMBERED = 8, 512


def secret_values(value: Any, *, secret: bool = False) -> frozenset[str]:
    """The texts under secret names in plain JSON data, so that they can be hidden where another text repeats them."""
    if isinstance(value, str):
        return frozenset({value}) if secret and len(value) >= _SHORTEST_SECRET else frozenset()
    if isinstance(value, Mapping):
        parts = [secret_values(item, secret=secret or is_secret_name(str(key))) for key, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        parts = [secret_values(item, secret=secret) for item in value]
    else:
        parts = []
    return frozenset().union(*parts)


def _redacted(text: str) -> tuple[str, int]:
    found = 0

    def hidden(match: re.Match[str]) -> str:
        nonlocal found
        if REDACTED in match.group():
            return match.group()
        found += 1
        quote = match.groupdict().get("quote")
        return REDACTED if match.lastindex is None else f"{match.group(1)}{quote or ''}{REDACTED}{quote or ''}"

    def cleaned(match: re.Match[str]) -> str:
        nonlocal found
        url = _clean_url(match.group())
        found += url != match.group()
        return url

    clean = _URL.sub(cleaned, text) if "://" in text and ("@" in text or "?" in text) else text
    folded = clean.lower()
    if any(word in folded for word in _NAME_PARTS):
        clean = _ASSIGNED.sub(hidden, _NAMED.sub(hidden, _GROUPED.sub(hidden, clean)))
    if any(part in folded for part in _VALUE_PARTS):
        clean = _SECRET_VALUE.sub(hidden, clean)
    return clean, found


# One of these stands in whatever the patterns can match; the patterns themselves are slow.
_NAME_PARTS = (
    *("key", "secret", "token", "passw", "passphrase", "credential", "authorization", "service", "jwt"),
    *("cookie", "signature"),
)
_VALUE_PARTS = (
    *("sk-", "pk-", "rk-", "_live_", "_test_", "hf_", "r8_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "sbp_", "sb_secret_", "sb_publishable_", "akia", "asia", "aiza", "xox", "eyj", "bearer "),
)


# The same names, addresses and prompts come again and again in a log.
_redacted_again = lru_cache(maxsize=4096)(_redacted)


def _clean_url(url: str) -> str:
    try:
        parts = urlsplit(url.replace(f"//{REDACTED}@", "//@"))
    except ValueError:  # its host cannot be read; what else it holds may be secret
        return f"{url.partition('://')[0]}://{REDACTED}" if "?" in url or "@" in url else url
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
