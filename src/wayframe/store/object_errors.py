"""What obstore and the system say of a failed transfer, in one line and without secrets."""

from __future__ import annotations

import errno
import re

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from wayframe.errors import StoreError, StoreMissingError, StoreUnavailableError

FOREIGN = (BaseError, OSError, ValueError)
"""What a call of obstore raises; a missing object is a `FileNotFoundError` without a number."""

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not be so large",
}
_FULL_CODES = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded", "507"}
_DENIED_CODES = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "401", "403"}
_BUSY_STATUS = re.compile(r"5\d\d|429|408")
_NUMBER, _STATUS, _CODE = (
    re.compile(pattern) for pattern in (r"os error (\d+)\b", r"status code: (\d{3})\b", r"<Code>(\w{1,80})</Code>")
)
_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_METADATA = "169.254.169.254"
"""Where obstore asks for credentials when the environment holds none."""


def store_error(error: Exception, *, doing: str) -> StoreError:
    """The error of ours for one of `FOREIGN`; `doing` says what failed, such as ``reading a/b in s3://bucket``.

    A foreign text is never repeated: S3 answers with the access key and with what was signed, and obstore adds the
    address of the request. Only the kind of failure is taken from it: a status, S3's own error code, a system's number.
    """
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        reason = _FULL.get(error.errno, error.strerror or "")
        where = f": {error.filename}" if error.filename else ""
        return StoreError(f"{doing} failed: {reason}{where}")
    code = _first(_CODE, text)
    if code == "NoSuchBucket":
        return StoreError(f"{doing} failed: there is no such bucket")
    if isinstance(error, FileNotFoundError):
        return StoreMissingError(f"{doing} failed: it is not there")
    return _limits(text, doing=doing) or _refusal(error, doing=doing) or _transport(error, doing=doing)


def _refusal(error: Exception, *, doing: str) -> StoreError | None:
    status, code = _first(_STATUS, str(error)), _first(_CODE, str(error))
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or {status, code} & _DENIED_CODES:
        advice = f"; {_CREDENTIALS}" if status else ""
        return StoreError(f"{doing} failed: access was refused{_said(status, code)}{advice}")
    return None


def _limits(text: str, *, doing: str) -> StoreError | None:
    """The error of a full store, or of a local folder that cannot be written or read."""
    number = _first(_NUMBER, text)
    if number and "LocalFileSystem" in text:
        known = errno.errorcode.get(int(number), number)
        return StoreError(f"{doing} failed: {_FULL.get(int(number), f'the system says {known}')}")
    status, code = _first(_STATUS, text), _first(_CODE, text)
    if {status, code} & _FULL_CODES:
        return StoreError(f"{doing} failed: the store is full{_said(status, code)}")
    return None


def _transport(error: Exception, *, doing: str) -> StoreError:
    text = str(error)
    status, code = _first(_STATUS, text), _first(_CODE, text)
    if _METADATA in text:
        return StoreError(f"{doing} failed: there are no credentials; {_CREDENTIALS}")
    if status and _BUSY_STATUS.fullmatch(status):
        return StoreUnavailableError(f"{doing} failed: the store is out of order or too busy{_said(status, code)}")
    if status:
        return StoreError(f"{doing} failed: the store refused{_said(status, code)}")
    if "TimedOut" in text or "timed out" in text:
        return StoreUnavailableError(f"{doing} failed: the store answers too slowly or not at all")
    if "HTTP error" in text or "reqwest" in text or "HttpError" in text:
        return StoreUnavailableError(f"{doing} failed: the store cannot be reached, or the connection broke off")
    return StoreError(f"{doing} failed: {type(error).__name__}")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""


def _said(status: str, code: str) -> str:
    said = " ".join(part for part in (status, code) if part)
    return f" ({said})" if said else ""
