"""Colours of one picture pulled to those of another: mean and spread of each channel of CIE L*a*b*.

Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, IEEE Computer Graphics and Applications 21(5), 2001;
in L*a*b* for their l-alpha-beta. All is computed in float32: in 8 bits values wrap around and steps show in the sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.media.pixels import Frame

Lab: TypeAlias = NDArray[np.float32]
"""(height, width, 3): L* of 0 to 100, a* and b* of about -128 to 127."""

_WHITE = 255
_LEAST_RATIO, _MOST_RATIO = 0.5, 2.0
"""How far the spread of a channel may be changed: a flat picture has no contrast that could be stretched."""
_FLAT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColourStats:
    """Mean and standard deviation of each channel of L*a*b*, three numbers each."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, picture: Frame) -> Self:
        """Those of an RGB picture."""
        return cls._of_lab(_lab(picture))

    @classmethod
    def _of_lab(cls, lab: Lab) -> Self:
        mean, spread = cv2.meanStdDev(lab)
        return cls(mean=np.asarray(mean).reshape(3), spread=np.asarray(spread).reshape(3))

    def toward(self, other: ColourStats, *, t: float) -> ColourStats:
        """Those between `self` (t = 0) and `other` (t = 1)."""
        return ColourStats(mean=(1 - t) * self.mean + t * other.mean, spread=(1 - t) * self.spread + t * other.spread)


def matched(picture: Frame, *, target: ColourStats, strength: float) -> Frame:
    """The picture with its colours pulled to `target`: not at all at strength 0, to its mean and spread at 1.

    Spreads are at most halved or doubled; colours that no screen shows go to the nearest value of each channel.
    """
    lab = _lab(picture)
    own = ColourStats._of_lab(lab)
    ratio = np.clip(target.spread / np.maximum(own.spread, _FLAT), _LEAST_RATIO, _MOST_RATIO)
    factor = 1 + strength * (ratio - 1)
    offset = own.mean * (1 - factor) + strength * (target.mean - own.mean)
    pulled = lab * factor.astype(np.float32) + offset.astype(np.float32)
    change = cv2.cvtColor(pulled, cv2.COLOR_LAB2RGB) - cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    changed = picture + change * np.float32(_WHITE)  # what there and back costs stands in both, and goes
    return np.asarray(np.rint(np.clip(changed, 0, _WHITE)), dtype=np.uint8)


def _lab(picture: Frame) -> Lab:
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / np.float32(_WHITE), cv2.COLOR_RGB2LAB), np.float32)
