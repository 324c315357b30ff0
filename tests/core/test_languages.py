"""A plan of ours held against what an upstream log tells: only in the words that both have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.subjects import Data, of_plan, segment, subject
from core.test_steptable import RUN_1
from core.trips import T2V, planned, stills
from wayframe.core.comparison import Topic, Verdict, compare
from wayframe.core.diff import Filters
from wayframe.core.steptable import sent_table
from wayframe.core.subject import Evidence, FrameCount, Level, Subject

SPEC = stills(2, model=T2V, preset="lightning_baseline_2_2_2", prompt="a lake", seed=789, segment_frames=53)
SENT: Data = {
    **RUN_1,
    "activated_loras": ["high_noise_model.safetensors", "low_noise_model.safetensors"],
    "loras_multipliers": "0.75;1;0 0;0;1",
    "prompt": "a lake",
    "negative_prompt": " ",
    "seed": 789,
    "resolution": "768x576",
    "video_length": 53,
}
ASKED: Data = {"parsed_resolution_wh": "768x576", "seed_base": 789, "structure_type": "flow"}


def ours(**said: object) -> Subject:
    data = {**SPEC, **said}
    return of_plan(planned(data), requested=data)


def logged(**sent: object) -> Subject:
    told = {**SENT, **sent}
    made = segment(requested={"seed_to_use": 789}, planned={"timesteps": [1000.0]}, applied=told)
    frames = FrameCount(delivered=53, overlap_before=0)
    made = replace(made, steps=sent_table(told), frames=frames, whole=frozenset({Level.REQUESTED}))
    found = subject("log", requested=ASKED, planned={"expected_frames": 53}, segments=[made], keyframes=["x", "y"])
    place = {"segments[0].applied.seed": Evidence(line=7, text="seed")}
    return replace(found, whole=frozenset({Level.REQUESTED}), evidence=place)


def test_a_plan_that_says_what_was_sent_is_the_same() -> None:
    for a, b in ((ours(), logged()), (logged(), ours())):
        compared = compare(a, b, filters=Filters(everything=True))
        assert compared.differences == ()
        assert compared.verdict is Verdict.IDENTICAL
        assert compared.reason == "what the engine was told is the same, in the words that a plan and a log share"


@pytest.mark.parametrize(
    ("sent", "topic", "paths"),
    [
        ({"seed": 1}, Topic.SEED, ["seed"]),
        ({"prompt": "a hill"}, Topic.PROMPTS, ["prompt"]),
        ({"negative_prompt": "blur"}, Topic.PROMPTS, ["negative_prompt"]),
        ({"resolution": "640x480"}, Topic.SIZE, ["resolution"]),
        ({"loras_multipliers": "0.75,0.0"}, Topic.LORAS, ["loras[high_noise_model]", "loras[low_noise_model]"]),
    ],
)
def test_what_was_sent_otherwise_is_told(sent: Data, topic: Topic, paths: list[str]) -> None:
    for a, b in ((ours(), logged(**sent)), (logged(**sent), ours())):
        compared = compare(a, b)
        assert sorted(item.path for item in compared.differences) == sorted(f"segments[0].derived.{p}" for p in paths)
        assert [cause.topic for cause in compared.causes] == [topic]
        assert not compared.causes[0].paper
        assert compared.verdict is not Verdict.IDENTICAL


def test_another_solver_is_told_by_its_name_and_its_steps() -> None:
    found = {item.path.rpartition(".")[2] for item in compare(ours(), logged(sample_solver="unipc")).differences}
    assert found >= {"solver", "timesteps"}


def test_the_line_of_what_was_sent_is_named() -> None:
    [item] = compare(ours(seed=5), logged()).differences
    assert (item.a, item.b, item.proof_a) == (5, 789, None)
    assert item.proof_b is not None
    assert item.proof_b.line == 7


def test_what_was_not_logged_is_no_difference() -> None:
    bare = logged()
    sent = {key: value for key, value in SENT.items() if key not in ("seed", "prompt")}
    values = {**bare.segments[0].values, Level.APPLIED: sent}
    partial = replace(bare, segments=(replace(bare.segments[0], values=values),))
    assert compare(ours(seed=5, prompt="x"), partial).differences == ()


def test_a_log_that_does_not_tell_what_was_sent_cannot_be_compared_with_a_plan() -> None:
    bare = logged()
    values = {level: table for level, table in bare.segments[0].values.items() if level is not Level.APPLIED}
    silent = replace(bare, segments=(replace(bare.segments[0], values=values, steps=None),))
    for a, b in ((ours(), silent), (silent, ours())):
        compared = compare(a, b)
        assert compared.verdict is Verdict.NOT_COMPARABLE
        assert compared.reason == "one is known from a log, which does not tell what the engine was sent"
    assert compare(silent, silent).verdict is Verdict.IDENTICAL


def test_a_payload_and_a_spec_of_the_same_plan_differ_in_no_word() -> None:
    payload = of_plan(planned(SPEC), requested=ASKED)
    compared = compare(ours(), payload)
    assert (compared.differences, compared.verdict) == ((), Verdict.IDENTICAL)


def test_a_payload_and_a_log_are_compared_in_upstreams_words() -> None:
    payload = of_plan(planned(SPEC), requested={**ASKED, "seed_base": 5})
    assert [item.path for item in compare(payload, logged()).differences] == ["requested.seed_base"]
