"""CFG-Zero*, weights and partial LoRAs in a plan: what they change, and that nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.trips import ONE_EXPERT, SEED_PHASES, T2V, planned, resolved, stills
from wayframe.core.documents import parse_plan, plan_json, resolved_json
from wayframe.core.plan import forwards_of, keyed, make_plan
from wayframe.errors import SpecError

Data = dict[str, Any]
GUIDED: Data = {"model": ONE_EXPERT, "steps": 4, "guidance": 5}


def keys(**said: object) -> list[str]:
    return planned(stills(2, **{**GUIDED, **said})).keys


def test_the_first_guided_steps_cost_no_forward():
    assert forwards_of([5, 5, 5, 1], cfg_zero=2) == (0, 0, 2, 1)
    assert forwards_of([1, 5, 1, 5, 5], cfg_zero=2) == (1, 0, 1, 0, 2)
    assert forwards_of([1, 1], cfg_zero=1) == (1, 1)
    assert forwards_of([], cfg_zero=1) == ()


def test_a_plan_holds_what_was_asked_for_and_counts_the_forwards():
    plan = planned(stills(2, model=T2V, phase_config=SEED_PHASES, cfg_star=True, cfg_zero=1)).plan
    (segment,) = plan.segments
    assert (segment.cfg_star, segment.cfg_zero) == (True, 1)
    assert [step.forwards for step in segment.steps] == [0, 2, 1, 1, 1, 1]
    assert (segment.forwards, plan.forwards) == (6, 6)


def test_a_keyframe_may_say_it_for_its_segment():
    pictures = [{"image": "a", "cfg_zero": 1}, {"image": "b", "cfg_star": True}, {"image": "c"}]
    plan = planned({"keyframes": pictures, **GUIDED, "cfg_star": False}).plan
    assert [(one.cfg_star, one.cfg_zero, one.forwards) for one in plan.segments] == [(False, 1, 6), (True, 0, 8)]


def test_keys_differ_only_where_the_picture_does():
    plain = keys()
    assert keys(cfg_star=False, cfg_zero=0) == plain
    others = [keys(cfg_star=True), keys(cfg_zero=1), keys(cfg_zero=2), keys(cfg_star=True, cfg_zero=1)]
    assert len({plain[0], *(one[0] for one in others)}) == 5
    assert keys(cfg_star=True, cfg_zero=1, guidance=1) == keys(guidance=1)


def test_the_document_leaves_out_what_is_at_its_default_and_reads_back_what_is_not():
    loras = [{"file": "s.safetensors", "partial": True}, {"file": "t.safetensors"}]
    plan = planned(stills(2, **GUIDED, cfg_star=True, cfg_zero=1, loras=loras)).plan
    data = json.loads(json.dumps(plan_json(plan)))
    assert (data["segments"][0]["cfg_star"], data["segments"][0]["cfg_zero"]) == (True, 1)
    assert (data["loras"]["s"]["partial"], "partial" in data["loras"]["t"], "weights" in data) == (True, False, False)
    assert parse_plan(data) == plan
    plain = plan_json(planned(stills(2, **GUIDED)).plan)
    assert not {"cfg_star", "cfg_zero"} & plain["segments"][0].keys()


@pytest.mark.parametrize(("steps", "field"), [(1, "segments[0].steps[0].forwards"), (-1, "segments[0].cfg_zero")])
def test_a_plan_whose_forwards_are_not_those_of_cfg_zero_is_refused(steps: int, field: str):
    data = plan_json(planned(stills(2, **GUIDED)).plan)
    data["segments"][0]["cfg_zero"] = steps
    with pytest.raises(SpecError) as caught:
        parse_plan(data)
    assert caught.value.field == field


def test_the_weights_identity_is_part_of_the_key_where_it_is_known():
    trip = planned(stills(2, **GUIDED))

    def with_weights(weights: str | None) -> Data:
        plan = make_plan(
            trip.resolved, keyframes=trip.look.keyframes, lora_digests={}, engine=trip.look.engine, weights=weights
        )
        assert keyed(plan) == plan
        return plan_json(plan)

    plain, first, second = with_weights(None), with_weights("sha256:1"), with_weights("sha256:2")
    assert plain == plan_json(trip.plan)
    assert (first["weights"], parse_plan(first).weights) == ("sha256:1", "sha256:1")
    assert len({data["segments"][0]["key"] for data in (plain, first, second)}) == 3


def test_partial_decides_no_pixel():
    said = {"file": "s.safetensors", "multiplier": "0.5"}
    assert keys(loras=[{**said, "partial": True}]) == keys(loras=[said])
    phase = {"steps": 4, "guidance": 5, "loras": [{**said, "partial": True}]}
    plan = planned(stills(2, model=ONE_EXPERT, phases=[phase])).plan
    assert plan.loras["s"].partial


def test_origins_tell_what_was_said_and_nothing_is_added_where_nothing_was():
    shown = resolved_json(resolved(stills(2, **GUIDED, cfg_star=True, cfg_zero=1)))
    assert (shown["values"]["segments"][0]["cfg_star"], shown["origins"]["cfg_star"]) == (True, "spec")
    assert (shown["values"]["segments"][0]["cfg_zero"], shown["origins"]["cfg_zero"]) == (1, "spec")
    plain = resolved_json(resolved(stills(2, **GUIDED)))
    assert not {"cfg_star", "cfg_zero", "bundles"} & {*plain["values"]["segments"][0], *plain["origins"]}


def test_a_run_without_a_single_forward_is_refused():
    with pytest.raises(SpecError, match="leaves none of 4 steps to denoise") as caught:
        resolved(stills(2, **GUIDED, cfg_zero=4))
    assert caught.value.field == "cfg_zero"
    assert planned(stills(2, **GUIDED, cfg_zero=3)).plan.forwards == 2
