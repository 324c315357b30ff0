"""The shape of a trip resolved: its segments with their lengths, and where everything stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, repeat

from wayframe.core.clips import ClipFacts
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.frames import Asked, Layout, Stretch, lay_out
from wayframe.core.shape import Leg, continued, legs, overlaps_of
from wayframe.core.shape_join import bridging, check_room, join_legs, with_bridges
from wayframe.core.spec import TravelSpec
from wayframe.core.spec_stops import MAX_FRAME
from wayframe.errors import SpecError

DEFAULT_FRAMES = 61
KEYFRAMES_OF_A_SEGMENT = 2

POSITION_MOVED = rule(
    "position-moved",
    Severity.WARNING,
    title="A keyframe stands elsewhere than asked for",
    why="The model makes only lengths of its frame grid, so the keyframe went to the nearest place on it.",
    action="Write the position that the message names, or another one that the grid reaches.",
)
LENGTH_CHANGED = rule(
    "length-changed",
    Severity.WARNING,
    title="The video is longer or shorter than asked for",
    why="The last keyframe moved on the model's frame grid, and the video ends with it.",
    action="Move the last keyframe to a position that the grid reaches.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the shape of a trip is resolved by, beside its spec: the frames of `step`s, and the videos that it names."""

    chaining: str
    step: int
    clips: Sequence[ClipFacts]


def parts_of(
    spec: TravelSpec, basis: Basis, *, overlap: int | tuple[int, ...]
) -> tuple[tuple[Leg, ...], tuple[int, ...]]:
    """The segments of a trip, and the frames that neighbours share. Raises `SpecError` where these cannot be."""
    chaining, clips = basis.chaining, basis.clips
    if spec.join is not None:
        numbers = bridging(spec.join, step=basis.step)
        parts = join_legs(spec.join, clips=clips, numbers=numbers)
        return parts, (numbers.context,) * (len(parts) - 1)
    parts, said = legs(spec), overlap
    if spec.continue_from is not None:
        frames = said if isinstance(said, int) else said[0]
        parts = continued(parts, clip=clips[0], frames=frames)
        said = said if isinstance(said, int) else said[1:]
    if spec.bridges is not None:
        return with_bridges(parts, said=spec.bridges, step=basis.step)
    overlaps = overlaps_of(parts, said=said)
    if chaining == "chained" and 0 in overlaps:
        raise SpecError("overlap", "a chained segment starts from frames of the one before", 0, fix="use 1 or more")
    return parts, overlaps


def layout_of(
    spec: TravelSpec, *, parts: Sequence[Leg], overlaps: tuple[int, ...], fps: Fraction, step: int
) -> tuple[Layout, tuple[Finding, ...]]:
    """Where the segments stand, with findings about keyframes that stand elsewhere than asked for."""
    asked = _asked_positions(spec, parts=parts, fps=fps) if spec.mode == "timeline" else []
    stretches = _stretches(spec, parts)
    if spec.bridges is not None:
        check_room(stretches, parts=parts, overlaps=overlaps)
    layout = lay_out(stretches, overlaps=overlaps, step=step, asked=asked)
    _check_given(parts, layout)
    return layout, tuple(_moved(asked, layout)) if asked else ()


def _stretches(spec: TravelSpec, parts: Sequence[Leg]) -> list[Stretch]:
    """The segments with their lengths, as far as these do not follow from positions."""
    found: list[Stretch] = []
    lengths = DEFAULT_FRAMES if spec.segment_frames is None else spec.segment_frames
    listed = repeat(lengths) if isinstance(lengths, int) else iter(lengths)
    numbers = count()
    for leg in parts:
        if not leg.is_rendered:
            frames = leg.piece.frames if leg.piece else leg.hold
            found.append(Stretch(frames=frames, first=leg.first, last=leg.last, still=True))
            continue
        if leg.is_bridge:
            found.append(Stretch(frames=leg.frames, first=None, last=None))
            continue
        own, field, usual = leg.said.frames if leg.said else None, f"segment_frames[{next(numbers)}]", next(listed)
        found.append(
            Stretch(
                frames=None if spec.mode == "timeline" and leg.last is not None else leg.frames or own or usual,
                first=leg.first,
                last=leg.last,
                least=1 if None in (leg.first, leg.last) else KEYFRAMES_OF_A_SEGMENT,
                field=f"{leg.place}.frames" if own else field,
            )
        )
    return found


def _check_given(parts: Sequence[Leg], layout: Layout) -> None:
    for index, (leg, frames) in enumerate(zip(parts, layout.frames, strict=True)):
        kept = leg.given.frames if leg.given and not leg.given.segment else 0
        if kept and kept + layout.after(index) >= frames:
            shared = f" and shares {layout.after(index)} with the next one" if layout.after(index) else ""
            problem = f"segment {index} has {frames} frames, starts from {kept} of a video{shared}"
            raise SpecError("overlap", problem, kept, fix="use a smaller overlap or longer segments")


def _asked_positions(spec: TravelSpec, *, parts: Sequence[Leg], fps: Fraction) -> list[Asked]:
    asked = [stop.frame(fps) for stop in spec.stops]
    if asked[0] is None and parts[0].first == 0:
        asked[0] = 0
    return [_asked(spec, number, position) for number, position in enumerate(asked)]


def _asked(spec: TravelSpec, number: int, frame: int | None) -> Asked:
    field = f"keyframes[{number}].at" if number < len(spec.keyframes) else "loop"
    if frame is None:
        raise SpecError(field, "is required in mode timeline")
    if frame > MAX_FRAME:
        raise SpecError(field, f"must be frame {MAX_FRAME} or before it", spec.stops[number].at)
    return Asked(frame=frame, field=field)


def _moved(asked: Sequence[Asked], layout: Layout) -> list[Finding]:
    found = [
        finding(
            POSITION_MOVED,
            f"keyframe {index} was asked for at frame {wanted.frame} and stands at {got}",
            where=wanted.field,
            evidence={"asked": wanted.frame, "planned": got},
        )
        for index, (wanted, got) in enumerate(zip(asked, layout.positions, strict=True))
        if wanted.frame != got
    ]
    if asked[-1].frame != layout.positions[-1]:
        length = layout.total + asked[-1].frame - layout.positions[-1]
        found.append(
            finding(
                LENGTH_CHANGED,
                f"the video has {layout.total} frames, {length} were asked for",
                where="keyframes",
                evidence={"asked": length, "planned": layout.total},
            )
        )
    return found
