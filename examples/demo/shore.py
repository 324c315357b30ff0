"""What stands on the spits of the demo: pines, and a cabin whose windows are lit at night."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from hours import Field, Hour, colour
from land import HORIZON, SPITS, Camera, island

CABIN = (48.0, 180.0)


def silhouette(random: np.random.Generator) -> tuple[Field, Field]:
    """One conifer as (coverage, brightness), 512 high and 256 wide, made of drooping branches."""
    coverage, bright = np.zeros((512, 256), np.float32), np.zeros((512, 256), np.float32)
    cv2.rectangle(coverage, (125, 60), (131, 511), 1.0, -1)
    cv2.rectangle(bright, (125, 60), (131, 511), 0.5, -1)
    lean, fullness = random.uniform(-6, 6), random.uniform(0.75, 1.05)
    for step in np.linspace(0, 1, 58):
        y = 8 + step * 462
        reach = (4 + 104 * step**0.85) * fullness
        for side in (-1, 1):
            length, droop = reach * random.uniform(0.55, 1.08), random.uniform(6, 20) + 16 * step
            middle = 128 + lean * (1 - step)
            tip = [middle + side * length, y + droop]
            corners = [[middle, y - 7], tip, [middle + side * length * 0.55, y + droop + 9], [middle, y + 16]]
            points = [np.round(np.array(corners) * 16).astype(np.int32)]
            cv2.fillPoly(coverage, points, 1.0, cv2.LINE_AA, 4)
            cv2.fillPoly(bright, points, random.uniform(0.55, 1.25) * (1 + 0.25 * side), cv2.LINE_AA, 4)
    return coverage, bright


@dataclass(frozen=True, slots=True, kw_only=True)
class Pine:
    """One pine: where it stands, how tall it is, and which of the drawn ones it looks like."""

    x: float
    z: float
    tall: float
    kind: int


def wood(random: np.random.Generator, *, kinds: int) -> list[Pine]:
    """The pines of both spits, the farthest first; none in the water, and none between the cabin and the lake."""
    pines = []
    for spit in SPITS:
        for _ in range(spit.pines):
            angle, off = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, 0.8))
            x, z = spit.at[0] + spit.size[0] * off * np.cos(angle), spit.at[1] + spit.size[1] * off * np.sin(angle)
            tall = (5 + 14 * random.uniform() ** 1.6) * (1.25 - 0.5 * off)
            pines.append(Pine(x=x, z=z, tall=tall, kind=int(random.integers(kinds))))
    dry = [pine for pine in pines if spit_ground(pine.x, pine.z) > 0.4]
    free = [pine for pine in dry if abs(pine.x - CABIN[0]) > 9 or pine.z > CABIN[1] + 7]
    return sorted(free, key=lambda pine: -pine.z)


def plant(canvas: Field, camera: Camera, hour: Hour, *, mirrored: bool) -> None:
    """Draw the pines and the cabin of the spits over the picture."""
    random = np.random.default_rng(23)
    kinds = [silhouette(random) for _ in range(7)]
    pines = wood(random, kinds=len(kinds))
    painter = Painter(canvas=canvas, camera=camera, hour=hour, mirrored=mirrored)
    for pine in pines:
        if pine.z > CABIN[1]:
            painter.pine(pine, looks=kinds[pine.kind])
    painter.cabin()
    for pine in pines:
        if pine.z <= CABIN[1]:
            painter.pine(pine, looks=kinds[pine.kind])


def spit_ground(x: float, z: float) -> float:
    """Height of the nearest spit at a place."""
    place = np.full((1, 1), x, np.float32), np.full((1, 1), z, np.float32)
    return max(float(island(*place, spit)[0, 0]) for spit in SPITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Painter:
    """Draws over a picture what stands on the spits, as seen or as mirrored."""

    canvas: Field
    camera: Camera
    hour: Hour
    mirrored: bool

    def spot(self, *, x: float, y: float, z: float) -> tuple[float, float]:
        """The (column, row) of a place in the picture."""
        camera, depth = self.camera, z - self.camera.z
        rise = (y + camera.y if self.mirrored else y - camera.y) / depth
        column = (x - camera.x) / depth * camera.focal + (camera.width - 1) / 2
        return column, camera.height * HORIZON - rise * camera.focal

    def pine(self, pine: Pine, *, looks: tuple[Field, Field]) -> None:
        """One pine, lit by the sky and, by day, by the sun."""
        column, foot = self.spot(x=pine.x, y=spit_ground(pine.x, pine.z) - 0.3, z=pine.z)
        size = pine.tall / (pine.z - self.camera.z) * self.camera.focal
        height, width = max(round(size), 4), max(round(size * 0.46), 2)
        left, top = round(column - width / 2), round(foot - size)
        x0, x1 = max(left, 0), min(left + width, self.camera.width)
        y0, y1 = max(top, 0), min(top + height, self.camera.height)
        if x0 >= x1 or y0 >= y1:
            return
        side = -1 if self.hour.to_sun[0] < 0 else 1
        part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        alpha, bright = (
            cv2.resize(look, (width, height), interpolation=cv2.INTER_AREA)[:, ::side][part][..., None]
            for look in looks
        )
        light = colour(self.hour.ambient) * 0.8 + colour(self.hour.sun) * (0.08 + 0.26 * self.hour.daylight)
        tint = colour((0.034, 0.056, 0.030)) * light * bright + colour(self.hour.haze) * self.hour.mist * 0.05
        self.canvas[y0:y1, x0:x1] = self.canvas[y0:y1, x0:x1] * (1 - alpha) + tint * alpha

    def face(self, points: list[tuple[float, float]], paint: Field) -> None:
        """A flat piece of the cabin's front; points are (right, up) from the middle of its sill."""
        ground = spit_ground(*CABIN)
        spots = [self.spot(x=CABIN[0] + right, y=ground + up, z=CABIN[1]) for right, up in points]
        mask = np.zeros(self.canvas.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.round(np.array(spots) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        self.canvas[:] = self.canvas * (1 - mask[..., None]) + paint * mask[..., None]

    def cabin(self) -> None:
        """A log cabin with its gable toward the lake and two windows, lit when night falls."""
        hour = self.hour
        light = colour(hour.ambient) + colour(hour.sun) * (0.12 + 0.30 * hour.daylight)
        self.face([(-4.4, -1), (4.4, -1), (4.4, 3.0), (0, 6.3), (-4.4, 3.0)], colour((0.105, 0.062, 0.038)) * light)
        for log in np.arange(-0.4, 3.0, 0.55):
            joint = [(-4.4, log), (4.4, log), (4.4, log + 0.12), (-4.4, log + 0.12)]
            self.face(joint, colour((0.06, 0.035, 0.022)) * light)
        roof = [(-5.2, 2.6), (0, 6.6), (5.2, 2.6), (5.2, 3.2), (0, 7.3), (-5.2, 3.2)]
        self.face(roof, colour((0.075, 0.070, 0.075)) * light)
        self.face([(2.0, 4.6), (3.0, 4.6), (3.0, 7.9), (2.0, 7.9)], colour((0.12, 0.105, 0.10)) * light)
        glass = colour((0.05, 0.06, 0.07)) * light + colour((2.6, 1.15, 0.30)) * (0.05 + hour.night)
        for left in (-3.05, 1.55):
            self.face([(left, 0.9), (left + 1.5, 0.9), (left + 1.5, 2.3), (left, 2.3)], glass)
        self.face([(-0.65, -0.3), (0.65, -0.3), (0.65, 2.1), (-0.65, 2.1)], colour((0.05, 0.03, 0.02)) * light)
        self.glow()

    def glow(self) -> None:
        """The light of the windows in the air around them."""
        column, row = self.spot(x=CABIN[0], y=spit_ground(*CABIN) + 1.6, z=CABIN[1])
        light = np.zeros(self.canvas.shape[:2], np.float32)
        cv2.circle(light, (round(column), round(row)), round(26 * self.camera.grain), 1.0, -1)
        light = cv2.GaussianBlur(light, (0, 0), 22 * self.camera.grain)
        self.canvas[:] += light[..., None] * colour((0.33, 0.137, 0.038)) * self.hour.night
