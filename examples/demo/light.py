"""The light of the demo: sky, clouds, stars, sunlit land in haze, and the mirror of the lake."""

from __future__ import annotations

import cv2
import numpy as np
from hours import Field, Hour, colour
from land import DEPTHS, HORIZON, Camera, Land, first_seen, fractal, noise, smooth
from numpy.typing import NDArray


def sky(camera: Camera, hour: Hour) -> tuple[Field, Field]:
    """The sky without and with stars and clouds, for all rows (those below the horizon are the horizon's)."""
    up = np.maximum(camera.up, 0.0)[:, None] + np.zeros((1, camera.width), np.float32)
    across = np.broadcast_to(camera.across[None, :], up.shape).astype(np.float32)
    length = np.sqrt(1 + up * up + across * across)
    toward = hour.to_sun
    facing = np.clip((across * toward[0] + up * toward[1] + toward[2]) / length, -1, 1)
    low, high = (smooth(up, low=0.0, high=0.24)[..., None], smooth(up, low=0.14, high=0.75)[..., None])
    light = colour(hour.horizon) * (1 - low) + colour(hour.middle) * low
    light = light * (1 - high) + colour(hour.zenith) * high
    angle = np.arccos(facing)
    halo = np.exp(-angle / 0.24) * 0.6 + np.exp(-angle / 0.08) * 0.9
    light = light + colour(hour.glow) * (halo * np.exp(-up * 1.1))[..., None]
    starry = light + stars(camera, up) * hour.night
    return light, clouds(starry, up=up, across=across, near_sun=np.exp(-angle / 0.45), hour=hour)


def clouds(light: Field, *, up: Field, across: Field, near_sun: Field, hour: Hour) -> Field:
    """Layered clouds on a plane far above, thinner toward the horizon, lit from the sun's side."""
    far = 1 / (up + 0.09)
    x, z = across * far * 0.62 + hour.cloud_drift, far * 0.95
    bend = fractal(x * 0.7 + 5, z * 0.7, octaves=3) * 0.35
    density = fractal(x + bend + 1.7, z + bend * 0.6 + 3.1, octaves=7, gain=0.52)
    toward = fractal(x + bend + 1.7 + 0.09 * float(hour.to_sun[0]), z + bend * 0.6 + 3.1 + 0.06, octaves=5, gain=0.52)
    cover = smooth(density, low=0.62 - hour.cloud_cover, high=1.25 - hour.cloud_cover) * smooth(up, low=0.02, high=0.16)
    relief = np.clip(0.55 + (density - toward) * 1.6 + near_sun * 0.5, 0, 1.3) * (1 - 0.35 * cover)
    lit = colour(hour.cloud_shade) * (1 - relief[..., None]) + colour(hour.cloud_light) * relief[..., None]
    opaque = (cover * 0.86)[..., None]
    return light * (1 - opaque) + lit * opaque


def stars(camera: Camera, up: Field) -> Field:
    """Stars of all magnitudes, denser above; as much light as they add."""
    random = np.random.default_rng(5)
    field = np.zeros((camera.height, camera.width), np.float32)
    rows = random.uniform(0, camera.height * 0.47, 420)
    columns, bright = random.uniform(0, camera.width, 420), random.pareto(2.0, 420) * 0.22 + 0.06
    for row, column, light in zip(rows, columns, bright, strict=True):
        size = round((6 + 3 * min(light, 2)) * camera.grain)
        cv2.circle(field, (int(column * 16), int(row * 16)), size, float(min(light, 2.2)), -1, cv2.LINE_AA, 4)
    soft = field + cv2.GaussianBlur(field, (0, 0), 1.5 * camera.grain) * 0.45
    return (soft * smooth(up, low=0.12, high=0.42))[..., None] * colour((0.85, 0.92, 1.1))


def shade(camera: Camera, land: Land, hour: Hour, seen: NDArray[np.int64]) -> tuple[Field, Field]:
    """Light of the land for each pixel, and the share of it that haze and mist leave visible (0 for the sky)."""
    depth_index = np.minimum(seen, DEPTHS - 1)
    column = np.broadcast_to(np.arange(camera.width)[None, :], seen.shape)
    x, z, ground, trees, slope_x, slope_z = (
        part[depth_index, column] for part in (land.x, land.z, land.ground, land.trees, land.slope_x, land.slope_z)
    )
    normal = 1 / np.sqrt(1 + slope_x**2 + slope_z**2)
    toward = hour.to_sun
    facing = np.clip((toward[1] - slope_x * toward[0] - slope_z * toward[2]) * normal, 0, 1)
    surface = ground_colour(x, z, ground, trees, steep=1 - normal)
    lit = colour(hour.sun) * facing[..., None] + colour(hour.ambient) * (0.45 + 0.55 * normal)[..., None]
    distance = land.depth[depth_index]
    clear = np.exp(-distance / hour.haze_length)
    drifting = 0.75 + 0.5 * fractal(x / 260, z / 420, octaves=4)
    clear = clear * np.exp(
        -hour.mist * np.minimum(distance / 900, 2.2) * drifting * np.exp(-np.maximum(ground + trees, 0) / 34)
    )
    return surface * lit, np.where(seen < DEPTHS, clear, 0).astype(np.float32)


def ground_colour(x: Field, z: Field, ground: Field, trees: Field, *, steep: Field) -> Field:
    """Forest, meadow, rock and snow, by height and steepness."""
    patch = fractal(x / 90, z / 90, octaves=5)
    wooded = smooth(trees, low=0.5, high=4)[..., None]
    meadow = colour((0.070, 0.088, 0.032)) * (1 + 0.35 * patch[..., None])
    rock = colour((0.150, 0.140, 0.138)) * (1 + 0.3 * patch[..., None])
    bare = smooth(ground + 130 * patch, low=330, high=640)[..., None]
    base = meadow * (1 - bare) + rock * bare
    needles = colour((0.030, 0.052, 0.030)) * (0.55 + 0.05 * trees[..., None])
    base = base * (1 - wooded) + needles * wooded
    drift = fractal(x / 420 + 2, z / 420, octaves=6)
    snow = smooth(ground + 330 * drift - 2600 * np.maximum(steep - 0.16, 0), low=640, high=900)[..., None]
    return base * (1 - snow) + colour((0.62, 0.67, 0.74)) * snow


def water(mirror: Field, camera: Camera, hour: Hour) -> Field:
    """The lake's surface for all rows below the horizon, from what it mirrors."""
    down = np.maximum(-camera.up, 1e-4)[:, None] + np.zeros((1, camera.width), np.float32)
    depth = camera.y / down
    x, z = camera.x + camera.across[None, :] * depth, camera.z + depth
    fine = 1 / (1 + (depth / 55) ** 2)
    ripples = fractal(x / 1.1, z / 1.7, octaves=4) * fine * 0.014 + noise(x / 7, z / 9) * 0.006 * np.exp(-depth / 160)
    ripples += fractal(x / 26, z / 34, octaves=3) * 0.0035 * np.exp(-depth / 500)
    rows = camera.height * HORIZON - (down + ripples + 0.35 * np.abs(ripples)) * camera.focal
    columns = np.arange(camera.width, dtype=np.float32)[None, :] + ripples * camera.focal * 0.25
    shown = cv2.remap(
        mirror,
        columns.astype(np.float32),
        np.clip(rows, 0, camera.height * HORIZON - 1).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    cosine = down / np.sqrt(1 + down * down)
    mirrored = (0.16 + 0.84 * (1 - cosine) ** 3.4)[..., None] * 0.94
    deep = colour(hour.ambient) * colour((0.05, 0.11, 0.12)) * 1.6
    wind = smooth(fractal(x / 150 + 2, z / 34, octaves=4), low=0.25, high=0.9) * smooth(depth, low=70, high=260) * 0.14
    breeze = wind[..., None]
    still = shown * mirrored + deep * (1 - mirrored)
    surface = still * (1 - breeze) + (colour(hour.middle) * 0.55 + colour(hour.horizon) * 0.25) * breeze
    mist = np.exp(-down / 0.016)[..., None] * (min(hour.mist, 1) * 0.55)
    return surface * (1 - mist) + colour(hour.haze) * mist


def scene(hour: Hour, *, mirrored: bool, camera: Camera, land: Land) -> tuple[Field, NDArray[np.bool_]]:
    """Sky and land as seen from the camera or as mirrored in the lake, and which pixels show the lake itself."""
    air, heaven = sky(camera, hour)
    seen = first_seen(camera, land, mirrored=mirrored)
    light, clear = shade(camera, land, hour, seen)
    low = np.exp(-np.maximum(camera.up, 0) / 0.24)[:, None, None]
    haze = colour(hour.haze) * low + air * (1 - low)
    picture = light * clear[..., None] + haze * (1 - clear[..., None])
    tops = (land.ground + land.trees)[np.minimum(seen, DEPTHS - 1), np.arange(camera.width)[None, :]]
    is_land = seen < DEPTHS
    return np.where(is_land[..., None], picture, heaven).astype(np.float32), is_land & (tops <= 0)
