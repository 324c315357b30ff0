"""The Wan engine's latents against diffusers' own pipelines, which a callback makes do what the plan says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanVACEPipeline,
)
from PIL import Image
from torch import Tensor

from engines.wan.runs import (
    FRAMES,
    HEIGHT,
    NEGATIVE,
    PROMPT,
    SEED,
    WIDTH,
    engine_of,
    frame,
    latents_seen,
    loras,
    planned,
    rendered,
    seed_phases,
    setup,
    trip,
)
from engines.wan.tiny import TinyKind, TinyModels, catalogue_kind, text_length
from wayframe.core.plan import SegmentPlan
from wayframe.engines.wan import solvers

EXACT = 1e-5
STEP_BEFORE_PHASE_2 = 1
START_ONLY: tuple[TinyKind, ...] = ("i2v21", "ti2v5b")
RUN_2_BORDER = 0.663  # of the experts, between the fourth step (0.77) and the fifth (0.56)


class PlannedEuler(FlowMatchEulerDiscreteScheduler):
    """The seed's euler: linspace(1, 0.001, n) before the shift."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: object = None, **_: object) -> None:
        super().set_timesteps(sigmas=np.linspace(1, 0.001, num_inference_steps), device=device)


def pipeline(tiny: TinyModels, kind: TinyKind) -> DiffusionPipeline:
    """The stock pipeline for a kind, with the euler that the plans here say."""
    sees_pictures = catalogue_kind(kind) in ("i2v", "flf2v")
    reader = WanVACEPipeline if kind.startswith("vace") else WanImageToVideoPipeline if sees_pictures else WanPipeline
    made = reader.from_pretrained(tiny.folder(kind))
    made.set_progress_bar_config(disable=True)
    made.scheduler = PlannedEuler(shift=5.0)
    return made


def pictures(kind: TinyKind) -> dict[str, object]:
    """The pipeline's arguments for the keyframes 0 and 1; VACE's video is exact mid-gray where nothing is known."""
    first, last = Image.fromarray(frame(0)), Image.fromarray(frame(1))
    if kind.startswith("t2v"):
        return {}
    if kind in START_ONLY:
        return {"image": first}
    if not kind.startswith("vace"):
        return {"image": first, "last_image": last}
    video, mask = np.full((FRAMES, HEIGHT, WIDTH, 3), 0.5, np.float32), np.ones((FRAMES, HEIGHT, WIDTH, 3), np.float32)
    for at, seed in ((0, 0), (-1, 1)):
        video[at], mask[at] = frame(seed).astype(np.float32) / 255.0, 0
    return {"video": [video], "mask": [mask]}


def stock_latents(pipe: DiffusionPipeline, kind: TinyKind, *, steps: int, guidance: float, **more: object) -> Tensor:
    made: Tensor = pipe(
        **pictures(kind),
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        width=WIDTH,
        height=HEIGHT,
        num_frames=FRAMES,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
        max_sequence_length=text_length(kind),
        **more,
    ).frames
    return made


def our_latents(tiny: TinyModels, kind: TinyKind, plan: SegmentPlan, *, files: dict[str, Path] | None = None) -> Tensor:
    with engine_of(setup(tiny, kind, loras=files)) as engine, latents_seen() as seen:
        (job,) = trip([plan])
        outcome = rendered(engine, [replace(job, last=None) if kind in START_ONLY else job])
    assert outcome.differences(plan) == []
    return seen[0]


def furthest(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    assert float(theirs.std()) > 0.1
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("kind", ["t2v", "i2v22", "vace"])
def test_run_2_of_the_seed_equals_the_stock_pipeline_with_a_callback(
    tiny: TinyModels, tmp_path: Path, kind: TinyKind
) -> None:
    files = loras(tiny, kind, folder=tmp_path)
    (plan,) = planned(tiny, kind, phase_config=seed_phases())
    pipe = pipeline(tiny, kind)
    pipe.register_to_config(boundary_ratio=RUN_2_BORDER)
    pipe.load_lora_weights(str(files["fast"]), adapter_name="fast")
    pipe.load_lora_weights(str(files["slow"]), adapter_name="slow", load_into_transformer_2=True)
    pipe.transformer.set_adapters(["fast"], [0.75])
    pipe.transformer_2.set_adapters(["slow"], [1.0])

    def next_phase(pipe: DiffusionPipeline, step: int, _: object, kept: dict[str, Tensor]) -> dict[str, Tensor]:
        if step == STEP_BEFORE_PHASE_2:
            pipe._guidance_scale = 1.0
            pipe.transformer.set_adapters(["fast"], [1.0])
        return kept

    theirs = stock_latents(pipe, kind, steps=6, guidance=3.0, guidance_scale_2=1.0, callback_on_step_end=next_phase)
    ours = our_latents(tiny, kind, plan, files=files)
    assert furthest(ours, theirs) < EXACT
    without = our_latents(tiny, kind, planned(tiny, kind, phase_config=seed_phases() | no_loras())[0])
    assert furthest(without, theirs) > 0.1


def no_loras() -> dict[str, object]:
    return {"phases": [{"phase": n + 1, "guidance_scale": g, "loras": []} for n, g in enumerate((3, 1, 1))]}


@pytest.mark.parametrize("kind", ["t2v21", "i2v21", "flf2v21", "vace21"])
def test_a_model_of_one_expert_equals_its_stock_pipeline(tiny: TinyModels, kind: TinyKind) -> None:
    (plan,) = planned(tiny, kind, steps=3, guidance=2.5, sample_solver="euler")
    theirs = stock_latents(pipeline(tiny, kind), kind, steps=3, guidance=2.5)
    assert furthest(our_latents(tiny, kind, plan), theirs) < EXACT


def test_the_5b_equals_the_stock_pipeline_that_takes_a_picture(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "ti2v5b", steps=3, guidance=2.5, sample_solver="euler")
    theirs = stock_latents(pipeline(tiny, "ti2v5b"), "ti2v5b", steps=3, guidance=2.5)
    assert furthest(our_latents(tiny, "ti2v5b", plan), theirs) < EXACT


@pytest.mark.parametrize("solver", ["unipc", "dpm++"])
def test_multistep_solvers_equal_the_stock_pipeline_with_such_a_scheduler(tiny: TinyModels, solver: str) -> None:
    (plan,) = planned(tiny, "t2v21", steps=5, guidance=2.5, sample_solver=solver)
    levels = [*(step.sigma for step in plan.steps), 0.0]
    scheduler = solvers.unipc(levels) if solver == "unipc" else solvers.dpmpp(levels)
    fed = scheduler.sigmas.clone()

    def set_timesteps(*_: object, **__: object) -> None:
        """Levels are set already; the pipeline is given the plan's timesteps, not the whole numbers of a scheduler."""
        scheduler.timesteps = torch.tensor([step.timestep for step in plan.steps])

    scheduler.set_timesteps = set_timesteps
    pipe = pipeline(tiny, "t2v21")
    pipe.scheduler = scheduler
    theirs = stock_latents(pipe, "t2v21", steps=5, guidance=2.5)
    assert furthest(our_latents(tiny, "t2v21", plan), theirs) < EXACT
    assert torch.equal(scheduler.sigmas, fed)


def test_unipc_holds_what_the_stock_scheduler_makes_of_its_own_grid(tiny: TinyModels) -> None:
    (plan,) = planned(tiny, "t2v21", steps=5, sample_solver="unipc", flow_shift=5.0)
    stock = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)
    stock.set_timesteps(5)
    ours = solvers.unipc([*(step.sigma for step in plan.steps), 0.0])
    assert torch.allclose(ours.sigmas, stock.sigmas, atol=1e-6)
