"""How one segment is denoised: phases, experts, solver, shift and LoRAs, and the contradictions that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from core.trips import HIGH, I2V, LOW, ONE_EXPERT, SEED_PHASES, T2V, VACE, planned, resolved, stills
from wayframe.core.recipe import BY_BOUNDARY, Recipe
from wayframe.errors import CatalogueError, SpecError

Data = dict[str, Any]
BASELINE, THREE_THREE = "lightning_baseline_2_2_2", "lightning_3_3"
STYLE: Data = {"file": "loras/style.safetensors", "multiplier": "0.5"}


def recipe(**said: object) -> Recipe:
    return resolved(stills(2, **said)).segments[0].recipe


def own_recipes(*keyframes: Data, **said: object) -> list[Recipe]:
    """Recipes of the segments that begin at `keyframes`."""
    pictures = [{"image": "a", **keyframe} for keyframe in keyframes]
    return [segment.recipe for segment in resolved({"keyframes": [*pictures, {"image": "z"}], **said}).segments]


def experts(found: Recipe) -> list[str]:
    return [phase.expert for phase in found.phases]


def scales(found: Recipe) -> list[float]:
    return [phase.guidance for phase in found.phases]


def strengths(found: Recipe) -> dict[str, str]:
    return {lora.file: str(lora.multiplier) for lora in found.loras}


def wire(**change: object) -> Data:
    return {**SEED_PHASES, **change}


def refused(**said: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        recipe(**said)
    return caught.value


def test_without_model_and_steps_nothing_is_denoised():
    assert recipe() == Recipe(solver="euler", flow_shift=5.0, phases=(), loras=(), boundary=None)


def test_steps_without_a_model_are_one_phase():
    found = recipe(steps=6, guidance=3)
    assert [(p.steps, p.guidance, p.expert) for p in found.phases] == [(6, 3, "only")]


def test_a_model_brings_steps_guidance_shift_solver_and_boundary():
    found = recipe(model=I2V)
    assert [(p.steps, p.guidance, p.expert) for p in found.phases] == [(40, 3.5, BY_BOUNDARY)]
    assert (found.flow_shift, found.solver, found.boundary) == (5, "unipc", 0.9)


def test_each_expert_of_a_model_has_its_own_guidance_and_the_boundary_parts_the_steps():
    found = recipe(model=T2V)
    assert [(p.steps, p.guidance, p.expert) for p in found.phases] == [(26, 4, "high"), (14, 3, "low")]
    assert [(p.steps, p.expert) for p in recipe(model=T2V, steps=6).phases] == [(4, "high"), (2, "low")]
    assert [(p.steps, p.expert) for p in recipe(model=T2V, steps=6, flow_shift=1).phases] == [(1, "high"), (5, "low")]
    assert [(p.steps, p.expert) for p in recipe(model=T2V, steps=1).phases] == [(1, "high")]
    assert [(p.guidance, p.expert) for p in recipe(model=T2V, guidance=2).phases] == [(2, BY_BOUNDARY)]
    assert (found.flow_shift, found.solver, found.boundary) == (12, "unipc", 0.875)


def test_the_boundary_of_the_model_decides_the_expert_of_each_step_of_one_phase():
    # unipc, 4 steps: t = 1, .75025, .5005, .25075; warped with shift 12: 1000, 973.01, 923.22, 800.64
    steps = planned(stills(2, model=T2V, steps=4)).plan.segments[0].steps
    assert [step.expert for step in steps] == ["high", "high", "high", "low"]
    assert [round(step.timestep, 2) for step in steps] == [1000, 973.01, 923.22, 800.64]


def test_a_model_with_one_expert_runs_every_phase_on_it():
    found = recipe(model=ONE_EXPERT, phase_config=wire())
    assert experts(found) == ["only"] * 3


def test_a_preset_brings_its_model_phases_loras_shift_and_solver():
    found = recipe(preset=BASELINE)
    assert [(p.steps, p.guidance, p.expert) for p in found.phases] == [(2, 3, "high"), (2, 1, "high"), (2, 1, "low")]
    assert strengths(found) == {HIGH: "0.75;1.0;0", LOW: "0;0;1.0"}
    assert (found.flow_shift, found.solver) == (5, "euler")
    assert recipe(preset=THREE_THREE).solver == "trailing"


def test_the_plain_preset_is_the_model_on_the_trailing_grid():
    found = recipe(preset="plain", model=I2V)
    assert [(p.steps, p.guidance) for p in found.phases] == [(40, 3.5)]
    assert (found.solver, found.flow_shift, found.loras) == ("trailing", 5, ())


def test_the_spec_wins_over_preset_and_model():
    found = recipe(
        preset=BASELINE, flow_shift=8, sample_solver="dpm++", loras=[{"file": HIGH, "multiplier": "0.2;0;0"}]
    )
    assert (found.flow_shift, found.solver) == (8, "dpm++")
    assert strengths(found) == {HIGH: "0.2;0;0", LOW: "0;0;1.0"}


def test_phases_of_the_spec_replace_those_of_the_preset_and_its_loras():
    found = recipe(
        preset=BASELINE, phases=[{"steps": 4, "expert": "high", "loras": [STYLE]}, {"steps": 2, "expert": "low"}]
    )
    assert (found.steps_per_phase, experts(found)) == ((4, 2), ["high", "low"])
    assert strengths(found) == {STYLE["file"]: "0.5;0"}
    assert found.flow_shift == 5


def test_a_phase_config_is_read_as_upstream_means_it():
    found = recipe(model=T2V, phase_config=SEED_PHASES)
    assert (found.steps_per_phase, scales(found), experts(found)) == ((2, 2, 2), [3, 1, 1], ["high", "high", "low"])
    assert strengths(found) == {HIGH: "0.75;1.0;0", LOW: "0;0;1.0"}
    assert (found.solver, found.flow_shift) == ("euler", 5)


@pytest.mark.parametrize(("switch", "parts"), [(1, "high low low"), (2, "high high low"), (None, "high high low")])
def test_the_switch_phase_is_the_last_one_on_the_high_expert(switch: int | None, parts: str):
    assert experts(recipe(model=T2V, phase_config=wire(model_switch_phase=switch))) == parts.split()


@pytest.mark.parametrize("switch", [3, 4])
def test_a_switch_phase_that_leaves_nothing_to_the_low_expert_is_refused(switch: int):
    error = refused(model=T2V, phase_config=wire(model_switch_phase=switch))
    assert error.field == "phase_config.model_switch_phase"
    assert (error.problem, error.value, error.fix) == ("the low expert never runs in 3 phases", switch, "use 1, 2")
    assert experts(recipe(model=ONE_EXPERT, phase_config=wire(model_switch_phase=switch))) == ["only"] * 3


@pytest.mark.parametrize(("steps", "fix"), [([6], "leave it out"), ([3, 3], "use 1"), ([2, 2, 2], "use 1, 2")])
def test_the_advice_about_a_switch_names_what_there_is(steps: list[int], fix: str):
    phases = [{"phase": number + 1, "guidance_scale": 1.0, "loras": []} for number in range(len(steps))]
    config = {
        "num_phases": len(steps),
        "steps_per_phase": steps,
        "flow_shift": 5.0,
        "phases": phases,
        "model_switch_phase": len(steps),
    }
    assert refused(model=T2V, phase_config=config).fix == fix


def test_phases_without_experts_leave_the_last_one_to_the_low_expert():
    assert experts(recipe(model=T2V, phases=[{"steps": 2}, {"steps": 1}, {"steps": 1}])) == ["high", "high", "low"]
    assert experts(recipe(model=T2V, phases=[{"steps": 2}])) == [BY_BOUNDARY]
    assert experts(recipe(phases=[{"steps": 2}, {"steps": 2}])) == ["only", "only"]


def test_phases_without_guidance_take_that_of_the_spec_then_of_the_model():
    phases = [{"steps": 2, "guidance": 3}, {"steps": 2}]
    assert scales(recipe(model=T2V, phases=phases, guidance=1.5)) == [3, 1.5]
    assert scales(recipe(model=T2V, phases=phases)) == [3, 4]
    assert scales(recipe(phases=phases)) == [3, 1]


@pytest.mark.parametrize(
    ("model", "named", "field", "problem"),
    [
        (T2V, ["high", None], "phases[1].expert", "name it for every phase or for none"),
        (T2V, ["only", "low"], "phases[0].expert", "wan2.2-t2v-a14b has high or low"),
        (ONE_EXPERT, ["high", "low"], "phases[0].expert", "wan2.1-vace-14b has only"),
        (T2V, ["low", "high"], "phases[1].expert", "noise only falls: high cannot follow low"),
    ],
)
def test_experts_that_the_model_cannot_run_so_are_refused(
    model: str, named: list[str | None], field: str, problem: str
):
    error = refused(model=model, phases=[{"steps": 2, "expert": expert} for expert in named])
    assert (error.field, error.problem) == (field, problem)


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"preset": BASELINE, "steps": 8}, "steps", "the phases add up to 6 (2+2+2)"),
        ({"model": T2V, "phase_config": SEED_PHASES, "steps": 7}, "steps", "the phases add up to 6 (2+2+2)"),
        ({"phases": [{"steps": 3}, {"steps": 2}], "steps": 6}, "steps", "the phases add up to 5 (3+2)"),
        ({"preset": BASELINE, "guidance": 5}, "guidance", "preset lightning_baseline_2_2_2 sets 3/1/1"),
        ({"model": T2V, "phase_config": SEED_PHASES, "guidance": 1}, "guidance", "phase_config's first phase has 3"),
        ({"model": T2V, "phase_config": SEED_PHASES, "flow_shift": 3}, "flow_shift", "phase_config says 5"),
        ({"phase_config": SEED_PHASES, "sample_solver": "unipc"}, "sample_solver", "phase_config says euler"),
        ({"preset": BASELINE, "model": I2V}, "preset", "lightning_baseline_2_2_2 is for wan2.2-vace-a14b, wan2.2-t2v"),
        ({"loras": [STYLE, STYLE]}, "loras", "names a LoRA twice"),
        ({"phases": [{"steps": 2, "loras": [STYLE, STYLE]}]}, "phases[0].loras", "names a LoRA twice"),
        ({"phases": [{"steps": 2, "loras": [STYLE]}], "loras": [STYLE]}, "loras", "names a LoRA twice"),
        ({"preset": BASELINE, "loras": [{"file": "a", "multiplier": "1;0"}]}, "loras[a]", "2 parts for 3 phases"),
        ({"steps": 2, "loras": [{"file": "a", "multiplier": "1,1,0"}]}, "loras[a]", "3 values for 2 steps"),
    ],
)
def test_what_contradicts_itself_is_refused(said: Data, field: str, problem: str):
    error = refused(**said)
    assert error.field == field
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    "said",
    [
        {"preset": BASELINE, "steps": 6, "guidance": 3, "model": VACE},
        {"phase_config": SEED_PHASES, "flow_shift": 5, "sample_solver": "euler", "steps": 6, "guidance": 3},
        {"phase_config": {"phases": [{}], "steps_per_phase": [4]}, "sample_solver": "unipc"},
    ],
)
def test_saying_the_same_twice_is_allowed(said: Data):
    assert recipe(**said).phases


def test_a_name_that_is_not_in_the_catalogue_is_refused():
    with pytest.raises(CatalogueError, match="did you mean lightning_3_3"):
        recipe(preset="lightning_3_4")
    with pytest.raises(CatalogueError, match=r"did you mean wan2\.2-t2v-a14b"):
        recipe(model="wan2.2-t2v-14b")


@pytest.mark.parametrize(
    ("file", "target", "distilled"),
    [
        (HIGH, "high", True),
        ("lora/Wan2.2-Lightning_HIGH_noise.safetensors", "high", True),
        ("style_low.safetensors", "low", False),
        ("slow-motion.safetensors", "any", False),
        ("highlands.safetensors", "any", False),
        ("CausVid_rank32.safetensors", "any", True),
    ],
)
def test_a_lora_is_known_by_the_catalogue_or_by_its_name(file: str, target: str, distilled: bool):
    (lora,) = recipe(steps=2, loras=[{"file": file}]).loras
    assert (lora.target, lora.distilled) == (target, distilled)


def test_what_the_spec_says_of_a_lora_counts_more_than_its_name():
    (lora,) = recipe(steps=2, loras=[{"file": HIGH, "for": "any", "distilled": False}]).loras
    assert (lora.target, lora.distilled) == ("any", False)


def test_a_lora_of_phases_has_weight_0_in_the_phases_that_leave_it_out():
    phases = [
        {"steps": 2, "loras": [{"file": "b", "multiplier": "1,0.5"}]},
        {"steps": 1},
        {"steps": 1, "loras": [{"file": "a"}]},
    ]
    assert strengths(recipe(phases=phases)) == {"a": "0;0;1.0", "b": "1,0.5;0;0"}


def test_a_keyframe_speaks_for_its_own_segment():
    first, second = own_recipes({"steps": 8, "loras": []}, {}, steps=4, loras=[STYLE])
    assert (first.steps_per_phase, strengths(first)) == ((8,), {})
    assert (second.steps_per_phase, strengths(second)) == ((4,), {STYLE["file"]: "0.5"})


def test_phases_of_a_keyframe_replace_all_that_the_spec_says_of_phases():
    phases = [{"steps": 1}, {"steps": 1}]
    first, second = own_recipes({"phases": phases}, {}, model=T2V, phase_config=SEED_PHASES, steps=6)
    assert (first.steps_per_phase, second.steps_per_phase) == ((1, 1), (2, 2, 2))
    first, second = own_recipes({"phase_config": SEED_PHASES}, {}, model=T2V, steps=4, guidance=1, flow_shift=3)
    assert (scales(first), first.flow_shift, first.solver) == ([3, 1, 1], 5, "euler")
    assert (scales(second), second.flow_shift, second.solver) == ([1], 3, "unipc")


def test_a_contradiction_inside_a_keyframe_names_this_keyframe():
    with pytest.raises(SpecError) as caught:
        own_recipes({}, {"steps": 7}, preset=BASELINE)
    assert caught.value.field == "keyframes[1].steps"
