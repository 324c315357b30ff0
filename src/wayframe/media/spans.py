"""What a stitch does with each frame, decided from the indexes of the pieces alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from wayframe.errors import MediaError
from wayframe.media.bitstream import parameter_sets
from wayframe.media.index import VideoIndex, index

RATE_TOLERANCE = 1e-4
"""Rates of other containers are rounded; 24 and 24000/1001 differ by ten times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """How two neighbouring pieces meet in `overlap` shared frames.

    `blend`: the last frames of the left piece are mixed with the first ones of the right piece. Otherwise a cut: the
    first frames of the right piece are dropped, because the left piece already shows them, or, to keep those of the
    `right`, the last ones of the left piece. `left_out` frames of the left piece's end and of the right piece's
    beginning are not shown at all; the shared ones lie next to them.
    """

    overlap: int
    blend: bool
    keep: Literal["left", "right"] = "left"
    left_out: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Frames `start` to `stop` of a piece as they are: an IDR frame stands at both ends."""

    piece: VideoIndex
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recode:
    """Frames `start` to `stop` of piece `number`, decoded and encoded again, because of `reason`."""

    piece: VideoIndex
    number: int
    start: int
    stop: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The `frames` frames of `left` before frame `stop` blended with those of `right` from frame `start`."""

    left: VideoIndex
    right: VideoIndex
    frames: int
    stop: int
    start: int


Span: TypeAlias = Copy | Recode | Mix


def read_pieces(pieces: Sequence[Path], *, joins: Sequence[Join]) -> tuple[VideoIndex, ...]:
    """Index every piece (some 3 kB for one of 61 frames), before anything is written.

    Raises `MediaError` for a piece that cannot be read or has another size or rate, and for overlaps that don't fit.
    """
    if not pieces or len(joins) != len(pieces) - 1:
        raise MediaError(f"{len(pieces)} pieces and {len(joins)} joins; there must be one join less than pieces")
    found: list[VideoIndex] = []
    for number, path in enumerate(pieces):
        piece = index(path)
        found.append(piece)
        _check_like(piece, found[0])
        before, after = _kept_out(joins, number)
        if min(before, after) < 0 or before + after > piece.frames:
            raise MediaError(f"{path}: {piece.frames} frames cannot hold overlaps of {before} before and {after} after")
    return tuple(found)


def _check_like(piece: VideoIndex, first: VideoIndex) -> None:
    if (piece.width, piece.height) != (first.width, first.height):
        raise MediaError(
            f"{piece.path}: is {piece.width}x{piece.height}, but {first.path} is {first.width}x{first.height}; "
            "pieces of different size cannot be joined"
        )
    if abs(piece.fps - first.fps) > RATE_TOLERANCE * first.fps:
        raise MediaError(
            f"{piece.path}: has {float(piece.fps):g} frames a second, but {first.path} has {float(first.fps):g}; "
            "pieces of different rate cannot be joined"
        )


def _kept_out(joins: Sequence[Join], number: int) -> tuple[int, int]:
    """Frames at both ends of a piece that are not its body."""
    before = joins[number - 1] if number else Join(overlap=0, blend=False)
    after = joins[number] if number < len(joins) else Join(overlap=0, blend=False)
    return (
        before.left_out[1] + (before.overlap if before.blend or before.keep == "left" else 0),
        after.left_out[0] + (after.overlap if after.blend or after.keep == "right" else 0),
    )


def spans(
    pieces: Sequence[VideoIndex], *, joins: Sequence[Join], parameters: tuple[bytes, ...] | None
) -> Iterator[Span]:
    """The spans of the result in order.

    `parameters` are the parameter sets of the result: only pieces that have the same ones are copied.
    """
    for number, piece in enumerate(pieces):
        before, after = _kept_out(joins, number)
        join = joins[number - 1] if number else None
        if join and join.blend and join.overlap:
            left, (out, start) = pieces[number - 1], join.left_out
            yield Mix(left=left, right=piece, frames=join.overlap, stop=left.frames - out, start=start)
        yield from body_spans(piece, number, range(before, piece.frames - after), parameters)


def body_spans(piece: VideoIndex, number: int, body: range, parameters: tuple[bytes, ...] | None) -> Iterator[Span]:
    """Frames of one piece: what stands between IDR frames is copied, the rest encoded."""
    start, stop, reason = _copyable(piece, body, parameters)
    if body.start < start:
        yield Recode(piece=piece, number=number, start=body.start, stop=start, reason=reason)
    if start < stop:
        yield Copy(piece=piece, start=start, stop=stop)
    if stop < body.stop:
        yield Recode(piece=piece, number=number, start=stop, stop=body.stop, reason=reason)


def _copyable(piece: VideoIndex, body: range, parameters: tuple[bytes, ...] | None) -> tuple[int, int, str]:
    """The longest range within `body` that may be copied, and why it is not all of it."""
    if piece.codec != "h264":
        return body.stop, body.stop, f"it is {piece.codec}, not h264"
    if parameters is None or parameter_sets(piece.extradata) != parameters:
        return body.stop, body.stop, "its parameter sets are not those of this profile"
    ends = sorted(piece.idr | {piece.frames})
    start = next((end for end in ends if end >= body.start), piece.frames)
    stop = next((end for end in reversed(ends) if end <= body.stop), 0)
    if not body or stop <= start:
        return body.stop, body.stop, f"no IDR frames enclose any of frames {body.start} to {body.stop}"
    return start, stop, f"no IDR frame stands at frame {body.start if start > body.start else body.stop}"
