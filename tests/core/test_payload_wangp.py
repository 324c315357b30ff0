"""WanGP's own reading of the settings that we write gives the plan's timesteps, guidance, experts and weights."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.payloads import GONE, STYLE, THREE, Data, details, phases, planned, planned_data
from core.trips import HIGH, LOW
from wayframe.core.loras import wire_multipliers
from wayframe.core.plan import SegmentPlan
from wayframe.core.schedule import wire_switch_steps, wire_timesteps
from wayframe.errors import PayloadError

VACE, ONE = "wan2.2-vace-a14b", "wan2.1-vace-14b"


def as_wangp_reads(settings: Data, *, two_experts: bool) -> list[tuple[Any, ...]]:
    """What WanGP does at every step: timestep, guidance, expert, and the strength of each LoRA."""
    steps, count = settings["num_inference_steps"], settings["guidance_phases"]
    grid = wire_timesteps(settings["sample_solver"], steps=steps, shift=settings["flow_shift"])
    levels = [settings[key] for key in ("switch_threshold", "switch_threshold2") if key in settings]
    first, second = wire_switch_steps(grid, thresholds=levels, phases=count)
    rows = wire_multipliers(
        settings["loras_multipliers"],
        loras=len(settings["activated_loras"]),
        steps=steps,
        phases=count,
        switch_phase=settings["model_switch_phase"],
        switch_steps=(first, second),
    )
    phase_of = [1 + (index >= first) + (index >= second) for index in range(steps)]
    scales = [settings.get(key) for key in ("guidance_scale", "guidance2_scale", "guidance3_scale")]
    experts = ["low" if phase > settings["model_switch_phase"] else "high" for phase in phase_of]
    return [
        (
            grid[index],
            scales[phase_of[index] - 1],
            experts[index] if two_experts else "only",
            dict(zip(settings["activated_loras"], (row[index] for row in rows), strict=True)),
        )
        for index in range(steps)
    ]


def as_planned(segment: SegmentPlan, files: dict[str, str]) -> list[tuple[Any, ...]]:
    return [
        (step.timestep, step.guidance, step.expert, {files[name]: weight for name, weight in step.loras.items()})
        for step in segment.steps
    ]


def assert_reads_back(data: Data) -> None:
    got = planned_data(data)
    files = {name: lora.file for name, lora in got.plan.loras.items()}
    for segment, settings in zip(got.plan.segments, got.wangp(), strict=True):
        two = any(step.expert != "only" for step in segment.steps)
        assert as_wangp_reads(settings, two_experts=two) == as_planned(segment, files)


def spec(**said: object) -> Data:
    return {
        "keyframes": [{"image": "a.png"}, {"image": "b.png", "prompt": "on"}, {"image": "c.png"}],
        "model": VACE,
        **said,
    }


def test_the_seeds_three_phases_are_written_as_wangp_has_them():
    settings = planned(details(prompt=GONE, model_name="lightning_baseline_2_2_2")).wangp()
    assert settings[1] == {
        "model_type": "vace_fun_14B_2_2",
        "prompt": "the boat passes buoy 1",
        "negative_prompt": "rain",
        "resolution": "768x576",
        "video_length": 45,
        "force_fps": "16",
        "seed": 7,
        "num_inference_steps": 6,
        "sample_solver": "euler",
        "flow_shift": 5.0,
        "guidance_phases": 3,
        "guidance_scale": 3,
        "guidance2_scale": 1,
        "guidance3_scale": 1,
        "switch_threshold": 917.4817575573454,
        "switch_threshold2": 663.2310443522647,
        "model_switch_phase": 2,
        "activated_loras": [HIGH, LOW],
        "loras_multipliers": "0.75;1;0 0;0;1",
    }


@pytest.mark.parametrize(
    "said",
    [
        {"steps": 6, "guidance": 1},
        {"steps": 40, "loras": [{"file": STYLE, "multiplier": "1,0.5,0"}]},
        {"phase_config": THREE},
        {"phases": [{"steps": 2, "guidance": 3, "expert": "high"}, {"steps": 2, "guidance": 1, "expert": "high"}]},
        {
            "phases": [{"steps": 1, "guidance": 1, "expert": "high"}] * 5
            + [{"steps": 2, "guidance": 1, "expert": "low"}]
        },
        {"model": ONE, "phases": [{"steps": 2, "guidance": 3}, {"steps": 3, "guidance": 1}]},
        {"model": ONE, "steps": 5, "loras": [{"file": STYLE, "multiplier": "0.3"}]},
    ],
)
def test_what_is_written_reads_back_as_planned(said: Data):
    assert_reads_back(spec(**said))


def test_a_phase_over_both_experts_is_parted_where_the_expert_changes():
    (settings, _) = planned_data(spec(steps=6, guidance=2)).wangp()
    assert (settings["guidance_phases"], settings["model_switch_phase"]) == (2, 1)
    assert (settings["guidance_scale"], settings["guidance2_scale"]) == (2, 2)


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ({"model": "", "engine": "preview"}, "model", "is not known to WanGP"),
        ({"preset": "lightning_3_3"}, "segments[0].sample_solver", "WanGP has no such grid"),
        (
            {"phases": [{"steps": 1, "guidance": g, "expert": "high"} for g in (1, 2, 3, 4)]},
            "segments[0].phases",
            "4 runs of guidance and expert; WanGP has at most 3 phases",
        ),
        (
            {"phases": [{"steps": 2, "expert": "low"}]},
            "segments[0].phases[0].expert",
            "WanGP begins with the high expert",
        ),
    ],
)
def test_what_the_settings_cannot_say_is_refused(said: Data, field: str, problem: str):
    data = {key: value for key, value in spec(**said).items() if value != ""}
    with pytest.raises(PayloadError) as caught:
        planned_data(data).wangp()
    assert (caught.value.field, caught.value.problem) == (field, problem)


WEIGHTS = st.one_of(
    st.sampled_from([0.0, 0.5, 0.75, 1.0, -0.25, 2.5, 1e-7]), st.floats(-4, 4, allow_nan=False, allow_subnormal=False)
)


def texts(values: list[float]) -> str:
    return ",".join(repr(value) for value in values)


@st.composite
def specs(draw: st.DrawFn) -> Data:
    """Specs of up to three phases, with any weights and ramps, on two experts or one."""
    two = draw(st.booleans())
    count = draw(st.integers(1, 3))
    switch = draw(st.integers(1, count))
    own = []
    for number in range(1, count + 1):
        steps = draw(st.integers(1, 5))
        ramps = {
            url: draw(st.lists(WEIGHTS, min_size=1, max_size=steps))
            for url in draw(st.sets(st.sampled_from([HIGH, LOW])))
        }
        phase: Data = {
            "steps": steps,
            "guidance": draw(st.sampled_from([0, 1, 1.5, 3, 7])),
            "loras": [{"file": url, "multiplier": texts(values)} for url, values in ramps.items()],
        }
        own.append({**phase, **({"expert": "high" if number <= switch else "low"} if two else {})})
    total = sum(phase["steps"] for phase in own)
    style = {"file": STYLE, "multiplier": texts(draw(st.lists(WEIGHTS, min_size=1, max_size=total)))}
    return spec(
        model=VACE if two else ONE,
        phases=own,
        loras=draw(st.sampled_from([[], [style]])),
        flow_shift=draw(st.floats(0.5, 20)),
        sample_solver=draw(st.sampled_from(["euler", "unipc", "dpm++"])),
    )


@given(data=specs())
def test_any_spec_that_can_be_said_reads_back_exactly(data: Data):
    assert_reads_back(data)


@given(steps=st.integers(1, 50), guidance=st.sampled_from([1, 4]), solver=st.sampled_from(["euler", "unipc"]))
def test_a_run_parted_by_the_models_boundary_reads_back_exactly(steps: int, guidance: float, solver: str):
    assert_reads_back(spec(steps=steps, guidance=guidance, sample_solver=solver))


def test_settings_from_a_payload_carry_its_phases():
    two = phases(1, 1, steps=[3, 3])
    settings = planned(details(phase_config=two)).wangp()[0]
    assert (settings["guidance_phases"], settings["switch_threshold"]) == (2, 826.1000160879601)


def test_cfg_zero_is_said_in_wangps_words():
    said = {"keyframes": [{"image": "a"}, {"image": "b"}], "model": VACE, "sample_solver": "euler", "cfg_star": True}
    phases = [{"steps": 3, "guidance": 3}, {"steps": 3, "guidance": 1}]
    (star,) = planned_data({**said, "phases": phases}).wangp()
    (both,) = planned_data({**said, "phases": phases, "cfg_zero": 2}).wangp()
    assert (star["cfg_star_switch"], star["cfg_zero_step"]) == (1, -1)
    assert (both["cfg_star_switch"], both["cfg_zero_step"]) == (1, 1)
    for change in ({"cfg_star": False}, {"phases": phases[::-1]}):
        with pytest.raises(PayloadError, match="from the first step"):
            planned_data({**said, "phases": phases, "cfg_zero": 2, **change}).wangp()
