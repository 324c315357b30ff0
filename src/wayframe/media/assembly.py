"""The video that a stitch builds up, span by span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from wayframe.core.findings import Finding, finding
from wayframe.core.media_rules import STITCH_REENCODED
from wayframe.errors import MediaError
from wayframe.media.bitstream import parameter_sets
from wayframe.media.blend import Curve
from wayframe.media.encode import REORDER, Encoder, Profile, template
from wayframe.media.index import VideoIndex, decode_yuv, packets
from wayframe.media.mux import EncodedFrame, PacketWriter, VideoFacts
from wayframe.media.pixels import Yuv, yuv_to_video
from wayframe.media.reading import media_errors, opened
from wayframe.media.spans import Copy, Mix, Recode, Span


class Assembly:
    """Takes spans in order and writes them. Neighbouring spans that are encoded share one encoder; a copy ends it.

    `parameters` are the parameter sets that a piece must have to be copied: those of the profile's encoder.
    """

    def __init__(self, path: Path, *, target: Path, like: VideoIndex, profile: Profile, curve: Curve) -> None:
        source = template(width=like.width, height=like.height, fps=like.fps, profile=profile)
        self._packets = PacketWriter(path, target=target, fps=like.fps, template=source, reorder=REORDER)
        self.parameters = parameter_sets(self._packets.extradata)
        self.copied = self.encoded = 0
        self._target, self._like, self._profile, self._curve = target, like, profile, curve
        self._encoder: Encoder | None = None
        self._encoder_start = 0
        self._recoded: list[Recode] = []

    @property
    def frames(self) -> int:
        """Frames taken in so far."""
        return self.copied + self.encoded

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Set the container's metadata; before the first span."""
        self._packets.describe(metadata)

    def add(self, span: Span) -> Iterator[int]:
        """Take in a span; gives the number of frames so far after each one."""
        if isinstance(span, Copy):
            return self._copy(span)
        if isinstance(span, Mix):
            return self._encode(_blended(span, self._curve))
        self._recoded.append(span)
        return self._encode(decode_yuv(span.piece, start=span.start, stop=span.stop))

    def finish(self) -> VideoFacts:
        """Write what the encoder still holds; close and check the file."""
        self._end_encoder()
        return self._packets.finish()

    def abandon(self) -> None:
        """Let go of the file; after `finish` it does nothing."""
        self._packets.abandon()

    def findings(self) -> tuple[Finding, ...]:
        """One finding for each piece of which frames were encoded again."""
        return tuple(_reencoded(list(spans)) for _, spans in groupby(self._recoded, key=lambda span: span.number))

    def _copy(self, span: Copy) -> Iterator[int]:
        self._end_encoder()
        piece, start = span.piece, self.frames
        with opened(piece.path, "read") as (container, _):
            for packet in packets(container, piece, start=span.start):
                rank = piece.rank(packet.pts or 0) if packet.size else piece.frames
                if not span.start <= rank < span.stop:
                    break  # behind an IDR frame there is nothing of before it: decode order is that of the spans
                place = start + rank - span.start
                self._packets.write(EncodedFrame(data=bytes(packet), rank=place, key=packet.is_keyframe))
                self.copied += 1
                yield self.frames
        if self.frames - start != span.stop - span.start:
            raise MediaError(f"{piece.path}: frames {span.start} to {span.stop} don't stand together in this file")

    def _encode(self, pictures: Iterator[Yuv]) -> Iterator[int]:
        for pixels in pictures:
            if self._encoder is None:
                like = self._like
                self._encoder_start = self.frames
                self._encoder = Encoder(width=like.width, height=like.height, fps=like.fps, profile=self._profile)
            with media_errors(self._target, "encode"):
                self._write(self._encoder.encode(yuv_to_video(pixels), idr=False))
            self.encoded += 1
            yield self.frames

    def _end_encoder(self) -> None:
        if self._encoder is not None:
            with media_errors(self._target, "encode"):
                self._write(self._encoder.flush())
        self._encoder = None

    def _write(self, pictures: Iterator[EncodedFrame]) -> None:
        for picture in pictures:
            place = self._encoder_start + picture.rank
            self._packets.write(EncodedFrame(data=picture.data, rank=place, key=picture.key))


def _blended(span: Mix, curve: Curve) -> Iterator[Yuv]:
    left = decode_yuv(span.left, start=span.stop - span.frames, stop=span.stop)
    right = decode_yuv(span.right, start=span.start, stop=span.start + span.frames)
    for step, (before, after) in enumerate(zip(left, right, strict=True)):
        yield curve(left=before, right=after, step=step, steps=span.frames)


def _reencoded(spans: list[Recode]) -> Finding:
    frames = sum(span.stop - span.start for span in spans)
    first = spans[0]
    return finding(
        STITCH_REENCODED,
        f"{frames} frames of {first.piece.path.name} were encoded again: {first.reason}",
        where=f"segments[{first.number}]",
        evidence={
            "file": first.piece.path.name,
            "frames": frames,
            "ranges": [[span.start, span.stop] for span in spans],
            "reasons": [span.reason for span in spans],
        },
    )
