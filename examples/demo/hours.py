"""The hours of the day in the demo: where the camera stands, and what light there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The light of one hour; colours are linear RGB, angles in degrees, the sun's azimuth from the view's middle."""

    name: str
    place: tuple[float, float, float]
    sun_azimuth: float
    sun_height: float
    sun: Colour
    ambient: Colour
    zenith: Colour
    middle: Colour
    horizon: Colour
    glow: Colour
    haze: Colour
    haze_length: float
    mist: float
    cloud_light: Colour
    cloud_shade: Colour
    cloud_cover: float
    cloud_drift: float
    night: float
    exposure: float

    @property
    def daylight(self) -> float:
        """How much of the sun's light falls on what faces the camera: 0 for a low sun, which stands behind it."""
        return min(max(self.sun_height - 6, 0) / 24, 1)

    @property
    def to_sun(self) -> Field:
        """Unit vector toward the sun."""
        azimuth, height = np.radians([self.sun_azimuth, self.sun_height])
        return np.array(
            [np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)], np.float32
        )


HOURS = (
    Hour(
        name="dawn",
        place=(-3.0, 1.0, 8.6),
        sun_azimuth=12.0,
        sun_height=5.0,
        sun=(2.3, 1.15, 0.62),
        ambient=(0.20, 0.22, 0.34),
        zenith=(0.050, 0.125, 0.30),
        middle=(0.27, 0.28, 0.42),
        horizon=(0.92, 0.50, 0.30),
        glow=(1.9, 0.85, 0.30),
        haze=(0.42, 0.33, 0.38),
        haze_length=9000.0,
        mist=0.75,
        cloud_light=(1.5, 0.72, 0.50),
        cloud_shade=(0.30, 0.26, 0.38),
        cloud_cover=0.62,
        cloud_drift=0.0,
        night=0.0,
        exposure=0.95,
    ),
    Hour(
        name="day",
        place=(0.0, 5.0, 9.4),
        sun_azimuth=-88.0,
        sun_height=30.0,
        sun=(2.3, 2.0, 1.6),
        ambient=(0.20, 0.27, 0.40),
        zenith=(0.055, 0.17, 0.46),
        middle=(0.17, 0.36, 0.70),
        horizon=(0.58, 0.74, 0.92),
        glow=(0.2, 0.2, 0.2),
        haze=(0.42, 0.56, 0.76),
        haze_length=15000.0,
        mist=0.12,
        cloud_light=(1.45, 1.4, 1.32),
        cloud_shade=(0.55, 0.63, 0.76),
        cloud_cover=0.62,
        cloud_drift=0.006,
        night=0.0,
        exposure=0.95,
    ),
    Hour(
        name="dusk",
        place=(4.0, 10.0, 8.4),
        sun_azimuth=-24.0,
        sun_height=1.5,
        sun=(0.55, 0.24, 0.20),
        ambient=(0.09, 0.11, 0.22),
        zenith=(0.012, 0.022, 0.075),
        middle=(0.105, 0.095, 0.24),
        horizon=(0.80, 0.34, 0.22),
        glow=(0.9, 0.30, 0.10),
        haze=(0.17, 0.12, 0.25),
        haze_length=8500.0,
        mist=0.40,
        cloud_light=(0.95, 0.36, 0.28),
        cloud_shade=(0.09, 0.075, 0.16),
        cloud_cover=0.60,
        cloud_drift=0.012,
        night=1.0,
        exposure=1.15,
    ),
)


def colour(value: Colour) -> Field:
    return np.array(value, np.float32)
