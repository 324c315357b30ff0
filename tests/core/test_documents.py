"""Plans as JSON and back: what a hand may change, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.golden import RUN_2, RUNS, seed_run
from core.trips import PREVIEW, planned, stills
from wayframe.core.documents import findings_json, parse_plan, plan_json, resolved_json
from wayframe.core.plan import Plan
from wayframe.errors import SpecError

Data = dict[str, Any]


@pytest.fixture
def data() -> Data:
    """The plan of run 2 as it is read from a file."""
    return through_json(seed_run("plan_seed_run2.json").whole)


def through_json(plan: Plan) -> Data:
    data: Data = json.loads(json.dumps(plan_json(plan)))
    return data


def refused(data: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_plan(data)
    return caught.value


@pytest.mark.parametrize("name", RUNS)
def test_a_plan_reads_back_equal(name: str):
    plan = seed_run(name).whole
    assert parse_plan(plan_json(plan)) == plan
    assert parse_plan(through_json(plan)) == plan


@pytest.mark.parametrize(
    "spec",
    [
        stills(1),
        stills(4, overlap=[0, 3]),
        stills(2, fps="24000/1001", steps=2),
        stills(3, chaining="chained", matte="#AABBCC"),
    ],
)
def test_plans_of_every_shape_read_back_equal(spec: Data):
    plan = planned(spec, engine=PREVIEW).whole
    assert parse_plan(through_json(plan)) == plan


def test_the_document_has_the_fields_that_others_read(data: Data):
    assert list(data)[:8] == ["schema", "mode", "chaining", "fps", "resolution", "frames", "forwards", "engine"]
    assert {"model", "keyframes", "loras", "segments", "findings"} <= set(data)
    assert data["schema"] == "wayframe.plan/1"
    assert list(data["keyframes"][0]) == ["index", "at", "digest"]
    assert list(data["loras"]["high_noise_model"]) == ["file", "digest", "for", "distilled"]
    assert {"index", "key", "start", "end", "frames", "overlap_before", "overlap_after", "seed", "prompt"} <= set(
        data["segments"][0]
    )
    assert list(data["segments"][1]["steps"][5].items()) == [
        ("index", 5),
        ("timestep", 4.9800796812749),
        ("sigma", 0.0049800796812749),
        ("sigma_next", 0.0),
        ("phase", 3),
        ("expert", "low"),
        ("guidance", 1.0),
        ("loras", {"high_noise_model": 0.0, "low_noise_model": 1.0}),
        ("forwards", 1),
    ]


def test_content_that_was_changed_under_its_old_key_is_refused(data: Data):
    data["segments"][1]["prompt"] = "another one"
    error = refused(data)
    assert (error.field, error.problem) == ("segments[1].key", "is not the key of this content")
    assert error.fix == "remove the keys after an edit"


def test_a_changed_keyframe_is_noticed_by_the_keys_of_its_segments(data: Data):
    data["keyframes"][2]["digest"] = "0" * 64
    assert refused(data).field == "segments[1].key"


def test_keys_that_were_removed_are_made_again(data: Data):
    plan = parse_plan(json.loads(json.dumps(data)))
    for segment in data["segments"]:
        del segment["key"]
    assert parse_plan(data) == plan
    data["segments"][1]["prompt"] = "another one"
    edited = parse_plan(data)
    assert [segment.prompt for segment in edited.segments][1] == "another one"
    assert edited.segments[0].key == plan.segments[0].key
    assert edited.segments[1].key != plan.segments[1].key


def test_what_decides_no_pixel_may_be_changed_under_the_same_keys(data: Data):
    data["curve"], data["findings"] = "linear", []
    assert parse_plan(data).curve == "linear"


UNKNOWN: dict[str, Callable[[Data], Data]] = {
    "colour": lambda data: data,
    "keyframes[1].colour": lambda data: data["keyframes"][1],
    "segments[0].colour": lambda data: data["segments"][0],
    "segments[0].steps[3].colour": lambda data: data["segments"][0]["steps"][3],
    "loras.low_noise_model.colour": lambda data: data["loras"]["low_noise_model"],
    "findings[0].colour": lambda data: data["findings"][0],
}


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_key_is_refused_wherever_it_stands(data: Data, path: str):
    UNKNOWN[path](data)["colour"] = "red"
    error = refused(data)
    assert (error.field, error.problem, error.value) == (path, "unknown key", "red")


def set_at(data: Data, path: str, value: object) -> None:
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place: Any = data
    for part in way:
        place = place[part]
    place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("schema", "wayframe.plan/0", "schema"),
        ("frames", 93, "frames"),
        ("forwards", 15, "forwards"),
        ("mode", "loop", "mode"),
        ("chaining", "loose", "chaining"),
        ("fps", "fast", "fps"),
        ("resolution", "768", "resolution"),
        ("fit", "crop", "fit"),
        ("profile", "gif", "profile"),
        ("curve", "cubic", "curve"),
        ("matte", "black", "matte"),
        ("keyframes/1/at", 53, "keyframes[1].at"),
        ("keyframes/1/index", 2, "keyframes[1].index"),
        ("keyframes/0/digest", 5, "keyframes[0].digest"),
        ("segments/1/index", 2, "segments[1].index"),
        ("segments/0/end", 54, "segments[0].end"),
        ("segments/0/frames", 49, "segments[0].end"),
        ("segments/1/overlap_before", 5, "segments[1].overlap_before"),
        ("segments/1/overlap_after", 2, "segments[1].overlap_after"),
        ("segments/0/overlap_before", 2, "segments[0].overlap_before"),
        ("segments/0/forwards", 7, "segments[0].forwards"),
        ("segments/0/timesteps/2", 880.0, "segments[0].timesteps"),
        ("segments/1/steps/0/forwards", 1, "segments[1].forwards"),
        ("segments/1/steps/0/guidance", 1.0, "segments[1].steps[0].forwards"),
        ("segments/1/steps/4/index", 9, "segments[1].steps[4].index"),
        ("segments/1/steps/4/loras", {"other": 1.0}, "segments[1].steps[4].loras"),
        ("segments/1/steps/4/sigma", "high", "segments[1].steps[4].sigma"),
        ("segments/1/steps/4/guidance", float("nan"), "segments[1].steps[4].guidance"),
        ("segments", [], "segments"),
        ("keyframes", [], "keyframes"),
    ],
)
def test_parts_that_do_not_agree_are_refused_and_named(data: Data, path: str, value: object, field: str):
    set_at(data, path, value)
    assert refused(data).field == field


def test_a_missing_field_is_named(data: Data):
    del data["segments"][0]["steps"][1]["sigma"]
    assert refused(data).field == "segments[0].steps[1].sigma"


def test_overlaps_that_meet_are_refused_in_a_plan_too():
    data = through_json(planned(stills(4, segment_frames=[9, 9, 9], overlap=4), engine=PREVIEW).whole)
    data["segments"][1] |= {"end": 12, "frames": 7}
    data["segments"][2] |= {"start": 8, "end": 17}
    data["keyframes"][2]["at"], data["keyframes"][3]["at"], data["frames"] = 11, 16, 17
    assert refused(data).field == "overlap"


@pytest.mark.parametrize("other", [None, [], "plan", 5])
def test_what_is_no_mapping_is_no_plan(other: object):
    assert refused(other).field == "plan"


def test_findings_are_plain_data():
    (first, *_) = findings_json(seed_run("plan_seed_run2.json").findings)
    assert first == {
        "code": "keyframes-identical",
        "severity": "critical",
        "message": "keyframes 1 and 2 are the same file",
        "where": "keyframes[2]",
        "evidence": {"digest": "e5f05af3" * 8},
        "action": "Replace one of the two, or leave one out.",
    }


def test_a_resolved_spec_shows_its_values_and_their_origins():
    shown = resolved_json(planned(RUN_2).resolved)
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["values"]["positions"], shown["origins"]["positions"]) == ([0, 52, 91], "spec")
    assert [lora["multiplier"] for lora in shown["values"]["segments"][0]["loras"]] == ["0.75;1.0;0", "0;0;1.0"]
    assert shown["origins"]["fps"] == "model:wan2.2-t2v-a14b"


def test_a_resolved_spec_shows_no_folder_of_a_lora():
    spec = stills(
        2, steps=2, loras=[{"file": "/home/somebody/s.safetensors"}, {"file": "C:\\Users\\somebody\\t.safetensors"}]
    )
    shown = resolved_json(planned(spec).resolved)
    assert [lora["file"] for lora in shown["values"]["segments"][0]["loras"]] == ["s.safetensors", "t.safetensors"]
    assert "somebody" not in json.dumps(shown)
