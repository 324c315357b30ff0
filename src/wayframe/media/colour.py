"""Any colour model and depth that a picture may have, into 8-bit sRGB."""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageCms, ImageColor

from wayframe.errors import SpecError

Rgb: TypeAlias = tuple[int, int, int]

_OPAQUE = 255
_WIDE_MAX = 65535
_PROFILED = frozenset({"RGB", "L", "CMYK"})


def matte_colour(text: str) -> Rgb:
    """The red, green and blue of a colour such as ``#203040`` or ``white``; `SpecError` when it is none."""
    try:
        found = ImageColor.getrgb(text)
    except ValueError as exc:
        raise SpecError("matte", "is not a colour", text, fix='write it as "#rrggbb"') from exc
    return found[0], found[1], found[2]


def has_alpha(image: Image.Image) -> bool:
    """Whether any part of a picture is transparent; decodes it only when its header says that it may be."""
    if not image.has_transparency_data:
        return False
    if image.mode.startswith("I;16"):
        return bool(np.any(_wide_alpha(image) < _OPAQUE))
    return image.convert("RGBA").getchannel("A").getextrema() != (_OPAQUE, _OPAQUE)


def flattened(image: Image.Image, *, matte: Rgb) -> Image.Image:
    """A decoded picture as RGB: depth scaled to 8 bits, colour profile converted, transparency laid on `matte`.

    Raises ValueError for floating-point pictures, which don't say what their white is.
    """
    if image.mode == "F":
        raise ValueError("floating-point values have no defined range; save it with 8 or 16 bits")
    alpha = None
    if image.mode.startswith("I"):
        alpha = Image.fromarray(_wide_alpha(image)) if image.has_transparency_data else None
        solid = _narrow(image)
    elif image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        alpha, solid = with_alpha.getchannel("A"), with_alpha.convert("RGB")
    else:
        solid = image if image.mode in _PROFILED else image.convert("RGB")
    solid = _as_srgb(solid, image.info.get("icc_profile"))
    if alpha is None:
        return solid
    ground = Image.new("RGB", image.size, matte)
    ground.paste(solid, mask=alpha)
    return ground


def _narrow(image: Image.Image) -> Image.Image:
    """Grey of 16 (or, from some readers, 32) bits to 8, rounded: 65535 becomes 255. Pillow itself would clip at 255."""
    wide = np.clip(np.asarray(image), 0, _WIDE_MAX).astype(np.uint32)
    return Image.fromarray(((wide * _OPAQUE + _WIDE_MAX // 2) // _WIDE_MAX).astype(np.uint8))


def _wide_alpha(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """16-bit grey has no alpha channel in Pillow; one of its values may stand for transparent."""
    transparent = np.asarray(image) == image.info.get("transparency")
    return np.where(transparent, 0, _OPAQUE).astype(np.uint8)


def _as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded profile; a profile that is broken, or meant for another colour model, is left aside."""
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")
