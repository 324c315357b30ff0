"""What belongs together in two videos."""

from __future__ import annotations

from wayframe.core.dossier import Clip, aligned_spans
from wayframe.core.pairing import Pairing


def clip(*spans: tuple[int, int]) -> Clip:
    return Clip(path="x.mp4", size_bytes=0, width=2, height=2, frames=1 + spans[-1][1], rate=16.0, spans=spans)


def test_segments_that_belong_together_are_aligned_by_their_spans() -> None:
    pairs = (Pairing(a=0, b=0), Pairing(a=None, b=1), Pairing(a=1, b=2))
    spans = aligned_spans(pairs, a=clip((0, 4), (4, 8)), b=clip((0, 6), (6, 9), (9, 12)))
    assert spans == (((0, 4), (0, 6)), ((4, 8), (9, 12)))


def test_a_segment_that_the_video_does_not_have_is_left_out() -> None:
    assert aligned_spans((Pairing(a=0, b=0), Pairing(a=1, b=1)), a=clip((0, 4)), b=clip((0, 4), (4, 8))) == (
        ((0, 4), (0, 4)),
    )
