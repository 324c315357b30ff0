"""What a spec may say, and how every refusal names the field, its value and what was expected."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from functools import reduce
from operator import getitem
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trips import SEED_PHASES, stills, timeline
from wayframe.core.spec import TravelSpec, known_keys, parse_spec, spec_json, spec_schema
from wayframe.errors import SpecError

Data = dict[str, Any]
LORA: Data = {"file": "style.safetensors", "multiplier": "0.5"}
PHASE: Data = {"steps": 2, "guidance": 3, "expert": "high", "loras": [LORA]}
EXAMPLE: Data = {
    "mode": "timeline",
    "keyframes": [
        {"image": "a.jpg", "at": 0},
        {"image": "b.jpg", "at": 52, "prompt": "the camera rises over the lake"},
        {"image": "c.jpg", "at": 96},
    ],
    "chaining": "independent",
    "overlap": 1,
    "resolution": "768x576",
    "fit": "cover",
    "fps": 16,
    "seed": 789,
    "seed_policy": "same",
    "engine": "preview",
    "model": "wan2.2-t2v-a14b",
    "preset": "lightning_baseline_2_2_2",
    "steps": 6,
    "guidance": 3.0,
    "prompt": "",
    "negative_prompt": "cut, blurry, fade",
    "amount_of_motion": 0.5,
    "loras": [LORA],
    "phase_config": SEED_PHASES,
}


def changed(path: str, value: object) -> Data:
    """EXAMPLE with one place changed; `path` is like ``keyframes.0.image``."""
    data = deepcopy(EXAMPLE)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    reduce(getitem, way, data)[last] = value
    return data


def refused(data: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(data)
    return caught.value


def read(data: object) -> TravelSpec | SpecError:
    try:
        return parse_spec(data)
    except SpecError as error:
        return error


def test_the_whole_example_is_read():
    spec = parse_spec(EXAMPLE)
    assert [keyframe.at for keyframe in spec.keyframes] == [0, 52, 96]
    assert spec.keyframes[1].prompt == "the camera rises over the lake"
    assert spec.phase_config is not None
    assert spec.phase_config.steps_per_phase == (2, 2, 2)
    assert (spec.seed, spec.overlap, spec.guidance) == (789, 1, 3.0)


def test_what_was_not_said_stays_open():
    spec = parse_spec(stills(2))
    assert {name for name, value in spec if value is not None} == {"keyframes"}


@pytest.mark.parametrize(
    "data", [EXAMPLE, stills(1), stills(3, segment_frames=[61, 5], phases=[PHASE]), timeline(0, "3.2s")]
)
def test_spec_json_reads_back_to_an_equal_spec(data: Data):
    spec = parse_spec(data)
    assert parse_spec(spec_json(spec)) == spec


def test_spec_json_holds_what_was_given_and_nothing_else():
    assert spec_json(parse_spec(EXAMPLE)) == EXAMPLE
    given_target = stills(2, loras=[{"file": "a", "for": "high"}])
    assert spec_json(parse_spec(given_target)) == given_target


@pytest.mark.parametrize(
    "text", ["0.75;1.0;0", "0;0;1.0", "0.75,0.0", "1", "1.0", ".5", "1e-1", "+2", "0.9,0.8;1;0.50"]
)
def test_multiplier_text_reads_back_without_change(text: str):
    spec = parse_spec(stills(2, loras=[{"file": "a", "multiplier": text}]))
    assert spec_json(spec)["loras"] == [{"file": "a", "multiplier": text}]


@pytest.mark.parametrize(("number", "text"), [(1, "1"), (1.0, "1"), (0.75, "0.75"), (-0.5, "-0.5")])
def test_multiplier_may_be_a_plain_number(number: float, text: str):
    spec = parse_spec(stills(2, loras=[{"file": "a", "multiplier": number}]))
    assert spec.loras is not None
    assert spec.loras[0].multiplier == text


@pytest.mark.parametrize(
    ("data", "field", "near"),
    [
        ({**EXAMPLE, "keyframe": []}, "keyframe", "keyframes"),
        ({**EXAMPLE, "negativeprompt": ""}, "negativeprompt", "negative_prompt"),
        ({**EXAMPLE, "int": 1}, "int", "fit"),
        (changed("keyframes.1.promt", "x"), "keyframes[1].promt", "prompt"),
        (changed("keyframes.0.imag", "x"), "keyframes[0].imag", "image"),
        (changed("loras.0.multiplyer", "x"), "loras[0].multiplyer", "multiplier"),
        (changed("loras.0.fore", "high"), "loras[0].fore", "for"),
        (changed("phase_config.num_phase", 3), "phase_config.num_phase", "num_phases"),
        (changed("phase_config.phases.0.guidance", 3), "phase_config.phases[0].guidance", "guidance_scale"),
        (changed("phase_config.phases.2.loras.0.ulr", 3), "phase_config.phases[2].loras[0].ulr", "url"),
        (stills(2, phases=[{**PHASE, "step": 2}]), "phases[0].step", "steps"),
        (stills(2, phases=[PHASE, {"steps": 1, "loras": [{"fil": "a"}]}]), "phases[1].loras[0].fil", "file"),
        (
            {"keyframes": [{"image": "a", "phases": [{"steps": 1, "expret": "high"}]}, {"image": "b"}]},
            "keyframes[0].phases[0].expret",
            "expert",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one_wherever_it_stands(data: Data, field: str, near: str):
    error = refused(data)
    assert (error.field, error.problem) == (field, f"unknown key; did you mean {near}?")


def test_an_unknown_key_near_to_none_is_answered_with_the_known_ones():
    error = refused(changed("loras.0.zzzzz", 1))
    assert error.problem == "unknown key; known are distilled, file, for, multiplier, partial"
    assert refused({**EXAMPLE, 7: 1}).field == "7"


def test_the_python_name_of_an_aliased_key_is_not_a_key():
    assert refused(changed("loras.0.target", "high")).field == "loras[0].target"


def test_known_keys_are_told_by_place():
    assert known_keys(("loras", 0)) == ["file", "multiplier", "for", "distilled", "partial"]
    assert known_keys(("keyframes", 1, "phase_config", "phases", 0, "loras", 2)) == ["url", "multiplier"]
    assert {"image", "at", "prompt", "seed"} <= set(known_keys(("keyframes", 0)))


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ([], "spec: expected a mapping with keyframes (got []); see `wayframe new` for an example"),
        ({}, "keyframes: is required"),
        (stills(0), "keyframes: needs at least 1 (got [])"),
        ({"keyframes": "a.jpg"}, "keyframes: expected a list (got 'a.jpg')"),
        ({"keyframes": ["a.jpg"]}, "keyframes[0]: expected a mapping (got 'a.jpg')"),
        (changed("keyframes.0", {"at": 0}), "keyframes[0].image: is required"),
        (changed("keyframes.0.image", ""), "keyframes[0].image: must not be empty (got '')"),
        (changed("mode", "loop"), "mode: expected 'batch' or 'timeline' (got 'loop')"),
        (changed("fit", "crop"), "fit: expected 'cover', 'contain' or 'stretch' (got 'crop')"),
        (changed("steps", 0), "steps: must be 1 or more (got 0)"),
        (changed("steps", "six"), "steps: expected a whole number (got 'six')"),
        (changed("steps", 2.5), "steps: expected a whole number (got 2.5)"),
        (changed("steps", True), "steps: expected a number or text, not true or false (got True)"),
        (changed("prompt", 5), "prompt: expected text (got 5)"),
        (changed("guidance", -1), "guidance: must be 0 or more (got -1)"),
        (changed("guidance", float("nan")), "guidance: expected a finite number (got nan)"),
        (changed("amount_of_motion", 1.5), "amount_of_motion: must be 1 or less (got 1.5)"),
        (changed("overlap", -1), "overlap: must be 0 or more (got -1)"),
        (changed("overlap", [-1]), "overlap[0]: must be 0 or more (got -1)"),
        (changed("overlap", [True]), "overlap: expected a number or text, not true or false (got [True])"),
        (changed("seed", -1), "seed: must be 0 or more (got -1)"),
        (changed("seed", 2**63), f"seed: must be {2**63 - 1} or less (got {2**63})"),
        (
            changed("resolution", "768"),
            "resolution: expected WIDTHxHEIGHT such as 768x576, sides of 1 to 16384 (got '768')",
        ),
        (changed("matte", "black"), "matte: expected a colour such as #000000 (got 'black')"),
        (changed("loras.0.for", "mid"), "loras[0].for: expected 'high', 'low' or 'any' (got 'mid')"),
        (changed("loras.0.distilled", "maybe"), "loras[0].distilled: expected true or false (got 'maybe')"),
        (changed("phase_config.flow_shift", 0), "phase_config.flow_shift: must be more than 0 (got 0)"),
        (
            changed("phase_config.steps_per_phase", [2, 0, 4]),
            "phase_config.steps_per_phase[1]: must be 1 or more (got 0)",
        ),
        (changed("phase_config.num_phases", 2), "phase_config: num_phases is 2, but phases has 3 entries"),
        (changed("phase_config.steps_per_phase", [3, 3]), "phase_config: steps_per_phase has 2 entries for 3 phases"),
        (changed("phase_config.phases.1.phase", 3), "phase_config: phases[1].phase is 3, expected 2"),
    ],
)
def test_a_refusal_is_one_line_with_field_problem_and_value(data: object, line: str):
    assert str(refused(data)) == line


@pytest.mark.parametrize("multiplier", ["", "1;;0", "a", "1, 0", "nan", "1;x;0"])
def test_a_wrong_multiplier_names_its_field_and_the_grammar(multiplier: str):
    error = refused(changed("loras.0.multiplier", multiplier))
    assert (error.field, error.value) == ("loras[0].multiplier", multiplier)
    assert "';' between phases" in error.problem


def test_inside_a_phase_a_multiplier_speaks_of_this_phase_only():
    assert parse_spec(stills(2, phases=[{"steps": 2, "loras": [{"file": "a", "multiplier": "1,0.5"}]}]))
    error = refused(stills(2, phases=[{"steps": 2, "loras": [{"file": "a", "multiplier": "1;0"}]}]))
    assert str(error).startswith("phases[0].loras[0].multiplier: one phase holds one value or a comma list")
    assert refused(changed("phase_config.phases.0.loras.0.multiplier", "1;0")).value == "1;0"


@pytest.mark.parametrize("at", [-1, 1.5, "52", "3.2", "3.2 minutes", "-1s", True, "s", 10**9, "1s\n"])
def test_a_position_is_a_frame_or_a_time(at: object):
    error = refused(timeline(0, 10) | {"keyframes": [{"image": "a"}, {"image": "b", "at": at}]})
    assert (error.field, error.value) == ("keyframes[1].at", at)


@pytest.mark.parametrize(
    ("at", "fps", "frame"), [("3.2s", 16, 51), ("3.25 s", 16, 52), ("1s", "24000/1001", 24), (7, 16, 7)]
)
def test_a_time_is_the_nearest_frame(at: int | str, fps: int | str, frame: int):
    spec = parse_spec(timeline(0, at, fps=fps))
    assert spec.keyframes[1].frame(Fraction(fps)) == frame


@pytest.mark.parametrize(
    ("fps", "kept"), [(16, 16), ("16", 16), ("24000/1001", "24000/1001"), ("29.97", "2997/100"), ("48/2", 24)]
)
def test_frames_a_second_may_be_a_fraction(fps: int | str, kept: int | str):
    assert parse_spec(stills(2, fps=fps)).fps == kept


@pytest.mark.parametrize("fps", [0, -16, 241, "1/0", "fast", "1e999999999", 23.976, [16], "16\n", True])
def test_frames_a_second_out_of_range_are_refused(fps: object):
    assert refused(stills(2, fps=fps)).field == "fps"


@pytest.mark.parametrize("resolution", ["0x576", "768x0", "99999x576", "768 x 576", "768x576\n", "-768x576"])
def test_a_resolution_that_is_none_is_refused(resolution: str):
    assert refused(stills(2, resolution=resolution)).field == "resolution"


@pytest.mark.parametrize(
    ("data", "field", "problem"),
    [
        (stills(3, overlap=[1, 1]), "overlap", "2 values for 1 join; "),
        (stills(2, segment_frames=[61, 61]), "segment_frames", "2 values for 1 segment; "),
        (timeline(0, 52, mode="batch"), "keyframes[0].at", "mode batch has no positions"),
        (timeline(0, 52, segment_frames=61), "segment_frames", "mode timeline takes its lengths from"),
        (timeline(0), "keyframes", "mode timeline needs two or more"),
        ({"keyframes": [{"image": "a"}, {"image": "b", "prompt": "x"}]}, "keyframes[1].prompt", "no segment begins"),
        (stills(2, phases=[PHASE], phase_config=SEED_PHASES), "spec", "give phases or phase_config, not both"),
        (
            changed("keyframes.0", {"image": "a", "at": 0, "phases": [PHASE], "phase_config": SEED_PHASES}),
            "keyframes[0]",
            "give",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(data: Data, field: str, problem: str):
    error = refused(data)
    assert error.field == field
    assert problem in error.problem


def test_a_lone_keyframe_may_have_a_prompt():
    assert parse_spec({"keyframes": [{"image": "a", "prompt": "x"}]}).keyframes[0].prompt == "x"


def test_the_number_of_other_faults_is_told():
    assert str(refused(stills(2, steps=0, seed=-1, fps="x"))).endswith("; and 2 more to mend")


def test_the_schema_accepts_the_example_and_is_itself_valid():
    schema = spec_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for data in (EXAMPLE, stills(2, phases=[PHASE], loras=[{"file": "a", "multiplier": 0.5, "for": "low"}]), stills(1)):
        validator.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {**EXAMPLE, "promt": ""},
        changed("keyframes.1.promt", ""),
        changed("loras.0.target", "high"),
        changed("phase_config.phases.0.guidance", 1),
        changed("mode", "loop"),
        changed("steps", 0),
        {},
    ],
)
def test_the_schema_rejects_what_the_parser_rejects(data: Data):
    assert not jsonschema.Draft202012Validator(spec_schema()).is_valid(data)
    refused(data)


names = st.sampled_from(
    [*TravelSpec.model_fields, "image", "at", "file", "multiplier", "url", "for", "phase"]
) | st.text(max_size=4)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["9s", "0x1", "1;0"])
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


@given(
    data=st.dictionaries(names, anything, max_size=5),
    keyframes=st.lists(st.dictionaries(names, plain, max_size=3), max_size=3),
)
def test_any_data_is_either_a_spec_or_refused_with_a_field(data: Data, keyframes: list[Data]):
    said = {**data, "keyframes": [{"image": "a", **keyframe} for keyframe in keyframes]}
    outcome = read(said)
    if isinstance(outcome, SpecError):
        assert outcome.field
        assert outcome.problem
    else:
        assert parse_spec(spec_json(outcome)) == outcome


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"keyframes": [{"image": "a"}], "prompt": "\ud800"}, "prompt"),
        ({"keyframes": [{"image": "b\udcff.png"}]}, "keyframes[0].image"),
        ({"keyframes": [{"image": "a"}], "\ud800": 1}, "spec"),
        ({"keyframes": [{"image": "a", "\ud800": 1}]}, "keyframes[0]"),
    ],
)
def test_text_that_no_file_can_hold_is_refused(data: Data, field: str) -> None:
    with pytest.raises(SpecError, match="holds characters that are no text") as caught:
        parse_spec(data)
    assert caught.value.field == field
    assert parse_spec({"keyframes": [{"image": "山.png"}], "prompt": "\U0001f600"}).prompt == "\U0001f600"


def test_the_engine_called_null_needs_quotes_in_yaml():
    with pytest.raises(SpecError, match=r'engine: is empty; for the engine of that name write "null" in quotes'):
        parse_spec({"keyframes": [{"image": "a.png"}], "engine": None})
    assert parse_spec({"keyframes": [{"image": "a.png"}], "engine": "null"}).engine == "null"


@pytest.mark.parametrize("name", ["lead", "trail", "bridges"])
def test_a_block_that_means_something_when_empty_is_not_left_without_a_value(name: str):
    data = {"keyframes": [{"image": "a.png"}, {"image": "b.png"}], name: None}
    with pytest.raises(SpecError, match=rf"{name}: is empty; write {name}: {{}} for one of which nothing more is said"):
        parse_spec(data)
