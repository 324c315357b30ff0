"""What a video file holds, and any range of its frames, without reading the rest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TypeVar

import av

from wayframe.errors import MediaError
from wayframe.media.bitstream import is_idr
from wayframe.media.pixels import Frame, Yuv, video_to_rgb, video_to_yuv
from wayframe.media.reading import is_described, opened, packet_digest, packet_times, read_metadata

__all__ = ["VideoIndex", "decode", "decode_some", "decode_yuv", "index", "packet_digest", "packets", "read_metadata"]

Picture = TypeVar("Picture")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoIndex:
    """Where the frames of a video are. Frames are counted in presentation order from 0 ("rank").

    `keyframes` are the ranks that a decoder may start at, `idr` those of them over which nothing refers (H.264 in MP4
    only). `pts` holds every frame's time in units of `time_base`, `starts` the decode time of each keyframe.
    """

    path: Path
    frames: int
    keyframes: tuple[int, ...]
    idr: frozenset[int]
    pts: tuple[int, ...]
    starts: tuple[int, ...]
    codec: str
    extradata: bytes
    time_base: Fraction
    width: int
    height: int
    fps: Fraction

    def rank(self, pts: int) -> int:
        """The frame shown at time `pts`; `frames` when there is none."""
        at = bisect_left(self.pts, pts)
        return at if at < self.frames and self.pts[at] == pts else self.frames


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    pts: int
    dts: int
    key: bool
    idr: bool


def index(path: Path) -> VideoIndex:
    """Read the packets of a video, not their pictures.

    Raises `MediaError` when the file is missing, broken, or has no video or no frame times.
    """
    with opened(path, "read") as (container, stream):
        nal_units = is_described(stream)
        seen = sorted(
            (_seen(packet, path, nal_units) for packet in container.demux(stream) if packet.size),
            key=lambda frame: frame.pts,
        )
        fps = Fraction(stream.average_rate or stream.base_rate or 0)
        if not seen or not fps:
            raise MediaError(f"{path}: there are no frames in this video, or it has no rate")
        keys = [rank for rank, frame in enumerate(seen) if frame.key]
        return VideoIndex(
            path=path,
            frames=len(seen),
            keyframes=tuple(keys),
            idr=frozenset(rank for rank in keys if seen[rank].idr),
            pts=tuple(frame.pts for frame in seen),
            starts=tuple(seen[rank].dts for rank in keys),
            codec=stream.codec_context.name,
            extradata=stream.codec_context.extradata or b"",
            time_base=Fraction(stream.time_base or 0),
            width=stream.width,
            height=stream.height,
            fps=fps,
        )


def _seen(packet: av.Packet[av.VideoStream], path: Path, nal_units: bool) -> _Seen:
    pts, dts = packet_times(packet, path)
    idr = nal_units and packet.is_keyframe and not packet.is_discard and is_idr(bytes(packet))
    return _Seen(pts=pts, dts=dts, key=packet.is_keyframe, idr=idr)


def decode(path: Path, *, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
    """The frames `start` to `stop` (exclusive; None: to the end) as (height, width, 3) RGB arrays, one by one.

    Decoding begins at the keyframe before `start`. Raises `MediaError` for a range that is not in the video, and when
    fewer frames come out than the file says it holds.
    """
    where = index(path)
    return _range(where, start, where.frames if stop is None else stop, video_to_rgb)


def decode_some(where: VideoIndex, *, ranks: Collection[int]) -> Iterator[tuple[int, Frame]]:
    """The frames at `ranks` in rising order, each with its rank; those between them are decoded but not converted."""
    wanted = frozenset(ranks)
    if not wanted:
        return
    first, last = min(wanted), max(wanted)
    for rank, picture in enumerate(_range(where, first, last + 1, lambda picture: picture), start=first):
        if rank in wanted:
            yield rank, video_to_rgb(picture)


def decode_yuv(where: VideoIndex, *, start: int, stop: int) -> Iterator[Yuv]:
    """As `decode`, but from an index made before, and the pictures as they are stored: nothing is lost on the way."""
    return _range(where, start, stop, video_to_yuv)


def _range(where: VideoIndex, start: int, stop: int, convert: Callable[[av.VideoFrame], Picture]) -> Iterator[Picture]:
    if not 0 <= start <= stop <= where.frames:
        raise MediaError(f"{where.path}: frames {start} to {stop} were asked for, there are {where.frames}")
    return _decoded(where, start, stop, convert) if start < stop else iter(())


def _decoded(
    where: VideoIndex, start: int, stop: int, convert: Callable[[av.VideoFrame], Picture]
) -> Iterator[Picture]:
    given = start
    with opened(where.path, "decode") as (container, stream):
        stream.codec_context.thread_count = 1  # ranges are short; threads would decode beyond their end
        stream.codec_context.options = {"err_detect": "explode"}
        for picture in _pictures(container, where, start, stop):
            if start <= where.rank(picture.pts or 0) < stop:
                given += 1
                yield convert(picture)
            if given == stop:
                return
    raise MediaError(f"{where.path}: only {given - start} of frames {start} to {stop} can be decoded")


def _pictures(
    container: av.container.InputContainer, where: VideoIndex, start: int, stop: int
) -> Iterator[av.VideoFrame]:
    """Decoded pictures around a range; an IDR frame at its end or behind is not decoded: none before it needs it."""
    stream = container.streams.video[0]
    behind = frozenset(rank for rank in where.idr if rank >= stop)
    for packet in packets(container, where, start=start):
        if not packet.size or where.rank(packet.pts or 0) in behind:
            break
        yield from packet.decode()
    yield from stream.codec_context.decode(None)


def packets(
    container: av.container.InputContainer, where: VideoIndex, *, start: int
) -> Iterator[av.Packet[av.VideoStream]]:
    """The packets of an open file in decode order, from the keyframe at or before frame `start`; the last is empty."""
    stream = container.streams.video[0]
    at = bisect_right(where.keyframes, start) - 1
    if at <= 0:
        yield from container.demux(stream)
        return
    container.seek(where.pts[where.keyframes[at]], stream=stream)
    found = container.demux(stream)
    first = next(found)
    if where.rank(first.pts or 0) > where.keyframes[at]:  # the next keyframe's decode time is before our frame's time
        container.seek(where.starts[at], stream=stream)
        found = container.demux(stream)
        first = next(found)
    yield from chain((first,), found)
