"""Frame arithmetic: the frame grid, positions of keyframes, overlaps, totals, and where every output frame is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A segment that is to be laid out: its frames, or none where they follow from the position of `last`.

    `first` and `last` are the numbers of the keyframes at its ends, None where there is none. A `still` one stands off
    the grid. It has at least `least` frames (2 where it shows two keyframes), and `field` speaks of its length.
    """

    frames: int | None
    first: int | None
    last: int | None
    least: int = 1
    still: bool = False
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where a keyframe is to stand: the output frame, and what says so in the spec."""

    frame: int
    field: str


def lay_out(
    stretches: Sequence[Stretch], *, overlaps: tuple[int, ...], step: int, asked: Sequence[Asked] = ()
) -> Layout:
    """Segments one after the other; `asked` has the position of each keyframe, where lengths follow from them.

    A keyframe goes to the nearest place that the grid allows. Every position is judged against what was asked for, so
    that errors do not add up; of two equally near places the earlier one is taken. Raises `SpecError` for a length that
    is too short or off the grid, for positions that do not rise or leave no room, and for overlaps that meet.
    """
    if asked and stretches[0].first == 0 and asked[0].frame != 0:
        raise SpecError(asked[0].field, "the first keyframe stands at frame 0", asked[0].frame)
    held = {stretch.first: stretch.frames - 1 for stretch in stretches if stretch.still and stretch.frames}
    frames, ends = list[int](), list[int]()
    for index, stretch in enumerate(stretches):
        shared = overlaps[index - 1] if index else 1
        end = ends[-1] if ends else 0
        if stretch.frames is None and stretch.last is not None:
            _check_rises(stretch.last, asked=asked, held=held)
            count = _nearest(asked[stretch.last].frame - end + shared, step=step, least=max(shared, 1) + 1)
        else:
            count = _checked(stretch, index=index, step=step)
        frames.append(count)
        ends.append(end + count - shared)
    layout = Layout(positions=_positions(stretches, ends=ends, frames=frames), frames=tuple(frames), overlaps=overlaps)
    check_overlaps(layout)
    return layout


def _positions(stretches: Sequence[Stretch], *, ends: Sequence[int], frames: Sequence[int]) -> tuple[int, ...]:
    """Where each keyframe stands: at the end of the first segment that leads to it, else where its own one begins."""
    found: dict[int, int] = {}
    for stretch, end, count in zip(stretches, ends, frames, strict=True):
        if stretch.first is not None:
            found.setdefault(stretch.first, end - count + 1)
        if stretch.last is not None:
            found.setdefault(stretch.last, end)
    return tuple(found[number] for number in sorted(found))


def _check_rises(number: int, *, asked: Sequence[Asked], held: Mapping[int | None, int]) -> None:
    before = asked[number - 1].frame + held.get(number - 1, 0) if number else 0
    if asked[number].frame <= before:
        fix = "" if number else "what leads to it needs frames"
        raise SpecError(asked[number].field, f"must come after frame {before}", asked[number].frame, fix=fix)


def _checked(stretch: Stretch, *, index: int, step: int) -> int:
    """The length of a segment, which must be on the grid."""
    count, field = stretch.frames or 0, stretch.field or f"segment_frames[{index}]"
    if stretch.still:
        return count
    if count < stretch.least:
        fix = f"use {grid_neighbours(stretch.least, step=step)[1]} or more"
        raise SpecError(field, "is too short for a segment", count, fix=fix)
    lower, upper = grid_neighbours(count, step=step)
    if lower != upper:
        fix = f"use {lower} or {upper}" if lower >= stretch.least else f"use {upper} or more"
        raise SpecError(field, f"is not a length of the model ({step}n+1)", count, fix=fix)
    return count


def lay_out_batch(frames: Sequence[int], *, overlaps: tuple[int, ...], step: int, least: int = 1) -> Layout:
    """Segments of given lengths from keyframe to keyframe. Raises `SpecError` as `lay_out` does."""
    stretches = [Stretch(frames=count, first=index, last=index + 1, least=least) for index, count in enumerate(frames)]
    return lay_out(stretches, overlaps=overlaps, step=step)


def lay_out_timeline(asked: Sequence[int], *, overlaps: tuple[int, ...], step: int) -> Layout:
    """Segments between asked positions of keyframes, the first at frame 0. Raises `SpecError` as `lay_out` does."""
    stretches = [Stretch(frames=None, first=index, last=index + 1) for index in range(len(asked) - 1)]
    places = [Asked(frame=frame, field=f"keyframes[{index}].at") for index, frame in enumerate(asked)]
    return lay_out(stretches, overlaps=overlaps, step=step, asked=places)


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
