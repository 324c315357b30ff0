"""Who may use the page: a token, a signed cookie that stands for it, and a bound on guesses."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

SESSION_SECONDS = 30 * 24 * 3600
MINUTE = 60.0
CLIENTS, OF_ALL = 1024, 10
"""Clients whose guesses are counted one by one, and how many times one client's guesses all together may make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeper:
    """Knows the token; without one everybody who reaches the server may use it."""

    token: str | None
    now: Callable[[], float] = time.time

    def knows(self, given: str) -> bool:
        """Whether this is the token; takes as long whatever is wrong with it."""
        wanted = hashlib.sha256((self.token or "").encode()).digest()
        same = hmac.compare_digest(hashlib.sha256(given.encode("utf-8", "replace")).digest(), wanted)
        return same and self.token is not None

    def session(self) -> str:
        """The value of a cookie: until when it holds, something drawn, and a signature that the token makes."""
        until = f"{int(self.now()) + SESSION_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{until}.{self._sign(until)}"

    def admits(self, cookie: str) -> bool:
        """Whether a cookie is one of ours and still holds."""
        said, _, signature = cookie.rpartition(".")
        right = hmac.compare_digest(self._sign(said).encode(), signature.encode("utf-8", "replace"))
        until = said.partition(".")[0]
        return right and self.token is not None and until.isdecimal() and int(until) > self.now()

    def _sign(self, said: str) -> str:
        key = hmac.digest((self.token or "").encode(), b"wayframe session", "sha256")
        return hmac.new(key, said.encode("utf-8", "replace"), "sha256").hexdigest()


@dataclass(slots=True, kw_only=True)
class Guesses:
    """Counts wrong tokens of the last minute, for each client and for all."""

    limit: int
    now: Callable[[], float] = time.monotonic
    _of: dict[str, deque[float]] = field(default_factory=dict)

    def too_many(self, client: str) -> bool:
        """Whether a client must wait."""
        self._forget()
        mine = len(self._of.get(client, ()))
        return mine >= self.limit or sum(map(len, self._of.values())) >= self.limit * OF_ALL

    def wrong(self, client: str) -> None:
        """Count a wrong token."""
        if len(self._of) >= CLIENTS:
            self._of.pop(next(iter(self._of)))
        self._of.setdefault(client, deque(maxlen=self.limit)).append(self.now())

    def _forget(self) -> None:
        since = self.now() - MINUTE
        for client, times in list(self._of.items()):
            while times and times[0] < since:
                times.popleft()
            if not times:
                del self._of[client]
