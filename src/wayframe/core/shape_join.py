"""Bridges that keep frames of both sides: between pieces of videos in a join, or between the segments of a trip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from wayframe.core.clips import ClipFacts, ClipSpan
from wayframe.core.frames import grid_neighbours
from wayframe.core.shape import BESIDE_A_HOLD, Leg
from wayframe.errors import SpecError

if TYPE_CHECKING:
    from wayframe.core.frames import Layout, Stretch
    from wayframe.core.spec_join import BridgesSpec, JoinSpec

DEFAULT_CONTEXT, DEFAULT_GAP = 6, 21
"""With VACE six kept frames fill two latent frames, and 6 + 21 + 6 stands on the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridging:
    """Frames of a bridge: `context` of each side are kept, `gap` rendered.

    `replace` frames of the left and of the right side are taken out first.
    """

    context: int
    gap: int
    replace: tuple[int, int]

    @property
    def frames(self) -> int:
        """All frames of a bridge."""
        return self.gap + 2 * self.context


def bridging(join: JoinSpec | BridgesSpec, *, step: int, place: str = "join") -> Bridging:
    """The numbers of bridges, of which `place` of the spec speaks.

    A gap that is left open is as long as what it takes out, or the nearest length above. Raises `SpecError` for a
    bridge that is off the model's grid.
    """
    context = DEFAULT_CONTEXT if join.context is None else join.context
    replace = join.replace if isinstance(join.replace, tuple) else (join.replace or 0,) * 2
    if join.gap is not None:
        found = Bridging(context=context, gap=join.gap, replace=replace)
    else:
        wanted = 2 * context + (sum(replace) or DEFAULT_GAP)
        found = Bridging(context=context, gap=grid_neighbours(wanted, step=step)[1] - 2 * context, replace=replace)
    lower, upper = grid_neighbours(found.frames, step=step)
    if lower != upper:
        gaps = [str(count - 2 * context) for count in (lower, upper) if count > 2 * context]
        problem = (
            f"with {context} frames of each side a bridge has {found.frames}, not a length of the model ({step}n+1)"
        )
        raise SpecError(f"{place}.gap", problem, found.gap, fix=f"use {' or '.join(gaps)}, or another context")
    return found


def with_bridges(parts: Sequence[Leg], *, said: BridgesSpec, step: int) -> tuple[tuple[Leg, ...], tuple[int, ...]]:
    """The segments of a trip with bridges where two rendered ones meet, and the frames that neighbours share.

    A bridge stands over the frames that it takes out, so these count as shared. Raises `SpecError` for numbers that
    cannot be.
    """
    numbers = bridging(said, step=step, place="bridges")
    context, (left, right) = numbers.context, numbers.replace
    if left + right > numbers.gap:
        problem = f"{numbers.gap} frames are rendered in the place of {left + right}"
        raise SpecError("bridges.replace", problem, [left, right], fix="use a longer gap, or replace fewer")
    found, overlaps = [parts[0]], list[int]()
    for before, after in pairwise(parts):
        if not (before.is_rendered and after.is_rendered):
            found.append(after)
            overlaps.append(BESIDE_A_HOLD)
            continue
        number = sum(leg.is_bridge for leg in found)
        found[-1] = replace(found[-1], replaced=(found[-1].replaced[0], left))
        given = ClipSpan(clip=len(found) - 1, start=0, frames=context, segment=True)
        following = ClipSpan(clip=len(found) + 1, start=right, frames=context, segment=True)
        place = f"bridges.each[{number}]" if said.each else "bridges"
        words = said.words(number)
        bridge = Leg(
            first=None, last=None, said=words, place=place, frames=numbers.frames, given=given, given_after=following
        )
        found += [bridge, replace(after, replaced=(right, 0))]
        overlaps += [context + left, context + right]
    return tuple(found), tuple(overlaps)


def check_room(stretches: Sequence[Stretch], *, parts: Sequence[Leg], overlaps: Sequence[int]) -> None:
    """Raise `SpecError` for a segment that is too short for the bridges beside it."""
    for index, (stretch, leg) in enumerate(zip(stretches, parts, strict=True)):
        before = overlaps[index - 1] if index else 0
        after = overlaps[index] if index < len(overlaps) else 0
        if not leg.is_bridge and leg.is_rendered and before + after > (stretch.frames or 0):
            problem = f"segment {index} has {stretch.frames} frames, and its bridges keep or take out {before + after}"
            raise SpecError("bridges", problem, fix="use a smaller context or replace, or longer segments")


def with_places(parts: Sequence[Leg], layout: Layout) -> tuple[Leg, ...]:
    """The same segments, each bridge with the place of the frames that it starts from in the segment before it."""
    return tuple(
        replace(leg, given=replace(leg.given, start=layout.frames[index - 1] - layout.before(index)))
        if leg.given and leg.given.segment
        else leg
        for index, leg in enumerate(parts)
    )


def join_legs(join: JoinSpec, *, clips: Sequence[ClipFacts], numbers: Bridging) -> tuple[Leg, ...]:
    """Pieces and bridges in order. Raises `SpecError` for a video that is too short."""
    pieces = tuple(_pieces(join, clips=clips, numbers=numbers))
    found = [Leg(first=None, last=None, piece=pieces[0])]
    for index, (left, right) in enumerate(pairwise(pieces)):
        given = ClipSpan(clip=left.clip, start=left.stop - numbers.context, frames=numbers.context)
        after = ClipSpan(clip=right.clip, start=right.start, frames=numbers.context)
        said = join.bridges[index] if join.bridges else None
        place = f"join.bridges[{index}]"
        bridge = Leg(
            first=None,
            last=None,
            said=said,
            place=place,
            frames=numbers.frames,
            given=given,
            given_after=after,
        )
        found += [bridge, Leg(first=None, last=None, piece=right)]
    return tuple(found)


def _pieces(join: JoinSpec, *, clips: Sequence[ClipFacts], numbers: Bridging) -> Iterator[ClipSpan]:
    last = len(clips) - 1
    for index, (part, facts) in enumerate(zip(join.clips, clips, strict=True)):
        start, stop = part.range(facts.frames)
        if not start < stop <= facts.frames:
            problem = f"the video has frames 0 to {facts.frames - 1}"
            raise SpecError(f"join.clips[{index}].frames", problem, part.frames, fix=f"end it at {facts.frames}")
        left, right = numbers.replace
        start, stop = start + right * (index > 0), stop - left * (index < last)
        needed = numbers.context * ((index > 0) + (index < last))
        if stop - start < needed + (index in (0, last)):
            own = ", and it needs one more" if index in (0, last) else ""
            problem = f"{max(stop - start, 0)} frames are left of it, and its bridges keep {needed}{own}"
            raise SpecError(f"join.clips[{index}]", problem, part.video, fix="use a smaller context or replace")
        yield ClipSpan(clip=index, start=start, frames=stop - start)


def as_rate(fps: str | None) -> int | str | None:
    """A rate as a spec has it: a whole number, or text."""
    return int(fps) if fps is not None and fps.isdigit() else fps


def common_rate(clips: Sequence[ClipFacts]) -> str:
    """The frame rate of all videos of a join. Raises `SpecError` where they have several."""
    for index, facts in enumerate(clips):
        if facts.fps != clips[0].fps:
            problem = f"has {facts.fps} frames a second, and the first video {clips[0].fps}"
            fix = "convert it first, or say fps to take its frames one by one"
            raise SpecError(f"join.clips[{index}]", problem, fix=fix)
    return clips[0].fps
