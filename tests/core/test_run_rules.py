"""Rules over what was requested and what was sent: each has a test that raises it, and one that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.subjects import Data, of_plan, segment, subject, table
from core.test_steptable import REQUESTED, RUN_1, RUN_2
from core.trips import PREVIEW, planned, stills
from wayframe.core.derived import compare_tables
from wayframe.core.findings import Finding, Severity
from wayframe.core.pairing import match_segments
from wayframe.core.run_rules import asked_loras, pair_findings, subject_findings
from wayframe.core.steptable import sent_table
from wayframe.core.subject import Basis, Evidence, Level, StepTable, Subject


def run(asked: Data | None, sent: Data | None, *, whole: bool = True, index: int = 0, **requested: object) -> Subject:
    """A logged run of one segment, all that was requested for it being known unless not `whole`."""
    levels = {name: values for name, values in (("requested", asked), ("applied", sent)) if values is not None}
    made = replace(segment(index, **levels), steps=sent_table(sent) if sent else None)
    made = replace(made, whole=frozenset({Level.REQUESTED}) if whole else frozenset())
    return subject("run", requested=requested, segments=[made])


def findings(found: Subject, *codes: str) -> list[Finding]:
    return [item for item in subject_findings(found) if not codes or item.code in codes]


def codes(found: Subject) -> set[str]:
    return {item.code for item in subject_findings(found)} - {"inferred"}


def one(found: Subject, code: str) -> Finding:
    [item] = findings(found, code)
    return item


ASKED: Data = {
    **{key: value for key, value in REQUESTED.items() if key != "model_name"},
    "model_name": RUN_1["model_type"],
    "seed_to_use": 789,
    "base_prompt": "",
}
SENT: Data = {
    **RUN_2,
    "loras_multipliers": "0.75;1.0;0 0;0;1",
    "seed": 789,
    "prompt": " ",
}


def test_a_run_that_was_sent_what_it_asked_for_has_nothing_to_say() -> None:
    assert codes(run(ASKED, SENT)) == set()


# requested-not-applied, type-changed-on-the-way


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("seed", 790, "seed"),
        ("prompt", "a lake", "prompt"),
        ("resolution", "1x1", "resolution"),
        ("video_length", 45, "video_length"),
        ("guidance_scale", 3.5, "guidance_scale"),
        ("flow_shift", None, "flow_shift"),
        ("model_type", "other_2_2", "model_type"),
        ("sample_solver", "unipc", "sample_solver"),
    ],
)
def test_a_setting_sent_otherwise_is_told_with_both_values(key: str, value: object, where: str) -> None:
    asked = {**ASKED, "parsed_resolution_wh": "768x576", "segment_frames_target": 53}
    sent = {**SENT, "resolution": "768x576", "video_length": 53, key: value}
    item = one(run(asked, sent), "requested-not-applied")
    assert item.severity is Severity.CRITICAL
    assert item.where == f"run.segments[0].applied.{where}"
    assert item.evidence["sent"] == value
    assert item.message.endswith(f"was requested, {value!r} was sent")


def test_a_setting_that_was_not_logged_proves_nothing() -> None:
    sent = {key: value for key, value in SENT.items() if key not in ("seed", "loras_multipliers", "activated_loras")}
    assert codes(run(ASKED, sent)) == set()
    assert codes(run(ASKED, None)) == codes(run(None, SENT)) == set()


def test_numbers_within_tolerance_and_blanks_are_the_same() -> None:
    assert codes(run({**ASKED, "flow_shift": 5.0, "base_prompt": "a "}, {**SENT, "prompt": " a"})) == set()


def test_a_number_that_became_text_changed_its_type_only() -> None:
    item = one(run({**ASKED, "seed_to_use": "789"}, SENT), "type-changed-on-the-way")
    assert item.message == "run, segment 0: seed_to_use '789' was requested, 789 was sent"
    assert codes(run({**ASKED, "seed_to_use": "789"}, SENT)) == {"type-changed-on-the-way"}


def test_multipliers_that_were_flattened_are_told_with_what_they_do() -> None:
    found = run(ASKED, {**SENT, "loras_multipliers": "0.75,0.0"})
    assert codes(found) == {"requested-not-applied", "type-changed-on-the-way", "comma-list-for-phases"}
    assert one(found, "requested-not-applied").message == (
        "run, segment 0: lora_multipliers ['0.75;1.0;0', '0;0;1.0'] was requested, '0.75,0.0' was sent: "
        "high_noise_model 0.75 0.75 0.75 0 0 0; low_noise_model 1 1 1 1 1 1"
    )
    assert one(found, "type-changed-on-the-way").message.endswith("was a list of 2 when requested and a str when sent")


@pytest.mark.parametrize("sent", ["0.75;1.0;0 0;0;1.0", "0.750;1;0  0;0;1", ["0.75;1.0;0", "0;0;1"]])
@pytest.mark.parametrize("asked", [["0.75;1.0;0", "0;0;1.0"], "0.75;1.0;0 0;0;1.0"])
def test_multipliers_are_the_same_however_they_are_written(asked: object, sent: object) -> None:
    assert codes(run({**ASKED, "lora_multipliers": asked}, {**SENT, "loras_multipliers": sent})) == set()


def test_multipliers_that_were_dropped_are_told() -> None:
    assert "requested-not-applied" in codes(run(ASKED, {**SENT, "loras_multipliers": ""}))
    assert "requested-not-applied" in codes(run(ASKED, {**SENT, "loras_multipliers": None}))


# comma-list-for-phases


@pytest.mark.parametrize(
    ("multipliers", "phases", "raised"),
    [("0.75,0.0", 3, True), ("0.75,0.0", 1, False), ("0.75;0,0", 2, False), ("0.75", 3, False)],
)
def test_a_comma_list_is_a_fault_where_there_are_phases(multipliers: str, phases: int, raised: bool) -> None:
    found = run(ASKED, {**SENT, "loras_multipliers": multipliers, "guidance_phases": phases})
    assert ("comma-list-for-phases" in codes(found)) is raised


# applied-not-requested


def test_phases_that_nobody_asked_for_are_told() -> None:
    item = one(run({"steps": 6}, RUN_1), "applied-not-requested")
    assert item.message == "run, segment 0: 3 guidance phases [3, 1, 1] were sent, none were requested"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (run({"guidance_phases": 3}, RUN_1), "asked for"),
        (run({"phase_config": {"num_phases": 3}}, RUN_1), "asked for by the segment's phases"),
        (run({"steps": 6}, RUN_1, phase_config={"num_phases": 3}), "asked for by the run's phases"),
        (run({"steps": 6}, {**RUN_1, "guidance_phases": 1}), "one phase"),
        (run({"steps": 6}, {**RUN_1, "guidance_phases": None}), "not sent"),
        (run({"steps": 6}, {**RUN_1, "guidance_phases": "three"}), "no number"),
        (run({"steps": 6}, RUN_1, whole=False), "the request was logged in part"),
    ],
)
def test_phases_are_not_called_unasked_without_proof(found: Subject, why: str) -> None:
    assert "applied-not-requested" not in codes(found), why


# lora-requested-without-effect, lora-applied-unasked


def test_a_lora_that_was_not_sent_has_no_effect() -> None:
    item = one(
        run(ASKED, {**SENT, "activated_loras": ["high_noise_model.safetensors"]}), "lora-requested-without-effect"
    )
    assert item.message == "run, segment 0: low_noise_model was asked for and was not sent"


def test_a_lora_of_weight_zero_has_no_effect() -> None:
    item = one(run(ASKED, {**SENT, "loras_multipliers": "1;1;0 0;0;0"}), "lora-requested-without-effect")
    assert item.message == "run, segment 0: low_noise_model was asked for and has weight 0 at every step"


def test_a_lora_that_nobody_asked_for_is_told() -> None:
    assert one(run({"steps": 6}, RUN_1), "lora-applied-unasked").message == (
        "run, segment 0: high_noise_model was sent to the engine, nobody asked for it"
    )
    assert "lora-applied-unasked" not in codes(run({"steps": 6}, RUN_1, whole=False))


FILE = "https://hub.example/a/high_noise_model.safetensors?token=1"


@pytest.mark.parametrize(
    "asked",
    [
        {"lora_names": [FILE]},
        {"additional_loras": {FILE: 0.75}},
        {"loras": [{"path": FILE, "strength": 1}]},
        {"segment_loras": [{"path": FILE}]},
        {"loras_per_segment_expanded": [[], [{"path": FILE}]]},
        {"phase_config": {"phases": [{"loras": []}, {"loras": [{"url": FILE}]}]}},
    ],
)
def test_a_lora_may_be_asked_for_in_many_forms(asked: Data) -> None:
    assert list(asked_loras(asked)) == ["high_noise_model"]
    assert "lora-applied-unasked" not in codes(run(asked, RUN_1))
    assert "lora-applied-unasked" not in codes(run({"steps": 6}, RUN_1, **asked))


@pytest.mark.parametrize(
    "asked",
    [
        {"lora_names": None},
        {"lora_names": "x"},
        {"loras": [None]},
        {"loras_per_segment_expanded": [None]},
        {"phase_config": "no"},
        {"phase_config": {"phases": None}},
        {"phase_config": {"phases": ["x", {"loras": None}]}},
    ],
)
def test_requests_of_another_shape_are_survived(asked: Data) -> None:
    assert list(asked_loras(asked)) == []
    assert isinstance(codes(run(asked, RUN_1, **asked)), set)


# sent-switch-never


@pytest.mark.parametrize(
    ("sent", "raised"),
    [
        ({"model_switch_phase": 3}, True),
        ({"model_switch_phase": 2}, False),
        ({"model_switch_phase": 3, "guidance_phases": 1, "loras_multipliers": "1"}, False),
        ({"model_switch_phase": 3, "model_type": "vace_14B"}, False),
        ({"model_switch_phase": None}, False),
    ],
)
def test_a_switch_that_never_comes_is_told_on_two_experts(sent: Data, raised: bool) -> None:
    for asked in (ASKED, None):
        assert ("sent-switch-never" in codes(run(asked, {**RUN_1, **sent}))) is raised


# keyframe-repeated


def test_the_same_picture_twice_in_a_row_is_told_once_and_without_its_query() -> None:
    pictures = ["http://x/1.png?a", "http://x/1.png?b", "http://x/2.png", "http://x/1.png"]
    item = one(replace(run(None, None), keyframes=tuple(pictures)), "keyframe-repeated")
    assert (item.message, item.where) == ("run: keyframes 0 and 1 are the same picture", "run.keyframes[1]")
    assert one(subject(keyframes=["a", "a", "b"]), "keyframe-repeated").evidence == {"keyframe": "a"}
    assert codes(subject(keyframes=["a", "b", "a"])) == set()


@pytest.mark.parametrize(
    ("pictures", "named"),
    [(("lake.png", "lake.png"), " (lake.png)"), (("a.png", "b.png"), " (a.png, b.png)"), ((), "")],
)
def test_a_picture_that_stands_twice_is_named(pictures: tuple[str, ...], named: str) -> None:
    twice = replace(subject(keyframes=["x", "x"]), pictures=pictures)
    assert one(twice, "keyframe-repeated").message == f"a: keyframes 0 and 1 are the same picture{named}"


def test_findings_of_a_record_are_told_as_they_stand() -> None:
    own = of_plan(planned(stills(2), digests=("a", "a"), engine=PREVIEW))
    [stored] = [Finding(code="keyframes-identical", severity=Severity.WARNING, message="same", where="keyframes[1]")]
    assert [item.code for item in subject_findings(replace(own, findings=(stored,)))] == ["keyframes-identical"]


# inferred


def test_what_is_inferred_is_marked() -> None:
    assert one(run(ASKED, SENT), "inferred").message.startswith("run: two experts: from the model's name")
    proven = run(ASKED, SENT)
    steps = replace(proven.segments[0].steps, inferred=()) if proven.segments[0].steps else None
    assert findings(replace(proven, segments=(replace(proven.segments[0], steps=steps),)), "inferred") == []


# Pairs


def pair(a: StepTable, b: StepTable) -> dict[str, str]:
    left, right = (subject(name, segments=[replace(segment(4), steps=steps)]) for name, steps in (("a", a), ("b", b)))
    tables = compare_tables(left, right, match_segments(left.segments, right.segments))
    return {item.code: item.message for item in pair_findings(left, right, tables)}


def test_thresholds_that_part_alike_are_told() -> None:
    a, b = (sent_table(sent) for sent in (RUN_1, RUN_2))
    assert a is not None
    assert b is not None
    assert pair(a, b) == {
        "thresholds-part-alike": "segment 4: thresholds 883.00/558.00 and 917.48/663.23 part the 6 steps alike",
        "steps-agree": "a and b run the same expert at the same guidance at every step",
    }


def test_steps_of_plans_are_not_said_to_have_run() -> None:
    a, b = (sent_table(sent) for sent in (RUN_1, RUN_2))
    assert a is not None
    assert b is not None
    said = pair(a, replace(b, basis=Basis.PLANNED))["steps-agree"]
    assert said == "a and b plan the same expert at the same guidance at every step"


def test_equal_or_unlike_steps_are_not_called_agreeing() -> None:
    rows = table((1000.0, "high", 3.0, {}), (500.0, "low", 1.0, {}), thresholds=(700,))
    other = table((1000.0, "high", 2.0, {}), (500.0, "low", 1.0, {}), thresholds=(700,))
    assert pair(rows, rows) == {}
    assert pair(rows, other) == {}
    assert pair(rows, table((1000.0, "high", 3.0, {}), thresholds=(700,))) == {}


# Evidence


def test_findings_name_the_lines_of_both_values() -> None:
    evidence = {
        "segments[0].requested": Evidence(line=3, text="claimed"),
        "segments[0].applied.seed": Evidence(line=9, text="seed: 1", file="b.log"),
    }
    found = replace(run(ASKED, {**SENT, "seed": 1}), evidence=evidence)
    told = one(found, "requested-not-applied").evidence
    assert told == {"requested": 789, "sent": 1, "requested_line": "line 3", "sent_line": "b.log:9"}
