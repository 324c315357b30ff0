"""Keyframe files into upright 8-bit RGB pictures, and pictures into the size of the video."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wayframe.core.findings import Finding, finding
from wayframe.core.media_rules import IMAGE_ANIMATED, IMAGE_MATTED, IMAGE_TURNED
from wayframe.errors import ImageError
from wayframe.files import sha256_file
from wayframe.media.colour import flattened, has_alpha, matte_colour
from wayframe.media.fit import Fit, fit_image
from wayframe.media.heif import FORMAT as HEIF
from wayframe.media.heif import SUFFIXES as HEIF_SUFFIXES
from wayframe.media.heif import ready_for
from wayframe.media.pixels import Frame

__all__ = ["Fit", "ImageFacts", "ImageLimits", "fit_image", "image_facts", "load_image", "named_by_content"]

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    HEIF: HEIF_SUFFIXES,
}
_FORMAT_OF = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}
_URL = re.compile(r"^[a-z][a-z0-9+.\-]+:/", re.IGNORECASE)
_ORIENTATION, _UPRIGHT, _LYING = 0x0112, 1, frozenset({5, 6, 7, 8})
"""EXIF tag 274 (CIPA DC-008): 1 is upright, 5 to 8 swap width and height."""

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise on damaged or hostile data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """The largest picture that is decoded at all: pixels (width x height) and bytes of the file."""

    pixels: int = 100_000_000
    bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of a picture: upright size in pixels, the sha256 of the file, and what is done to it on loading."""

    width: int
    height: int
    format: str
    digest: str
    findings: tuple[Finding, ...]


DEFAULT_LIMITS = ImageLimits()
BLACK = "#000000"


def image_facts(path: Path, *, matte: str = BLACK, limits: ImageLimits = DEFAULT_LIMITS) -> ImageFacts:
    """Size, format and digest of a picture from its header and bytes, and findings about what `load_image` does to it.

    Only a picture that may be transparent is decoded. Raises `ImageError`, in one line with the file's name, as
    `load_image` does, except for damage behind the header of a picture that is not decoded.
    """
    with _opened(path, limits) as image:
        width, height = image.size
        if _orientation(image) in _LYING:
            width, height = height, width
        return ImageFacts(
            width=width,
            height=height,
            format=_format(image),
            digest=sha256_file(path),
            findings=tuple(_noticed(image, path, matte=matte)),
        )


def load_image(path: Path, *, matte: str = BLACK, limits: ImageLimits = DEFAULT_LIMITS) -> Frame:
    """Decode a picture to (height, width, 3) RGB: JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP or HEIC.

    Any depth and colour model will do. Of an animation the first frame is taken, EXIF orientation is applied, colour
    profiles are converted to sRGB, 16 bits are scaled to 8, transparency is laid on `matte` (``#rrggbb``).
    Raises `ImageError`, in one line with the file's name, for a file that is missing, no picture, damaged, above
    `limits` (checked before decoding), or another format than its suffix says; `SpecError` for a matte that is none.
    """
    colour = matte_colour(matte)
    with _opened(path, limits) as image:
        image.load()
        return np.asarray(flattened(ImageOps.exif_transpose(image), matte=colour), dtype=np.uint8)


@contextmanager
def _opened(path: Path, limits: ImageLimits) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong until the block ends becomes an `ImageError`."""
    _check_file(path, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow warns of is either checked here or a matter of taste
            with Image.open(path, formats=_formats(path)) as image:
                _check_header(image, path, limits)
                yield image
    except UnidentifiedImageError as exc:
        known = ", ".join(_SUFFIXES)
        raise ImageError(str(path), "is no picture that can be read", fix=f"use one of {known}") from exc
    except Image.DecompressionBombError as exc:
        raise ImageError(str(path), f"has more than {limits.pixels:,} pixels", fix="make it smaller") from exc
    except PermissionError as exc:
        raise ImageError(str(path), "may not be read", fix="check its permissions") from exc
    except _BROKEN as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise ImageError(str(path), f"is damaged: {reason}", fix="save or download it again") from exc


def _formats(path: Path) -> tuple[str, ...]:
    """The formats that may be in a file; HEIF has a decoder only where its extra is installed."""
    return tuple(_SUFFIXES) if ready_for(path) else tuple(name for name in _SUFFIXES if name != HEIF)


def named_by_content(path: Path, *, stem: str) -> str:
    """A file name of `stem` with the suffix of what the file holds, whatever it is called.

    Raises `ImageError` as `image_facts` does.
    """
    return f"{stem}{_SUFFIXES[image_facts(path).format][0]}"


def _check_file(path: Path, limits: ImageLimits) -> None:
    if _URL.match(str(path)):
        raise ImageError(str(path), "is a URL, and only local files are read", fix="download it first")
    if path.is_dir():
        raise ImageError(str(path), "is a folder, not a picture")
    if not path.exists():
        raise ImageError(str(path), "there is no such file")
    if not path.is_file():
        raise ImageError(str(path), "is not a regular file")
    size = path.stat().st_size
    if size == 0:
        raise ImageError(str(path), "is empty")
    if size > limits.bytes:
        raise ImageError(str(path), f"has {size:,} bytes, more than the limit of {limits.bytes:,}")


def _check_header(image: Image.Image, path: Path, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.pixels:
        problem = f"is {width}x{height}, more than the limit of {limits.pixels:,} pixels"
        raise ImageError(str(path), problem, fix="make it smaller")
    found, named = _format(image), _FORMAT_OF.get(path.suffix.lower())
    if named is not None and named != found:
        fix = f"rename it to {path.stem}{_SUFFIXES[found][0]}"
        raise ImageError(str(path), f"is {found}, but its name says {named}", fix=fix)


def _noticed(image: Image.Image, path: Path, *, matte: str) -> Iterator[Finding]:
    if _animated(image):
        message = f"{path.name} holds several frames; the first one is used"
        yield finding(IMAGE_ANIMATED, message, where=path.name, evidence={"format": _format(image)})
    orientation = _orientation(image)
    if orientation != _UPRIGHT:
        message = f"{path.name} is turned upright as its EXIF orientation {orientation} says"
        yield finding(IMAGE_TURNED, message, where=path.name, evidence={"orientation": orientation})
    if has_alpha(image):
        message = f"transparent parts of {path.name} are laid on {matte}"
        yield finding(IMAGE_MATTED, message, where=path.name, evidence={"matte": matte})


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with a second view or a depth map


def _animated(image: Image.Image) -> bool:
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _orientation(image: Image.Image) -> int:
    found = image.getexif().get(_ORIENTATION, _UPRIGHT)
    return found if isinstance(found, int) and found in range(_UPRIGHT, max(_LYING) + 1) else _UPRIGHT
