"""The shapes in which payloads come, the keys that they must have, and what is wrong with them, told in one line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.payloads import GONE, THREE, Data, details, planned, segment, task
from wayframe.core.payload import Shape, is_payload, read_payload
from wayframe.core.payload_keys import CARRIED, CONSULTED, OPTIONAL, REQUIRED, SEGMENT, SWITCHED, UNSUPPORTED
from wayframe.core.payload_like import Like
from wayframe.core.payload_wire import Wire
from wayframe.errors import InputError, PayloadError


def refused(data: object) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        read_payload(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (details(), Shape.DETAILS),
        ({"task_type": "travel_orchestrator", **details()}, Shape.DETAILS),
        ({"orchestrator_details": details()}, Shape.DETAILS),
        ({"full_orchestrator_payload": details(), "project_id": "p"}, Shape.TASK),
        (task(details()), Shape.TASK),
        (segment(), Shape.SEGMENT),
    ],
)
def test_every_shape_is_recognised(data: Data, shape: Shape):
    assert is_payload(data)
    assert read_payload(data).shape is shape


@pytest.mark.parametrize("data", [details(), task(details()), segment(), {"orchestrator_details": details()}])
def test_a_stray_key_named_keyframes_makes_no_spec_of_a_payload(data: Data):
    inner = data.get("params", data)
    stray = {**data, "params": {**inner, "keyframes": [1]}} if "params" in data else {**data, "keyframes": [1]}
    assert is_payload(stray)
    assert "payload-key-unknown" in planned(stray).codes


@pytest.mark.parametrize("words", [{}, {"model_name": "i2v"}, {"params": {"flow": 1}}])
def test_a_spec_with_a_word_of_upstreams_is_a_spec(words: Data):
    assert not is_payload({"keyframes": [{"image": "a.png"}], **words})


def test_the_same_travel_in_any_shape_gives_the_same_plan():
    plain = planned(details()).plan
    assert [one.key for one in planned(task(details())).plan.segments] == [one.key for one in plain.segments]
    assert [one.key for one in planned({"orchestrator_details": details()}).plan.segments] == [
        one.key for one in plain.segments
    ]


def test_a_database_gives_mappings_as_text_and_they_are_read_like_mappings():
    plain = [one.key for one in planned(details()).plan.segments]
    for row in (
        {**task(details()), "params": json.dumps(task(details())["params"])},
        {"id": "task-1", "params": json.dumps({"orchestrator_details": json.dumps(details())})},
        {"task_type": "travel_orchestrator", "orchestrator_details": json.dumps(details())},
    ):
        assert is_payload(row)
        assert [one.key for one in planned(row).plan.segments] == plain
    assert refused({"params": "{broken", "task_type": "travel_orchestrator"}).field == "params"


def test_secrets_inside_such_a_text_are_taken_out():
    payload = read_payload({"params": json.dumps({"orchestrator_details": details(openai_api_key="made-up")})})
    assert payload.secrets == ("params.orchestrator_details.openai_api_key",)
    assert "made-up" not in str(payload)


def test_a_list_of_one_task_is_that_task_and_of_several_is_refused():
    assert is_payload([task(details())])
    assert read_payload([task(details())]) == read_payload(task(details()))
    error = refused([task(details()), task(details())])
    assert (error.field, error.problem) == ("payload", "holds 2 tasks")


@pytest.mark.parametrize("data", [{"keyframes": [{"image": "a.png"}]}, {"prompt": "x"}, [], "text", None])
def test_a_spec_and_anything_else_is_no_payload(data: object):
    assert not is_payload(data)


def test_missing_keys_are_all_named():
    error = refused({"model_name": "lightning_baseline_2_2_2", "seed_base": None})
    assert error.problem == f"lacks {', '.join(REQUIRED[1:])}"


@pytest.mark.parametrize("key", REQUIRED)
def test_each_required_key_is_required_and_null_counts_as_missing(key: str):
    assert refused(details(**{key: GONE})).problem == f"lacks {key}"
    assert refused(details(**{key: None})).fix == f"null counts as missing: {key}"


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"steps": "many"}, "steps", "expected a whole number"),
        ({"steps": True}, "steps", "expected a number, not true or false"),
        ({"steps": 0}, "steps", "must be 1 or more"),
        ({"parsed_resolution_wh": "wide"}, "parsed_resolution_wh", "expected a list"),
        ({"segment_frames_expanded": [53, "x"]}, "segment_frames_expanded[1]", "expected a whole number"),
        ({"guidance_scale": -1}, "guidance_scale", "must be 0 or more"),
        ({"phase_config": [1]}, "phase_config", "expected a mapping"),
        (
            {"phase_config": {**THREE, "steps_per_phase": [2, 0, 2]}},
            "phase_config.steps_per_phase[1]",
            "must be 1 or more",
        ),
        ({"phase_config": {**THREE, "num_phases": 2}}, "phase_config", "num_phases 2, steps_per_phase [2, 2, 2] and 3"),
        (
            {"phase_config": {**THREE, "steps_per_phase": [3, 3]}},
            "phase_config",
            "num_phases 3, steps_per_phase [3, 3]",
        ),
        ({"phase_config": {}}, "phase_config.phases", "is required"),
        ({"input_image_paths_resolved": []}, "input_image_paths_resolved", "needs at least 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(said: Data, field: str, problem: str):
    error = refused(details(**said))
    assert error.field == field
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ([], "payload"),
        ({"params": [], "task_type": "travel_orchestrator"}, "params"),
        ({"orchestrator_details": 3}, "orchestrator_details"),
        (task({**details()}) | {"task_type": "magic_edit"}, "task_type"),
        (segment(segment_index="one"), "segment_index"),
        (segment(segment_index=-1), "segment_index"),
    ],
)
def test_what_is_no_travel_is_refused(data: object, field: str):
    assert refused(data).field == field


def test_a_segment_looks_for_its_values_from_inside_out():
    inner = details(2, phase_config={**THREE}, negative_prompts_expanded=["x", "y"])
    wire = read_payload(segment({"num_frames": 37, "base_prompt": "own"}, inside=inner, base_prompt="params")).wire
    assert wire.segment_frames_expanded == (37,)
    assert wire.base_prompts_expanded == ("own",)
    assert wire.negative_prompts_expanded == ("rain",)
    assert wire.phase_config is not None
    assert wire.phase_config.steps_per_phase == (2, 2, 2)


def test_a_segment_takes_from_the_travel_what_it_does_not_say():
    data = segment(inside=details(3), num_frames=GONE, base_prompt=GONE, input_image_paths_resolved=GONE)
    wire = read_payload(data).wire
    assert wire.segment_frames_expanded == (45,)
    assert wire.base_prompts_expanded == ("the boat passes buoy 1",)
    assert [name[-5:] for name in wire.input_image_paths_resolved] == ["1.png", "2.png"]


def test_a_segment_may_come_without_its_travel():
    wire = read_payload(segment(orchestrator_details=GONE, segment_frames_target=37, num_frames=GONE)).wire
    assert (wire.segment_frames_expanded, wire.phase_config) == ((37,), None)


def test_a_segment_prefers_its_own_ends_and_its_enhanced_prompt():
    own = {"start_image_url": "s.png", "end_image_url": "e.png", "enhanced_prompt": "better"}
    wire = read_payload(segment(own)).wire
    assert wire.input_image_paths_resolved == ("s.png", "e.png")
    assert wire.base_prompts_expanded == ("better",)


def test_a_segment_names_exactly_what_it_lacks():
    error = refused(segment(num_frames=GONE, base_prompt=GONE, model_name=GONE))
    assert (error.problem, error.fix) == ("lacks model_name, num_frames, base_prompt", "segment 1 needs them")


def test_secrets_are_taken_out_at_any_depth_and_told():
    data = details(
        openai_api_key="sk-made-up-0123456789",
        inner={"access_token": "t", "kept": 1},
        listed=[{"password": "made-up"}, [{"password": "made-up", "kept": 2}]],
    )
    payload = read_payload(data)
    assert payload.secrets == ("openai_api_key", "inner.access_token", "listed[0].password", "listed[1][0].password")
    assert payload.clean["listed"] == [{}, [{"kept": 2}]]
    assert "made-up" not in str(payload)
    assert payload.clean["inner"] == {"kept": 1}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"mood": "half \ud800"}, "holds characters that are no text"),
        ({"mood": {"deep": [float("nan")]}}, "holds a number that is not finite"),
    ],
)
def test_what_no_file_can_hold_is_refused(said: Data, problem: str):
    assert refused(details(**said)).problem == problem


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([THREE, [THREE, None]]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(THREE)) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*REQUIRED, *OPTIONAL, *CONSULTED, *SEGMENT, *UNSUPPORTED, "task_type", "params", "orchestrator_details"]
)


@given(
    data=st.sampled_from([details(), task(details()), segment(), segment({})]),
    said=st.dictionaries(KEYS, VALUES, min_size=1, max_size=3),
    like=st.sampled_from(list(Like)),
    inside=st.booleans(),
)
def test_whatever_stands_in_a_payload_it_is_planned_or_refused(data: Data, said: Data, like: Like, inside: bool):
    changed = {**data, **said}
    if inside and "params" in data:
        changed = {**data, "params": {**data["params"], **said}}
    with suppress(InputError):
        planned(changed, like=like)


def test_every_key_has_one_role():
    roles = [
        frozenset(OPTIONAL),
        frozenset(CONSULTED),
        frozenset(SWITCHED),
        frozenset(REQUIRED),
        frozenset(SEGMENT),
        CARRIED,
        *([UNSUPPORTED.keys()]),
    ]
    names = [name for role in roles for name in role]
    assert sorted(names) == sorted(set(names))
    assert set(Wire.model_fields) == {*REQUIRED, *OPTIONAL, *CONSULTED, *SWITCHED}
