"""HEIC and HEIF, the pictures of phones: recognised by their first bytes, decoded by the extra `heic`."""

from __future__ import annotations

from pathlib import Path

from wayframe.errors import ImageError

FORMAT, SUFFIXES = "HEIF", (".heic", ".heif", ".hif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
"""Brands of files with HEVC pictures (ISO/IEC 23008-12, annex B); AVIF has brands of its own."""
_HEAD = 64


def is_heif(path: Path) -> bool:
    """Whether a file begins as HEIF with HEVC pictures does: a box ``ftyp`` with one of its brands."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    box = head[: int.from_bytes(head[:4], "big")]
    brands = [box[at : at + 4] for at in range(8, len(box), 4)]
    return head[4:8] == b"ftyp" and any(brand in _BRANDS for brand in brands)


def ready_for(path: Path) -> bool:
    """Have Pillow read HEIF where the file needs it; False for another file.

    Raises `ImageError` that names the extra when that is not installed.
    """
    if not is_heif(path):
        return False
    try:
        from pillow_heif import register_heif_opener
    except ImportError as exc:
        fix = "pip install 'wayframe[heic]', or save it as JPEG"
        raise ImageError(str(path), "is HEIC, which needs one more package", fix=fix) from exc
    register_heif_opener()
    return True
