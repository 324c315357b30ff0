"""Plans: the two runs of the seed step by step, what decides a content key, and that a plan is the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.golden import FOLDER, RUN_1, RUN_2, RUNS, SECOND, as_text, seed_run
from core.trips import HIGH, LOW, PREVIEW, SEED_PHASES, T2V, VACE, WAN, digest, planned, stills, timeline
from wayframe.core.plan import EngineFacts, SegmentPlan, lora_ids, plan_steps
from wayframe.core.recipe import BY_BOUNDARY, Recipe, RecipePhase
from wayframe.core.schedule import Solver

Data = dict[str, Any]
BASELINE = "lightning_baseline_2_2_2"
SEED_TIMES = (1000.0, 952.4376343861677, 882.5258807285231, 769.6741514473969, 556.7879372571325, 4.9800796812749)
STYLE = "/home/somebody/loras/style.safetensors"


def weights(segment: SegmentPlan, lora: str) -> list[float]:
    return [step.loras[lora] for step in segment.steps]


def turned(data: Data, random: Random) -> Data:
    """`data` with its keys, and those of everything inside, in another order."""

    def shuffled(pairs: list[tuple[str, object]]) -> Data:
        random.shuffle(pairs)
        return dict(pairs)

    again: Data = json.loads(json.dumps(data), object_pairs_hook=shuffled)
    return again


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_the_seed_is_planned_as_its_golden_file_says(name: str):
    assert as_text(seed_run(name).whole) == (FOLDER / name).read_text()


def test_run_2_takes_its_experts_guidance_and_lora_weights_from_its_three_phases():
    plan = seed_run("plan_seed_run2.json").plan
    assert len(plan.segments) == 2
    for segment in plan.segments:
        assert [step.expert for step in segment.steps] == ["high", "high", "high", "high", "low", "low"]
        assert [step.guidance for step in segment.steps] == [3, 3, 1, 1, 1, 1]
        assert [step.phase for step in segment.steps] == [1, 1, 2, 2, 3, 3]
        assert [step.forwards for step in segment.steps] == [2, 2, 1, 1, 1, 1]
        assert weights(segment, "high_noise_model") == [0.75, 0.75, 1, 1, 0, 0]
        assert weights(segment, "low_noise_model") == [0, 0, 0, 0, 1, 1]
        assert segment.thresholds == (917.4817575573454, 663.2310443522647)
        assert segment.timesteps == SEED_TIMES
        assert segment.forwards == 8
    assert plan.forwards == 16


def test_run_2_stands_on_its_timeline():
    plan = seed_run("plan_seed_run2.json").plan
    assert [keyframe.at for keyframe in plan.keyframes] == [0, 52, 91]
    assert [(s.start, s.end, s.frames) for s in plan.segments] == [(0, 53, 53), (47, 92, 45)]
    assert [(s.overlap_before, s.overlap_after) for s in plan.segments] == [(0, 6), (6, 0)]
    assert [s.cuts for s in plan.segments] == [(47,), (6,)]
    assert (plan.frames, plan.fps, plan.size, plan.model, plan.mode) == (92, 16, (768, 576), T2V, "timeline")
    assert {s.seed for s in plan.segments} == {789}


def test_run_1_is_one_phase_at_guidance_1_without_a_lora():
    plan = seed_run("plan_seed_run1.json").plan
    assert (plan.mode, plan.frames, plan.forwards, plan.loras) == ("batch", 116, 12, {})
    assert [keyframe.at for keyframe in plan.keyframes] == [0, 60, 115]
    for segment in plan.segments:
        assert (segment.frames, segment.thresholds, segment.forwards, segment.amount_of_motion) == (61, (), 6, 0.5)
        assert {(step.phase, step.guidance, len(step.loras)) for step in segment.steps} == {(1, 1.0, 0)}
        assert [step.expert for step in segment.steps] == ["high", "high", "high", "high", "low", "low"]


def test_lint_sees_that_both_runs_name_one_picture_twice():
    for name in RUNS:
        twice = [finding for finding in seed_run(name).findings if finding.code == "keyframes-identical"]
        assert [(finding.where, finding.evidence) for finding in twice] == [("keyframes[2]", {"digest": SECOND})]


def test_a_step_goes_from_its_noise_level_to_that_of_the_next_one_and_ends_at_0():
    (first, *_, last) = seed_run("plan_seed_run2.json").plan.segments[0].steps
    assert (first.sigma, first.sigma_next) == (1.0, 0.9524376343861677)
    assert (last.index, last.sigma, last.sigma_next) == (5, 0.0049800796812749, 0.0)


def test_any_guidance_but_1_costs_two_forwards():
    phases = [{"steps": 1, "guidance": scale} for scale in (0, 0.5, 1, 1.0001, 7)]
    assert [step.forwards for step in planned(stills(2, phases=phases)).plan.segments[0].steps] == [2, 2, 1, 2, 2]


def test_a_step_exactly_on_the_boundary_of_the_model_is_the_high_expert_s():
    # trailing, 4 steps, no shift: 1000, 750, 500, 250
    phases = (RecipePhase(steps=4, guidance=1, expert=BY_BOUNDARY),)
    recipe = Recipe(solver=Solver.TRAILING, flow_shift=1, phases=phases, loras=(), boundary=0.5)
    assert [step.expert for step in plan_steps(recipe, ids={})] == ["high", "high", "high", "low"]


def test_a_lone_keyframe_has_one_segment():
    plan = planned(stills(1, segment_frames=33), engine=PREVIEW).plan
    assert [(s.start, s.end, s.steps, s.cuts) for s in plan.segments] == [(0, 33, (), ())]
    assert (plan.frames, [keyframe.at for keyframe in plan.keyframes]) == (33, [0])


def test_lora_ids_are_file_names_and_numbered_where_two_share_one():
    files = ["a/x.safetensors", "https://host/b/x.safetensors?rev=1", "c\\x.safetensors", "x-2", "y.bin", "z/"]
    assert list(lora_ids(files).values()) == ["x", "x-2", "x-3", "x-2-2", "y.bin", "lora"]


def paths_in(data: Data) -> bool:
    return any(mark in json.dumps(data) for mark in ("/home", "somebody", "\\\\"))


def test_a_plan_holds_no_path():
    data: Data = {
        "keyframes": [{"image": f"/home/somebody/{index}.jpg"} for index in range(3)],
        "preset": BASELINE,
        "loras": [
            {"file": STYLE, "multiplier": "1,0.5"},
            {"file": "C:\\Users\\somebody\\low.safetensors", "multiplier": 3},
        ],
    }
    found = planned(data, sizes={1: (100, 300)})
    assert {"ramp-over-phases", "weight-unusual", "keyframe-small"} <= found.codes
    assert not paths_in(json.loads(as_text(found.whole)))
    assert found.plan.loras["style"].file == "style.safetensors"
    assert found.plan.loras["high_noise_model"].file == HIGH


KEYFRAMES = 4
BASE: Data = stills(KEYFRAMES, preset=BASELINE, model=VACE, prompt="x")
DIGESTS = ["a0", "b1", "c2", "d3"]


def keyframe_says(index: int, **said: object) -> Data:
    """BASE with more said at one keyframe."""
    pictures = [picture | (said if index == number else {}) for number, picture in enumerate(BASE["keyframes"])]
    return {**BASE, "keyframes": pictures}


CHANGES: dict[str, tuple[Data, set[int], set[int]]] = {
    # what is said: the segments that change when they are independent, and when they are chained
    "prompt of one": (keyframe_says(1, prompt="y"), {1}, {1, 2}),
    "prompt of the last": (keyframe_says(2, prompt="y"), {2}, {2}),
    "prompt of the first": (keyframe_says(0, prompt="y"), {0}, {0, 1, 2}),
    "negative prompt of one": (keyframe_says(1, negative_prompt="y"), {1}, {1, 2}),
    "seed of one": (keyframe_says(1, seed=9), {1}, {1, 2}),
    "motion of one": (keyframe_says(1, amount_of_motion=0.9), {1}, {1, 2}),
    "shift of one": (keyframe_says(1, flow_shift=3), {1}, {1, 2}),
    "solver of one": (keyframe_says(2, sample_solver="unipc"), {2}, {2}),
    "another LoRA at one": (keyframe_says(1, loras=[{"file": "s"}]), {1}, {1, 2}),
    "phases of one": (keyframe_says(1, phases=[{"steps": 1}, {"steps": 1}]), {1}, {1, 2}),
    "length of one": ({**BASE, "segment_frames": [61, 57, 61]}, {1}, {1, 2}),
    "prompt": ({**BASE, "prompt": "y"}, {0, 1, 2}, {0, 1, 2}),
    "seed": ({**BASE, "seed": 1}, {0, 1, 2}, {0, 1, 2}),
    "seeds that rise": ({**BASE, "seed_policy": "increment"}, {1, 2}, {1, 2}),
    "fit": ({**BASE, "fit": "contain"}, {0, 1, 2}, {0, 1, 2}),
    "matte": ({**BASE, "matte": "#ffffff"}, {0, 1, 2}, {0, 1, 2}),
    "fps": ({**BASE, "fps": 24}, {0, 1, 2}, {0, 1, 2}),
    "resolution": ({**BASE, "resolution": "640x480"}, {0, 1, 2}, {0, 1, 2}),
    "profile": ({**BASE, "profile": "draft"}, {0, 1, 2}, {0, 1, 2}),
    "model": ({**BASE, "model": T2V}, {0, 1, 2}, {0, 1, 2}),
    "one weight": ({**BASE, "loras": [{"file": HIGH, "multiplier": "0.75;1.0;0.1"}]}, {0, 1, 2}, {0, 1, 2}),
    "curve of the blends": ({**BASE, "curve": "linear"}, set(), set()),
    "a LoRA that never acts": ({**BASE, "loras": [{"file": "s", "multiplier": "0;0,0;0"}]}, set(), set()),
    "what a LoRA is for": ({**BASE, "loras": [{"file": HIGH, "multiplier": "0.75;1;0", "for": "any"}]}, set(), set()),
    "names of the pictures": ({**BASE, "keyframes": [{"image": f"{n}.png"} for n in "wxyz"]}, set(), set()),
    "steps said twice": ({**BASE, "steps": 6, "guidance": 3}, set(), set()),
    "the preset spelled out": (
        {**{key: value for key, value in BASE.items() if key != "preset"}, "phase_config": SEED_PHASES},
        set(),
        set(),
    ),
}


def keys(
    data: Data,
    *,
    chaining: str,
    digests: list[str] = DIGESTS,
    loras: Mapping[str, str] | None = None,
    engine: EngineFacts = WAN,
) -> list[str]:
    said = {**data, "chaining": chaining, "overlap": 6}
    return planned(said, digests=digests, loras=loras, engine=engine).keys


def differing(left: Iterable[str], right: Iterable[str]) -> set[int]:
    return {index for index, (old, new) in enumerate(zip(left, right, strict=True)) if old != new}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_exactly_the_segments_new_that_it_touches(name: str):
    data, independent, chained = CHANGES[name]
    assert differing(keys(BASE, chaining="independent"), keys(data, chaining="independent")) == independent
    assert differing(keys(BASE, chaining="chained"), keys(data, chaining="chained")) == chained


@pytest.mark.parametrize(
    ("keyframe", "independent", "chained"), [(0, {0}, {0, 1, 2}), (1, {0, 1}, {0, 1, 2}), (3, {2}, {2})]
)
def test_another_picture_makes_its_neighbours_new(keyframe: int, independent: set[int], chained: set[int]):
    other = [*DIGESTS[:keyframe], "ee", *DIGESTS[keyframe + 1 :]]
    for chaining, touched in (("independent", independent), ("chained", chained)):
        assert differing(keys(BASE, chaining=chaining), keys(BASE, chaining=chaining, digests=other)) == touched


@pytest.mark.parametrize("lora", [HIGH, LOW])
def test_other_bytes_of_a_lora_make_every_segment_new(lora: str):
    assert differing(
        keys(BASE, chaining="independent"), keys(BASE, chaining="independent", loras={lora: digest("f")})
    ) == {0, 1, 2}


def test_another_engine_or_version_makes_every_segment_new():
    for identity in ("wan/2", "preview/1"):
        other = EngineFacts(name="wan", identity=identity, denoises=True)
        assert not set(keys(BASE, chaining="chained")) & set(keys(BASE, chaining="chained", engine=other))
    renamed = EngineFacts(name="other", identity=WAN.identity, denoises=True)
    assert keys(BASE, chaining="chained") == keys(BASE, chaining="chained", engine=renamed)


def test_a_renamed_lora_keeps_every_key():
    same = digest("5")
    before = keys({**BASE, "loras": [{"file": "s.safetensors"}]}, chaining="chained", loras={"s.safetensors": same})
    after = keys({**BASE, "loras": [{"file": "d/t.safetensors"}]}, chaining="chained", loras={"d/t.safetensors": same})
    assert before == after != keys(BASE, chaining="chained")


def test_an_overlap_makes_the_segments_new_whose_files_must_be_cut_elsewhere():
    before = planned({**BASE, "overlap": [1, 1]}, digests=DIGESTS).keys
    assert differing(before, planned({**BASE, "overlap": [1, 2]}, digests=DIGESTS).keys) == {1, 2}
    chained = {**BASE, "chaining": "chained"}
    before = planned({**chained, "overlap": [6, 6]}, digests=DIGESTS).keys
    assert differing(before, planned({**chained, "overlap": [6, 2]}, digests=DIGESTS).keys) == {1, 2}


def test_two_segments_between_the_same_pictures_are_one_when_independent_and_two_when_chained():
    data = stills(4, preset=BASELINE)
    pictures = ["a0", "b1", "a0", "b1"]
    first, _, third = planned({**data, "overlap": 0}, digests=pictures).keys
    assert first == third
    assert len(set(planned({**data, "chaining": "chained"}, digests=pictures).keys)) == 3


SPECS = [
    RUN_1,
    RUN_2,
    BASE,
    CHANGES["another LoRA at one"][0],
    timeline(0, 50, "6.1s", model=T2V, loras=[{"file": "s"}]),
]


@given(data=st.sampled_from(SPECS), random=st.randoms(use_true_random=False))
def test_the_plan_of_a_spec_is_the_same_to_the_byte_in_any_order_of_its_keys(data: Data, random: Random):
    assert as_text(planned(turned(data, random)).whole) == as_text(planned(data).whole)
