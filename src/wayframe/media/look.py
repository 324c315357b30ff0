"""Saturation, brightness, and the keyframes in the corners of a frame."""

from __future__ import annotations

import cv2
import numpy as np

from wayframe.media.pixels import Frame

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709
_WHITE = 255
_SMALLER = 5
"""A keyframe in a corner has a fifth of the frame's sides."""


def toned(picture: Frame, *, saturation: float, brightness: float) -> Frame:
    """The picture with its distance from grey times `saturation`, and then all times 1 + `brightness`; clamped."""
    values = picture.astype(np.float32)
    grey = (values @ _LUMA)[..., None]
    changed = (grey + (values - grey) * np.float32(saturation)) * np.float32(1 + brightness)
    return np.asarray(np.rint(np.clip(changed, 0, _WHITE)), dtype=np.uint8)


def with_banner(picture: Frame, *, first: Frame | None, last: Frame | None) -> Frame:
    """A copy with the first keyframe in its upper left corner and the last one in its upper right, framed in white."""
    shown = picture.copy()
    height, width = picture.shape[0] // _SMALLER, picture.shape[1] // _SMALLER
    for keyframe, at in ((first, 0), (last, picture.shape[1] - width)):
        if keyframe is not None:
            shown[:height, at : at + width] = cv2.resize(keyframe, (width, height), interpolation=cv2.INTER_AREA)
            cv2.rectangle(shown, (at, 0), (at + width - 1, height - 1), (_WHITE, _WHITE, _WHITE), 1)
    return shown
