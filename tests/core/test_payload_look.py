"""Upstream's keys for colours after rendering become looks, and looks become keys again."""

from __future__ import annotations

from typing import Any

import pytest

from core.payloads import details, planned
from wayframe.core.look import Look
from wayframe.core.payload_look import look_keys
from wayframe.errors import PayloadError

SATURATION, BRIGHTNESS = "after_first_post_generation_saturation", "after_first_post_generation_brightness"
NEUTRAL = {SATURATION: 1, BRIGHTNESS: 0, "colour_match_videos": False}


def test_tones_hold_for_all_segments_but_the_first():
    got = planned(details(3, **{SATURATION: 0.9, BRIGHTNESS: -0.05}))
    assert [segment.look for segment in got.plan.segments] == [None, *[Look(saturation=0.9, brightness=-0.05)] * 2]
    assert got.resolved.origins["segments[1].look.saturation"] == f"payload:{SATURATION}"


def test_a_colour_match_holds_for_all():
    got = planned(details(colour_match_videos=True))
    assert [segment.look for segment in got.plan.segments] == [Look(colour_match=1)] * 2


def test_values_that_change_nothing_upstream_change_no_key_here():
    plain = [segment.key for segment in planned(details()).plan.segments]
    assert [segment.key for segment in planned(details(**NEUTRAL)).plan.segments] == plain


@pytest.mark.parametrize(
    "said", [{SATURATION: 0.9}, {SATURATION: 0.9, BRIGHTNESS: 0.1}, {"colour_match_videos": True}, NEUTRAL]
)
def test_a_payload_with_looks_comes_back_as_it_was(said: dict[str, Any]):
    data = details(3, **said)
    back = planned(data).payload()
    assert {key: back[key] for key in said} == said


@pytest.mark.parametrize(
    "looks",
    [
        [{"saturation": 0.9}, {"saturation": 0.9}],
        [None, {"saturation": 0.9}, {"saturation": 0.8}],
        [{"colour_match": 1}, None],
        [{"colour_match": 0.5}, {"colour_match": 0.5}],
        [{"banner": True}],
    ],
)
def test_looks_that_upstream_has_no_word_for_are_refused(looks: list[dict[str, Any] | None]):
    with pytest.raises(PayloadError, match=r"^look"):
        look_keys(looks, segment_index=0, carried={})


def test_a_later_segment_alone_keeps_its_tones():
    assert look_keys([{"saturation": 0.9}], segment_index=2, carried={}) == {SATURATION: 0.9}
    assert look_keys([None], segment_index=2, carried={SATURATION: 0.9}) == {SATURATION: 1}
