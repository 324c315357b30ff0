"""Objects in a local folder or in an S3 bucket: put once, whole or not there, and verified when they are fetched."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, S3Store
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from wayframe.errors import SpecError, StoreDamagedError, StoreError, StoreMissingError, WayframeError
from wayframe.files import atomic_path, sync
from wayframe.store.object_errors import FOREIGN, store_error

UPLOADS = ".uploads"
"""Where large objects are before they get their key; what a killed process leaves there is cleared away by age."""
SMALL = 16 * 2**20
"""Bytes up to which an object is sent by one request, from memory."""
PART, PARTS_AT_ONCE = 8 * 2**20, 4
LARGEST = 5 * 2**30
"""Bytes of the largest object: S3 copies no larger one in one step (Amazon S3 API Reference, UploadPartCopy)."""
READ_LIMIT = 16 * 2**20
_KEY_BYTES, _PART_BYTES = 900, 240  # of 1024 that S3 takes and 255 of a file name, with room for prefix and suffix
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\]|#\d+$")
_LEFTOVER = re.compile(r".+#\d+")
"""obstore writes ``NAME#1`` beside a local file and then links or renames it."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object as a listing shows it: key, size in bytes, time of its last change by the store's clock."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a store may take: to connect, between two bytes or until it answers, and with all tries together."""

    connect: timedelta = timedelta(seconds=5)
    stall: timedelta = timedelta(seconds=60)
    retry: timedelta = timedelta(seconds=60)
    backoff: timedelta = timedelta(milliseconds=200)


def open_store(address: str | Path, *, allow_http: bool = False, patience: Patience | None = None) -> ObjectStore:
    """The store at a folder (made when missing), a ``file://`` address, or ``s3://bucket/prefix``.

    Credentials, region and endpoint of S3 come from the AWS_* environment variables. An endpoint without TLS is taken
    on this machine only, or with `allow_http`, or with AWS_ALLOW_HTTP=true. Raises `SpecError` for an address that is
    none, `StoreError` for a folder that cannot be made.
    """
    text = str(address)
    if isinstance(address, str) and "://" in text:
        parts = urlsplit(text)
        if parts.username or parts.password or parts.query:
            raise SpecError("store", "must not hold credentials", fix="set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
        if parts.scheme == "s3" and parts.netloc:
            return _bucket(parts.netloc, prefix=unquote(parts.path), allow_http=allow_http, patience=patience)
        if parts.scheme != "file" or parts.netloc:
            raise SpecError("store", "is not a folder or s3://bucket/prefix", text)
        address = unquote(parts.path)
    return _folder(Path(address).expanduser().absolute(), patience=patience)


def check_key(key: str) -> str:
    """`key` when every store can hold an object of this name, else `StoreError`.

    Parts are joined by "/"; none is empty, "." or "..", holds a control character or a backslash, or ends in "#" and
    digits.
    """
    parts = key.split("/")
    bad = any(part in ("", ".", "..") or _REFUSED.search(part) or len(part.encode()) > _PART_BYTES for part in parts)
    if bad or len(key.encode()) > _KEY_BYTES:
        raise StoreError(f"an object cannot be named {key[:120]!r}; expected names joined by /, such as a/b.mp4")
    return key


class ObjectStore:
    """One folder or bucket; made by `open_store`. `fetched_bytes` counts what was downloaded by `fetch`.

    Every method raises `StoreError`: `StoreMissingError` for what is not there, `StoreUnavailableError` (which may be
    tried again) for a store that does not answer. No message holds a credential or an address of a request.
    """

    def __init__(
        self, backend: LocalStore | S3Store, *, location: str, root: Path | None, patience: Patience | None
    ) -> None:
        self.location = location
        self._backend, self._root, self._patience = backend, root, patience or Patience()
        self.fetched_bytes = 0

    def check(self) -> None:
        """Raise `StoreError` when the store cannot be listed, as with a bucket that is not there."""
        next(self.list(UPLOADS), None)

    def put_new(self, key: str, path: Path, *, sha256: str | None = None) -> bool:
        """Store a file under a key that nothing has yet: True; when there is an object already it stays: False.

        Nobody ever sees a part of it. False may also mean an earlier try of this call whose answer was lost. Raises
        `StoreDamagedError` when the file is not the one of `sha256` (it changed); then nothing is stored.
        """
        return self._again(lambda: self._put(key, path, sha256=sha256, replace=False))

    def replace(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Store a file under a key in one step, whatever was there."""
        self._again(lambda: self._put(key, path, sha256=sha256, replace=True))

    def fetch(self, key: str, target: Path, *, sha256: str) -> None:
        """Download an object to `target`, which is replaced in one step once the bytes are those of `sha256`.

        Raises `StoreDamagedError` when they are not; then, as with every error, `target` is as it was.
        """
        self._again(lambda: self._fetch(key, target, sha256=sha256))

    def read(self, key: str, *, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a small object; one of more than `limit` bytes is a `StoreError`."""

        def get() -> bytes:
            with self._border(f"reading {key}"):
                found = obstore.get(self._backend, check_key(key))
                size = found.meta["size"]
                if size <= limit:
                    return bytes(found.bytes())
            raise StoreError(f"{key} in {self.location} has {size} bytes, at most {limit} were expected")

        return self._again(get)

    def stat(self, key: str) -> Stored | None:
        """Size and time of an object, None when there is none."""
        try:
            with self._border(f"looking for {key}"):
                meta = obstore.head(self._backend, check_key(key))
        except StoreMissingError:
            return None
        return Stored(key=key, size=meta["size"], modified=meta["last_modified"])

    def exists(self, key: str) -> bool:
        """Whether there is an object under a key."""
        return self.stat(key) is not None

    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose key begins with ``prefix/``, in no order."""
        check_key(prefix)
        with self._border(f"listing {prefix}"):
            for page in obstore.list(self._backend, prefix, chunk_size=1000):
                for meta in page:
                    yield Stored(key=meta["path"], size=meta["size"], modified=meta["last_modified"])

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        with suppress(StoreMissingError), self._border(f"removing {key}"):
            obstore.delete(self._backend, check_key(key))

    def now(self) -> datetime:
        """The time by the store's clock, to which the times of its objects can be compared."""
        probe = f"{UPLOADS}/clock-{uuid4().hex}"
        with self._border("asking for the time"):
            obstore.put(self._backend, probe, b"?")
            at: datetime = obstore.head(self._backend, probe)["last_modified"]
        self.delete(probe)
        return at

    def leftovers(self, prefix: str) -> Iterator[Stored]:
        """What killed writers left in a local folder below ``prefix/``; `discard` removes it.

        S3 does not show half uploads in a listing: a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)
        removes them.
        """
        if self._root is None:
            return
        for path in (self._root / check_key(prefix)).rglob("*#*"):
            if _LEFTOVER.fullmatch(path.name) and path.is_file():
                status = path.stat()
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                yield Stored(key=path.relative_to(self._root).as_posix(), size=status.st_size, modified=modified)

    def discard(self, leftover: Stored) -> None:
        """Remove one of the `leftovers`."""
        if self._root is not None and _LEFTOVER.fullmatch(leftover.key):
            (self._root / leftover.key).unlink(missing_ok=True)

    def _put(self, key: str, path: Path, *, sha256: str | None, replace: bool) -> bool:
        check_key(key)
        with self._border(f"storing {key}"):
            size = path.stat().st_size
            if size > LARGEST:
                raise StoreError(f"{path.name} has {size} bytes; an object may have at most {LARGEST}")
            put = self._put_small if size <= SMALL else self._put_large
            made = put(key, path, sha256=sha256, replace=replace)
            self._sync(key)
        return made

    def _put_small(self, key: str, path: Path, *, sha256: str | None, replace: bool) -> bool:
        data = b"".join(_chunks(path, sha256=sha256))
        try:
            obstore.put(self._backend, key, data, mode="overwrite" if replace else "create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def _put_large(self, key: str, path: Path, *, sha256: str | None, replace: bool) -> bool:
        """Upload in parts under a name of its own, then have the store copy it: parts cannot be put create-only."""
        if not replace and self.exists(key):
            return False
        upload = f"{UPLOADS}/{uuid4().hex}"
        parts = _chunks(path, sha256=sha256)
        try:
            obstore.put(self._backend, upload, parts, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
            self._sync(upload)
            obstore.copy(self._backend, upload, key, overwrite=replace)
        except AlreadyExistsError:
            return False
        finally:
            with suppress(StoreError):
                self.delete(upload)
        return True

    def _fetch(self, key: str, target: Path, *, sha256: str) -> None:
        found = hashlib.sha256()
        with self._border(f"fetching {key}"), atomic_path(target) as temporary:
            with temporary.open("wb") as stream:
                for chunk in obstore.get(self._backend, check_key(key)).stream(min_chunk_size=2**20):
                    found.update(chunk)
                    stream.write(chunk)
                    self.fetched_bytes += len(chunk)
            _same(found.hexdigest(), sha256=sha256, what=f"{key} in {self.location}")

    def _sync(self, key: str) -> None:
        """Have an object of a local folder on the disk, with the folders that name it."""
        if self._root is None:
            return
        path = self._root / key
        for place in (path, *path.parents[: key.count("/") + 1]):
            with suppress(FileNotFoundError):  # another process collects at the same time
                sync(place)

    @contextmanager
    def _border(self, doing: str) -> Iterator[None]:
        """Turn foreign errors into ours. The cause is not kept: its text may hold a credential."""
        try:
            yield
        except FOREIGN as error:
            raise store_error(error, doing=f"{doing} in {self.location}") from None

    def _again(self, call: Callable[[], _Result]) -> _Result:
        """Repeat what obstore does not: a create-only write without an answer, a download that broke off."""
        tries = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, WayframeError) and error.retryable),
            stop=stop_after_delay(self._patience.retry),
            wait=wait_random_exponential(self._patience.backoff.total_seconds(), max=5),
            reraise=True,
        )
        return tries(call)


def _folder(root: Path, *, patience: Patience | None) -> ObjectStore:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"store {root} cannot be used: {error.strerror}") from error
    backend = LocalStore(root, automatic_cleanup=True)
    return ObjectStore(backend, location=str(root), root=root, patience=patience)


def _bucket(bucket: str, *, prefix: str, allow_http: bool, patience: Patience | None) -> ObjectStore:
    prefix, patience = prefix.strip("/"), patience or Patience()
    if prefix:
        check_key(prefix)
    backend = S3Store(
        bucket,
        prefix=prefix or None,
        config={"copy_if_not_exists": os.environ.get("AWS_COPY_IF_NOT_EXISTS", "multipart")},
        client_options={
            "allow_http": _http_allowed(chosen=allow_http),
            "connect_timeout": patience.connect,
            "read_timeout": patience.stall,
            "timeout": timedelta(days=1),  # of a whole transfer: `stall` is what ends one
        },
        retry_config={
            "max_retries": 10,
            "retry_timeout": patience.retry,
            "backoff": {"init_backoff": patience.backoff, "max_backoff": 25 * patience.backoff, "base": 2},
        },
    )
    return ObjectStore(backend, location=f"s3://{bucket}/{prefix}".rstrip("/"), root=None, patience=patience)


def _http_allowed(*, chosen: bool) -> bool:
    """Whether requests may go without TLS; `SpecError` when the endpoint says so and nobody allowed it."""
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    allowed = chosen or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    host = urlsplit(endpoint).hostname or ""
    if not endpoint.lower().startswith("http://") or allowed or _is_loopback(host):
        return allowed or _is_loopback(host)
    raise SpecError("AWS_ENDPOINT_URL", "has no TLS", f"http://{host}", fix="use https, or set AWS_ALLOW_HTTP=true")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _chunks(path: Path, *, sha256: str | None) -> Iterator[bytes]:
    """The bytes of a file; raises before the last of them have gone out when they are not those of `sha256`."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            found.update(chunk)
            yield chunk
    _same(found.hexdigest(), sha256=sha256 or found.hexdigest(), what=path.name)


def _same(found: str, *, sha256: str, what: str) -> None:
    if found != sha256:
        raise StoreDamagedError(f"{what} has other bytes than expected: sha256 {found[:12]}, expected {sha256[:12]}")
