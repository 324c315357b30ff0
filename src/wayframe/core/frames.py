"""Frame arithmetic: the frame grid, positions of keyframes, overlaps, totals, and where every output frame is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import floor, sqrt

from wayframe.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Segments on the output's frames. `positions` has one entry per keyframe, `overlaps` one per join."""

    positions: tuple[int, ...]
    frames: tuple[int, ...]
    overlaps: tuple[int, ...]

    @property
    def total(self) -> int:
        """Output frames: the segments' frames less the overlaps, each counted once."""
        return sum(self.frames) - sum(self.overlaps)

    def before(self, segment: int) -> int:
        """Frames that a segment shares with the one before it."""
        return self.overlaps[segment - 1] if segment else 0

    def after(self, segment: int) -> int:
        """Frames that a segment shares with the one after it."""
        return self.overlaps[segment] if segment < len(self.overlaps) else 0

    def starts(self) -> tuple[int, ...]:
        """The output frame at which each segment starts."""
        gains = (frames - self.after(index) for index, frames in enumerate(self.frames))
        return tuple(accumulate(gains, initial=0))[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSource:
    """Where an output frame is from: one frame of one segment or, inside a blend, one of each of two neighbours."""

    segment: int
    frame: int
    next_frame: int | None = None


def grid_neighbours(frames: int, *, step: int) -> tuple[int, int]:
    """The two lengths ``step * n + 1`` around `frames`; both are `frames` when it stands on the grid."""
    below = max((frames - 1) // step, 0) * step + 1
    return (below, below) if below == frames else (below, below + step)


def lay_out_batch(frames: Sequence[int], *, overlaps: tuple[int, ...], step: int, least: int = 1) -> Layout:
    """Segments of given lengths.

    Raises `SpecError` for a length under `least` (2 where a segment shows two keyframes), for one off the grid, and for
    overlaps that meet.
    """
    for index, count in enumerate(frames):
        if count < least:
            fix = f"use {grid_neighbours(least, step=step)[1]} or more"
            raise SpecError(f"segment_frames[{index}]", "is too short for a segment", count, fix=fix)
        lower, upper = grid_neighbours(count, step=step)
        if lower != upper:
            fix = f"use {lower} or {upper}" if lower >= least else f"use {upper} or more"
            raise SpecError(f"segment_frames[{index}]", f"is not a length of the model ({step}n+1)", count, fix=fix)
    gains = [count - (overlaps[index - 1] if index else 1) for index, count in enumerate(frames)]
    layout = Layout(positions=tuple(accumulate(gains, initial=0)), frames=tuple(frames), overlaps=overlaps)
    check_overlaps(layout)
    return layout


def lay_out_timeline(asked: Sequence[int], *, overlaps: tuple[int, ...], step: int) -> Layout:
    """Segments between asked positions; each keyframe goes to the nearest place that the grid allows.

    Every position is judged against what was asked for, so that errors do not add up; of two equally near places the
    earlier one is taken. Raises `SpecError` for positions that do not rise or leave no room.
    """
    if asked[0] != 0:
        raise SpecError("keyframes[0].at", "the first keyframe stands at frame 0", asked[0])
    positions, frames = [0], list[int]()
    for index in range(1, len(asked)):
        if asked[index] <= asked[index - 1]:
            raise SpecError(f"keyframes[{index}].at", f"must come after frame {asked[index - 1]}", asked[index])
        shared = overlaps[index - 2] if index > 1 else 1
        count = _nearest(asked[index] - positions[-1] + shared, step=step, least=max(shared, 1) + 1)
        frames.append(count)
        positions.append(positions[-1] + count - shared)
    layout = Layout(positions=tuple(positions), frames=tuple(frames), overlaps=overlaps)
    check_overlaps(layout)
    return layout


def _nearest(frames: int, *, step: int, least: int) -> int:
    floor_count = grid_neighbours(least, step=step)[1]
    lower, upper = grid_neighbours(max(frames, floor_count), step=step)
    return lower if frames - lower <= upper - frames else upper


def check_overlaps(layout: Layout) -> None:
    """Raise `SpecError` where the overlaps before and after a segment need more frames than it has."""
    for index, count in enumerate(layout.frames):
        before, after = layout.before(index), layout.after(index)
        if before + after > count:
            raise SpecError(
                "overlap",
                f"segment {index} has {count} frames, but shares {before} with the one before and {after} after it",
                before + after,
                fix="use a smaller overlap or longer segments",
            )
        if before and before == count:
            raise SpecError("overlap", f"segment {index} has no frame of its own", before, fix="use a smaller overlap")


def frame_sources(layout: Layout, *, blended: Sequence[bool]) -> Iterator[FrameSource]:
    """Where each output frame is from, in order; `blended[i]` tells whether join i mixes or cuts."""
    for index, count in enumerate(layout.frames):
        before, after = layout.before(index), layout.after(index)
        mixes = index < len(blended) and blended[index]
        for frame in range(before, count - after if mixes else count):
            yield FrameSource(segment=index, frame=frame)
        if mixes:
            for shared in range(after):
                yield FrameSource(segment=index, frame=count - after + shared, next_frame=shared)


def fitted_size(size: tuple[int, int], *, area: int, step: int) -> tuple[int, int]:
    """The largest (width, height) on the size grid of about the shape of `size`, not larger, at most `area` pixels."""
    width, height = size
    scale = min(1.0, sqrt(area / (width * height)))
    snapped = [max(floor(round(side * scale, 6) / step) * step, step) for side in (width, height)]
    return snapped[0], snapped[1]
