"""LoRA files brought to this disk: from a path, from the Hub through its cache, from a plain address.

What is here is used as it is and nobody is asked again, so that the file which a plan names by its bytes is the file
that runs; to have a newer one, name its commit in the address, or remove the old file. Only .safetensors files are
taken: the other formats are Python pickles, which execute whatever they hold when they are opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wayframe.download import GIB, Terms, download
from wayframe.errors import SpecError
from wayframe.store import hub
from wayframe.store.digests import DigestCache
from wayframe.store.home import Home
from wayframe.store.lora_places import LoraPlace, check_name, find_place, note_source, place_for, public_address
from wayframe.store.tensorfile import tensor_fault

LARGEST = 16 * GIB
"""The largest LoRAs for these models have a few GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraCopy:
    """A LoRA on this disk, and what a record says about it: the digest of its bytes, its address and version.

    `address` is None for a local file, else without secrets.
    """

    path: Path
    sha256: str
    address: str | None = None
    commit: str | None = None
    etag: str | None = None

    @property
    def digest(self) -> str:
        """As in a plan: ``sha256:`` and 64 hex digits."""
        return f"sha256:{self.sha256}"

    def as_record(self) -> dict[str, str]:
        """What a record says, as plain JSON; without what is not known."""
        facts = {"sha256": self.sha256, "address": self.address, "commit": self.commit, "etag": self.etag}
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraShelf:
    """Gives LoRAs by the `file` of a spec: a path (relative to `base`) or an http(s) address.

    `terms` say how to download; without them an address whose file is not here is an error.
    """

    home: Home
    base: Path
    terms: Terms | None = None

    def locate(self, file: str, *, field: str) -> LoraCopy:
        """The LoRA on this disk, downloaded when it is not here yet.

        Raises `SpecError` that names `field` for a file that cannot be used, `StoreError` when it cannot be fetched,
        `CancelledError`. A run that will denoise calls this before it plans: then the plan holds the digest of the
        bytes, and stays the same when the run is continued.
        """
        check_name(file, field=field)
        if "://" not in file:
            return self._copy(LoraPlace(path=self.base / file), file=file, field=field)
        place = find_place(file, home=self.home)
        if place is None and self.terms is None:
            raise SpecError(field, "is not on this disk and is not fetched now", public_address(file))
        place = place or _fetch(file, home=self.home, terms=replace(self.terms or Terms(limit=LARGEST)), field=field)
        return self._copy(place, file=file, field=field)

    def _copy(self, place: LoraPlace, *, file: str, field: str) -> LoraCopy:
        _check_content(place.path, file=file, field=field)
        digest = DigestCache(self.home).sha256(place.path)
        address = public_address(file) if "://" in file else None
        return LoraCopy(path=place.path, sha256=digest, address=address, commit=place.commit, etag=place.etag)


def lora_terms(terms: Terms) -> Terms:
    """The same terms with the limit for a LoRA."""
    return replace(terms, limit=LARGEST)


def _fetch(address: str, *, home: Home, terms: Terms, field: str) -> LoraPlace:
    """Through huggingface_hub for a link of the Hub, else (and where that is not installed) by plain https."""
    link = hub.parse_link(address)
    if link is not None and hub.is_installed():
        copy = hub.fetch(link, terms)
        return LoraPlace(path=copy.path, commit=copy.commit)
    target = place_for(address, home=home)
    came = download(_plain(address) if link else address, target, terms)
    if fault := tensor_fault(target):  # such as a page that asks for a login
        target.unlink()
        raise SpecError(field, f"the address gives no LoRA: it {fault}", public_address(address))
    note_source(target, address=address, etag=came.etag, commit=came.commit, sha256=came.sha256)
    return LoraPlace(path=target, commit=came.commit, etag=came.etag)


def _plain(address: str) -> str:
    """A link of the Hub that gives the file itself, not the page about it."""
    return address.replace("/blob/", "/resolve/", 1)


def _check_content(path: Path, *, file: str, field: str) -> None:
    try:
        fault = tensor_fault(path)
    except OSError as error:
        raise SpecError(field, f"cannot be read: {error.strerror}", public_address(file)) from error
    if fault:
        fix = "fetch it again" if "://" not in file else f"remove {path.resolve()} to have it fetched again"
        raise SpecError(field, fault, public_address(file), fix=fix)
