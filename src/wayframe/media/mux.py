"""Packets into an MP4 that is checked after it was written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from wayframe.errors import MediaError

_FINEST_TICK = 10_000
"""MP4 time scales below this many ticks a second are doubled by FFmpeg; ours is chosen so that it stays."""
_CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"})


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


@contextmanager
def media_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn FFmpeg's errors into a `MediaError` that names the file."""
    try:
        yield
    except av.FFmpegError as exc:
        raise MediaError(f"{path}: cannot {doing} this video: {exc.strerror or exc}") from exc
    except OSError as exc:
        raise MediaError(f"{path}: cannot {doing} this video: {exc.strerror or exc}") from exc


class PacketDigest:
    """sha256 over the parameter sets, the time base and every packet in decode order: times, key flag and bytes.

    Times count from the first packet's presentation, so that the place of the data in a container doesn't matter.
    """

    def __init__(self, *, extradata: bytes, time_base: Fraction) -> None:
        self.packets = 0
        self._first: int | None = None
        self._hash = hashlib.sha256(f"{len(extradata)};{time_base};".encode() + extradata)

    def add(self, data: bytes, *, pts: int, dts: int, key: bool) -> None:
        """Take in the next packet."""
        self._first = pts if self._first is None else self._first
        self._hash.update(f"\n{pts - self._first};{dts - self._first};{int(key)};{len(data)};".encode())
        self._hash.update(data)
        self.packets += 1

    def hexdigest(self) -> str:
        """The digest so far as 64 hex digits."""
        return self._hash.hexdigest()


def packet_digest(path: Path) -> str:
    """The digest of a video's packets; equal for files that differ only in their container's metadata.

    Raises `MediaError` when the file is missing, broken or has no video.
    """
    return _digest_of(path).hexdigest()


def _digest_of(path: Path) -> PacketDigest:
    with media_errors(path, "read"), av.open(str(path)) as container:
        stream = video_stream(container, path)
        extradata = stream.codec_context.extradata or b""
        digest = PacketDigest(extradata=extradata, time_base=Fraction(stream.time_base or 0))
        for packet in container.demux(stream):
            if packet.size:
                digest.add(
                    bytes(packet), pts=_time(packet.pts, path), dts=_time(packet.dts, path), key=packet.is_keyframe
                )
    return digest


def _time(value: int | None, path: Path) -> int:
    if value is None:
        raise MediaError(f"{path}: its frames carry no times; remux it to MP4 first")
    return value


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The first video stream of an open file."""
    if not container.streams.video:
        raise MediaError(f"{path}: there is no video in this file")
    return container.streams.video[0]


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
        found = _digest_of(self._path)
        if found.packets != self.count or found.hexdigest() != self._digest.hexdigest():
            raise MediaError(f"{self._target}: {self.count} frames were written but {found.packets} others read back")
        return VideoFacts(
            frames=self.count,
            digest=self._digest.hexdigest(),
            width=self._stream.width,
            height=self._stream.height,
            fps=self._fps,
        )


def read_metadata(path: Path) -> dict[str, str]:
    """The keys that were written into a video, without those that belong to the container itself."""
    with media_errors(path, "read"), av.open(str(path)) as container:
        return {key: value for key, value in container.metadata.items() if key not in _CONTAINER_KEYS}
