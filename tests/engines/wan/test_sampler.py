"""The loop on a tiny transformer, against the same steps written out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from engines.wan.runs import planned, transformer
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.core.plan import SegmentPlan, Step
from wayframe.engines.base import AppliedStep
from wayframe.engines.wan.conditions import Condition, FirstLatents
from wayframe.engines.wan.lora_patch import Patches
from wayframe.engines.wan.readback import Forward, ReadBack, agreed
from wayframe.engines.wan.sampler import Denoising, Expert, Sampler
from wayframe.engines.wan.solvers import make_solver
from wayframe.errors import CancelledError, EngineError

SHAPE = (1, 16, 3, 4, 8)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def text(seed: int) -> Tensor:
    return numbers(seed, 1, 6, 32)


class Bench:
    """A transformer that is watched, and a segment for it."""

    def __init__(self, tiny: TinyModels, plan: SegmentPlan, *, kind: TinyKind = "t2v21") -> None:
        self.module = transformer(tiny, kind).eval()
        self.plan, self.counted = plan, []
        self.readback = ReadBack(count=self.counted.append)
        patches = Patches(self.module)
        self.readback.watch(self.module, expert="only", loras=patches)
        self.expert = Expert(name="only", module=self.module, patch=(1, 2, 2), dtype=torch.float32, loras=patches)

    def segment(self, *, condition: Condition | None = None) -> Denoising:
        return Denoising(
            plan=self.plan,
            condition=condition or Condition(latents_shape=SHAPE),
            prompt=text(1),
            negative=text(2),
            solver=make_solver(self.plan.solver, [*(step.sigma for step in self.plan.steps), 0.0]),
            latents=numbers(0, *(SHAPE if condition is None else condition.latents_shape)),
        )

    def run(self, segment: Denoising, steps: Sequence[Step] | None = None) -> list[AppliedStep]:
        sampler = Sampler(expert=self.expert, readback=self.readback, cancelled=lambda: False)
        return list(sampler.denoise(segment, self.plan.steps if steps is None else steps))

    @torch.no_grad()
    def velocity(self, latents: Tensor, *, at: float, prompt: int) -> Tensor:
        made: Tensor = self.module(
            hidden_states=latents,
            timestep=torch.tensor([at]),
            encoder_hidden_states=text(prompt),
            return_dict=False,
        )[0]
        return made


def test_steps_are_those_of_the_formula(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=3, guidance=2.5, sample_solver="euler")
    bench = Bench(tiny, plan)
    x = numbers(0, *SHAPE)
    for step in plan.steps:
        cond, uncond = (bench.velocity(x, at=step.timestep, prompt=prompt) for prompt in (1, 2))
        x = x + (step.sigma_next - step.sigma) * (uncond + 2.5 * (cond - uncond))
    segment = bench.segment()
    applied = bench.run(segment)
    assert torch.allclose(segment.latents, x, atol=1e-5)
    assert [(step.forwards, step.guidance, step.expert) for step in applied] == [(2, 2.5, "only")] * 3
    assert segment.latents.requires_grad is False


def test_guidance_one_takes_one_forward_with_the_prompt(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2, guidance=1, sample_solver="euler")
    bench = Bench(tiny, plan)
    x = numbers(0, *SHAPE)
    for step in plan.steps:
        x = x + (step.sigma_next - step.sigma) * bench.velocity(x, at=step.timestep, prompt=1)
    bench.counted.clear()
    segment = bench.segment()
    applied = bench.run(segment)
    assert torch.allclose(segment.latents, x, atol=1e-5)
    assert [(step.forwards, step.guidance) for step in applied] == [(1, 1.0)] * 2
    assert bench.counted == ["forwards"] * 2


def test_the_star_projects_and_the_first_steps_of_zero_rest(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=3, guidance=2.5, sample_solver="euler", cfg_star=True, cfg_zero=1)
    assert [step.forwards for step in plan.steps] == [0, 2, 2]
    bench = Bench(tiny, plan)
    x = numbers(0, *SHAPE)
    for step in plan.steps[1:]:
        cond, uncond = (bench.velocity(x, at=step.timestep, prompt=prompt) for prompt in (1, 2))
        alpha = float((cond * uncond).sum() / (uncond * uncond).sum())
        x = x + (step.sigma_next - step.sigma) * (alpha * uncond + 2.5 * (cond - alpha * uncond))
    bench.counted.clear()
    segment = bench.segment()
    applied = bench.run(segment)
    assert torch.allclose(segment.latents, x, atol=1e-5)
    assert bench.counted == ["forwards"] * 4
    assert [(step.forwards, step.guidance) for step in applied] == [(0, 2.5), (2, 2.5), (2, 2.5)]
    assert applied[0].timestep == plan.steps[0].timestep
    assert torch.equal(segment.latents, bench_without_star(tiny).latents) is False


def bench_without_star(tiny: TinyModels) -> Denoising:
    (plan,) = planned(tiny, "t2v21", steps=3, guidance=2.5, sample_solver="euler", cfg_zero=1)
    bench = Bench(tiny, plan)
    segment = bench.segment()
    bench.run(segment)
    return segment


def test_a_step_that_rests_leaves_the_latents_of_euler_alone(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=3, guidance=2.5, sample_solver="euler", cfg_zero=2)
    bench = Bench(tiny, plan)
    segment = bench.segment()
    bench.run(segment, plan.steps[:2])
    assert torch.equal(segment.latents, numbers(0, *SHAPE))
    assert bench.counted == []


def test_known_frames_have_their_own_time_and_come_out_as_they_went_in(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "ti2v5b", steps=2, guidance=1, sample_solver="euler")
    bench = Bench(tiny, plan, kind="ti2v5b")
    shape = (1, 48, 3, 2, 4)
    mask = torch.ones(1, 1, 3, 2, 4)
    mask[:, :, 0] = 0
    known = torch.zeros(shape)
    known[:, :, 0] = numbers(5, 1, 48, 2, 4)
    given: list[dict[str, Tensor]] = []
    bench.module.register_forward_pre_hook(lambda _, __, said: given.append(said), with_kwargs=True)
    condition = Condition(latents_shape=shape, first=FirstLatents(mask=mask, latents=known))
    segment = bench.segment(condition=condition)
    applied = bench.run(segment)
    t = plan.steps[1].timestep
    assert given[1]["timestep"].tolist() == [pytest.approx([0, 0, t, t, t, t])]
    assert torch.equal(given[1]["hidden_states"][:, :, 0], known[:, :, 0])
    assert applied[1].timestep == pytest.approx(t)
    assert torch.equal(segment.finished()[:, :, 0], known[:, :, 0])
    assert torch.equal(segment.finished()[:, :, 1:], segment.latents[:, :, 1:])


def test_the_loop_leaves_gradients_as_they_were_between_its_steps(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2, guidance=1)
    bench = Bench(tiny, plan)
    sampler = Sampler(expert=bench.expert, readback=bench.readback, cancelled=lambda: False)
    for _ in sampler.denoise(bench.segment(), plan.steps):
        assert torch.is_grad_enabled()


def test_cancelling_between_the_two_forwards_of_a_step_leaves_the_segment_before_it(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2, guidance=2.5)
    bench = Bench(tiny, plan)
    sampler = Sampler(expert=bench.expert, readback=bench.readback, cancelled=lambda: len(bench.counted) == 3)
    segment = bench.segment()
    stream = sampler.denoise(segment, plan.steps)
    next(stream)
    before = segment.latents.clone()
    with pytest.raises(CancelledError):
        next(stream)
    assert len(bench.counted) == 3
    assert torch.equal(segment.latents, before)
    assert [step.index for step in segment.applied] == [0]


def test_the_read_back_tells_the_highest_time_of_all_tokens(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2)
    bench = Bench(tiny, plan)
    tokens = torch.tensor([[0.0, 0.0, 640.5, 640.5, 640.5, 640.5]])
    with torch.no_grad():
        bench.module(hidden_states=numbers(0, 1, 16, 3, 2, 4), timestep=tokens, encoder_hidden_states=text(1))
    assert [seen.timestep for seen in bench.readback.take()] == [640.5]
    assert bench.readback.take() == ()


def test_an_expert_that_is_forgotten_is_not_seen(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=2)
    bench = Bench(tiny, plan)
    bench.readback.forget(bench.module)
    bench.readback.forget(bench.module)
    bench.velocity(numbers(0, *SHAPE), at=500.0, prompt=1)
    assert bench.readback.take() == ()


def seen(**other: object) -> Forward:
    return Forward(**{"expert": "high", "timestep": 900.0, "loras": {"a": 1.0}, "modules": {"a": (2, 2)}} | other)


def test_forwards_that_were_given_the_same_agree() -> None:
    assert agreed([seen(), seen()], step=3) == seen()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"expert": "low"}, "expert was high, then low"),
        ({"timestep": 800.0}, r"timestep was 900\.0, then 800\.0"),
        ({"loras": {"a": 0.5}}, r"loras was \{'a': 1\.0\}, then \{'a': 0\.5\}"),
        ({"modules": {"a": (1, 2)}}, r"modules was \{'a': \(2, 2\)\}, then \{'a': \(1, 2\)\}"),
    ],
)
def test_forwards_of_one_step_that_disagree_are_an_error(other: dict[str, object], said: str) -> None:
    with pytest.raises(EngineError, match=f"step 3: its forwards disagree: {said}"):
        agreed([seen(), seen(**other)], step=3)


def test_a_step_of_which_no_forward_was_seen_is_an_error() -> None:
    with pytest.raises(EngineError, match="step 3: no forward of an expert was seen"):
        agreed([], step=3)
