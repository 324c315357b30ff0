"""Where a LoRA from an address lies on this disk, found without asking anybody."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from wayframe.errors import SpecError
from wayframe.files import redact_text, write_atomic
from wayframe.store import hub
from wayframe.store.home import Home

SUFFIX = ".safetensors"
_NOTE = "source.json"
_PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl"})
_FOLDER_LENGTH, _NAME_LENGTH = 32, 80
_UNSAFE = re.compile(r"[^\w.\-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraPlace:
    """A file on this disk that came from an address; `commit` and `etag` name its version where that is known."""

    path: Path
    commit: str | None = None
    etag: str | None = None


def find_place(address: str, *, home: Home) -> LoraPlace | None:
    """The file of an address in the Hub's cache or in the home folder; None when it was never fetched here."""
    link = hub.parse_link(address)
    copy = hub.cached(link) if link else None
    if copy is not None:
        return LoraPlace(path=copy.path, commit=copy.commit)
    target = place_for(address, home=home)
    if not target.is_file():
        return None
    note = _read(target.with_name(_NOTE))
    return LoraPlace(path=target, commit=note.get("commit"), etag=note.get("etag"))


def place_for(address: str, *, home: Home) -> Path:
    """Where the file of a plain address is kept: a folder named by the address, and the file's own name in it.

    The address enters without the user and the parameters that hold secrets: a link that is signed anew each day means
    the same file.
    """
    public = public_address(address)
    name = _UNSAFE.sub("_", PurePosixPath(unquote(urlsplit(address).path)).name.removesuffix(SUFFIX))
    name = f"{name[:_NAME_LENGTH] or 'lora'}{SUFFIX}"
    return home.loras / hashlib.sha256(public.encode()).hexdigest()[:_FOLDER_LENGTH] / name


def note_source(path: Path, *, address: str, etag: str | None, commit: str | None, sha256: str) -> None:
    """Remember beside a fetched file where it came from and in which version."""
    source = {"address": public_address(address), "etag": etag, "commit": commit, "sha256": sha256}
    write_atomic(path.with_name(_NOTE), json.dumps(source, indent=2) + "\n")


def public_address(address: str) -> str:
    """An address without its user, and with its secret parameters blanked."""
    return redact_text(address)


def check_name(file: str, *, field: str) -> None:
    """Raise `SpecError` for a file or an address that its name tells to be no .safetensors file, with the reason.

    An address may have a name that tells nothing (``/api/download/models/7``).
    """
    remote = "://" in file
    suffix = PurePosixPath(unquote(urlsplit(file).path) if remote else file).suffix.lower()
    if suffix in _PICKLES:
        why = f"is a pickle ({suffix}), which may run any code when it is opened"
        raise SpecError(field, why, public_address(file), fix="use its .safetensors version")
    if suffix != SUFFIX and not remote:
        raise SpecError(field, "is not a .safetensors file", file)


def _read(path: Path) -> dict[str, str]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
