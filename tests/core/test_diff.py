"""Differences between two subjects."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.subjects import Data, between, segment, subject
from wayframe.core.diff import (
    Difference,
    Filters,
    Sort,
    Walk,
    differences,
    same,
    word_changes,
    word_note,
)
from wayframe.core.impact import Impact
from wayframe.core.pairing import Pairing, match_segments
from wayframe.core.subject import Evidence, Level, Missing, Subject

HUB = "https://hub.example/loras"
NAMES = st.sampled_from(["steps", "seed", "prompt", "loras", "phase_config", "state", "run_id", "odd", "https://x/y"])
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=True) | st.sampled_from(["", "a b", "b"])


def tables(names: st.SearchStrategy[str]) -> st.SearchStrategy[Data]:
    trees = st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
    )
    return st.dictionaries(names, trees, max_size=4)


TABLES, PLAIN = tables(NAMES), tables(st.sampled_from(["steps", "seed", "prompt", "odd"]))


def found(a: Subject, b: Subject) -> tuple[Difference, ...]:
    return differences(a, b, pairs=match_segments(a.segments, b.segments))


def only(a: object, b: object) -> Difference:
    """The one difference of two requested tables."""
    [difference] = found(subject(requested=a), subject(requested=b))
    return difference


def paths(a: object, b: object) -> list[str]:
    return sorted(item.path for item in found(subject(requested=a), subject(requested=b)))


def matched(a: str, b: str) -> list[tuple[int | None, int | None]]:
    return [(pair.a, pair.b) for pair in match_segments(between(*a), between(*b))]


# Values


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (5, 5.0),
        (0.1 + 0.2, 0.3),
        (0.0, 1e-12),
        (math.inf, math.inf),
        (math.nan, math.nan),
        ([1, 2], (1.0, 2)),
        ({"a": [1]}, {"a": [1.0]}),
        (None, None),
    ],
)
def test_values_that_mean_the_same_are_the_same(a: object, b: object) -> None:
    assert same(a, b)
    assert same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (True, 1),
        (False, 0),
        (0, None),
        ("1", 1),
        ("", None),
        (1.0, 1.000001),
        (1234567890, 1234567891),
        (2**63, 2**63 + 1),
        (math.inf, -math.inf),
        (math.nan, 0.0),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": 1}, {"b": 1}),
        ([True], [1]),
        (Missing.ABSENT, None),
        (Missing.ABSENT, Missing.UNKNOWN),
    ],
)
def test_values_that_differ_are_not_the_same(a: object, b: object) -> None:
    assert not same(a, b)
    assert not same(b, a)


def test_nested_differences_are_found_at_their_place() -> None:
    a = {"phase_config": {"phases": [{"guidance_scale": 3}, {"guidance_scale": 1}], "flow_shift": 5}}
    b = {"phase_config": {"phases": [{"guidance_scale": 3}, {"guidance_scale": 2}], "flow_shift": 5.0}}
    difference = only(a, b)
    assert difference.path == "requested.phase_config.phases[1].guidance_scale"
    assert (difference.a, difference.b, difference.sort) == (1, 2, Sort.CHANGED)


def test_a_block_that_one_side_lacks_is_one_difference() -> None:
    difference = only({}, {"phase_config": {"phases": [{"guidance_scale": 3}]}})
    assert (difference.path, difference.a, difference.sort) == ("requested.phase_config", Missing.ABSENT, Sort.ADDED)


def test_a_phase_more_is_told_by_its_position() -> None:
    assert paths({"phases": [{"steps": 2}]}, {"phases": [{"steps": 2}, {"steps": 4}]}) == ["requested.phases[1]"]
    assert paths({"phases": []}, {"phases": [{"steps": 2}]}) == ["requested.phases[0]"]


def test_the_same_text_of_another_type_is_named() -> None:
    assert only({"seed_base": "5"}, {"seed_base": 5}).note == "the same text, but str and int"
    assert only({"advanced_mode": True}, {"advanced_mode": 1}).sort is Sort.CHANGED


def test_an_absent_value_differs_and_an_unknown_one_proves_nothing() -> None:
    whole, partial = subject(requested={"steps": 6}), replace(subject(requested={}), whole=frozenset())
    absent = only({"steps": 6}, {})
    assert (absent.b, absent.sort, absent.impact) == (Missing.ABSENT, Sort.REMOVED, Impact.WORKFLOW)
    [unknown] = found(whole, partial)
    assert (unknown.b, unknown.sort, unknown.impact) == (Missing.UNKNOWN, Sort.UNKNOWN, Impact.NOISE)
    assert not Filters().keeps(unknown)
    assert Filters(everything=True).keeps(unknown)


def test_levels_are_never_mixed() -> None:
    assert found(subject(requested={"steps": 6}), subject(planned={"steps": 7})) == ()


def test_an_unknown_key_does_not_vanish() -> None:
    assert only({"invented_key": 1}, {"invented_key": 2}).impact is Impact.PICTURE


@pytest.mark.parametrize(
    ("key", "a", "b"),
    [
        ("run_id", "1", "2"),
        ("state", {"loras_count": 2}, {"loras_count": 3}),
        ("send_cmd", "<function at 0x1>", "<function at 0x2>"),
        ("created_at", "2025-01-01", "2025-01-02"),
        ("main_output_dir_for_run", "/a", "/b"),
        ("task", {"id": 1, "repeats": 1}, {"id": 2, "repeats": 2}),
    ],
)
def test_noise_is_kept_out_unless_asked_for(key: str, a: object, b: object) -> None:
    differing = found(subject(requested={key: a}), subject(requested={key: b}))
    assert differing
    assert not any(Filters().keeps(item) for item in differing)
    assert all(Filters(everything=True).keeps(item) for item in differing)


def test_the_strongest_difference_comes_first() -> None:
    a = {"model_name": "x", "enhance_prompt": True, "seed_base": 1, "run_id": 1, "steps": 6}
    b = {"model_name": "y", "enhance_prompt": False, "seed_base": 2, "run_id": 2, "steps": 8}
    ranked = [item.path.rpartition(".")[2] for item in found(subject(requested=a), subject(requested=b))]
    assert ranked == ["model_name", "steps", "enhance_prompt", "seed_base", "run_id"]


# Prompts


def test_prompts_are_compared_word_by_word() -> None:
    a, b = "a slow walk to the lake", "a fast run to the lake"
    assert only({"base_prompt": a}, {"base_prompt": b}).note == "2 of 6 words replaced by 2"
    assert word_changes(a, b) == (("equal", "a"), ("-", "slow walk"), ("+", "fast run"), ("equal", "to the lake"))


def test_words_that_are_only_added_or_only_removed_are_called_so() -> None:
    assert word_note("to the lake", "slowly to the lake") == "1 word added to 3"
    assert word_note("slowly to the blue lake", "to the lake") == "2 of 5 words removed"
    assert word_note("lake", "sea") == "1 of 1 word replaced by 1"
    assert word_note("to lake to", "the lake to") == "1 of 3 words replaced by 1"


def test_spaces_between_words_are_told_apart_from_words() -> None:
    assert word_note("a  b ", "a b") == "the same words, other spaces"
    assert word_note("", "a b") == word_note("a b", " ") == "empty against a prompt"


@given(a=st.text("ab c"), b=st.text("ab c"))
def test_word_changes_give_both_prompts_again(a: str, b: str) -> None:
    parts = word_changes(a, b)
    assert " ".join(text for mark, text in parts if mark != "+").split() == a.split()
    assert " ".join(text for mark, text in parts if mark != "-").split() == b.split()


# Segments


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ("abc", "abc", [(0, 0), (1, 1)]),
        ("abcd", "abxcd", [(0, 0), (1, None), (None, 1), (None, 2), (2, 3)]),
        ("abc", "xabc", [(None, 0), (0, 1), (1, 2)]),
        ("abc", "abcx", [(0, 0), (1, 1), (None, 2)]),
        ("abcd", "bcd", [(0, None), (1, 0), (2, 1)]),
        ("abcd", "abc", [(0, 0), (1, 1), (2, None)]),
        ("abcd", "abxd", [(0, 0), (1, 1), (2, 2)]),
        ("abc", "xyz", [(0, 0), (1, 1)]),
        ("ab", "xyz", [(0, 0), (None, 1)]),
        ("abb", "abbb", [(0, 0), (1, 1), (None, 2)]),
        ("aabb", "aabb", [(0, 0), (1, 1), (2, 2)]),
        ("aaaa", "aa", [(0, 0), (1, None), (2, None)]),
    ],
)
def test_segments_are_matched_by_their_keyframes(a: str, b: str, pairs: list[tuple[int | None, int | None]]) -> None:
    assert matched(a, b) == pairs


def test_segments_without_keyframes_are_matched_by_their_order() -> None:
    nowhere = [segment(index, keyframes=(None, None)) for index in range(3)]
    assert match_segments(nowhere, nowhere[:2]) == (Pairing(a=0, b=0), Pairing(a=1, b=1), Pairing(a=2, b=None))
    assert match_segments((), ()) == ()


@given(a=st.text("abc", min_size=2, max_size=7), b=st.text("abc", min_size=2, max_size=7))
def test_matching_uses_each_segment_once_in_order_and_alike_from_both_sides(a: str, b: str) -> None:
    pairs = matched(a, b)
    assert [left for left, _ in pairs if left is not None] == list(range(len(a) - 1))
    assert [right for _, right in pairs if right is not None] == list(range(len(b) - 1))
    both = {pair for pair in pairs if None not in pair}
    assert {(right, left) for left, right in matched(b, a) if left is not None and right is not None} == both
    assert len(both) == len(a) - 1 or a != b


def test_an_inserted_keyframe_leaves_the_other_segments_alone() -> None:
    differing = found(subject(segments=between(*"abcd")), subject(segments=between(*"abxcd")))
    assert [(item.path, item.sort) for item in differing] == [
        ("segments[1]", Sort.REMOVED),
        ("segments[1]", Sort.ADDED),
        ("segments[2]", Sort.ADDED),
    ]
    assert all(item.impact is Impact.WORKFLOW for item in differing)


def test_evidence_of_a_matched_segment_is_that_of_its_own_number() -> None:
    def side(*keyframes: str, seed: int, line: int) -> Subject:
        segments = between(*keyframes)
        last = replace(segments[-1], values={Level.APPLIED: {"seed": seed}}, whole=frozenset())
        place = f"segments[{last.index}].applied.seed"
        decoy = {f"segments[{at}].applied.seed": Evidence(line=-1, text="") for at in range(3)}
        return replace(
            subject(segments=(*segments[:-1], last)),
            evidence={**decoy, place: Evidence(line=line, text=f"seed {seed}")},
        )

    differing = found(side(*"bc", seed=1, line=10), side(*"abc", seed=2, line=20))
    [seeds] = [item for item in differing if item.path.endswith("seed")]
    assert seeds.path == "segments[0].applied.seed"
    assert seeds.proof_a is not None
    assert seeds.proof_b is not None
    assert (seeds.proof_a.line, seeds.proof_b.line) == (10, 20)


def test_a_lone_segment_is_called_by_its_own_number() -> None:
    late = [replace(each, index=each.index + 4) for each in between(*"abc")]
    [difference] = found(subject(segments=late), subject(segments=between(*"ab")))
    assert (difference.path, difference.segment) == ("segments[5]", 5)


def test_a_block_that_repeats_the_runs_own_is_told_once() -> None:
    def side(shift: int) -> Subject:
        block = {"flow_shift": shift}
        return subject(
            requested={"phase_config": block},
            segments=[segment(requested={"phase_config": block, "full_orchestrator_payload": {"phase_config": block}})],
        )

    assert [item.path for item in found(side(5), side(7))] == ["requested.phase_config.flow_shift"]


def test_a_block_of_a_segments_own_is_held_against_the_other_segments() -> None:
    own, usual = {"flow_shift": 7}, {"flow_shift": 5}
    a = subject(requested={"phase_config": usual}, segments=[segment(requested={"phase_config": usual})])
    b = subject(requested={"phase_config": usual}, segments=[segment(requested={"phase_config": own})])
    [difference] = found(a, b)
    assert difference.path == "segments[0].requested.phase_config.flow_shift"
    assert (difference.a, difference.b) == (5, 7)


def test_keyframes_are_compared_once_and_by_content() -> None:
    a = subject(keyframes=["http://x/1.png?token=a", "http://x/2.png"], requested={"input_image_paths_resolved": [1]})
    b = subject(keyframes=["http://x/1.png?token=b", "http://x/3.png"], requested={"input_image_paths_resolved": [2]})
    [difference] = found(a, b)
    assert (difference.path, difference.note) == ("requested.keyframes", "1 of 3 pictures are in both")
    turned = replace(a, keyframes=a.keyframes[::-1])
    assert found(a, turned)[0].note == "the same pictures in another order"


def test_a_picture_known_by_content_says_nothing_about_one_known_by_address() -> None:
    assert found(subject(keyframes=["ab" * 32]), subject(keyframes=["http://x/1.png"])) == ()


def test_five_hundred_segments_are_compared_in_well_under_a_second() -> None:
    values = {f"key{number}": number for number in range(40)}
    names = [f"k{number}" for number in range(501)]
    ends = list(pairwise(names))
    a = subject(segments=[segment(at, keyframes=pair, applied=values) for at, pair in enumerate(ends)])
    changed = {**values, "seed": 1}
    b = subject(segments=[segment(at, keyframes=pair, applied=changed) for at, pair in enumerate(ends[1:])])
    begun = time.process_time()
    differing = found(a, b)
    assert time.process_time() - begun < 1
    assert len(differing) == 500


# LoRAs


def lora(name: str, multiplier: str = "1.0", *, folder: str = HUB, query: str = "") -> Data:
    return {"url": f"{folder}/{name}.safetensors{query}", "multiplier": multiplier}


def test_loras_in_another_order_are_no_difference() -> None:
    a = {"phases": [{"loras": [lora("high", "0.75"), lora("low", "0")]}]}
    b = {"phases": [{"loras": [lora("low", "0"), lora("high", "0.75")]}]}
    assert paths(a, b) == []


def test_a_loras_weight_is_compared_with_its_own() -> None:
    a, b = {"loras": [lora("high", "0.75"), lora("low")]}, {"loras": [lora("low"), lora("high", "0.5")]}
    assert paths(a, b) == ["requested.loras[high].multiplier"]


def test_a_query_or_a_local_folder_is_noise() -> None:
    signed = only({"loras": [lora("high")]}, {"loras": [lora("high", query="?token=1")]})
    moved = only({"loras": [lora("high", folder="loras")]}, {"loras": [lora("high", folder="D:\\models")]})
    assert (signed.impact, moved.impact) == (Impact.NOISE, Impact.NOISE)


def test_the_same_file_name_at_another_address_is_another_lora() -> None:
    differing = found(
        subject(requested={"loras": [lora("high")]}),
        subject(requested={"loras": [lora("high", folder="https://elsewhere.example")]}),
    )
    assert {item.sort for item in differing} == {Sort.ADDED, Sort.REMOVED}
    assert all(item.impact is Impact.WORKFLOW for item in differing)


def test_a_lora_that_stands_twice_is_not_lost() -> None:
    twice = {"loras": [lora("high", "0.5"), lora("high", "1.0")]}
    assert paths(twice, twice) == []
    assert paths(twice, {"loras": [lora("high", "0.5")]}) == ["requested.loras[high.safetensors #2]"]
    assert paths(twice, {"loras": [lora("high", "0.5"), lora("high", "0.9")]}) == [
        "requested.loras[high.safetensors #2].multiplier"
    ]


def test_strengths_by_address_are_matched_by_address() -> None:
    a = {"additional_loras": {f"{HUB}/low.safetensors": 0.0, f"{HUB}/high.safetensors?x=1": 0.75}}
    b = {"additional_loras": {f"{HUB}/high.safetensors": 0.5, f"{HUB}/low.safetensors": 0.0}}
    assert paths(a, b) == ["requested.additional_loras[high]"]


@pytest.mark.parametrize(
    ("names", "weights", "equal"),
    [
        (["low.safetensors", "high.safetensors"], "0;1 0.75;0", True),
        (["low.safetensors", "high.safetensors"], "0.75;0 0;1", False),
        (["/models/high.safetensors", "low.safetensors"], ["0.750;0", "0;1.0"], True),
        (["high.safetensors"], "0.75;0", False),
        (["high.safetensors", "low.safetensors"], "0.75;0", False),
    ],
)
def test_lists_of_loras_are_read_with_their_multipliers(names: list[str], weights: object, equal: bool) -> None:
    sent = {"activated_loras": ["high.safetensors", "low.safetensors"], "loras_multipliers": "0.75;0 0;1"}
    other = {"activated_loras": names, "loras_multipliers": weights}
    differing = found(subject(segments=[segment(applied=sent)]), subject(segments=[segment(applied=other)]))
    assert differing
    assert any(Filters().keeps(item) for item in differing) is not equal


def test_a_multiplier_left_out_is_wangps_one() -> None:
    a = {"activated_loras": ["x", "y"], "loras_multipliers": "0.5"}
    b = {"activated_loras": ["y", "x"], "loras_multipliers": "1 0.5"}
    differing = found(subject(segments=[segment(applied=a)]), subject(segments=[segment(applied=b)]))
    assert {item.impact for item in differing} == {Impact.NOISE}


# Invariants


@given(tree=TABLES)
def test_a_value_does_not_differ_from_itself(tree: Data) -> None:
    assert list(Walk().over("requested", tree, tree)) == []


@given(a=TABLES, b=TABLES)
def test_both_directions_find_the_same_places(a: Data, b: Data) -> None:
    there = found(subject(requested=a), subject(requested=b))
    back = found(subject(requested=b), subject(requested=a))
    assert sorted((d.path, d.impact, d.effect) for d in there) == sorted((d.path, d.impact, d.effect) for d in back)


@given(a=PLAIN, b=PLAIN)
def test_what_is_not_the_same_is_found(a: Data, b: Data) -> None:
    assert bool(list(Walk().over("requested", a, b))) is not same(a, b)


# Filters

PATH = "segments[1].requested.phase_config.phases[0].loras[high.v2].multiplier"


def keeps(path: str, **filters: tuple[str, ...]) -> bool:
    return Filters(**filters).keeps_path(path)


@pytest.mark.parametrize(
    "pattern",
    [
        PATH,
        "multiplier",
        "segments[1]",
        "segments",
        "segments[1].requested",
        "requested",
        "requested.phase_config",
        "phase_config",
        "requested.phase_config.phases[0]",
        "requested.phase_config.phases",
        "phases[0].loras[high.v2]",
        "loras[high.v2]",
        "loras[*]",
        "loras",
        "mult*",
        "requested.*",
        "segments[?].requested.*.multiplier",
        "*",
    ],
)
def test_a_pattern_matches_a_run_of_a_paths_parts(pattern: str) -> None:
    assert keeps(PATH, only=(pattern,))
    assert not keeps(PATH, ignore=(pattern,))


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "multi",
        "segments[0]",
        "segments[2].*",
        "phases[1]",
        "loras[high]",
        "loras[low*]",
        "Multiplier",
        "requested.phase",
    ],
)
def test_a_pattern_does_not_match_parts_of_names_or_other_indices(pattern: str) -> None:
    assert not keeps(PATH, only=(pattern,))
    assert keeps(PATH, ignore=(pattern,))


def test_ignored_is_ignored_even_where_it_is_asked_for() -> None:
    assert not keeps("requested.steps", only=("steps",), ignore=("requested",))
    assert keeps("requested.steps")


def test_noise_that_is_asked_for_by_name_alone_stays_out() -> None:
    noise = only({"run_id": 1}, {"run_id": 2})
    assert not Filters(only=("run_id",)).keeps(noise)
    assert Filters(only=("run_id",), everything=True).keeps(noise)
