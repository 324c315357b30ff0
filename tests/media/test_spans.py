"""What the stitch does with each frame, against where the plan says that each output frame is from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.clips import Library
from wayframe.core.frames import FrameSource, Layout, frame_sources, lay_out_batch
from wayframe.media.bitstream import parameter_sets
from wayframe.media.index import VideoIndex, index
from wayframe.media.spans import Copy, Join, Mix, Span, spans


@dataclass(frozen=True)
class Ride:
    """Segments, which of their joins are blended, and what is known of their files."""

    layout: Layout
    blended: list[bool]
    pieces: list[VideoIndex]
    ours: bool

    @property
    def joins(self) -> list[Join]:
        return [Join(overlap=n, blend=blend) for n, blend in zip(self.layout.overlaps, self.blended, strict=True)]


@pytest.fixture(scope="module")
def extradata(library: Library) -> bytes:
    return index(library.piece(2)).extradata


def piece(number: int, frames: int, *, idr: frozenset[int], codec: str, extradata: bytes) -> VideoIndex:
    return VideoIndex(
        path=Path(f"{number}.mp4"),
        frames=frames,
        keyframes=tuple(sorted(idr)),
        idr=idr,
        pts=tuple(range(frames)),
        starts=tuple(sorted(idr)),
        codec=codec,
        extradata=extradata,
        time_base=Fraction(1, 16),
        width=64,
        height=48,
        fps=Fraction(16),
    )


@st.composite
def rides(draw: st.DrawFn, extradata: bytes) -> Ride:
    """Any lengths, overlaps and blends; IDR frames where a plan puts them, and in some pieces elsewhere."""
    overlaps = draw(st.lists(st.integers(0, 8), max_size=5))
    ends = list(pairwise([0, *overlaps, 0]))
    frames = [draw(st.integers(max(before + after, before + 1, 2), before + after + 9)) for before, after in ends]
    layout = lay_out_batch(frames, overlaps=tuple(overlaps), step=1)
    pieces = []
    for number, (count, (before, after)) in enumerate(zip(frames, ends, strict=True)):
        planned = st.just(frozenset({0, before, count - after} - {count}))
        anywhere = st.frozensets(st.integers(0, count - 1)).map(lambda found: found | {0})
        codec = draw(st.sampled_from(["h264", "h264", "h264", "mpeg4"]))
        idr = draw(planned | anywhere)
        pieces.append(piece(number, count, idr=idr, codec=codec, extradata=extradata))
    blended = draw(st.lists(st.booleans(), min_size=len(overlaps), max_size=len(overlaps)))
    return Ride(layout=layout, blended=blended, pieces=pieces, ours=draw(st.booleans()))


def done(ride: Ride, extradata: bytes) -> list[Span]:
    parameters = parameter_sets(extradata) if ride.ours else None
    return list(spans(ride.pieces, joins=ride.joins, parameters=parameters))


def shown(span: Span) -> Iterator[FrameSource]:
    """Which frames of which pieces a span shows, by the names of their files."""
    if isinstance(span, Mix):
        for step in range(span.frames):
            left = span.left.frames - span.frames + step
            assert int(span.right.path.stem) == int(span.left.path.stem) + 1
            yield FrameSource(segment=int(span.left.path.stem), frame=left, next_frame=step)
    else:
        yield from (FrameSource(segment=int(span.piece.path.stem), frame=n) for n in range(span.start, span.stop))


@given(data=st.data())
def test_every_output_frame_is_from_where_the_plan_says(data: st.DataObject, extradata: bytes):
    ride = data.draw(rides(extradata))
    made = [source for span in done(ride, extradata) for source in shown(span)]
    assert made == list(frame_sources(ride.layout, blended=ride.blended))
    assert len(made) == ride.layout.total


@given(data=st.data())
def test_only_what_stands_between_idr_frames_of_our_own_is_copied(data: st.DataObject, extradata: bytes):
    ride = data.draw(rides(extradata))
    for span in done(ride, extradata):
        if isinstance(span, Copy):
            assert ride.ours
            assert span.piece.codec == "h264"
            assert {span.start, span.stop} <= span.piece.idr | {span.piece.frames}


@given(data=st.data())
def test_of_a_piece_cut_where_the_plan_says_every_frame_of_its_own_is_copied(data: st.DataObject, extradata: bytes):
    ride = data.draw(rides(extradata))
    planned = [
        piece(n, count, idr=frozenset({0, before, count - after} - {count}), codec="h264", extradata=extradata)
        for n, (count, (before, after)) in enumerate(
            zip(ride.layout.frames, pairwise([0, *ride.layout.overlaps, 0]), strict=True)
        )
    ]
    as_planned = Ride(layout=ride.layout, blended=ride.blended, pieces=planned, ours=True)
    assert all(isinstance(span, Copy | Mix) for span in done(as_planned, extradata))
