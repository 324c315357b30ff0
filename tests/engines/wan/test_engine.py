"""The Wan engine end to end on tiny models: what a run of the seed does, the order of work, cancelling, coming back."""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from engines.wan.runs import (
    FRAMES,
    HEIGHT,
    WIDTH,
    engine_of,
    frame,
    latents_seen,
    loras,
    planned,
    rendered,
    same,
    seed_phases,
    setup,
    trip,
)
from engines.wan.tiny import KINDS, TinyKind, TinyModels
from wayframe.core.schedule import Solver
from wayframe.engines.base import EngineSetup, SegmentDone, StepDone
from wayframe.engines.registry import load_engine
from wayframe.engines.wan import components
from wayframe.engines.wan.engine import WanEngine
from wayframe.errors import CancelledError, EngineError, SpecError

Data = dict[str, object]


def phases(*said: tuple[int, float, str]) -> Data:
    return {"phases": [{"steps": steps, "guidance": guidance, "expert": expert} for steps, guidance, expert in said]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_segment_between_two_keyframes(tiny: TinyModels, kind: TinyKind) -> None:
    (plan,) = planned(tiny, kind, steps=2)
    with engine_of(setup(tiny, kind)) as engine:
        outcome = rendered(engine, trip([plan]))
    assert outcome.differences(plan) == []
    assert {pixels.shape for pixels in outcome.frames()} == {(HEIGHT, WIDTH, 3)}
    assert len(outcome.frames()) == FRAMES
    assert sum(step.forwards for step in outcome.steps()) == plan.forwards


def test_run_2_of_the_seed_does_what_was_planned(tiny: TinyModels, tmp_path: Path) -> None:
    (plan,) = planned(tiny, "i2v22", phase_config=seed_phases())
    with engine_of(setup(tiny, "i2v22", loras=loras(tiny, "i2v22", folder=tmp_path))) as engine:
        outcome = rendered(engine, trip([plan]))
        assert engine.report().counts["forwards"] == 8
    steps = outcome.steps()
    assert [step.expert for step in steps] == ["high", "high", "high", "high", "low", "low"]
    assert [step.guidance for step in steps] == [3, 3, 1, 1, 1, 1]
    assert [step.forwards for step in steps] == [2, 2, 1, 1, 1, 1]
    assert [step.loras["fast"] for step in steps] == [0.75, 0.75, 1, 1, 0, 0]
    assert [step.loras["slow"] for step in steps] == [0, 0, 0, 0, 1, 1]
    assert [step.timestep for step in steps] == pytest.approx(
        [1000.0, 952.4376343861677, 882.5258807285231, 769.6741514473969, 556.7879372571325, 4.9800796812749]
    )
    assert [step.modules for step in steps] == [{"fast": (16, 16)}] * 4 + [{"slow": (16, 16)}] * 2
    assert outcome.differences(plan) == []


@pytest.mark.parametrize(
    ("said", "order"),
    [
        (phases((3, 1, "high")), "HHH"),
        (phases((3, 2, "low")), "LLL"),
        (phases((2, 3, "high"), (1, 1, "high")), "HHH"),
        (phases((2, 3, "high"), (1, 1, "low")), "HHL"),
        (phases((2, 3, "high"), (1, 1, "high"), (2, 1, "low")), "HHHLL"),
        (phases((1, 3, "high"), (2, 1, "low"), (1, 2, "low")), "HLLL"),
        (phases((1, 3, "high"), (1, 1, "high"), (1, 2, "low"), (1, 1, "low")), "HHLL"),
    ],
    ids=str,
)
def test_any_number_of_phases_on_either_expert(tiny: TinyModels, said: Data, order: str) -> None:
    (plan,) = planned(tiny, "t2v", **said)
    with engine_of(setup(tiny, "t2v")) as engine:
        outcome = rendered(engine, trip([plan]))
        assert engine.report().counts["expert_loads"] == len(set(order))
    assert "".join(step.expert[0].upper() for step in outcome.steps()) == order
    assert outcome.differences(plan) == []


@pytest.mark.parametrize("solver", list(Solver))
def test_what_a_solver_steps_between_is_what_was_planned(tiny: TinyModels, solver: str) -> None:
    (plan,) = planned(tiny, "t2v", steps=4, sample_solver=solver)
    with engine_of(setup(tiny, "t2v")) as engine:
        outcome = rendered(engine, trip([plan]))
    assert outcome.differences(plan) == []
    assert len(outcome.steps()) == 4


def test_a_batch_goes_through_one_expert_before_any_goes_through_the_next(tiny: TinyModels) -> None:
    plans = planned(tiny, "t2v", segments=3, **phases((1, 3, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v", offload="model")) as engine:
        outcome = rendered(engine, trip(plans))
        counts = engine.report().counts
    assert outcome.order() == ["0H", "1H", "2H", "0L", "0.", "1L", "1.", "2L", "2."]
    assert (counts["expert_loads"], counts["text_encodes"]) == (2, 2)


def test_more_segments_than_are_held_at_once_come_in_batches(tiny: TinyModels) -> None:
    plans = planned(tiny, "t2v", segments=3, **phases((1, 3, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v", offload="model", batch="2")) as engine:
        outcome = rendered(engine, trip(plans))
        assert engine.report().counts["expert_loads"] == 4
    assert outcome.order() == ["0H", "1H", "0L", "0.", "1L", "1.", "2H", "2L", "2."]


def test_segments_with_phases_of_their_own_share_the_experts(tiny: TinyModels) -> None:
    (one,) = planned(tiny, "t2v", **phases((1, 1, "high"), (1, 1, "low")))
    (other,) = planned(tiny, "t2v", **phases((2, 1, "low")))
    jobs = trip([one, replace(other, index=1, key="b" * 64)])
    with engine_of(setup(tiny, "t2v")) as engine:
        assert rendered(engine, jobs).order() == ["0H", "0L", "0.", "1L", "1L", "1."]


@pytest.mark.parametrize("offload", ["none", "model", "blocks"])
def test_where_the_weights_are_changes_no_pixel(tiny: TinyModels, tmp_path: Path, offload: str) -> None:
    files = loras(tiny, "i2v22", folder=tmp_path)
    plans = planned(tiny, "i2v22", segments=2, phase_config=seed_phases())
    with engine_of(setup(tiny, "i2v22", loras=files)) as engine:
        plain = rendered(engine, trip(plans))
    for keep in ("false", "true"):
        with engine_of(setup(tiny, "i2v22", loras=files, offload=offload, keep=keep, batch="1")) as engine:
            outcome = rendered(engine, trip(plans))
        assert all(same(outcome.frames(index), plain.frames(index)) for index in range(2))
        assert all(outcome.differences(plan) == [] for plan in plans)


def test_a_segment_is_the_same_alone_and_after_one_with_other_loras(tiny: TinyModels, tmp_path: Path) -> None:
    files = loras(tiny, "t2v", folder=tmp_path)
    (before,) = planned(tiny, "t2v", **phases((2, 3, "high")), loras=[{"file": "slow.safetensors"}])
    both = [{"file": "fast.safetensors", "multiplier": 0.7}, {"file": "slow.safetensors", "multiplier": 0.3}]
    (after,) = planned(tiny, "t2v", **phases((2, 3, "high")), loras=both)
    with engine_of(setup(tiny, "t2v", loras=files)) as engine:
        alone = rendered(engine, trip([after]))
    with engine_of(setup(tiny, "t2v", loras=files)) as engine:
        first = rendered(engine, trip([before]))
        assert first.steps()[0].modules == {"slow": (16, 16)}
        assert same(rendered(engine, trip([after])).frames(), alone.frames())
        assert not same(first.frames(), alone.frames())


def test_the_names_of_loras_and_their_order_change_no_bit(tiny: TinyModels, tmp_path: Path) -> None:
    files = loras(tiny, "t2v", folder=tmp_path)
    with latents_seen() as seen:
        for one, other in (("fast", "slow"), ("slow", "fast")):
            both = [
                {"file": f"{one}.safetensors", "multiplier": 0.7},
                {"file": f"{other}.safetensors", "multiplier": 0.3},
            ]
            (plan,) = planned(tiny, "t2v", **phases((1, 3, "high"), (1, 1, "low")), loras=both)
            named = {one: files["fast"], other: files["slow"]}
            with engine_of(setup(tiny, "t2v", loras=named)) as engine:
                rendered(engine, trip([plan]))
    assert torch.equal(*seen)


def test_given_frames_are_put_back_into_the_output(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "vace", steps=2)
    given = tuple(frame(20 + number) for number in range(6))
    (one,) = trip([plan], given=given)
    with engine_of(setup(tiny, "vace")) as engine:
        shown = rendered(engine, [one]).frames()
    assert same(shown[:6], given)
    assert all(ours is not theirs for ours, theirs in zip(shown, given, strict=False))
    assert len(shown) == FRAMES


@pytest.mark.parametrize("forwards", [0, 1, 2, 3, 5])
def test_cancelling_takes_effect_before_the_next_forward(tiny: TinyModels, forwards: int) -> None:
    (plan,) = planned(tiny, "t2v", **phases((2, 3, "high"), (2, 1, "low")))
    with engine_of(setup(tiny, "t2v")) as engine:
        done: list[StepDone] = []
        with pytest.raises(CancelledError):
            done.extend(
                engine.render(trip([plan]), cancelled=lambda: engine.report().counts.get("forwards", 0) >= forwards)
            )
        assert engine.report().counts.get("forwards", 0) == forwards
        assert len(rendered(engine, trip([plan])).frames()) == FRAMES


def interrupted(made_with: EngineSetup, jobs: list, *, at: str) -> None:
    """Render up to the first step on the expert `at`, and then no more."""
    with engine_of(made_with) as engine:
        for event in engine.render(jobs):
            if isinstance(event, StepDone) and event.step.expert == at:
                return
    raise AssertionError(f"no step on {at}")


@pytest.mark.parametrize("solver", list(Solver))
def test_a_run_goes_on_between_the_experts_to_the_last_bit(tiny: TinyModels, tmp_path: Path, solver: str) -> None:
    said = phases((3, 2, "high"), (3, 1, "low"))
    plans = planned(tiny, "i2v22", segments=2, sample_solver=solver, **said)
    with engine_of(setup(tiny, "i2v22")) as engine:
        whole = rendered(engine, trip(plans))
    again = setup(tiny, "i2v22", scratch=tmp_path / "scratch")
    interrupted(again, trip(plans), at="low")
    assert len(list((tmp_path / "scratch").iterdir())) == 2
    with engine_of(again) as engine:
        resumed = rendered(engine, trip(plans))
        counts = engine.report().counts
    assert (counts["expert_loads"], counts["forwards"]) == (1, 2 * 3)
    for index, plan in enumerate(plans):
        assert same(resumed.frames(index), whole.frames(index))
        assert resumed.steps(index) == whole.steps(index)
        assert resumed.differences(plan) == []
    assert list((tmp_path / "scratch").iterdir()) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-3] + bytes([data[-3] ^ 4]) + data[-2:])


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_what_was_kept_and_is_damaged_is_made_again(
    tiny: TinyModels, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    (plan,) = planned(tiny, "t2v", **phases((1, 1, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v")) as engine:
        whole = rendered(engine, trip([plan]))
    again = setup(tiny, "t2v", scratch=tmp_path)
    interrupted(again, trip([plan]), at="low")
    damage(tmp_path / f"{plan.key}.safetensors")
    with engine_of(again) as engine:
        resumed = rendered(engine, trip([plan]))
        assert engine.report().counts["forwards"] == 2
    assert same(resumed.frames(), whole.frames())


def test_what_an_interrupted_reader_did_not_take_is_still_kept(tiny: TinyModels, tmp_path: Path) -> None:
    (plan,) = planned(tiny, "t2v", **phases((1, 1, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v", scratch=tmp_path)) as engine:
        for event in engine.render(trip([plan])):
            if isinstance(event, SegmentDone):
                break
        assert [path.stem for path in tmp_path.iterdir()] == [plan.key]


class _Full:
    """A hook that says once that memory is out, from the second forward on."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls == 2:
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_out_of_memory_names_what_to_try_and_the_engine_can_go_on(tiny: TinyModels, error: Exception) -> None:
    (plan,) = planned(tiny, "t2v", **phases((2, 1, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v")) as engine:
        stream = engine.render(trip([plan]))
        next(stream)
        assert engine._open is not None
        engine._open.components.expert("high").register_forward_pre_hook(_Full(error))
        engine._open.components.expert("high")(**inputs(torch.float32))
        with pytest.raises(EngineError, match=r"out of memory on cpu; try --option offload=model") as caught:
            list(stream)
        assert caught.value.__cause__ is error
        assert engine._open is None
        outcome = rendered(engine, trip([plan]))
        assert engine.report().counts["expert_loads"] == 3
    assert outcome.differences(plan) == []


def inputs(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {
        "hidden_states": torch.zeros(1, 16, 1, 4, 4, dtype=dtype),
        "timestep": torch.ones(1),
        "encoder_hidden_states": torch.zeros(1, 4, 32, dtype=dtype),
    }


@pytest.mark.parametrize("offload", ["model", "blocks"])
def test_nothing_holds_an_expert_when_another_large_part_comes(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offload: str
) -> None:
    read: list[weakref.ref[torch.nn.Module]] = []
    alive: list[int] = []
    right = components.load_transformer, components.load_text

    def note(load: Callable[..., torch.nn.Module], *args: object, **more: object) -> torch.nn.Module:
        alive.append(sum(module() is not None for module in read))
        made = load(*args, **more)
        read.append(weakref.ref(made))
        return made

    monkeypatch.setattr(components, "load_transformer", partial(note, right[0]))
    monkeypatch.setattr(components, "load_text", partial(note, right[1]))
    plans = [
        replace(planned(tiny, "t2v", phase_config=seed_phases(), prompt=prompt)[0], index=index, key="")
        for index, prompt in enumerate(("one", "two"))
    ]
    files = loras(tiny, "t2v", folder=tmp_path)
    with engine_of(setup(tiny, "t2v", loras=files, offload=offload, batch="1")) as engine:
        rendered(engine, trip(plans))
    assert alive == [0] * 6  # text, high, low, twice


def test_latents_that_are_no_numbers_are_an_error_and_not_a_black_video(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2)
    with engine_of(setup(tiny, "t2v21")) as engine:
        stream = engine.render(trip([plan]))
        next(stream)
        assert engine._open is not None
        engine._open.components.expert("only").register_forward_hook(lambda _, __, made: (made[0] * float("nan"),))
        with pytest.raises(EngineError, match="segment 0: its latents are no numbers any more"):
            list(stream)


def test_another_fault_of_a_module_is_not_taken_for_a_lack_of_memory(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", steps=2)
    with engine_of(setup(tiny, "t2v")) as engine:
        stream = engine.render(trip([plan]))
        next(stream)
        assert engine._open is not None
        for expert in ("high", "low"):
            engine._open.components.expert(expert).register_forward_pre_hook(_Broken())
        with pytest.raises(RuntimeError, match="device-side assert"):
            list(stream)


class _Broken:
    def __call__(self, *_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")


def test_a_lora_without_a_file_is_named_before_anything_is_loaded(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", phase_config=seed_phases())
    with engine_of(setup(tiny, "t2v")) as engine:
        with pytest.raises(EngineError, match="segment 0: no file was given for the LoRA fast"):
            rendered(engine, trip([plan]))
        assert "text_encodes" not in engine.report().counts


def test_a_plan_for_two_experts_is_refused_by_a_model_of_one(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", **phases((1, 1, "high"), (1, 1, "low")))
    with engine_of(setup(tiny, "t2v21")) as engine, pytest.raises(EngineError, match="expert high, but tiny-t2v21 has"):
        rendered(engine, trip([plan]))


def test_a_plan_without_steps_is_refused(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", steps=2)
    with engine_of(setup(tiny, "t2v")) as engine, pytest.raises(EngineError, match="segment 0 has no steps"):
        rendered(engine, trip([replace(plan, steps=())]))


def test_a_segment_without_a_picture_that_the_model_looks_at_is_refused(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "i2v21", steps=2)
    (one,) = trip([plan])
    with engine_of(setup(tiny, "i2v21")) as engine:
        with pytest.raises(EngineError, match="segment 0 begins with no picture, and tiny-i2v21 looks at no other"):
            rendered(engine, [replace(one, first=None)])
        assert "text_encodes" not in engine.report().counts


@pytest.mark.parametrize("kind", ["i2v22", "ti2v5b", "vace"])
def test_a_segment_that_only_ends_with_a_picture_is_made_where_the_model_can(tiny: TinyModels, kind: TinyKind) -> None:
    (plan,) = planned(tiny, kind, steps=1)
    (one,) = trip([plan])
    with engine_of(setup(tiny, kind)) as engine:
        assert len(rendered(engine, [replace(one, first=None)]).frames()) == FRAMES


def test_steps_that_do_not_meet_are_refused(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", steps=2)
    apart = (plan.steps[0], replace(plan.steps[1], sigma=0.25))
    with engine_of(setup(tiny, "t2v")) as engine, pytest.raises(EngineError, match=r"step 1 starts at sigma 0\.25"):
        rendered(engine, trip([replace(plan, steps=apart)]))


def test_without_a_model_it_can_be_planned_with_and_not_rendered_with(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v", steps=2)
    with engine_of(EngineSetup()) as engine, pytest.raises(EngineError, match="no model to render with"):
        rendered(engine, trip([plan]))


def test_the_identity_follows_from_the_options_alone() -> None:
    assert load_engine("wan").identity == "wan/1"
    assert load_engine("wan", EngineSetup(options={"dtype": "float32"})).identity == "wan/1 dtype=float32"
    assert load_engine("wan", EngineSetup(options={"offload": "model", "batch": "2"})).identity == "wan/1"


def test_an_option_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(SpecError, match="option speed"):
        load_engine("wan", EngineSetup(options={"speed": "9"}))


def test_planning_with_it_imports_no_torch() -> None:
    program = (
        "import sys; from wayframe.engines.base import EngineSetup; from wayframe.engines.registry import load_engine;"
        "e = load_engine('wan', EngineSetup(options={'dtype': 'float32'})); assert e.identity == 'wan/1 dtype=float32';"
        "e.report(); e.close(); print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_run_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tiny: TinyModels) -> None:
    monkeypatch.setattr("wayframe.engines.wan.find_spec", lambda name: None if name == "diffusers" else True)
    assert WanEngine(EngineSetup()).identity == "wan/1"
    with pytest.raises(EngineError, match=r'needs diffusers.*pip install "wayframe\[wan\]"'):
        WanEngine(setup(tiny, "t2v"))


def test_the_report_names_device_versions_and_counts(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "i2v21", steps=2)
    with engine_of(setup(tiny, "i2v21")) as engine:
        rendered(engine, trip([plan]))
        told = engine.report()
    assert told.device == "cpu"
    assert told.versions["torch"] == torch.__version__
    assert {"torch", "diffusers", "transformers"} == set(told.versions)
    counts = {name: told.counts[name] for name in told.counts if name not in ("bytes_moved", "peak_memory_bytes")}
    assert counts == {
        "expert_loads": 1,
        "forwards": 4,
        "image_encodes": 1,
        "text_encodes": 2,
        "vae_decodes": 1,
        "vae_encodes": 1,
    }
