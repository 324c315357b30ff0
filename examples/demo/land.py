"""The land of the demo: noise, a valley with a lake as a height field, and how a camera sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]

HORIZON = 0.56  # of the height, from the top
NEAREST, FARTHEST, DEPTHS = 14.0, 16_000.0, 2600
BEYOND_THE_SPITS = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spit:
    """A low, wooded tongue of land in the lake: its middle (x, z), half its length and breadth, and its height."""

    at: tuple[float, float]
    size: tuple[float, float]
    height: float
    pines: int


SPITS = (
    Spit(at=(-78.0, 158.0), size=(50.0, 13.0), height=3.4, pines=120),
    Spit(at=(70.0, 186.0), size=(42.0, 15.0), height=3.8, pines=110),
)


def smooth(value: Field, *, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, a soft step between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _tile() -> Field:
    """Smooth noise of 128 by 128 cells that repeats without a seam, mean 0, about -1 to 1; eight pixels a cell."""
    cells = np.random.default_rng(11).normal(size=(128, 128)).astype(np.float32)
    around = cv2.copyMakeBorder(cells, 2, 2, 2, 2, cv2.BORDER_WRAP)
    fine = cv2.resize(around, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)[16:-16, 16:-16]
    return np.clip(fine / 2.2, -1, 1).astype(np.float32)


TILE = _tile()


def noise(x: Field, z: Field) -> Field:
    """Noise with features of size 1."""
    flat_x, flat_z = (np.mod(value * 8, 1024) for value in (x, z))
    return np.asarray(cv2.remap(TILE, flat_x, flat_z, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def fractal(x: Field, z: Field, *, octaves: int, gain: float = 0.5, ridged: bool = False) -> Field:
    """Octaves of noise, each of half the size and `gain` times as strong; ridged ones have sharp crests (Musgrave)."""
    total, weight = np.zeros_like(x), 1.0
    for octave in range(octaves):
        one = noise(x + 17.3 * octave, z + 9.1 * octave)
        total += weight * ((1 - 2 * np.abs(one)) if ridged else one)
        x, z = (x * 0.8 - z * 0.6) * 2.03, (x * 0.6 + z * 0.8) * 2.03
        weight *= gain
    return total


def island(x: Field, z: Field, spit: Spit) -> Field:
    """The ground of a spit with its ragged shore; below 0 outside."""
    off = ((x - spit.at[0]) / spit.size[0]) ** 2 + ((z - spit.at[1]) / spit.size[1]) ** 2
    ragged = fractal(x / 14, z / 14, octaves=5) * 0.32
    return spit.height * np.tanh(1.2 * (1 - off + ragged))


def terrain(x: Field, z: Field) -> Field:
    """Height of the ground, without trees; the lake's floor is below 0."""
    bent = x + 160 * noise(x / 900 + 3, z / 900)
    shore = 820 + 150 * noise(x / 330, np.full_like(x, 5))
    inland = np.maximum(z - shore, 0)
    beyond = 4 * np.tanh((z - shore) / 60) + inland * 0.03
    aside = np.maximum(np.abs(bent - 40) - (230 + 0.11 * z), 0)
    rolling = 0.75 + 0.55 * fractal(x / 520, z / 520, octaves=5)
    walls = smooth(z, low=250, high=1100) * aside * 0.42 * rolling
    hills = smooth(inland, low=60, high=900) * 70 * (1 + fractal(x / 430 + 7, z / 430, octaves=5))
    crest = fractal(bent / 2900 + 0.35, z / 2900 + 0.2, octaves=9, gain=0.47, ridged=True)
    massif = np.exp(-(((x + 520) / 1700) ** 2) - ((z - 7400) / 1900) ** 2)
    tower = np.exp(-1.5 * np.hypot((bent + 560) / 1000, (z - 7200) / 1300) ** 1.5) * smooth(z, low=2600, high=6500)
    high = smooth(z, low=2300, high=6200) * (430 * np.maximum(crest + 0.3, 0) + massif * (500 + 260 * crest))
    ground = beyond + walls + (hills + high + tower * (620 + 200 * crest)) * (inland > 0)
    for spit in SPITS:
        ground = np.maximum(ground, island(x, z, spit))
    return np.asarray(ground, dtype=np.float32)


def forest(x: Field, z: Field, ground: Field) -> Field:
    """How much taller the ground is for its trees: cones of all heights, none in the lake or above the tree line."""
    crowns = np.zeros_like(x)
    for cos, sin, spacing in ((0.955, 0.296, 9.0), (0.454, 0.891, 7.3), (0.751, -0.660, 10.7)):
        across, along = (x * cos - z * sin) / spacing, (x * sin + z * cos) / spacing
        cell_x, cell_z = np.round(across), np.round(along)
        off_x = across - cell_x + 0.42 * noise(cell_x * 0.71 + 3, cell_z * 0.71)
        off_z = along - cell_z + 0.42 * noise(cell_x * 0.71, cell_z * 0.71 + 8)
        tall = 15 + 10 * noise(cell_x * 0.37, cell_z * 0.37)
        crowns = np.maximum(crowns, tall * np.clip(1 - 2.0 * np.hypot(off_x, off_z), 0, 1))
    line = 430 + 160 * fractal(x / 300, z / 300, octaves=3)
    grows = smooth(ground, low=1, high=5) * (1 - smooth(ground - line, low=0, high=120)) * smooth(z, low=500, high=620)
    dense = smooth(fractal(x / 160 + 4, z / 160, octaves=3), low=-0.55, high=-0.2)
    return crowns * grows * dense


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where a picture is taken from, and how pixels stand for directions; `focal` is in pixels."""

    x: float
    y: float
    z: float
    width: int
    height: int

    @property
    def focal(self) -> float:
        """Pixels for each metre across at one metre's distance."""
        return self.width * 0.95

    @property
    def grain(self) -> float:
        """Pixels in the width of one pixel of a picture that is 1152 wide."""
        return self.width / 1152

    @property
    def across(self) -> Field:
        """For each column, how far right a ray goes for each metre into the picture."""
        return ((np.arange(self.width) - (self.width - 1) / 2) / self.focal).astype(np.float32)

    @property
    def up(self) -> Field:
        """For each row, how far up a ray goes for each metre into the picture."""
        return ((self.height * HORIZON - np.arange(self.height)) / self.focal).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """The height field along every column's ray: rows are depths, columns the picture's."""

    depth: Field
    x: Field
    z: Field
    ground: Field
    trees: Field
    slope_x: Field
    slope_z: Field


def survey(camera: Camera) -> Land:
    """Walk over the land once for every column of the picture."""
    depth = np.geomspace(NEAREST, FARTHEST, DEPTHS).astype(np.float32)
    x = camera.x + camera.across[None, :] * depth[:, None]
    z = np.broadcast_to(camera.z + depth[:, None], x.shape).astype(np.float32)
    ground = terrain(x, z)
    trees = forest(x, z, ground)
    surface = ground + 0.5 * trees * np.exp(-depth[:, None] / 2500)
    slope_x = np.gradient(surface, axis=1) / (depth[:, None] / camera.focal)
    slope_z = np.gradient(surface, axis=0) / np.gradient(depth)[:, None] - camera.across[None, :] * slope_x
    return Land(depth=depth, x=x, z=z, ground=ground, trees=trees, slope_x=slope_x, slope_z=slope_z)


def first_seen(camera: Camera, land: Land, *, mirrored: bool) -> NDArray[np.int64]:
    """For each pixel the depth that it shows, `DEPTHS` for the sky; mirrored: as the lake's surface shows it.

    A mirrored ray starts at the surface: what stands before that point, in the water, does not count.
    """
    tops = land.ground + land.trees
    if not mirrored:
        return _hits(camera, (np.maximum(tops, 0) - camera.y) / land.depth[:, None])
    rise = np.where(tops > 0, (tops + camera.y) / land.depth[:, None], -9)
    near = _hits(camera, rise)
    rise[land.depth < BEYOND_THE_SPITS] = -9
    far = _hits(camera, rise)
    from_surface = camera.up[:, None] * land.depth[np.minimum(near, DEPTHS - 1)] >= camera.y
    return np.where(from_surface, near, far)


def _hits(camera: Camera, rise: Field) -> NDArray[np.int64]:
    skyline = np.maximum.accumulate(rise, axis=0)
    return np.stack([np.searchsorted(skyline[:, c], camera.up) for c in range(camera.width)], axis=1)
