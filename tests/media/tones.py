"""Sound for tests: a tone in a WAV file, and what is heard in a file."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100


def write_tone(path: Path, *, seconds: float, pitch: float = 440.0, level: float = 0.5) -> Path:
    """A sine in one channel, 16 bits."""
    times = np.arange(round(seconds * RATE)) / RATE
    samples = (np.sin(times * 2 * np.pi * pitch) * level * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def heard(path: Path) -> NDArray[np.float32]:
    """The samples of the left channel at 48 kHz, as a player plays them."""
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0) if (frame.pts or 0) >= 0]
    return np.concatenate(parts)


def loudness(samples: NDArray[np.float32]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples))))
