"""The engine over the stand-in: what is sent and comes back, what goes wrong, and what is refused before it starts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.jobs import HEIGHT, WIDTH, events, frames_of, job, picture, segment
from core.trips import HIGH, LOW
from engines.wangp import installs
from wayframe.core.catalogue import Catalogue
from wayframe.core.levels import segment_differences
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, SegmentPlan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import resolve
from wayframe.core.spec import parse_spec
from wayframe.engines.base import EngineSaid, EngineSetup, SegmentJob, StepDone
from wayframe.engines.wangp import process
from wayframe.engines.wangp.engine import WangpEngine
from wayframe.errors import CancelledError, EngineError, WayframeError

Data = dict[str, Any]
SEED_PHASES: Data = {
    "flow_shift": 5,
    "sample_solver": "euler",
    "phases": [
        {"steps": 2, "guidance": 3, "expert": "high"},
        {"steps": 2, "guidance": 1, "expert": "high"},
        {"steps": 2, "guidance": 1, "expert": "low"},
    ],
    "loras": [{"file": HIGH, "multiplier": "0.75;1.0;0"}, {"file": LOW, "multiplier": "0;0;1.0"}],
}
LORAS = {"high_noise_model": Path("/loras/high.safetensors"), "low_noise_model": Path("/loras/low.safetensors")}


def planned(name: str = installs.VACE, *, segments: int = 1, **said: object) -> Plan:
    model = installs.model(name)
    stills = [{"image": f"{index}.png"} for index in range(segments + 1)]
    size = {"segment_frames": 9, "resolution": f"{WIDTH}x{HEIGHT}"}
    spec = parse_spec({"model": name, "keyframes": stills, **size, "prompt": "a fish swims", "seed": 7, **said})
    found = resolve(spec, catalogue=Catalogue(models={name: model}), first_size=(WIDTH, HEIGHT))
    files = lora_files([one.recipe for one in found.segments])
    facts = [KeyframeFacts(digest=f"{index:064x}", width=WIDTH, height=HEIGHT) for index in range(segments + 1)]
    engine = EngineFacts(name="wangp", identity="wangp/1", denoises=True)
    return make_plan(found, keyframes=facts, lora_digests=dict.fromkeys(files, "sha256:0"), engine=engine)


def between(plan: SegmentPlan, *, given: int = 0) -> SegmentJob:
    shown = tuple(picture(9, shift=shift) for shift in range(given))
    return job(plan, first=picture(1), last=picture(2), given=shown)


@contextmanager
def engine_of(setup: EngineSetup) -> Iterator[WangpEngine]:
    made = WangpEngine(setup)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Data]]:
    path = tmp_path / "trace.jsonl"
    monkeypatch.setenv("STANDIN_TRACE", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps_of(happened: Sequence[object]) -> list[Mapping[str, Any]]:
    return [asdict(event.step) for event in happened if isinstance(event, StepDone)]


def lines_of(happened: Sequence[object]) -> list[str]:
    return [event.text for event in happened if isinstance(event, EngineSaid)]


def failure(monkeypatch: pytest.MonkeyPatch, fault: str, **more: str) -> str:
    """How a rendering ends where WanGP has a fault."""
    monkeypatch.setenv("STANDIN_FAULT", fault)
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS, **more)) as engine, pytest.raises(EngineError) as caught:
        events(engine, [between(plan)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_seeds_phases_are_sent_and_come_back_as_planned(trace: Callable[[], list[Data]]) -> None:
    plan = planned(**SEED_PHASES, negative_prompt="blurry").segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        happened = events(engine, [between(plan)])
    assert list(segment_differences(plan, steps_of(happened))) == []
    (sent,) = trace()
    assert sent["_api"] == {"return_media": True}
    assert {
        name: sent[name] for name in ("model_type", "seed", "flow_shift", "model_switch_phase", "guidance_phases")
    } == {
        "model_type": "vace_fun_14B_2_2",
        "seed": 7,
        "flow_shift": 5,
        "model_switch_phase": 2,
        "guidance_phases": 3,
    }
    assert sent["activated_loras"] == ["/loras/high.safetensors", "/loras/low.safetensors"]
    assert sent["loras_multipliers"] == "0.75;1;0 0;0;1"
    assert (sent["prompt"], sent["negative_prompt"]) == ("a fish swims", "blurry")
    assert (sent["resolution"], sent["video_length"], sent["sliding_window_size"]) == ("96x64", 9, 9)
    assert (sent["skip_steps_cache_type"], sent["film_grain_intensity"], sent["RIFLEx_setting"]) == ("", 0, 2)


def test_steps_are_told_at_the_level_of_settings_and_claim_no_modules() -> None:
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        steps = steps_of(events(engine, [between(plan)]))
    assert [step["modules"] for step in steps] == [{}] * 6
    assert [step["forwards"] for step in steps] == [2, 2, 1, 1, 1, 1]
    assert [step["loras"] for step in steps[:3]] == [
        {"high_noise_model": 0.75, "low_noise_model": 0.0},
        {"high_noise_model": 0.75, "low_noise_model": 0.0},
        {"high_noise_model": 1.0, "low_noise_model": 0.0},
    ]


def test_a_vace_model_gets_its_keyframes_in_a_guide_without_loss_and_a_mask(trace: Callable[[], list[Data]]) -> None:
    """The stand-in makes of each frame half of the known picture that is nearest, as far as the mask keeps it."""
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        shown = frames_of(events(engine, [between(plan)]))[0]
    assert trace()[0]["video_prompt_type"] == "VA"
    for at, keyframe in ((0, picture(1)), (1, picture(1)), (7, picture(2)), (8, picture(2))):
        offset = shown[at].astype(int) - keyframe.astype(int) // 2
        assert len(np.unique(offset)) == 1


def test_given_frames_are_guided_by_and_kept() -> None:
    plan = replace(planned(**SEED_PHASES).segments[0], overlap_before=4)
    with engine_of(installs.setup(loras=LORAS)) as engine:
        shown = frames_of(events(engine, [between(plan, given=4)]))[0]
    assert all(np.array_equal(shown[at], picture(9, shift=at)) for at in range(4))
    assert len(np.unique(shown[4].astype(int) - picture(9, shift=3).astype(int) // 2)) == 1


@pytest.mark.parametrize(
    ("name", "last", "flags"), [(installs.I2V, True, "SE"), (installs.I2V, False, "S"), (installs.T2V, True, "")]
)
def test_other_kinds_get_pictures_or_none(name: str, last: bool, flags: str, trace: Callable[[], list[Data]]) -> None:
    plan = planned(name, steps=2, sample_solver="euler").segments[0]
    one = job(plan, first=picture(1), last=picture(2) if last else None)
    with engine_of(installs.setup(name)) as engine:
        happened = events(engine, [one])
    assert list(segment_differences(plan, steps_of(happened))) == []
    (sent,) = trace()
    assert sent["image_prompt_type"] == flags
    assert [name in sent for name in ("image_start", "image_end")] == ["S" in flags, "E" in flags]


def test_wangp_stays_up_between_segments_and_its_output_is_passed_on() -> None:
    plan = planned(segments=2, **SEED_PHASES)
    with engine_of(installs.setup(loras=LORAS, profile="4", attention="sdpa")) as engine:
        happened = events(engine, [between(one) for one in plan.segments])
        assert engine.report().counts == {"starts": 1, "segments": 2}
        assert engine.report().versions["WanGP"] == "10.99"
    said = lines_of(happened)
    assert "WanGP stand-in with ['--profile', '4', '--attention', 'sdpa']" in said
    assert [line for line in said if line.startswith("inference")] == [
        f"inference, step {step} of 6" for step in range(1, 7)
    ] * 2


def test_a_crash_is_told_with_the_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, "crash")
    assert said.startswith("WanGP ended at segment 0 (exit code 3); its last lines: ")
    assert "something went wrong in a kernel" in said


def test_a_wangp_that_does_not_start_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, "no-start")
    assert said.startswith("WanGP ended while it was started (exit code 1)")
    assert "no GPU was found" in said


def test_an_event_that_was_cut_off_is_the_end_and_no_silence(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf \'{"event": "rea\'\necho out of memory >&2\nexit 7\n')
    python.chmod(0o755)
    with engine_of(installs.setup(loras=LORAS, python=str(python))) as engine, pytest.raises(EngineError) as caught:
        events(engine, [between(planned(**SEED_PHASES).segments[0])])
    assert str(caught.value) == "WanGP ended while it was started (exit code 7); its last lines: out of memory"


def test_after_a_crash_the_next_segment_has_a_new_wangp(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        monkeypatch.setenv("STANDIN_FAULT", "crash")
        with pytest.raises(EngineError):
            events(engine, [between(plan)])
        monkeypatch.delenv("STANDIN_FAULT")
        assert len(frames_of(events(engine, [between(plan)]))[0]) == 9
        assert engine.report().counts == {"starts": 2, "segments": 1}


def test_a_failure_is_told_without_secrets_and_wangp_stays_up(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, "fails")
    assert said.startswith("WanGP failed at segment 0: CUDA out of memory")
    assert "hf_abc" not in said


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("wrong-seed", "segment 0: WanGP ran with seed 5 instead of 7"),
        ("wrong-cache", "segment 0: WanGP ran with skip_steps_cache_type 'tea' instead of ''"),
        ("wrong-forgets", "does not say which steps it made"),
        ("no-settings", "segment 0: WanGP did not note what settings it ran with"),
        ("no-media", "segment 0: WanGP made no frames that it hands over"),
        ("short", "segment 0: WanGP made 5 frames of 96x64, 9 frames of 96x64 were asked for"),
    ],
)
def test_what_differs_from_what_was_sent_is_an_error(monkeypatch: pytest.MonkeyPatch, fault: str, problem: str) -> None:
    assert problem in failure(monkeypatch, fault)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong-guidance", "segment 0, step 0: guidance 3.0 was planned, 9.0 applied"),
        ("wrong-multipliers", "loras {'high_noise_model': 0.75} was planned"),
        ("wrong-steps", "segment 0: step 5 was not reported"),
        ("brings-lora", "'extra.safetensors': 0.5, 'high"),
    ],
)
def test_steps_that_differ_are_found_against_the_plan(monkeypatch: pytest.MonkeyPatch, fault: str, said: str) -> None:
    monkeypatch.setenv("STANDIN_FAULT", fault)
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        found = list(segment_differences(plan, steps_of(events(engine, [between(plan)]))))
    assert any(said in item.message for item in found)


def test_a_cancelled_step_stops_and_wangp_serves_the_next_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAULT", "slow")
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        for _ in range(2):
            seen: list[str] = []
            with pytest.raises(CancelledError):
                seen.extend(until_a_step(engine, between(plan), seen))
            assert seen[-1] == "inference, step 1 of 6"
        assert engine.report().counts == {"starts": 1, "segments": 0}


def until_a_step(engine: WangpEngine, one: SegmentJob, seen: list[str]) -> list[str]:
    """Render until the first step was told, and cancel then."""
    for event in engine.render([one], cancelled=lambda: bool(seen) and seen[-1].startswith("inference")):
        seen.append(event.text if isinstance(event, EngineSaid) else "")
    return []


@pytest.mark.faults
def test_a_wangp_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAULT", "deaf")
    monkeypatch.setattr(process, "GRACE", 0.5)
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(installs.setup(loras=LORAS)) as engine:
        with pytest.raises(CancelledError):
            until_a_step(engine, between(plan), [])
        monkeypatch.delenv("STANDIN_FAULT")
        assert len(frames_of(events(engine, [between(plan)]))[0]) == 9
        assert engine.report().counts["starts"] == 2


@pytest.mark.faults
def test_a_wangp_that_hangs_is_ended_after_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, "hangs", silence="1.5")
    assert said.startswith("WanGP said nothing for 1.5 s at segment 0 and was ended; --option silence=SECONDS")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    plan = planned(**SEED_PHASES).segments[0]
    with engine_of(replace(installs.setup(loras=LORAS), scratch=tmp_path)) as engine:
        events(engine, [between(plan)])
        (place,) = tmp_path.iterdir()
        assert list(place.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_the_environment_of_this_program_is_not_that_of_wangp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('not mine')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path)]))
    with engine_of(installs.setup(loras=LORAS)) as engine:
        assert len(frames_of(events(engine, [between(planned(**SEED_PHASES).segments[0])]))[0]) == 9


@pytest.mark.parametrize(
    ("name", "said", "problem"),
    [
        (installs.VACE, {"sample_solver": "trailing", "steps": 4}, "WanGP has no such grid"),
        (
            installs.VACE,
            {"phases": [{"steps": 1, "guidance": g, "expert": "high"} for g in (1, 2, 3, 4)]},
            "4 runs of guidance and expert; WanGP has at most 3 phases",
        ),
        (installs.VACE, {"phases": [{"steps": 2, "expert": "low"}]}, "WanGP begins with the high expert"),
        (
            installs.VACE,
            {"steps": 4, "guidance": 3, "cfg_star": True, "cfg_zero": 1},
            "overwrites the zero of CFG-Zero",
        ),
        (installs.I2V, {"steps": 2, "chaining": "chained", "overlap": 4, "segments": 2}, "starts from one frame"),
        ("wan2.2-ti2v-5b", {"steps": 2}, "is not known to WanGP"),
    ],
)
def test_what_wangp_cannot_do_is_refused_before_it_starts(name: str, said: Data, problem: str) -> None:
    plan = planned(name, **said)
    with engine_of(EngineSetup()) as engine, pytest.raises(EngineError, match=problem):
        engine.check(plan)


def test_a_plan_that_wangp_can_do_passes_without_an_installation() -> None:
    with engine_of(EngineSetup()) as engine:
        engine.check(planned(**SEED_PHASES))
    with engine_of(EngineSetup(options={"model_type": "my_finetune"})) as engine:
        engine.check(planned("wan2.2-ti2v-5b", steps=2))


def test_two_loras_of_one_file_name_cannot_be_told_apart(tmp_path: Path) -> None:
    same = {"high_noise_model": tmp_path / "a" / "x.safetensors", "low_noise_model": tmp_path / "b" / "x.safetensors"}
    with engine_of(installs.setup(loras=same)) as engine, pytest.raises(WayframeError, match=r"x\.safetensors"):
        events(engine, [between(planned(**SEED_PHASES).segments[0])])


def test_without_an_installation_or_a_model_nothing_is_rendered() -> None:
    one = between(segment())
    for setup, problem in (
        (EngineSetup(), "needs a model"),
        (EngineSetup(model=installs.model(installs.VACE)), "needs a WanGP installation"),
        (replace(installs.setup(), options={"root": str(installs.ROOT)}), "no Python of WanGP's"),
    ):
        with engine_of(setup) as engine, pytest.raises(EngineError, match=problem):
            events(engine, [one])
