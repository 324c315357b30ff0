"""Pictures into an exact size."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from wayframe.errors import SpecError
from wayframe.media.colour import matte_colour
from wayframe.media.pixels import Frame

Fit: TypeAlias = Literal["cover", "contain", "stretch"]


def fit_image(pixels: Frame, *, width: int, height: int, fit: Fit, matte: str = "#000000") -> Frame:
    """`pixels` at exactly (height, width, 3).

    ``cover`` fills the size and crops what stands over, evenly on both sides; ``contain`` shows all of it on `matte`;
    ``stretch`` gives up the aspect. Resampling is Lanczos with a support that grows when shrinking (no aliasing), in
    fixed point. A picture that has the size already comes back as it is. Raises `SpecError` for another `fit`.
    """
    have_height, have_width, _ = pixels.shape
    if fit not in ("cover", "contain", "stretch"):
        raise SpecError("fit", "is not known", fit, fix="use cover, contain or stretch")
    if (have_width, have_height) == (width, height):
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if fit == "contain":
        return _contained(image, (width, height), matte)
    box = (0.0, 0.0, float(have_width), float(have_height))
    if fit == "cover":
        box = _window(have_width, have_height, aspect=width / height)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box=box), dtype=np.uint8)


def _window(width: int, height: int, *, aspect: float) -> tuple[float, float, float, float]:
    """The largest centred rectangle of `aspect` within width x height."""
    across, down = min(width, height * aspect), min(height, width / aspect)
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, min(left + across, width), min(top + down, height)


def _contained(image: Image.Image, size: tuple[int, int], matte: str) -> Frame:
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    ground = Image.new("RGB", size, matte_colour(matte))
    place = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    ground.paste(image.resize(inner, Image.Resampling.LANCZOS), place)
    return np.asarray(ground, dtype=np.uint8)
