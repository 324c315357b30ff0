"""Literals of claims and values of engine parameters."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayframe.files import Redactor
from wayframe.logs.claims import ClaimReader
from wayframe.logs.literals import literal_end, read_literal, typed

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(value=PLAIN)
@settings(deadline=None, max_examples=150)
def test_what_python_prints_is_read_back(value: object):
    read = read_literal(repr(value))
    assert read == value
    assert json.dumps(read) == json.dumps(value)


@given(text=st.text(alphabet="{}[]()'\"\\,: aNone1.-", max_size=40))
@settings(deadline=None, max_examples=150)
def test_any_text_is_read_as_json_data_or_refused(text: str):
    try:
        read = read_literal(text)
    except ValueError:
        return
    assert json.loads(json.dumps(read, allow_nan=False)) == read


@pytest.mark.parametrize(
    "text",
    ["{'a': 1", "{'a'}", "b'x'", "[nan]", "[NaN]", "1e999", "[" * 5000, "-" * 50_000, r"'\N{foo}'", "'", "9" * 5000],
)
def test_what_is_not_whole_or_no_json_data_is_refused(text: str):
    with pytest.raises(ValueError, match="not a whole literal"):
        read_literal(text)


def test_half_a_surrogate_pair_becomes_a_mark_that_can_be_written():
    assert read_literal(r"['\ud800', 'ok\n']") == ["\ufffd", "ok\n"]


def test_a_literal_s_end_is_found_behind_its_strings():
    text = "{'a': \"}'\", 'b': ['\\'}', {}]} and more }"
    assert literal_end(text, start=0) == text.index(" and more")
    assert literal_end("{'a': 'cut", start=0) is None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("seed", "789", 789),
        ("guidance_scale", "3 ⭐", 3),
        ("switch_threshold", "917.4817575573454 *", 917.4817575573454),
        ("image_start", "None", None),
        ("any", "True", True),
        ("loras_multipliers", "0.75", "0.75"),
        ("prompt", "a star ⭐", "a star ⭐"),
        ("video_guide_outpainting", "0 0 0 0", "0 0 0 0"),
        ("activated_loras", "['a']", ["a"]),
        ("send_cmd", "<function f at 0x7f>", "<function f at 0x7f>"),
        ("slg_layers", "", ""),
    ],
)
def test_engine_parameters_get_their_types(key: str, text: str, value: object):
    assert typed(text, key=key) == (value, True)


def test_a_truncated_parameter_is_unknown():
    assert typed("{'a': 1} (truncated)", key="state") == (None, False)


def test_repeated_payloads_are_read_once_and_give_the_same():
    payload = {"run_id": "r", "api_key": "anything at all", "prompt": "'orchestrator_details': {", "shift": math.pi}
    params = {
        "orchestrator_details": payload,
        "full_orchestrator_payload": payload,
        "segment_index": 1,
        "base_prompt": str(payload),
    }
    literal = str({"task_id": "t", "params": params, "task_type": "travel_segment"})
    redactor = Redactor()
    reader = ClaimReader(redactor)
    first, second = reader.read(literal), reader.read(literal)
    assert first == second
    assert first.params["orchestrator_details"] is second.params["full_orchestrator_payload"]
    assert first.params["orchestrator_details"] == payload | {"api_key": "[redacted]"}
    assert "anything at all" not in json.dumps(first.params)
    assert redactor.count == 6


def test_a_prompt_that_holds_a_payload_s_very_text_is_left_as_it_is():
    payload = {"run_id": "r", "steps": 6}
    reader = ClaimReader(Redactor())
    reader.read(str({"task_id": "t", "params": {"orchestrator_details": payload}, "task_type": "travel_orchestrator"}))
    prompt = f"'orchestrator_details': {payload}".replace("'", '"')
    params = {"base_prompt": prompt.replace('"', "'"), "orchestrator_details": payload}
    assert reader.read(str({"task_id": "t", "params": params, "task_type": "travel_segment"})).params == params
