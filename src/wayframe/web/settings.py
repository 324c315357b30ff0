"""What the page's server is told when it starts: where it listens, who may use it, and how much is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from wayframe.errors import SpecError

TOKEN_VARIABLE = "WAYFRAME_TOKEN"
SHORTEST_TOKEN = 16
MIB, GIB = 2**20, 2**30
FETCH_HOSTS = ("huggingface.co", "hf.co", "civitai.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken: bytes of bodies and files, numbers of files, seconds of work.

    `body` bounds a JSON body, `upload` a picture, `video` an MP4 that is read for its settings; `uploads_bytes` and
    `uploads_count` all pictures together; `free` is what stays free on the disk. A body that sends nothing for
    `silence` seconds is given up; a child that decodes gets `decoding` seconds and `memory` bytes. `cache` bounds the
    pictures that are kept; `logins` failed logins are allowed a minute. What takes longer than `preparing` seconds -
    a submission, measuring a video - is answered before it is over.
    """

    body: int = 4 * MIB
    upload: int = 64 * MIB
    video: int = 2 * GIB
    uploads_bytes: int = 20 * GIB
    uploads_count: int = 20_000
    uploads_days: int = 30
    free: int = 256 * MIB
    pixels: int = 50_000_000
    silence: float = 30.0
    decoding: float = 20.0
    memory: int = 3 * GIB
    cache: int = 512 * MIB
    logins: int = 10
    preparing: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the page is served. `hosts` are further names that it may be called by, such as that of a proxy before it.

    LoRAs that a spec names without an address lie in the folder `loras`; addresses of LoRAs must be of `fetch_hosts`,
    and those of this machine and its network, directly or by a redirect, of `own_hosts`, which whoever runs the server
    has named.
    """

    host: str = "127.0.0.1"
    port: int = 8311
    token: str | None = None
    hosts: tuple[str, ...] = ()
    loras: Path | None = None
    own_hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Raise `SpecError` for a server that others could reach without a token, and for a token that is too short."""
        if self.token is None and not is_loopback(self.host):
            fix = f"put one into a file and give --token-file, or set {TOKEN_VARIABLE}"
            raise SpecError("--host", "can be reached by other machines, and there is no token", self.host, fix=fix)
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            fix = "such as: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            raise SpecError("token", f"must have {SHORTEST_TOKEN} characters or more", fix=fix)

    @property
    def fetch_hosts(self) -> tuple[str, ...]:
        """All hosts that LoRAs are fetched from."""
        return (*FETCH_HOSTS, *self.own_hosts)

    def is_own_host(self, address: str) -> bool:
        """Whether an address is of a host that whoever runs the server has named."""
        return is_of(urlsplit(address).hostname or "", hosts=self.own_hosts)

    @property
    def address(self) -> str:
        """The page's address for the user's browser."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/"


def is_of(host: str, *, hosts: tuple[str, ...]) -> bool:
    """Whether a host is one of these, or below one."""
    host = host.rstrip(".").lower()
    return any(host == name or host.endswith(f".{name}") for name in hosts)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only: 127.0.0.0/8, ::1, or ``localhost``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path | None) -> str | None:
    """The token of a file, else that of the environment, else None. Raises `SpecError` for a file that has none."""
    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError("--token-file", f"cannot be read: {error}", str(path)) from error
    if not token:
        raise SpecError("--token-file", "is empty", str(path))
    return token
