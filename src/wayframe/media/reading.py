"""Opening videos, and the errors and digests that come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av

from wayframe.errors import MediaError
from wayframe.media.bitstream import parameter_sets

Video: TypeAlias = tuple[av.container.InputContainer, av.VideoStream]
_CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"})


@contextmanager
def media_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn FFmpeg's errors, and those of the file system, into a `MediaError` that names the file."""
    try:
        yield
    except (av.FFmpegError, OSError) as exc:
        raise MediaError(f"{path}: cannot {doing} this video: {exc.strerror or exc}") from exc


@contextmanager
def opened(path: Path, doing: str) -> Iterator[Video]:
    """An open file and its first video stream; errors until the block ends become `MediaError`.

    FFmpeg decodes a few frames of every file that it opens, to learn what the header doesn't tell. H.264 in MP4 tells
    all in its header, so that nothing is decoded then: opening takes a tenth of the time.
    """
    with media_errors(path, doing), av.open(str(path), options={"skip_frame": "all"}) as container:
        stream = _video_stream(container, path)
        if is_described(stream):
            yield container, stream
            return
    with media_errors(path, doing), av.open(str(path)) as container:
        yield container, _video_stream(container, path)


def is_described(stream: av.VideoStream) -> bool:
    """Whether the header holds the parameter sets of H.264."""
    context = stream.codec_context
    return context.name == "h264" and parameter_sets(context.extradata or b"") is not None


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        raise MediaError(f"{path}: there is no video in this file")
    return container.streams.video[0]


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
    return digest_of(path).hexdigest()


def digest_of(path: Path) -> PacketDigest:
    """As `packet_digest`, with the number of packets."""
    with opened(path, "read") as (container, stream):
        extradata = stream.codec_context.extradata or b""
        digest = PacketDigest(extradata=extradata, time_base=Fraction(stream.time_base or 0))
        for packet in container.demux(stream):
            if packet.size:
                pts, dts = packet_times(packet, path)
                digest.add(bytes(packet), pts=pts, dts=dts, key=packet.is_keyframe)
    return digest


def packet_times(packet: av.Packet[av.VideoStream], path: Path) -> tuple[int, int]:
    """When a packet is shown and when it is decoded; `MediaError` for a file that doesn't say."""
    if packet.pts is None or packet.dts is None:
        raise MediaError(f"{path}: its frames carry no times; remux it to MP4 first")
    return packet.pts, packet.dts


def read_metadata(path: Path) -> dict[str, str]:
    """The keys that were written into a video, without those that belong to the container itself."""
    with opened(path, "read") as (container, _):
        return {key: value for key, value in container.metadata.items() if key not in _CONTAINER_KEYS}
