"""A careful download: resumed where it was cut, within a limit, checked by its digest, whole or not there at all.

What came so far lies beside the target as ``NAME.part``, with its ETag in ``NAME.part.json``: the next attempt, or the
next process, goes on from there (Range with If-Range, RFC 9110 section 13.1.5). Messages hold no secret of the address.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from wayframe.errors import CancelledError, StoreError
from wayframe.files import redact_text, sha256_file, sync
from wayframe.hosts import checked_address
from wayframe.partfile import PartFile

if TYPE_CHECKING:
    import httpx

MIB, GIB = 1024**2, 1024**3
REDIRECTS = 10
SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 20.0, 60.0
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED_WAIT = 1.0, 60.0, 600.0
WORTH_GOING_ON = MIB
"""An attempt that brought so many bytes does not count as one that failed."""
_SLICE = 0.5
_LONGEST_NUMBER = 18
_MOVED = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK, _PARTIAL, _OUT_OF_RANGE = 200, 206, 416
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAYS = {
    401: "asks for a login",
    403: "refuses access",
    404: "has no such file",
    410: "no longer has the file",
}


class _WithoutSecrets(logging.Filter):
    """httpx logs every address that it asks, signed ones too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), ()
        return True


logging.getLogger("httpx").addFilter(_WithoutSecrets())


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a file is fetched.

    `limit`: the most bytes that are taken. `sha256`: the digest (64 hex digits) that it must have. `allow_private`:
    whether a host of a private network may be asked; if not, the connection goes to the very address that was checked,
    past any proxy. `attempts`: how many in a row may fail without bringing anything. `progress` gets the bytes that
    are here and the whole (None: unknown), once a MiB; `cancelled` is asked for each chunk, and while waiting.
    `pause` waits for some seconds. `lock` is the file by which other processes are kept away, where others have one.
    """

    limit: int
    sha256: str | None = None
    allow_private: bool = True
    attempts: int = 6
    progress: Callable[[int, int | None], None] = lambda _done, _total: None
    cancelled: Callable[[], bool] = lambda: False
    pause: Callable[[float], None] = time.sleep
    lock: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A file that was fetched: its place, bytes, digest (64 hex digits), and the headers that name its version."""

    path: Path
    size: int
    sha256: str
    etag: str | None = None
    commit: str | None = None


class DownloadError(StoreError):
    """A server's answer that is no file; `status` is the HTTP status, None where it was not the server's."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class _PassingError(DownloadError):
    """What another attempt may get over; `wait` is the pause in seconds that the server asked for."""

    retryable = True

    def __init__(self, message: str, *, status: int | None = None, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(message, status=status)


def download(url: str, target: Path, terms: Terms) -> Downloaded:
    """Fetch `url` (http or https) to `target`, which is replaced at the end in one step.

    A target that has the expected digest is left as it is; another process that fetches the same one is waited for.
    Raises `StoreError` (retryable when a later call may succeed; what came is kept for it), and `CancelledError`.
    """
    part = PartFile(target, address=redact_text(url))
    lock = terms.lock or part.path.with_name(f"{part.path.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock).acquire(poll_interval=_SLICE, cancel_check=terms.cancelled):
            return _here(target, terms) or _persistent(url, part, terms)
    except Timeout as error:
        raise CancelledError(f"the download of {target.name} was cancelled") from error
    except OSError as error:
        raise _storage_error(error, part) from error


def _here(target: Path, terms: Terms) -> Downloaded | None:
    if terms.sha256 is None or not target.is_file() or sha256_file(target) != terms.sha256:
        return None
    return Downloaded(path=target, size=target.stat().st_size, sha256=terms.sha256)


def _persistent(url: str, part: PartFile, terms: Terms) -> Downloaded:
    """Attempt after attempt, until the file is whole or too many in a row brought nothing."""
    usual = wait_exponential_jitter(initial=FIRST_WAIT, max=LONGEST_WAIT)
    patience = _Patience(part, terms)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _PassingError) else None
        return usual(state) if asked is None else asked

    part.load(trusted=terms.sha256 is not None)
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, _PassingError)),
        stop=patience.is_over,
        wait=pause,
        sleep=lambda seconds: _wait(seconds, terms=terms, name=part.target.name),
        reraise=True,
    )
    return attempts(_attempt, url, part, terms)


class _Patience:
    """Counts the attempts in a row that brought nothing."""

    def __init__(self, part: PartFile, terms: Terms) -> None:
        self._part, self._terms = part, terms
        self._fruitless, self._size = 0, 0

    def is_over(self, _state: RetryCallState) -> bool:
        """Whether the attempt that just failed was the last one."""
        came = self._part.size - self._size
        self._size = self._part.size
        self._fruitless = 0 if came >= WORTH_GOING_ON else self._fruitless + 1
        return self._fruitless >= self._terms.attempts


def _wait(seconds: float, *, terms: Terms, name: str) -> None:
    left = seconds
    while left > 0:
        _stop_if_cancelled(terms, name=name)
        terms.pause(min(left, _SLICE))
        left -= _SLICE


def _stop_if_cancelled(terms: Terms, *, name: str) -> None:
    if terms.cancelled():
        raise CancelledError(f"the download of {name} was cancelled; the next one goes on from there")


def _attempt(url: str, part: PartFile, terms: Terms) -> Downloaded:
    with _opened(url, headers=part.range_headers(), terms=terms) as (response, commit):
        resumed = part.goes_on(response.status_code, headers=response.headers)
        if not resumed:
            _begin(response, part)
        if response.status_code != _OUT_OF_RANGE:
            _take(response, part, terms)
    digest = part.digest()
    if terms.sha256 is not None and digest != terms.sha256:
        part.clear()
        problem = f"{part.address} has the digest {digest[:12]}..., expected {terms.sha256[:12]}..."
        if resumed:  # what lay here may have been another file
            raise _PassingError(problem, wait=0)
        raise DownloadError(f"{problem}; the file was changed or damaged on the way, nothing was kept")
    sync(part.path)
    part.finish()
    sync(part.target.parent)
    etag = response.headers.get("etag")
    return Downloaded(path=part.target, size=part.size, sha256=digest, etag=etag, commit=commit)


def _begin(response: httpx.Response, part: PartFile) -> None:
    part.clear()
    if response.status_code != _OK:
        raise _PassingError(f"{part.address} sent another part than was asked for", wait=0)
    part.note_version(response.headers.get("etag"))


def _take(response: httpx.Response, part: PartFile, terms: Terms) -> None:
    """Write the body; a body that is shorter than the headers say is an error that another attempt may get over."""
    total = _whole(response, before=part.size)
    if total is not None:
        _check_size(total, part=part, limit=terms.limit)
        _check_space(total - part.size, part=part)
    shown = part.size
    terms.progress(shown, total)
    with part.path.open("ab", buffering=0) as stream, _last_word(lambda: terms.progress(part.size, total)):
        for chunk in response.iter_raw():
            _check_size(part.size + len(chunk), part=part, limit=terms.limit)
            part.write(chunk, to=stream.write)
            if part.size - shown >= MIB:
                shown = part.size
                terms.progress(shown, total)
            _stop_if_cancelled(terms, name=part.target.name)
    if total is not None and part.size != total:
        sent = part.size
        part.clear()
        raise _PassingError(f"{part.address} sent {sent} bytes of {total}")


@contextmanager
def _last_word(say: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        say()


def _check_space(missing: int, *, part: PartFile) -> None:
    folder = part.target.parent
    free = shutil.disk_usage(folder).free
    if missing > free:
        needed = f"{missing / GIB:.1f} GiB are needed, {free / GIB:.1f} GiB are free"
        raise StoreError(f"no space in {folder} for {part.target.name}: {needed}")


def _check_size(size: int, *, part: PartFile, limit: int) -> None:
    if size > limit:
        part.clear()
        raise DownloadError(f"{part.address} is larger than {limit / MIB:.6g} MiB, which is the most that is taken")


def _whole(response: httpx.Response, *, before: int) -> int | None:
    """The size of the whole file by the headers of an answer, in bytes."""
    if response.status_code == _PARTIAL:
        total = response.headers.get("content-range", "").rpartition("/")[2]
        return _number(total)
    length = _number(response.headers.get("content-length", ""))
    return None if length is None else before + length


def _number(text: str) -> int | None:
    """A header's count; None for anything else, and for one of a length that no file has."""
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


@contextmanager
def _opened(url: str, *, headers: Mapping[str, str], terms: Terms) -> Iterator[tuple[httpx.Response, str | None]]:
    """The answer that holds the file, after redirects, and the commit that a Hub named on the way."""
    import httpx

    timeout = httpx.Timeout(SECONDS_OF_SILENCE, connect=SECONDS_TO_CONNECT)
    commit = None
    with _translated(url), httpx.Client(timeout=timeout, trust_env=terms.allow_private) as client:
        response, address = _asked(client, url, headers=headers, terms=terms), url
        for _ in range(REDIRECTS):
            commit = commit or response.headers.get("x-repo-commit")
            if response.status_code not in _MOVED:
                break
            address = _next_address(response, address=address)
            response.close()
            response = _asked(client, address, headers=headers, terms=terms)
        with closing(response):
            _check_status(response, address=address)
            yield response, commit


def _asked(client: httpx.Client, address: str, *, headers: Mapping[str, str], terms: Terms) -> httpx.Response:
    return client.send(_request(client, address, headers=headers, terms=terms), stream=True)


def _request(client: httpx.Client, address: str, *, headers: Mapping[str, str], terms: Terms) -> httpx.Request:
    """A request; when private hosts are forbidden, to the address that the host has now and that was looked at."""
    import httpx

    url = httpx.URL(address)
    if url.scheme not in ("http", "https") or not url.host:
        raise DownloadError(f"{redact_text(address)} is no http or https address")
    all_headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "wayframe", **headers}
    if terms.allow_private:
        return client.build_request("GET", url, headers=all_headers)
    number = checked_address(url.host, port=url.port or (443 if url.scheme == "https" else 80))
    all_headers["Host"] = url.netloc.decode("ascii")
    extensions = {"sni_hostname": url.host}
    return client.build_request("GET", url.copy_with(host=number), headers=all_headers, extensions=extensions)


def _next_address(response: httpx.Response, *, address: str) -> str:
    import httpx

    place = response.headers.get("location")
    if not place:
        raise DownloadError(f"{redact_text(address)} redirects to nowhere", status=response.status_code)
    there = httpx.URL(address).join(place)
    if address.lower().startswith("https:") and there.scheme == "http":
        raise DownloadError(f"{redact_text(address)} redirects from https to http, which is not followed")
    return str(there)


def _check_status(response: httpx.Response, *, address: str) -> None:
    status, shown = response.status_code, redact_text(address)
    if status in _MOVED:
        raise DownloadError(f"{shown} is reached after more than {REDIRECTS} redirects, which are not followed")
    if status in _PASSING:
        wait = _asked_wait(response.headers.get("retry-after"))
        if wait is not None and wait > LONGEST_ASKED_WAIT:
            raise DownloadError(f"{shown} asks to come back in {wait:.0f} s (HTTP {status})", status=status)
        raise _PassingError(f"{shown} answers HTTP {status}", status=status, wait=wait)
    if status not in (_OK, _PARTIAL, _OUT_OF_RANGE):
        raise DownloadError(f"{shown} {_SAYS.get(status, 'sends no file')} (HTTP {status})", status=status)
    if response.headers.get("content-encoding", "identity") not in ("identity", ""):
        raise DownloadError(f"{shown} sends the file in another encoding than was asked for", status=status)


def _asked_wait(header: str | None) -> float | None:
    """The seconds of a Retry-After header: a number, or a date (RFC 9110 section 10.2.3)."""
    if header is None:
        return None
    if (seconds := _number(header.strip())) is not None:
        return float(seconds)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


@contextmanager
def _translated(url: str) -> Iterator[None]:
    import httpx

    shown = redact_text(url)
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise DownloadError(f"{shown} is no address that can be fetched") from error
    except httpx.TransportError as error:
        why = redact_text(str(error)) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in why:
            raise DownloadError(f"{shown} has a certificate that is not valid: {why}") from error
        raise _PassingError(f"{shown} cannot be fetched: {why}") from error


def _storage_error(error: OSError, part: PartFile) -> StoreError:
    if error.errno in _NO_SPACE:
        came = f"the {part.size / MIB:.0f} MiB that came are kept; make space and do it again"
        return StoreError(f"no space left in {part.target.parent} for {part.target.name}: {came}")
    return StoreError(f"{part.target} cannot be written: {error.strerror or error}")
