"""What is an address in a spec, fetched before a trip is planned: its bytes decide keys, sizes and lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from wayframe.core.findings import Finding
from wayframe.core.payload_rules import KEYFRAME_REMOTE
from wayframe.core.spec import TravelSpec
from wayframe.download import MIB, Terms
from wayframe.errors import CancelledError, ImageError, MediaError, SpecError, StoreError, WayframeError
from wayframe.media.audio import has_audio
from wayframe.media.images import named_by_content
from wayframe.media.index import index
from wayframe.store.home import Home
from wayframe.store.pictures import PictureShelf, public
from wayframe.workflow.clip_files import in_folder, named_clips
from wayframe.workflow.pictures import check_folder, is_address, picture_name
from wayframe.workflow.sources import SpecSource, trip_of_spec
from wayframe.workflow.trip import Trip

LARGEST, LARGEST_SOUND, LARGEST_VIDEO = 64 * MIB, 256 * MIB, 1024 * MIB
"""The largest picture, file with sound and video that are fetched."""
_OWN = "a picture that you have is taken from its folder: --keyframes FOLDER"
_UNSAFE, _NAME_LENGTH = re.compile(r"[^\w.\-]"), 80


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTerms:
    """How pictures are fetched.

    `offline`: not at all; only what is here counts. `allow_private`: also from hosts of a private network, and by plain
    http. `needed`: a picture that cannot be fetched is an error; else the trip is planned without it, as far as that
    goes. `attempts` as in `download.Terms`.
    """

    offline: bool = False
    allow_private: bool = False
    needed: bool = True
    attempts: int = 4
    cancelled: Callable[[], bool] = lambda: False

    def of_download(self) -> Terms:
        """The same for a download."""
        return Terms(limit=LARGEST, allow_private=self.allow_private, attempts=self.attempts, cancelled=self.cancelled)


def fetched_trip(
    source: SpecSource,
    *,
    home: Home,
    terms: PictureTerms,
    pictures: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Trip:
    """The trip of a spec, after what is an address and neither in `pictures` nor in `home` was fetched.

    Raises `StoreError` or `ImageError` that names the keyframe when one cannot be fetched, or is no picture, and is
    needed; the same, or `MediaError`, for a video that the trip is made with; `CancelledError`; and as `trip_of_spec`.
    """
    check_folder(pictures)
    reasons = {} if terms.offline else _fetched(source.spec, home=home, terms=terms, pictures=pictures)
    if not terms.offline:
        _fetch_sound(source.spec, home=home, terms=terms)
        for field, name in named_clips(source.spec):
            if is_address(name) and in_folder(name, folder=pictures) is None:
                fetch_clip(name, field=field, home=home, terms=terms)
    trip = trip_of_spec(source, home=home, pictures=pictures, options=options)
    return replace(trip, plan=replace(trip.plan, findings=tuple(_explained(trip.plan.findings, reasons))))


def _fetched(spec: TravelSpec, *, home: Home, terms: PictureTerms, pictures: Path | None) -> dict[str, str]:
    """Why keyframes could not be fetched that the plan can do without, by their place in the spec."""
    needed, reasons = terms.needed or spec.resolution is None, {}
    images = {f"keyframes[{index}]": keyframe.image for index, keyframe in enumerate(spec.keyframes)}
    for where, image in images.items():
        if not _is_missing(image, pictures=pictures):
            continue
        try:
            fetch_picture(image, field=f"{where}.image", home=home, terms=terms)
        except (StoreError, ImageError, SpecError) as error:
            if needed:
                raise
            reasons[where] = str(error)
    return reasons


def fetch_picture(address: str, *, field: str, home: Home, terms: PictureTerms) -> Path:
    """The picture of an address, from the home folder or fetched into it; `field` is named in errors.

    Raises `StoreError`, `ImageError` for what is no picture, `SpecError` for an address that is not fetched, and
    `CancelledError`.
    """
    _check_scheme(address, field=field, allow_private=terms.allow_private)
    stem = _UNSAFE.sub("_", PurePosixPath(picture_name(address)).stem)[:_NAME_LENGTH] or "keyframe"
    shelf = PictureShelf(home=home)
    try:
        return shelf.fetch(address, terms.of_download(), name=lambda path: named_by_content(path, stem=stem))
    except ImageError as error:
        raise ImageError(field, error.problem, public(address), fix=error.fix) from error
    except CancelledError:
        raise
    except WayframeError as error:
        raise StoreError(f"{field}: {error}; {_OWN}") from error


def _fetch_sound(spec: TravelSpec, *, home: Home, terms: PictureTerms) -> None:
    """Fetch the sound of a final file that is an address, unless it is in the home folder."""
    address = spec.after.audio.file if spec.after and spec.after.audio else ""
    if is_address(address):
        field = "after.audio.file"
        try:
            fetch_sound(address, field=field, home=home, terms=terms)
        except (StoreError, MediaError, SpecError):
            if terms.needed:
                raise


def fetch_sound(address: str, *, field: str, home: Home, terms: PictureTerms) -> Path:
    """The sound of an address, from the home folder or fetched into it; `field` is named in errors.

    Raises `StoreError`, `MediaError` for what holds no sound, `SpecError` for an address that is not fetched, and
    `CancelledError`.
    """
    _check_scheme(address, field=field, allow_private=terms.allow_private)
    name = _UNSAFE.sub("_", picture_name(address))[-_NAME_LENGTH:]

    def checked(path: Path) -> str:
        with suppress(MediaError):
            if has_audio(path):
                return name
        raise MediaError(f"{field}: {public(address)} holds no sound")

    try:
        return PictureShelf(home=home).fetch(address, replace(terms.of_download(), limit=LARGEST_SOUND), name=checked)
    except (CancelledError, MediaError):
        raise
    except WayframeError as error:
        raise StoreError(f"{field}: {error}; a file that you have is named by its path") from error


def fetch_clip(address: str, *, field: str, home: Home, terms: PictureTerms) -> Path:
    """The video of an address, from the home folder or fetched into it; `field` is named in errors.

    Raises `StoreError`, `MediaError` for what is no video, `SpecError` for an address that is not fetched, and
    `CancelledError`.
    """
    _check_scheme(address, field=field, allow_private=terms.allow_private)
    name = _UNSAFE.sub("_", picture_name(address))[-_NAME_LENGTH:] or "video.mp4"

    def checked(path: Path) -> str:
        try:
            index(path)
        except MediaError as error:
            raise MediaError(f"{field}: {public(address)} is not a video that can be read") from error
        return name

    try:
        return PictureShelf(home=home).fetch(address, replace(terms.of_download(), limit=LARGEST_VIDEO), name=checked)
    except (CancelledError, MediaError):
        raise
    except WayframeError as error:
        fix = "a video that you have is named by its path, or taken from its folder: --keyframes FOLDER"
        raise StoreError(f"{field}: {error}; {fix}") from error


def _is_missing(image: str, *, pictures: Path | None) -> bool:
    """Whether a keyframe is an address without a file of its name in the user's folder."""
    return is_address(image) and not (pictures is not None and (pictures / picture_name(image)).is_file())


def _check_scheme(address: str, *, field: str, allow_private: bool) -> None:
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError as error:
        fix = "give a file, or an https address"
        raise SpecError(field, "is an address whose host cannot be read", public(address), fix=fix) from error
    if scheme == "https" or (scheme == "http" and allow_private):
        return
    fix = "--allow-private takes http, too" if scheme == "http" else "give a file, or an https address"
    raise SpecError(field, "is fetched by https only", public(address), fix=fix)


def _explained(findings: tuple[Finding, ...], reasons: Mapping[str, str]) -> Iterator[Finding]:
    """The findings, with the reason why a keyframe could not be fetched."""
    for found in findings:
        why = reasons.get(found.where) if found.code == KEYFRAME_REMOTE.code else None
        if why is None:
            yield found
        else:
            yield replace(found, message=f"{found.message}: {why}", evidence={**found.evidence, "why": why})
