"""What a spec says of colours: of the whole trip, of single segments, and what of it enters a key."""

from __future__ import annotations

from typing import Any

import pytest

from core.trips import planned, resolved, stills
from wayframe.core.documents import resolved_json
from wayframe.core.look import Look
from wayframe.errors import SpecError


def looks(data: dict[str, Any]) -> list[Look | None]:
    return [segment.look for segment in planned(data).plan.segments]


def with_look_at(index: int, own: dict[str, Any], **said: object) -> dict[str, Any]:
    data = stills(3, **said)
    data["keyframes"][index]["look"] = own
    return data


def test_a_segment_says_parts_of_its_look_and_has_the_rest_from_the_trip():
    data = with_look_at(1, {"saturation": 0.9}, look={"colour_match": 0.5, "saturation": 1.2})
    assert looks(data) == [Look(colour_match=0.5, saturation=1.2), Look(colour_match=0.5, saturation=0.9)]
    assert resolved_json(resolved(data))["values"]["segments"][1]["look"]["saturation"] == 0.9
    assert resolved(data).origins["segments[1].look.saturation"] == "spec"


def test_a_look_that_changes_nothing_is_none_and_changes_no_key():
    plain = planned(stills(3)).keys
    neutral = stills(3, look={"colour_match": 0, "saturation": 1, "brightness": 0, "banner": False})
    assert looks(neutral) == [None, None]
    assert planned(neutral).keys == plain


@pytest.mark.parametrize("look", [{"colour_match": 0.5}, {"saturation": 0.9}, {"brightness": 0.1}, {"banner": True}])
def test_each_part_of_a_look_changes_the_key_of_its_segment_alone(look: dict[str, Any]):
    plain, found = planned(stills(3)).keys, planned(with_look_at(1, look)).keys
    assert found[0] == plain[0]
    assert found[1] != plain[1]


@pytest.mark.parametrize(
    ("look", "problem"),
    [
        ({"colour_match": 1.5}, r"look\.colour_match.*1 or less"),
        ({"colour_match": True}, r"look\.colour_match.*not true or false"),
        ({"saturation": -1}, r"look\.saturation.*0 or more"),
        ({"brightness": 2}, r"look\.brightness.*1 or less"),
        ({"colourmatch": 1}, r"look\.colourmatch.*did you mean colour_match"),
    ],
)
def test_a_wrong_look_is_an_error_with_its_field(look: dict[str, Any], problem: str):
    with pytest.raises(SpecError, match=problem):
        planned(stills(2, look=look))


def test_a_banner_is_refused_where_the_next_segment_would_start_from_it():
    with pytest.raises(SpecError, match=r"look\.banner.*independent"):
        planned(stills(3, look={"banner": True}, chaining="chained"))


@pytest.mark.parametrize("data", [stills(1, segments=3), stills(2, continue_from="a.mp4")])
def test_a_banner_is_refused_where_a_trip_is_chained_without_a_word_of_it(data: dict[str, Any]):
    with pytest.raises(SpecError, match=r"look\.banner"):
        planned({**data, "look": {"banner": True}})


def test_a_keyframe_that_stands_still_has_the_tones_of_what_it_stands_in_and_its_own_colours():
    data = with_look_at(1, {"saturation": 0.5}, look={"brightness": 0.1, "colour_match": 1, "banner": True})
    data["keyframes"][1]["hold"] = data["keyframes"][2]["hold"] = 4
    assert looks(data)[1] == Look(saturation=0.5, brightness=0.1)
    assert looks(data)[3] == Look(brightness=0.1)
    origins = {name: origin for name, origin in resolved(data).origins.items() if name.startswith("segments[3]")}
    assert origins == {"segments[3].look.brightness": "spec"}


def test_a_still_keyframe_has_another_key_only_where_its_tones_are_others():
    def key(**look: object) -> str:
        data = stills(2, look=look)
        data["keyframes"][0]["hold"] = 4
        return planned(data).keys[0]

    assert key() == key(colour_match=1, banner=True)
    assert key() != key(saturation=0)


def test_the_last_keyframe_begins_no_segment_that_could_have_a_look():
    with pytest.raises(SpecError, match=r"keyframes\[2\]\.look"):
        planned(with_look_at(2, {"saturation": 0.9}))
