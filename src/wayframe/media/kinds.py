"""What a file of unknown origin is: a video or a sound, in one of a few containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av

from wayframe.errors import MediaError
from wayframe.media.index import index
from wayframe.media.reading import media_errors

SUFFIXES: Mapping[str, str] = {
    "mov,mp4,m4a,3gp,3g2,mj2": ".mp4",
    "matroska,webm": ".mkv",
    "avi": ".avi",
    "wav": ".wav",
    "mp3": ".mp3",
    "flac": ".flac",
    "ogg": ".ogg",
    "aac": ".aac",
}
"""Containers that hold their own data, by FFmpeg's names: no playlists and no scripts, which name other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What a file is. `suffix` fits its container; `frames`, `fps` and size are those of a video, None of a sound."""

    kind: Literal["video", "sound"]
    suffix: str
    seconds: float
    frames: int | None = None
    fps: str | None = None
    width: int | None = None
    height: int | None = None


def media_facts(path: Path) -> MediaFacts:
    """What a file is, by its content. Raises `MediaError` for what is no video and no sound, and for other containers.

    The packets of a video are read, not its pictures.
    """
    with media_errors(path, "read"), av.open(str(path)) as container:
        suffix = SUFFIXES.get(container.format.name)
        if suffix is None:
            raise MediaError(f"{path}: {container.format.name} is not taken; convert it to MP4, MKV, WAV, MP3 or FLAC")
        shown, heard = bool(container.streams.video), bool(container.streams.audio)
        seconds = round((container.duration or 0) / av.time_base, 3)
    if shown:
        found = index(path)
        rate, length = found.fps.limit_denominator(1001), round(float(found.frames / found.fps), 3)
        size = {"width": found.width, "height": found.height}
        return MediaFacts(kind="video", suffix=suffix, seconds=length, frames=found.frames, fps=str(rate), **size)
    if not heard:
        raise MediaError(f"{path}: there is no video and no sound in this file")
    return MediaFacts(kind="sound", suffix=suffix, seconds=seconds)
