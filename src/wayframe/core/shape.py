"""The shape of a trip: which segments it has, what each begins and ends with, and who speaks of it in the spec.

Between two keyframes lies a segment that travels. A keyframe that is held stands still in a segment of its own. A lead
goes to the first keyframe and a trail away from the last one, with nothing on the other side; of a lone keyframe there
is always a trail. In a loop the first keyframe is a stop at the end again. What continues a video leads from its last
frames to the first keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from typing import TYPE_CHECKING

from wayframe.core.clips import ClipFacts, ClipSpan
from wayframe.core.wording import counted
from wayframe.errors import SpecError

if TYPE_CHECKING:
    from wayframe.core.spec import TravelSpec
    from wayframe.core.spec_join import BridgesSpec, JoinSpec
    from wayframe.core.spec_stops import FreeSegment, Keyframe

_NOT_OF_A_JOIN = (
    *("keyframes", "loop", "lead", "trail", "segments", "continue_from", "segment_frames", "overlap"),
    *("mode", "prompts", "curve", "bridges"),
)
BESIDE_A_HOLD = 1
"""Frames that a segment shares with a keyframe that stands still: both show it, and the join only copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A segment of the trip before it has a length.

    `first` and `last` are the numbers of its stops, None where it has none; `said` is what speaks of it alone, and
    `place` where that stands in the spec. `hold` are the frames of a keyframe that stands still. `begins` is the number
    of the keyframe whose own words these are: a vision model may write the prompt of such a segment. `given` are the
    frames of a video that it starts from, `given_after` those that it leads to; a `piece` is frames of a video as they
    are. `frames` is its length where its shape decides it. `replaced` are the frames of its beginning and of its end
    that bridges stand in the place of.
    """

    first: int | None
    last: int | None
    said: Keyframe | FreeSegment | None = None
    place: str = ""
    hold: int = 0
    begins: int | None = None
    frames: int | None = None
    given: ClipSpan | None = None
    given_after: ClipSpan | None = None
    piece: ClipSpan | None = None
    replaced: tuple[int, int] = (0, 0)

    @property
    def is_rendered(self) -> bool:
        """Whether an engine is asked for it."""
        return not self.hold and self.piece is None

    @property
    def is_bridge(self) -> bool:
        """Whether it is rendered between two other segments of the trip."""
        return self.given is not None and self.given.segment

    @property
    def ends(self) -> tuple[int | None, int | None]:
        """`first` and `last`."""
        return self.first, self.last


def legs(spec: TravelSpec) -> tuple[Leg, ...]:
    """The segments of a trip in order."""
    return (*_before(spec), *_through(spec), *_after(spec))


def _before(spec: TravelSpec) -> Iterator[Leg]:
    if spec.lead is not None or spec.continue_from is not None:
        yield Leg(first=None, last=0, said=spec.lead, place="lead")


def continued(parts: tuple[Leg, ...], *, clip: ClipFacts, frames: int) -> tuple[Leg, ...]:
    """The segments of a trip whose first one starts from the last `frames` of a video.

    Raises `SpecError` when it has not that many.
    """
    if frames < 1:
        raise SpecError("overlap", "what continues a video starts from frames of it", frames, fix="use 1 or more")
    if clip.frames < frames:
        problem = f"has {counted(clip.frames, 'frame')}, and the trip starts from its last {frames}"
        raise SpecError("continue_from", problem, fix="use a smaller overlap")
    given = ClipSpan(clip=0, start=clip.frames - frames, frames=frames)
    return (replace(parts[0], given=given), *parts[1:])


def _through(spec: TravelSpec) -> Iterator[Leg]:
    stops = spec.stops
    for number, stop in enumerate(stops):
        if stop.hold is not None:
            yield Leg(first=number, last=number, hold=stop.hold, place=f"keyframes[{number}]")
        if number + 1 < len(stops):
            place = f"keyframes[{number}]"
            yield Leg(first=number, last=number + 1, said=stop, place=place, begins=number)


def _after(spec: TravelSpec) -> Iterator[Leg]:
    last = len(spec.stops) - 1
    for number, trail in enumerate(spec.trails):
        place = f"trail[{number}]" if isinstance(spec.trail, tuple) else "trail"
        yield Leg(first=None if number else last, last=None, said=trail, place=place)
    if _travels_alone(spec):
        for number in range(spec.segments or 1):
            first = None if number else 0
            yield Leg(first=first, last=None, said=spec.keyframes[0], place="keyframes[0]", begins=0)


def _travels_alone(spec: TravelSpec) -> bool:
    """Whether a lone keyframe is all there is: then the trip leads away from it."""
    return len(spec.stops) == 1 and not (spec.trails or spec.lead or spec.continue_from or spec.keyframes[0].hold)


def overlaps_of(parts: tuple[Leg, ...], *, said: int | tuple[int, ...]) -> tuple[int, ...]:
    """The frames that neighbours share, one number for each join; a list has none for those beside a hold."""
    values = repeat(said) if isinstance(said, int) else iter(said)
    return tuple(BESIDE_A_HOLD if left.hold or right.hold else next(values) for left, right in pairwise(parts))


def check_shape(spec: TravelSpec) -> None:
    """Raise `ValueError` ("FIELD: problem; fix") where words about the shape of a trip do not fit together."""
    if spec.join is not None:
        _check_join(spec, spec.join)
        return
    if not spec.keyframes:
        raise ValueError("keyframes: is required")
    _check_ways_out(spec)
    _check_mode(spec)
    if spec.bridges is not None:
        _check_bridges(spec, spec.bridges)
    _check_lists(spec)
    _check_last(spec)


def _check_join(spec: TravelSpec, join: JoinSpec) -> None:
    for name in _NOT_OF_A_JOIN:
        if getattr(spec, name):
            raise ValueError(f"{name}: means nothing where videos are joined; leave it out")
    if spec.chaining == "chained":
        raise ValueError("chaining: the bridges of a join do not depend on each other; leave it out")
    gaps = len(join.clips) - 1
    if join.bridges is not None and len(join.bridges) != gaps:
        values, places = counted(len(join.bridges), "value"), counted(gaps, "gap")
        raise ValueError(f"join.bridges: {values} for {places}")
    lengths = [index for index, bridge in enumerate(join.bridges or ()) if bridge.frames is not None]
    if lengths:
        raise ValueError(
            f"join.bridges[{lengths[0]}].frames: a bridge has its frames from context and gap; leave it out"
        )


def _check_ways_out(spec: TravelSpec) -> None:
    looped = len(spec.stops) > len(spec.keyframes)
    for name in ("lead", "trail", "continue_from"):
        if looped and getattr(spec, name) is not None:
            raise ValueError(f"{name}: a loop begins and ends with the first keyframe; leave one of the two out")
    if spec.trail == ():
        raise ValueError("trail: needs at least 1 segment; leave it out for none")
    others = [name for name in ("lead", "trail", "continue_from") if getattr(spec, name) is not None]
    if spec.segments is not None and (len(spec.stops) > 1 or others):
        beside = others[0] if others else "loop" if looped else "more than one keyframe"
        raise ValueError(f"segments: is for a lone keyframe, and there is {beside}; leave it out")
    if spec.segments is not None and spec.keyframes[0].hold is not None:
        raise ValueError("segments: a lone keyframe that is held begins none; say trail for what comes after it")
    if spec.chaining == "independent" and (spec.segments or 1) > 1:
        raise ValueError("segments: each starts from the frames of the one before; say chaining: chained")
    if spec.chaining != "chained" and len(spec.trails) > 1:
        raise ValueError("trail[1]: starts from the frames of the one before; say chaining: chained")


def _check_mode(spec: TravelSpec) -> None:
    if spec.mode == "timeline":
        _check_timeline(spec)
        return
    placed = [index for index, keyframe in enumerate(spec.keyframes) if keyframe.at is not None]
    if placed:
        raise ValueError(f"keyframes[{placed[0]}].at: mode batch has no positions; say mode: timeline or leave it out")
    if spec.loop is not None and not isinstance(spec.loop, bool):
        raise ValueError("loop: mode batch has no positions; say loop: true or mode: timeline")
    sized = [index for index, keyframe in enumerate(spec.keyframes) if keyframe.frames is not None]
    if sized and isinstance(spec.segment_frames, tuple):
        raise ValueError(f"keyframes[{sized[0]}].frames: segment_frames lists all lengths already; give one of the two")


def _check_timeline(spec: TravelSpec) -> None:
    if spec.segment_frames is not None:
        raise ValueError("segment_frames: mode timeline takes its lengths from the keyframes' positions")
    if len(spec.stops) == 1 and not (spec.lead or spec.continue_from):
        raise ValueError("keyframes: mode timeline needs two or more; for a lone keyframe say mode: batch")
    if spec.loop is True:
        raise ValueError("loop: in mode timeline say where the first keyframe stands again, such as loop: 144")
    sized = [index for index, keyframe in enumerate(spec.keyframes) if keyframe.frames is not None]
    if sized:
        raise ValueError(f"keyframes[{sized[0]}].frames: mode timeline takes its lengths from positions; leave it out")
    if spec.lead is not None and spec.lead.frames is not None:
        raise ValueError("lead.frames: mode timeline takes it from the first keyframe's at; leave it out")


def _check_bridges(spec: TravelSpec, said: BridgesSpec) -> None:
    if spec.mode == "timeline":
        raise ValueError("bridges: change where keyframes stand, and mode timeline fixes it; say mode: batch")
    for name in ("overlap", "curve", "continue_from"):
        if getattr(spec, name) is not None:
            raise ValueError(f"{name}: means nothing beside bridges; leave it out")
    if spec.chaining == "chained" or (spec.segments or 1) > 1:
        raise ValueError("bridges: join segments that do not depend on each other; say chaining: independent")
    places = sum(left.is_rendered and right.is_rendered for left, right in pairwise(legs(spec)))
    if not places:
        raise ValueError("bridges: there is no place where two rendered segments meet; leave it out")
    if said.each is not None and len(said.each) != places:
        values, joins = counted(len(said.each), "value"), counted(places, "bridge")
        raise ValueError(f"bridges.each: {values} for {joins}")
    lengths = [index for index, bridge in enumerate(said.each or ()) if bridge.frames is not None]
    if lengths:
        raise ValueError(f"bridges.each[{lengths[0]}].frames: a bridge has its frames from context and gap")


def _check_lists(spec: TravelSpec) -> None:
    parts = legs(spec)
    joins = sum(not (left.hold or right.hold) for left, right in pairwise(parts))
    joins += spec.continue_from is not None
    segments = sum(not part.hold for part in parts)
    if isinstance(spec.overlap, tuple) and len(spec.overlap) != joins:
        values, places = counted(len(spec.overlap), "value"), counted(joins, "join")
        raise ValueError(f"overlap: {values} for {places}; one number holds for all")
    if isinstance(spec.segment_frames, tuple) and len(spec.segment_frames) != segments:
        values, places = counted(len(spec.segment_frames), "value"), counted(segments, "segment")
        raise ValueError(f"segment_frames: {values} for {places}; one number holds for all")
    lengths = [free for free in (spec.lead, *spec.trails) if free is not None and free.frames is not None]
    if isinstance(spec.segment_frames, tuple) and lengths:
        raise ValueError("segment_frames: lists all lengths; leave the frames of lead and trail out")


def _check_last(spec: TravelSpec) -> None:
    begun = {part.begins for part in legs(spec)}
    for number, keyframe in enumerate(spec.keyframes):
        said = keyframe.speaks_of_a_segment()
        if said and number not in begun:
            fix = "say it in trail" if spec.trails or not number else "move it one up"
            raise ValueError(f"keyframes[{number}].{said[0]}: no segment begins at the last keyframe; {fix}")
