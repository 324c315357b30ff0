"""A trip as a strip: keyframes at their frames, segments by state, overlaps; places in percent of the whole width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wayframe.core.events import TaskState
from wayframe.web.views_shape import HOLD, PIECE, role_of

WHOLE, MOST_TICKS, SECONDS = 100.0, 8, (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
ROOM_OF_A_KEYFRAME = 92
"""Pixels that a keyframe's picture needs: a trip of many is wider than the window, and scrolls."""
ROOM_OF_A_ROLE = 9.0
"""Percent of the strip in which a segment's number and role find room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A keyframe, a tick of the axis, or where a video begins: the middle of its frame.

    `picture` is the address of what it shows, below that of the run; `hint` is said of it.
    """

    index: int
    at: int
    x: float
    label: str
    picture: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A segment: frames `start` to `end` (exclusive), its state, and the share of its work that is done (0 to 1)."""

    index: int
    start: int
    end: int
    x: float
    width: float
    state: str
    reused: bool
    done: float
    prompt: str
    error: str | None
    role: str

    @property
    def label(self) -> str:
        """The segment in words, for those who do not see the colours."""
        state = "found, rendered before" if self.reused and self.state == TaskState.COMPLETE else self.state
        share = f", {self.done:.0%}" if self.state == TaskState.RUNNING else ""
        role = f" ({self.role})" if self.role else ""
        return f"Segment {self.index}{role}, frames {self.start} to {self.end - 1}: {state}{share}"

    @property
    def is_kept(self) -> bool:
        """Whether no engine is asked for it."""
        return self.role in (HOLD, PIECE)

    @property
    def text(self) -> str:
        """What stands on it."""
        return f"{self.index} {self.role}" if self.role and self.width >= ROOM_OF_A_ROLE else str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """An overlap: `frames` frames from `start` on belong to both neighbours."""

    start: int
    frames: int
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A whole trip. `room` is the least width in pixels at which its keyframes do not cover one another."""

    frames: int
    fps: float
    keyframes: tuple[Mark, ...]
    pieces: tuple[Piece, ...]
    overlaps: tuple[Shared, ...]
    ticks: tuple[Mark, ...]
    room: int

    @property
    def joins(self) -> tuple[int, ...]:
        """The first frame of each segment but the first."""
        return tuple(piece.start for piece in self.pieces[1:])

    def player(self) -> dict[str, Any]:
        """What the page's script needs to know: frames, frames per second, joins, segments."""
        parts = [[piece.start, piece.end] for piece in self.pieces]
        return {"frames": self.frames, "fps": self.fps, "joins": list(self.joins), "segments": parts}


def strip_of(record: Mapping[str, Any]) -> Strip:
    """The strip of a record of ours, as far as its run has come."""
    planned = record["planned"]
    frames, rate = planned["frames"], Fraction(planned["fps"])
    pieces = tuple(_piece(record, index) for index in range(len(planned["segments"])))
    keyframes = tuple(_shown(planned["keyframes"], pieces=pieces, frames=frames, rate=rate))
    return Strip(
        frames=frames,
        fps=float(rate),
        keyframes=keyframes,
        pieces=pieces,
        overlaps=tuple(_overlaps(planned["segments"], frames=frames)),
        ticks=tuple(_ticks(frames, rate=rate)),
        room=len(keyframes) * ROOM_OF_A_KEYFRAME,
    )


def progress_of(record: Mapping[str, Any]) -> float:
    """The share of a run's segments that is done, from 0 to 1; begun ones count in part."""
    pieces = [_piece(record, index).done for index in range(len(record["planned"]["segments"]))]
    return sum(pieces) / len(pieces)


def _shown(
    keyframes: Sequence[Mapping[str, Any]], *, pieces: Sequence[Piece], frames: int, rate: Fraction
) -> Iterator[Mark]:
    """The keyframes; where there are none, the first frame of every segment."""
    names = [(key["at"], f"keyframes/{key['index']}.jpg", f"keyframe {key['index']}") for key in keyframes]
    begins = [(piece.start, f"frames/{piece.start}.jpg", f"segment {piece.index}") for piece in pieces]
    for index, (at, picture, noun) in enumerate(names or begins):
        time = _time(at, rate=rate)
        yield Mark(
            index=index,
            at=at,
            x=_middle(at, frames=frames),
            label=time,
            picture=picture,
            hint=f"{noun} at frame {at}, {time}",
        )


def _piece(record: Mapping[str, Any], index: int) -> Piece:
    planned, applied = record["planned"]["segments"][index], record["applied"]["segments"][index]
    task = next(task for task in record["tasks"] if task["segment"] == index)
    frames = record["planned"]["frames"]
    return Piece(
        index=index,
        start=planned["start"],
        end=planned["end"],
        x=_share(planned["start"], frames=frames),
        width=_share(planned["end"] - planned["start"], frames=frames),
        state=task["state"],
        reused=applied["reused"],
        done=_done(task["state"], applied=len(applied["steps"] or ()), planned=len(planned["steps"])),
        prompt=planned["prompt"],
        error=task["error"],
        role=role_of(record["planned"], index=index),
    )


def _done(state: str, *, applied: int, planned: int) -> float:
    if state == TaskState.COMPLETE:
        return 1.0
    return applied / planned if planned and state == TaskState.RUNNING else 0.0


def _overlaps(segments: Sequence[Mapping[str, Any]], *, frames: int) -> Iterator[Shared]:
    for segment in segments:
        shared = segment["overlap_before"]
        if shared:
            x, width = _share(segment["start"], frames=frames), _share(shared, frames=frames)
            yield Shared(start=segment["start"], frames=shared, x=x, width=width)


def _ticks(frames: int, *, rate: Fraction) -> Iterator[Mark]:
    """A tick at every so many seconds that there are not more than a few."""
    length = float(frames / rate)
    every = next((step for step in SECONDS if length / step <= MOST_TICKS), SECONDS[-1])
    for index, second in enumerate(range(0, int(length) + 1, every)):
        at = round(second * rate)
        if at < frames:
            yield Mark(index=index, at=at, x=_middle(at, frames=frames), label=f"{second} s")


def _time(frame: int, *, rate: Fraction) -> str:
    return f"{float(frame / rate):.2f} s"


def _share(number: int, *, frames: int) -> float:
    return round(number / frames * WHOLE, 4)


def _middle(frame: int, *, frames: int) -> float:
    return round((frame + 0.5) / frames * WHOLE, 4)
