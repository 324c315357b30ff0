"""Renders the keyframes of the demo trip: one mountain lake, seen from three places at dawn, by day and at dusk.

    python examples/demo/render.py [FOLDER]

The valley is a height field made of fractal noise. Every column of the picture walks over it once, which gives the
depth of each pixel, both as seen and as mirrored in the lake. Light, haze, forest, water and sky are simple formulas.
The same call gives the same pictures. Lengths are metres: x to the right, y up, z into the picture; the lake is y = 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from hours import HOURS, Field, Hour
from land import Camera, survey
from light import scene, water
from PIL import Image
from shore import plant

WIDTH, HEIGHT, QUALITY, LARGEST_FILE = 1152, 864, 92, 400_000
SHARPNESS = 2  # rendered so many times larger, then averaged
FOLDER = Path(__file__).parents[2] / "src" / "wayframe" / "demo"


def photograph(hour: Hour) -> Field:
    """The light that falls into the camera at this hour, `SHARPNESS` times finer than the picture."""
    x, z, y = hour.place
    camera = Camera(x=x, y=y, z=z, width=WIDTH * SHARPNESS, height=HEIGHT * SHARPNESS)
    land = survey(camera)
    mirror, _ = scene(hour, mirrored=True, camera=camera, land=land)
    plant(mirror, camera, hour, mirrored=True)
    picture, lake = scene(hour, mirrored=False, camera=camera, land=land)
    shore = cv2.GaussianBlur((lake & (camera.up < 0)[:, None]).astype(np.float32), (0, 0), 0.7)[..., None]
    picture = picture * (1 - shore) + water(mirror, camera, hour) * shore
    plant(picture, camera, hour, mirrored=False)
    return picture


def develop(light: Field, hour: Hour) -> Image.Image:
    """From light to a picture: bloom, film curve (Narkowicz's fit of ACES), vignette, a little grain."""
    small = cv2.resize(light * hour.exposure, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    bright = np.maximum(small - 0.9, 0)
    small = small + cv2.GaussianBlur(bright, (0, 0), 14) * 0.35 + cv2.GaussianBlur(bright, (0, 0), 3) * 0.2
    rows, columns = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    small *= (1 - 0.16 * np.clip(rows**2 + columns**2 - 0.4, 0, 2))[..., None]
    film = np.clip(small * (2.51 * small + 0.03) / (small * (2.43 * small + 0.59) + 0.14), 0, 1)
    grey = film.mean(axis=2, keepdims=True)
    film = np.clip(grey + (film - grey) * 1.06, 0, 1) ** (1 / 2.2)
    grain = np.random.default_rng(3).normal(0, 1.1, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(film * 255 + grain, 0, 255).round().astype(np.uint8))


def main() -> None:
    """Write one JPEG for each hour."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for hour in HOURS:
        target = folder / f"{hour.name}.jpg"
        develop(photograph(hour), hour).save(target, quality=QUALITY, optimize=True, subsampling=0)
        size = target.stat().st_size
        print(f"{target}: {size / 1000:.0f} kB" + (" - too large" if size > LARGEST_FILE else ""))


if __name__ == "__main__":
    main()
