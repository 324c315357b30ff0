"""Digests of files, remembered by size and time of change, so that large files are read once."""

from __future__ import annotations

import json
from pathlib import Path

from wayframe.errors import SpecError
from wayframe.files import sha256_file, write_atomic
from wayframe.store.home import Home
from wayframe.store.lora_places import check_name, find_place

BY_NAME = "name:"
"""Begins the digest of a LoRA of which only the name is known."""


class DigestCache:
    """sha256 of local files."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = home.root / "digests.json"
        self._entries: dict[str, list[object]] = _read(self._file)

    def sha256(self, path: Path) -> str:
        """The digest of a file as 64 hex digits; an OSError passes through."""
        status = path.stat()
        stamp: list[object] = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._entries.get(str(path.absolute()))
        if known is not None and known[:3] == stamp and isinstance(known[3], str):
            return known[3]
        digest = sha256_file(path)
        if path.stat().st_mtime_ns == status.st_mtime_ns and self._file.parent.is_dir():  # a plan makes no home folder
            self._entries[str(path.absolute())] = [*stamp, digest]
            write_atomic(self._file, json.dumps(self._entries, indent=0))
        return digest

    def lora(self, file: str, *, base: Path, field: str, elsewhere: bool = False) -> str:
        """The digest of a LoRA: ``sha256:...`` of a file on this disk, ``url:...`` of a remote one that is not.

        A name is relative to `base`. What was fetched from an address is looked for in the Hub's cache and in the home
        folder: its bytes pin a remote LoRA better than any ETag, and are known without the network, which a plan never
        needs. Where there is none yet, the address has to do; it is only as good as what it names: with a commit of
        the Hub in it the content cannot change, with a branch it can (finding `lora-unpinned`). The digest of one and
        the same LoRA therefore changes once, when it is fetched: a run fetches (`loras.LoraShelf`) before it plans.

        With `elsewhere` a relative name without a file here may mean one in a worker's own folder: ``name:...``.
        Raises `SpecError` that names `field` when a local file is not there, or a name is not that of a .safetensors
        file.
        """
        check_name(file, field=field)
        if "://" in file:
            place = find_place(file, home=self._home)
            return f"sha256:{self.sha256(place.path)}" if place else f"url:{_public(file)}"
        path = base / file
        try:
            return f"sha256:{self.sha256(path)}"
        except OSError as error:
            if elsewhere and isinstance(error, FileNotFoundError) and not Path(file).is_absolute():
                return f"{BY_NAME}{file}"
            raise SpecError(field, f"cannot be read: {error.strerror}", file) from error


def _public(address: str) -> str:
    """An address without its query and its user: neither says which file it is, and both may be secret."""
    scheme, _, rest = address.split("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _read(file: Path) -> dict[str, list[object]]:
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
