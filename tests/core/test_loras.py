"""Multipliers: our grammar, upstream's merging of phases, and WanGP's own reading."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.core.loras import join_phases, merge_phase_loras, parse_multiplier, wire_multipliers
from wayframe.core.schedule import wire_switch_steps
from wayframe.errors import PayloadError, SpecError

Case = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> dict[str, Case]:
    return {case["name"]: case for case in json.loads((GOLDEN / name).read_text())["cases"]}


WIRE = golden("lora_multipliers.json")
CONFIGS = golden("phase_config.json")

REFUSED_BY_BOTH = {
    "3phase spec in 2phase run",
    "4phase spec",
    "2phase spec in 1phase run",
    "3phase in 1phase",
    "bad single",
    "bad phase2",
    "bad ramp empty",
    "empty phase",
    "double comma",
    "tabs",
    "inline comment",
    "pipe spaced",
    "pipe in list",
    "lone pipe list",
    "list None",
}
FEWER_PARTS_THAN_PHASES = {
    "2phase spec in 3phase run msp1",
    "2phase string in 3phase msp1",
    "2phase ramp in 3phase msp1",
    "mixed 2 and 3 phase msp1",
    "2phase spec in 3phase run msp2",
    "2phase ramp in 3phase msp2",
    "mixed 2 and 3 phase msp2",
}
LIST_LONGER_THAN_ITS_PHASE = {"4 steps ramps"}
PHASE_WITHOUT_A_STEP = {"1 step"}
NOT_OUR_GRAMMAR = {"comment", "pipe at end", "list with spaces"}
REFUSED_BY_US = (
    REFUSED_BY_BOTH | FEWER_PARTS_THAN_PHASES | LIST_LONGER_THAN_ITS_PHASE | PHASE_WITHOUT_A_STEP | NOT_OUR_GRAMMAR
)
CONFIG_REFUSED_BY_US = {
    "ramp longer than its phase": "3 values for 2 steps",
    "word for a weight": "'abc' is not a number",
    "steps 6 0 0": "every phase needs at least 1 step",
    "steps 0 3 3": "every phase needs at least 1 step",
}
CONFIG_REFUSED_BY_UPSTREAM_ONLY = {"weight above 2": 2.5, "weight below 0": -0.1}
CONFIG_WITH_COUNTS_THAT_DISAGREE = {"three counts for two phases", "three counts for one phase", "no phases"}

NO_MULTIPLIERS = (
    *("", ";", "1;", ";1", "1;;0", "1,", ",1", "1,,0"),
    *("abc", "1;x", "nan", "inf", "-inf", "1e999"),
    *("1_0", "0x1", " 1", "1\n", "1 0", "\N{ARABIC-INDIC DIGIT THREE}"),
)


def named(cases: dict[str, Case], names: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [cases[name] for name in sorted(names)], ids=sorted(names))


def read_by_wangp(case: Case) -> list[list[float]]:
    weights = wire_multipliers(
        case["text"],
        loras=case["loras"],
        steps=case["steps"],
        phases=case["phases"],
        switch_phase=case["switch_phase"],
        switch_steps=tuple(case["switch_steps"]),
    )
    return [list(row) for row in weights]


def read_by_us(case: Case) -> list[list[float]]:
    entries = case["text"] if isinstance(case["text"], list) else re.split("[ \n]", case["text"])
    first, second = case["switch_steps"]
    counts = [first, second - first, case["steps"] - second][: case["phases"]]
    return [list(parse_multiplier(entry, field="m").per_step(counts, field="m")) for entry in entries[: case["loras"]]]


def on_three_phases(
    text: str | list[object], *, loras: int, switch_phase: int = 2, steps: int = 6
) -> list[list[float]]:
    read = wire_multipliers(
        text, loras=loras, steps=steps, phases=3, switch_phase=switch_phase, switch_steps=(steps // 3, steps * 2 // 3)
    )
    return [list(row) for row in read]


def merged(case: Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    phases = [[(name, multiplier) for name, multiplier in phase["loras"]] for phase in case["phase_config"]["phases"]]
    return merge_phase_loras(phases)


def per_step_of_config(case: Case) -> list[tuple[float, ...]]:
    counts = case["phase_config"].get("steps_per_phase", [2, 2, 2])
    texts = merged(case)[1]
    return [
        parse_multiplier(text, field=f"loras[{i}]").per_step(counts, field=f"loras[{i}]")
        for i, text in enumerate(texts)
    ]


def test_every_golden_case_is_there():
    assert len(WIRE) == 41
    assert len(CONFIGS) == 108
    assert {name for name, case in WIRE.items() if case["per_step"] is None} == REFUSED_BY_BOTH


@named(WIRE, set(WIRE) - REFUSED_BY_BOTH)
def test_weights_are_those_that_wangp_reads(case: Case):
    assert read_by_wangp(case) == case["per_step"]


@named(WIRE, REFUSED_BY_BOTH)
def test_text_that_wangp_refuses_is_a_payload_error(case: Case):
    with pytest.raises(PayloadError, match=r"^loras_multipliers"):
        read_by_wangp(case)


@named(WIRE, set(WIRE))
def test_wangp_finds_its_switch_steps_by_comparing_timesteps(case: Case):
    found = wire_switch_steps(case["timesteps"], thresholds=case["thresholds"], phases=case["phases"])
    assert list(found) == case["switch_steps"]


@named(WIRE, set(WIRE) - REFUSED_BY_US)
def test_our_reading_agrees_with_wangp_where_our_grammar_allows_the_text(case: Case):
    assert read_by_us(case) == case["per_step"]


@named(WIRE, REFUSED_BY_US)
def test_our_reading_refuses_what_it_does_not_allow(case: Case):
    with pytest.raises(SpecError):
        read_by_us(case)


@named(WIRE, FEWER_PARTS_THAN_PHASES)
def test_fewer_parts_than_phases_is_an_error_of_ours(case: Case):
    with pytest.raises(SpecError, match="2 parts for 3 phases"):
        read_by_us(case)


@named(CONFIGS, {name for name, case in CONFIGS.items() if case["output"]})
def test_merged_loras_are_those_that_upstream_writes(case: Case):
    names, multipliers = merged(case)
    assert list(names) == case["output"]["lora_names"]
    assert list(multipliers) == case["output"]["lora_multipliers"]


@named(CONFIGS, {name for name, case in CONFIGS.items() if case["output"]})
def test_first_weight_is_what_upstream_writes_into_additional_loras(case: Case):
    names, multipliers = merged(case)
    firsts = [parse_multiplier(text, field="m").phases[0][0] for text in multipliers]
    assert dict(zip(names, firsts, strict=True)) == case["output"]["additional_loras"]


@named(CONFIGS, set(CONFIGS) - set(CONFIG_REFUSED_BY_US) - CONFIG_WITH_COUNTS_THAT_DISAGREE)
def test_merged_multipliers_have_one_weight_per_step(case: Case):
    assert all(len(weights) == case["steps"] for weights in per_step_of_config(case))


@pytest.mark.parametrize(("name", "message"), CONFIG_REFUSED_BY_US.items())
def test_phase_config_that_our_rules_do_not_allow_is_refused(name: str, message: str):
    with pytest.raises(SpecError, match=message):
        per_step_of_config(CONFIGS[name])


@pytest.mark.parametrize(("name", "weight"), CONFIG_REFUSED_BY_UPSTREAM_ONLY.items())
def test_weight_that_upstream_finds_out_of_range_is_allowed(name: str, weight: float):
    assert CONFIGS[name]["output"] is None
    assert per_step_of_config(CONFIGS[name])[0] == (weight, weight, 1, 1, 0, 0)


def test_seed_multipliers_over_two_two_two():
    high = parse_multiplier("0.75;1.0;0", field="m")
    low = parse_multiplier("0;0;1.0", field="m")
    assert high.per_step([2, 2, 2], field="m") == (0.75, 0.75, 1, 1, 0, 0)
    assert low.per_step([2, 2, 2], field="m") == (0, 0, 0, 0, 1, 1)


def test_two_phases_stay_two_phases():
    assert parse_multiplier("1.0;0", field="m").per_step([3, 3], field="m") == (1, 1, 1, 0, 0, 0)


def test_five_phases_each_have_their_weight():
    assert parse_multiplier("1;2;3;4;5", field="m").per_step([1, 2, 1, 1, 1], field="m") == (1, 2, 2, 3, 4, 5)


def test_one_value_holds_for_the_whole_run():
    assert parse_multiplier("0.5", field="m").per_step([1, 2], field="m") == (0.5, 0.5, 0.5)


def test_list_without_phases_spreads_over_all_steps():
    spread = parse_multiplier("1,0.75,0.5,0.25", field="m").per_step([3, 3, 3], field="m")
    assert spread == (1, 1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25)


def test_list_spreads_over_the_steps_of_its_own_phase():
    assert parse_multiplier("0.2,0.4;1", field="m").per_step([4, 1], field="m") == (0.2, 0.2, 0.4, 0.4, 1)


def test_three_values_over_nine_steps_get_three_steps_each():
    assert parse_multiplier("1,2,3", field="m").per_step([9], field="m") == (1, 1, 1, 2, 2, 2, 3, 3, 3)


@pytest.mark.parametrize("text", ["1", "0.75;1.0;0", "-0.5", "+.5", "1.", "1e-1;2E+3,0", "007"])
def test_text_reads_back_without_change(text: str):
    assert str(parse_multiplier(text, field="m")) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1"), (1.0, "1"), (0.75, "0.75"), (-2, "-2"), (1e-7, "1e-07"), (1e30, "1e+30")]
)
def test_number_reads_back_in_its_shortest_form(number: float, text: str):
    multiplier = parse_multiplier(number, field="m")
    assert str(multiplier) == text
    assert multiplier.phases == ((number,),)


@pytest.mark.parametrize("text", NO_MULTIPLIERS)
def test_text_that_is_no_multiplier_is_refused_with_field_value_and_grammar(text: str):
    with pytest.raises(SpecError, match="expected numbers, ';' between phases") as caught:
        parse_multiplier(text, field="loras[1].multiplier")
    assert caught.value.field == "loras[1].multiplier"
    assert caught.value.value == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True, False])
def test_number_that_is_no_weight_is_refused(number: float):
    with pytest.raises(SpecError, match="expected numbers"):
        parse_multiplier(number, field="m")


def test_error_says_which_phase_is_wrong():
    with pytest.raises(SpecError, match=r"^m: phase 2: 'x' is not a number"):
        parse_multiplier("1;x;0", field="m")
    with pytest.raises(SpecError, match=r"^m: phase 3: a value is missing"):
        parse_multiplier("1;0;", field="m")


@pytest.mark.parametrize(
    ("text", "counts", "problem"),
    [
        ("0.9,0.8,0.7;1", [2, 4], "3 values for 2 steps"),
        ("1;0.9,0.8", [4, 1], "2 values for 1 step"),
        ("0.9,0.8,0.7", [1, 1], "3 values for 2 steps"),
        ("1;0", [2, 2, 2], "2 parts for 3 phases"),
        ("1;0;1", [3, 3], "3 parts for 2 phases"),
        ("1;0", [6], "2 parts for 1 phase"),
    ],
)
def test_multiplier_that_does_not_fit_its_phases_is_refused(text: str, counts: list[int], problem: str):
    with pytest.raises(SpecError) as caught:
        parse_multiplier(text, field="m").per_step(counts, field="phases[0].multiplier")
    assert caught.value.field == "phases[0].multiplier"
    assert caught.value.problem == problem
    assert caught.value.value == text


@pytest.mark.parametrize("text", ["1", "1;1"])
def test_phase_without_a_step_is_refused(text: str):
    with pytest.raises(SpecError, match="every phase needs at least 1 step"):
        parse_multiplier(text, field="m").per_step([6, 0], field="m")


def test_phases_join_as_they_are_written():
    assert join_phases(["0.75", "1.0", "0"]) == "0.75;1.0;0"
    assert join_phases(["0.5,0.75", "1"]) == "0.5,0.75;1"


@pytest.mark.parametrize("part", ["", "1;0"])
def test_part_that_is_not_one_phase_cannot_be_joined(part: str):
    with pytest.raises(SpecError, match="of a single phase"):
        join_phases(["1", part])


def test_lora_that_a_phase_names_twice_counts_once_and_as_first_written():
    assert merge_phase_loras([[("a", "0.5"), ("a", "0.9")], [("b", "1")]]) == (("a", "b"), ("0.5;0", "0;1"))


def test_merged_loras_come_sorted_and_nameless_ones_are_passed_over():
    assert merge_phase_loras([[("b", "1.0"), ("", "3")], [("a", "2")]]) == (("a", "b"), ("0;2", "1.0;0"))


def test_ramp_sent_for_two_loras_leaves_the_second_at_one():
    assert on_three_phases("0.75,0.0", loras=2) == [[0.75, 0.75, 0.75, 0, 0, 0], [1, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize("text", ["", []])
def test_nothing_sent_leaves_every_lora_at_one(text: str | list[object]):
    assert on_three_phases(text, loras=2) == [[1] * 6, [1] * 6]


@pytest.mark.parametrize(
    ("switch_phase", "weights"), [(1, [1, 1, 0, 0, 0, 0]), (2, [1, 1, 1, 1, 0, 0]), (3, [1, 1, 0, 0, 0, 0])]
)
def test_short_form_is_padded_by_the_switch_phase(switch_phase: int, weights: list[float]):
    assert on_three_phases("1;0", loras=1, switch_phase=switch_phase) == [weights]


def test_list_longer_than_its_phase_is_cut_on_the_wire():
    assert on_three_phases("0.9,0.8,0.7;1;0", loras=1) == [[0.9, 0.8, 1, 1, 0, 0]]


def test_wangp_adds_up_a_stride_and_its_rounding_shows():
    assert on_three_phases("1,2,3", loras=1, steps=9) == [[1, 1, 1, 2, 2, 2, 2, 3, 3]]


def test_switch_steps_in_the_wrong_order_still_give_one_weight_per_step():
    read = wire_multipliers("1;2;3", loras=1, steps=6, phases=3, switch_phase=2, switch_steps=(5, 3))
    assert read == ((1, 1, 1, 1, 1, 3),)


def test_surplus_entry_is_not_even_looked_at():
    assert on_three_phases("0.8 rubbish", loras=1) == [[0.8] * 6]


def test_one_bar_is_a_space_and_two_are_refused():
    assert on_three_phases("0.5|1;0;1", loras=2) == [[0.5] * 6, [1, 1, 0, 0, 1, 1]]
    with pytest.raises(PayloadError, match="only one"):
        on_three_phases("0.5|0.6|0.7", loras=3)


def test_carriage_returns_and_blank_lines_part_entries_too():
    assert on_three_phases("\r\n0.5\r\n\r\n# why\r\n0.25\r\n", loras=2) == [[0.5] * 6, [0.25] * 6]


@pytest.mark.parametrize("entry", ["nan", "inf", math.inf, 10**400, {}, ["1"]])
def test_entry_without_a_finite_weight_is_refused_on_the_wire(entry: object):
    with pytest.raises(PayloadError, match=r"^loras_multipliers\[1\]: ") as caught:
        on_three_phases([1, entry], loras=2)
    assert caught.value.value == entry


def test_more_phases_than_wangp_has_are_refused():
    with pytest.raises(PayloadError, match="guidance_phases: WanGP has at most 3"):
        wire_multipliers("1", loras=1, steps=4, phases=4, switch_phase=1, switch_steps=(1, 2))


weights = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-99, 99).map(str)


@st.composite
def multiplier_and_counts(draw: st.DrawFn) -> tuple[str, list[int]]:
    counts = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    lists = [draw(st.lists(weights, min_size=1, max_size=count)) for count in counts]
    return ";".join(",".join(values) for values in lists), counts


@given(drawn=multiplier_and_counts())
def test_any_fitting_text_reads_back_and_gives_one_weight_per_step(drawn: tuple[str, list[int]]):
    text, counts = drawn
    multiplier = parse_multiplier(text, field="m")
    per_step = multiplier.per_step(counts, field="m")
    written = {float(number) for part in text.split(";") for number in part.split(",")}
    assert str(multiplier) == text
    assert len(per_step) == sum(counts)
    assert set(per_step) == written


@given(parts=st.lists(weights, min_size=1, max_size=6))
def test_joined_phases_come_apart_again(parts: list[str]):
    joined = parse_multiplier(join_phases(parts), field="m")
    assert joined.per_step([1] * len(parts), field="m") == tuple(float(part) for part in parts)


@given(parts=st.tuples(weights, weights, weights), counts=st.tuples(*[st.integers(1, 8)] * 3))
def test_wangp_reads_three_phases_as_we_do(parts: tuple[str, str, str], counts: tuple[int, int, int]):
    ours = parse_multiplier(join_phases(parts), field="m").per_step(counts, field="m")
    ends = (counts[0], counts[0] + counts[1])
    read = wire_multipliers(join_phases(parts), loras=2, steps=sum(counts), phases=3, switch_phase=2, switch_steps=ends)
    assert read == (ours, (1.0,) * sum(counts))
