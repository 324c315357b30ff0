"""Keyframes from addresses, kept in the home folder by their content, with the address remembered.

What is here is used as it is and nobody is asked again, so that a plan and its run see the same picture; to have a
newer one, remove its folder below ``keyframes`` in the home folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from filelock import FileLock

from wayframe.download import Terms, download
from wayframe.files import redact_text, write_atomic
from wayframe.store.home import Home

_SIGNS = re.compile(
    r"(?i)x-(?:amz|goog|ms)-.*|signature|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid"
    r"|sig|se|sp|sr|st|sv|spr|sip|sk[a-z]{1,3}"
)
"""Parameters that only sign a link: of S3, Google Cloud Storage, CloudFront, and shared access signatures of Azure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureShelf:
    """The pictures of a home folder: each in a folder named by the sha256 of its bytes (64 hex digits)."""

    home: Home

    def find(self, address: str) -> Path | None:
        """The picture of an address; None when it was never fetched here, or is gone."""
        try:
            note = json.loads(self._note(address).read_text(encoding="utf-8"))
            path = self.folder(str(note["sha256"])) / str(note["file"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return path if path.is_file() else None

    def folder(self, sha256: str) -> Path:
        """Where a picture of this digest is kept, whether it is here or not."""
        return self.home.keyframes / sha256

    def fetch(self, address: str, terms: Terms, *, name: Callable[[Path], str]) -> Path:
        """The picture of an address, downloaded when it is not here yet.

        `name` looks at a fetched file and gives the name that it is kept under; what it refuses is not kept. Raises
        `StoreError` when it cannot be fetched, `CancelledError`, and what `name` raises.
        """
        coming = self._note(address).with_suffix(".coming")
        coming.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(coming.with_suffix(".lock")):
            return self.find(address) or self._fetched(address, terms, coming=coming, name=name)

    def _fetched(self, address: str, terms: Terms, *, coming: Path, name: Callable[[Path], str]) -> Path:
        came = download(address, coming, terms)
        try:
            path = self.folder(came.sha256) / name(coming)
            path.parent.mkdir(parents=True, exist_ok=True)
            coming.replace(path)
        finally:
            coming.unlink(missing_ok=True)
        note = {"address": public(address), "sha256": came.sha256, "file": path.name, "etag": came.etag}
        write_atomic(self._note(address), json.dumps(note, indent=2) + "\n")
        return path

    def _note(self, address: str) -> Path:
        return self.home.keyframes / "addresses" / f"{hashlib.sha256(meant(address).encode()).hexdigest()}.json"


def meant(address: str) -> str:
    """What tells an address from that of another picture: all of it but fragment, user, and what signs the link.

    A link that is signed anew each day means the same picture. Any other parameter may name the picture, whatever it is
    called (``?key=a.jpg``); what this gives may hold secrets.
    """
    parts = urlsplit(address)
    said = parse_qsl(parts.query, keep_blank_values=True)
    is_signed = any(name.lower().endswith(("signature", "sig")) for name, _ in said)
    query = urlencode([(name, value) for name, value in said if not (is_signed and _SIGNS.fullmatch(name))])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def public(address: str) -> str:
    """An address without its fragment, its user, and the values of its secret parameters."""
    return redact_text(address.split("#")[0])
