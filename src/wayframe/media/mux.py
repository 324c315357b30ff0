"""Packets into an MP4 that is checked after it was written."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from wayframe.errors import MediaError
from wayframe.media.reading import PacketDigest, digest_of, media_errors

_FINEST_TICK = 10_000
"""MP4 time scales below this many ticks a second are doubled by FFmpeg; ours is chosen so that it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrame:
    """One coded picture as MP4 holds it; `rank` is its place in presentation order."""

    data: bytes
    rank: int
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a finished file holds. `digest` is that of `packet_digest`: over packets, not over the container."""

    frames: int
    digest: str
    width: int
    height: int
    fps: Fraction


def mp4_time_scale(fps: Fraction) -> int:
    """Ticks a second in which a frame of `fps` has a whole length: 16 -> 16384, 24000/1001 -> 24000."""
    scale = fps.numerator
    while scale < _FINEST_TICK:
        scale *= 2
    return scale


def mp4_options(fps: Fraction) -> dict[str, str]:
    """Muxer settings of every file of ours: index in front, any metadata key, no trace of version or time."""
    scale = str(mp4_time_scale(fps))
    return {
        "movflags": "+faststart+use_metadata_tags",
        "fflags": "+bitexact",
        "video_track_timescale": scale,
        "movie_timescale": scale,  # the edit list counts in it: in milliseconds it would end within the last frame
    }


class PacketWriter:
    """Writes coded pictures into an MP4, with times of its own, and checks the finished file.

    `path` is written, `target` is what it is called in errors. `template` is a small MP4 whose stream is set up the
    same way: a stream made by an encoder's name would hold foreign packets back until that encoder has seen frames.
    `reorder` is how many frames the decode order may run ahead; decode times are a plain counter minus it, which stays
    monotonic however short the joined pieces are.
    """

    def __init__(self, path: Path, *, target: Path, fps: Fraction, template: bytes, reorder: int) -> None:
        self._path, self._target, self._fps, self._reorder = path, target, fps, reorder
        self._time_base = Fraction(1, mp4_time_scale(fps))
        self._tick = int(1 / fps / self._time_base)
        with media_errors(target, "write"):
            self._container = av.open(str(path), "w", format="mp4", options=mp4_options(fps))
            with av.open(io.BytesIO(template)) as source:
                self._stream = self._container.add_stream_from_template(source.streams.video[0])
                self.extradata = source.streams.video[0].codec_context.extradata or b""
        self._stream.time_base = self._time_base
        self._digest = PacketDigest(extradata=self.extradata, time_base=self._time_base)

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Set the container's metadata; before the first picture."""
        self._container.metadata.update(metadata)

    @property
    def count(self) -> int:
        """Pictures written so far."""
        return self._digest.packets

    def write(self, picture: EncodedFrame) -> None:
        """Append one picture, in decode order."""
        pts, dts = picture.rank * self._tick, (self.count - self._reorder) * self._tick
        if dts > pts:
            raise MediaError(f"{self._target}: frame {picture.rank} would be decoded after it is shown")
        packet = av.Packet(picture.data)
        packet.pts, packet.dts, packet.duration = pts, dts, self._tick
        packet.time_base, packet.is_keyframe = self._time_base, picture.key
        packet.stream = self._stream
        with media_errors(self._target, "write"):
            self._container.mux_one(packet)
        self._digest.add(picture.data, pts=pts, dts=dts, key=picture.key)

    def abandon(self) -> None:
        """Let go of the file without checking it."""
        try:
            self._container.close()
        except av.FFmpegError:
            return  # the error that led here is the one to tell

    def finish(self) -> VideoFacts:
        """Close the file, read it back and compare what is there with what was written."""
        if not self.count:
            self.abandon()
            raise MediaError(f"{self._target}: a video needs at least one frame")
        with media_errors(self._target, "write"):
            self._container.close()
        found = digest_of(self._path)
        if found.packets != self.count or found.hexdigest() != self._digest.hexdigest():
            raise MediaError(f"{self._target}: {self.count} frames were written but {found.packets} others read back")
        return VideoFacts(
            frames=self.count,
            digest=self._digest.hexdigest(),
            width=self._stream.width,
            height=self._stream.height,
            fps=self._fps,
        )
