"""The pictures of a spec's keyframes: files here, addresses that were fetched, or only the name of an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from wayframe.core.findings import Finding, finding
from wayframe.core.payload_rules import KEYFRAME_REMOTE
from wayframe.core.plan import KeyframeFacts
from wayframe.core.spec import TravelSpec
from wayframe.errors import ImageError, SpecError
from wayframe.files import redact_text
from wayframe.media.images import BLACK, ImageFacts, image_facts
from wayframe.store.home import Home
from wayframe.store.pictures import PictureShelf

REMOTE = "url:"


def keyframe_files(
    spec: TravelSpec, *, base: Path, pictures: Path | None, home: Home | None = None
) -> tuple[tuple[Path, ...], list[KeyframeFacts]]:
    """The file and the facts of every keyframe; nobody is asked for one.

    An address is taken from the folder `pictures`, where a file has its name, or from what was fetched into `home`;
    else only its name is given, its digest is ``url:`` and the address without its query, and its size is the spec's
    resolution. Raises `ImageError` for a bad picture and `SpecError` for an address in a spec without a resolution.
    """
    check_folder(pictures)
    known: dict[Path, ImageFacts] = {}
    files, facts = [], []
    for index, keyframe in enumerate(spec.stops):
        file, is_here = _file(keyframe.image, base=base, pictures=pictures, home=home)
        files.append(file)
        if is_here and file not in known:
            known[file] = _facts(file, matte=spec.matte or BLACK, index=index)
        facts.append(_known(known[file], index=index) if is_here else _remote(keyframe.image, spec, index=index))
    return tuple(files), facts


def check_folder(pictures: Path | None) -> None:
    """Raise `SpecError` for a folder of pictures that is none."""
    if pictures is not None and not pictures.is_dir():
        raise SpecError("keyframes", "is not a folder", str(pictures))


def _file(image: str, *, base: Path, pictures: Path | None, home: Home | None) -> tuple[Path, bool]:
    if not is_address(image):
        return base / image, True
    name = picture_name(image)
    own = pictures / name if pictures else None
    if own is not None and own.is_file():
        return own, True
    kept = PictureShelf(home=home).find(image) if home else None
    return (kept, True) if kept else (own or Path(name), False)


def is_address(image: str) -> bool:
    """Whether the `image` of a keyframe is an address."""
    return "://" in image


def picture_name(address: str) -> str:
    """The file's name at the end of an address, whatever stands before it."""
    path = address.split("?")[0].split("#")[0].partition("://")[2].partition("/")[2]
    return unquote(path).replace("\\", "/").rsplit("/", 1)[-1] or "keyframe"


def _facts(path: Path, *, matte: str, index: int) -> ImageFacts:
    try:
        return image_facts(path, matte=matte)
    except ImageError as error:
        field = f"keyframes[{index}].image ({error.field})"
        raise ImageError(field, error.problem, error.value, fix=error.fix) from error


def _known(facts: ImageFacts, *, index: int) -> KeyframeFacts:
    findings = tuple(replace(found, where=f"keyframes[{index}]") for found in facts.findings)
    return KeyframeFacts(digest=facts.digest, width=facts.width, height=facts.height, findings=findings)


def _remote(image: str, spec: TravelSpec, *, index: int) -> KeyframeFacts:
    address = redact_text(image.split("?")[0].split("#")[0])
    if spec.resolution is None:
        fix = "download it first, or give a resolution to plan without it"
        raise SpecError(f"keyframes[{index}].image", "must be a local file", address, fix=fix)
    width, height = spec.resolution.split("x")
    return KeyframeFacts(digest=f"{REMOTE}{address}", width=int(width), height=int(height))


def remote_findings(facts: Sequence[KeyframeFacts]) -> list[Finding]:
    """A finding for each keyframe that has no file here."""
    return [
        finding(
            KEYFRAME_REMOTE,
            f"keyframe {index} is known by its address only",
            where=f"keyframes[{index}]",
            evidence={"address": one.digest.removeprefix(REMOTE)},
        )
        for index, one in enumerate(facts)
        if one.digest.startswith(REMOTE)
    ]


def check_pictures(remote: Sequence[str]) -> None:
    """Raise `ImageError` when there is a keyframe without a file: a plan can do without, a run cannot."""
    if remote:
        names = ", ".join(dict.fromkeys(picture_name(address) for address in remote))
        raise ImageError(
            "keyframes",
            f"{len(remote)} of them are not here: {names}",
            fix="leave out --offline, or download them into one folder and name it with --keyframes",
        )
