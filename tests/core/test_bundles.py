"""Bundles: what a name adds, what wins over it, and where it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from core.trips import HIGH, LOW, ONE_EXPERT, T2V, VACE, planned, resolved, stills
from wayframe.core.bundles import settings_of, under
from wayframe.core.catalogue import Bundle, parse_bundle
from wayframe.core.documents import resolved_json
from wayframe.core.recipe import Recipe
from wayframe.errors import CatalogueError, SpecError

Data = dict[str, Any]
CAUSVID = (
    "https://huggingface.co/DeepBeepMeep/Wan2.1/resolve/main/loras_accelerators/"
    "Wan21_CausVid_14B_T2V_lora_rank32_v2.safetensors"
)
BASELINE = "lightning_baseline_2_2_2"


def recipe(**said: object) -> Recipe:
    return resolved(stills(2, **said)).segments[0].recipe


def strengths(found: Recipe) -> dict[str, str]:
    return {lora.file: str(lora.multiplier) for lora in found.loras}


def test_a_bundle_brings_its_lora_and_its_settings_in_the_place_of_the_models():
    got = recipe(model=ONE_EXPERT, bundles=["causvid"])
    assert strengths(got) == {CAUSVID: "1.0"}
    assert [(phase.steps, phase.guidance) for phase in got.phases] == [(9, 1)]
    assert (got.flow_shift, got.solver) == (1, "unipc")
    assert got.loras[0].distilled


def test_what_a_bundle_adds_is_automatic_and_what_is_said_keeps_its_origin():
    shown = resolved_json(resolved(stills(2, model=ONE_EXPERT, bundles=["causvid"], steps=7)))
    origins, values = shown["origins"], shown["values"]["segments"][0]
    assert (values["phases"][0]["steps"], origins["phases[0].steps"]) == (7, "spec")
    assert (values["phases"][0]["guidance"], origins["phases[0].guidance"]) == (1, "automatic")
    assert (origins["flow_shift"], origins["sample_solver"]) == ("automatic", f"model:{ONE_EXPERT}")
    assert {origins[f"loras[0].{name}"] for name in ("file", "multiplier", "for", "distilled")} == {"automatic"}
    assert (values["bundles"], origins["bundles"]) == ({"causvid": "use_causvid_lora"}, "spec")
    assert values["loras"][0]["bundle"] == "causvid"


def test_a_lora_that_the_spec_names_itself_wins_over_the_bundles():
    got = recipe(model=ONE_EXPERT, bundles=["causvid"], loras=[{"file": CAUSVID, "multiplier": "0.3"}])
    assert strengths(got) == {CAUSVID: "0.3"}
    assert got.loras[0].bundle == ""


def test_the_preset_stands_over_a_bundles_settings_and_beside_its_loras():
    got = recipe(preset=BASELINE, bundles=["causvid"])
    assert [(phase.steps, phase.guidance) for phase in got.phases] == [(2, 3), (2, 1), (2, 1)]
    assert (got.flow_shift, got.solver) == (5, "euler")
    assert strengths(got) == {CAUSVID: "1.0", HIGH: "0.75;1.0;0", LOW: "0;0;1.0"}


def test_phases_without_guidance_take_the_bundles():
    got = recipe(model=VACE, bundles=["causvid"], phases=[{"steps": 2}, {"steps": 3, "guidance": 2}])
    assert [(phase.steps, phase.guidance) for phase in got.phases] == [(2, 1), (3, 2)]


def test_of_two_bundles_the_first_one_decides():
    assert recipe(model=ONE_EXPERT, bundles=["lightx2v", "causvid"]).steps_per_phase == (6,)
    assert recipe(model=ONE_EXPERT, bundles=["causvid", "lightx2v"]).steps_per_phase == (9,)
    assert len(recipe(model=ONE_EXPERT, bundles=["causvid", "lightx2v"]).loras) == 2


def test_guidance_of_a_bundle_holds_for_both_experts():
    (only,) = recipe(model=T2V, bundles=["lightx2v"]).phases
    assert (only.guidance, only.steps, only.expert) == (1, 6, "boundary")


@pytest.mark.parametrize(
    ("motion", "weights"), [(0, "0.50;1.0;0"), (0.5, "0.75;1.0;0"), (0.8, "0.90;1.0;0"), (1, "1.00;1.0;0")]
)
def test_motion_sets_the_first_phase_of_the_presets_lora_and_keeps_the_others(motion: float, weights: str):
    got = recipe(preset=BASELINE, bundles=["motion"], amount_of_motion=motion)
    assert strengths(got) == {HIGH: weights, LOW: "0;0;1.0"}


def test_motion_alone_is_a_lora_of_the_first_phase():
    phases = [{"steps": 2}, {"steps": 2}, {"steps": 2}]
    trip = planned(stills(2, model=VACE, phases=phases, bundles=["motion"], amount_of_motion=0.5))
    steps = trip.plan.segments[0].steps
    assert [step.loras["high_noise_model"] for step in steps] == [0.75, 0.75, 0, 0, 0, 0]


def test_amount_of_motion_changes_no_lora_without_the_bundle():
    assert strengths(recipe(preset=BASELINE, amount_of_motion=1)) == strengths(recipe(preset=BASELINE))


def test_each_keyframes_motion_counts_for_its_own_segment():
    pictures = [{"image": "a", "amount_of_motion": 1}, {"image": "b"}, {"image": "c"}]
    said = {"keyframes": pictures, "preset": BASELINE, "bundles": ["motion"], "amount_of_motion": 0}
    found = [strengths(segment.recipe)[HIGH] for segment in resolved(said).segments]
    assert found == ["1.00;1.0;0", "0.50;1.0;0"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"preset": BASELINE, "bundles": ["motion"]}, "follows from amount_of_motion, which is not said"),
        ({"model": ONE_EXPERT, "bundles": ["motion"], "amount_of_motion": 1}, f"is for {VACE}, {T2V}, not for"),
        ({"model": ONE_EXPERT, "bundles": ["causvid", "causvid"]}, "names a bundle twice"),
        ({"bundles": ["causvid"], "steps": 4}, "a bundle needs a model"),
        ({"model": T2V, "bundles": ["motion"], "amount_of_motion": 1, "guidance": 1}, "one phase runs on both"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(said: Data, problem: str):
    with pytest.raises(SpecError, match=problem) as caught:
        resolved(stills(2, **said))
    assert caught.value.field == "bundles"


def test_a_bundle_of_a_keyframe_is_refused_where_it_stands():
    pictures = [{"image": "a"}, {"image": "b", "bundles": ["causvid"]}, {"image": "c"}]
    with pytest.raises(SpecError) as caught:
        resolved({"keyframes": pictures, "steps": 4})
    assert caught.value.field == "keyframes[1].bundles"


def test_a_bundle_that_is_not_known_is_answered_with_the_nearest_one():
    with pytest.raises(
        CatalogueError, match=r"bundles: is not in the catalogue \(got 'causvidd'\); did you mean causvid"
    ):
        recipe(model=ONE_EXPERT, bundles=["causvidd"])


FILE: Data = {
    "name": "mine",
    "title": "Mine",
    "loras": [{"file": "low.safetensors", "multiplier": "1,0.5", "for": "low", "distilled": False, "partial": True}],
}


def bundle(**change: object) -> Bundle:
    return parse_bundle({**FILE, **change}, source="mine.toml")


def test_settings_are_those_that_are_said():
    assert settings_of([bundle(steps=4), bundle(steps=5, flow_shift=3)]) == {"steps": 4, "flow_shift": 3}
    model = resolved(stills(2, model=T2V)).model
    assert model is not None
    assert under([bundle()], model=model) is model
    assert under([bundle(guidance=1)], model=model).guidance_low is None
    assert under([bundle(steps=4)], model=model).guidance_low == 3


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"switches": ["use_magic"]}, "mine.toml: switches[0]"),
        ({"steps": 0}, "mine.toml: steps"),
        ({"lora": []}, "mine.toml: lora"),
        ({"loras": [{**FILE["loras"][0], "motion": [0, 1]}]}, "mine.toml: loras[0]"),
        ({"loras": [{**FILE["loras"][0], "multiplier": "1;0"}]}, "mine.toml: loras[0].multiplier"),
        ({"loras": [{**FILE["loras"][0], "multiplier": None}]}, "mine.toml: loras[0]"),
    ],
)
def test_a_wrong_value_of_a_bundle_file_names_file_and_field(change: Data, place: str):
    with pytest.raises(CatalogueError) as caught:
        bundle(**change)
    assert caught.value.field == place
