"""What went wrong at an endpoint, in words, and whether asking again may help. The only place that knows its errors."""

from __future__ import annotations

import math
from collections.abc import Mapping

from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

from wayframe.prompts.base import PromptFailure
from wayframe.prompts.keys import FILE_VARIABLE, KEY_VARIABLE, OPENAI_URL, host_of

BUSY, TIMEOUT_STATUS, SERVER_ERROR = 429, 408, 500
_NO_QUOTA = "insufficient_quota"
_UNREACHED = ("ConnectError", "ConnectTimeout")
_NO_KEY, _NOT_ALLOWED, _NOT_FOUND = 401, 403, 404
_LONGEST = 200


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later: nobody answered, too many requests, or a fault of the server."""
    if isinstance(error, APIStatusError):
        status = error.status_code
        return (status == BUSY and error.code != _NO_QUOTA) or status == TIMEOUT_STATUS or status >= SERVER_ERROR
    return isinstance(error, APIConnectionError)


def asked_pause(error: BaseException | None) -> float | None:
    """The seconds that a server asks to wait for (Retry-After, RFC 9110 10.2.3, or its form in milliseconds)."""
    if not isinstance(error, APIStatusError):
        return None
    headers: Mapping[str, str] = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:  # a date: our own pauses will do
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def refuses_temperature(error: BaseException) -> bool:
    """Whether a request was refused because it names a temperature."""
    return isinstance(error, APIStatusError) and error.status_code in (400, 422) and "temperature" in str(error).lower()


def failure_of(error: OpenAIError, *, url: str, model: str, tries: int) -> PromptFailure:
    """The failure that an error of the SDK means."""
    host = host_of(url)
    hopeless = False
    if isinstance(error, APITimeoutError):
        reason = f"{host} did not answer in time"
    elif isinstance(error, APIConnectionError):
        hopeless = type(error.__cause__).__name__ in _UNREACHED
        reason = f"{host} cannot be reached" if hopeless else f"the connection to {host} broke off"
    elif isinstance(error, APIStatusError):
        status = error.status_code
        hopeless = status in (_NO_KEY, _NOT_ALLOWED, _NOT_FOUND) or error.code == _NO_QUOTA
        reason = _status_reason(error, host=host, model=model)
    else:
        reason = f"{host}: {_short(str(error))}"
    return PromptFailure(reason=reason, tries=tries, hopeless=hopeless)


def _status_reason(error: APIStatusError, *, host: str, model: str) -> str:
    status = error.status_code
    if status == _NO_KEY:
        own = host == host_of(OPENAI_URL)
        where = f"{KEY_VARIABLE}" if own else f"a line `{host} KEY` in the file that {FILE_VARIABLE} names"
        return f"{host} wants another key (401): set {where}"
    if status == _NOT_FOUND:
        return f"{host} knows no model {model}, or is no such endpoint (404): {_short(error.message)}"
    return f"{host} answered {status}: {_short(error.message)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
