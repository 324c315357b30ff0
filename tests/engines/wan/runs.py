"""Runs of the Wan engine on tiny models: plans from real specs, LoRAs, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ModelMixin, WanTransformer3DModel, WanVACETransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from contract.jobs import job, picture
from engines.wan.tiny import TinyKind, TinyModels, text_length
from wayframe.core.catalogue import Catalogue
from wayframe.core.findings import Finding
from wayframe.core.levels import segment_differences
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, SegmentPlan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import resolve
from wayframe.core.spec import parse_spec
from wayframe.engines.base import (
    AppliedStep,
    EngineEvent,
    EngineSetup,
    Frame,
    FrameDone,
    LoraFile,
    SegmentDone,
    SegmentJob,
    StepDone,
)
from wayframe.engines.wan.conditions import Conditions
from wayframe.engines.wan.engine import WanEngine

WIDTH, HEIGHT, FRAMES, SEED = 64, 32, 17, 789
OPTIONS = {"dtype": "float32", "device": "cpu"}
PROMPT, NEGATIVE = "a fish swims", "blurry"
FACTS = EngineFacts(name="wan", identity="wan/1 dtype=float32", denoises=True)
LINEARS = ("to_q", "to_k", "to_v", "to_out.0")
RANK = 4


def seed_phases(high: str = "fast.safetensors", low: str = "slow.safetensors") -> dict[str, Any]:
    """The seed's run 2: three phases of two steps, guidance 3/1/1, and multipliers `0.75;1.0;0` and `0;0;1.0`."""
    return {
        "phases": [
            {"phase": 1, "guidance_scale": 3, "loras": [{"url": high, "multiplier": "0.75"}]},
            {"phase": 2, "guidance_scale": 1, "loras": [{"url": high, "multiplier": "1.0"}]},
            {"phase": 3, "guidance_scale": 1, "loras": [{"url": low, "multiplier": "1.0"}]},
        ],
        "flow_shift": 5,
        "num_phases": 3,
        "sample_solver": "euler",
        "steps_per_phase": [2, 2, 2],
        "model_switch_phase": 2,
    }


def planned(tiny: TinyModels, kind: TinyKind, *, segments: int = 1, **said: object) -> tuple[SegmentPlan, ...]:
    """Segments of FRAMES frames between as many keyframes as are needed, planned from a spec that says `said`."""
    return plan_of(tiny, kind, segments=segments, **said).segments


def plan_of(tiny: TinyModels, kind: TinyKind, *, segments: int = 1, **said: object) -> Plan:
    """The plan of `planned`."""
    model = tiny.model(kind)
    stills = [{"image": f"{index}.jpg"} for index in range(segments + 1)]
    data = {
        "model": model.name,
        "keyframes": stills,
        "segment_frames": FRAMES,
        "resolution": f"{WIDTH}x{HEIGHT}",
        "seed": SEED,
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        **said,
    }
    catalogue = Catalogue(models={model.name: model}, presets={})
    found = resolve(parse_spec(data), catalogue=catalogue, first_size=(WIDTH, HEIGHT))
    facts = [KeyframeFacts(digest=f"{index:064x}", width=WIDTH, height=HEIGHT) for index in range(segments + 1)]
    files = lora_files([segment.recipe for segment in found.segments])
    digests = {file: file.encode().hex().ljust(64, "0")[:64] for file in files}
    return make_plan(found, keyframes=facts, lora_digests=digests, engine=FACTS)


def trip(plans: Sequence[SegmentPlan], *, given: tuple[Frame, ...] = ()) -> list[SegmentJob]:
    """Jobs between pictures that are numbered as the segments' keyframes."""
    return [job(plan, first=frame(plan.index), last=frame(plan.index + 1), given=given) for plan in plans]


def frame(seed: int) -> Frame:
    return picture(seed, width=WIDTH, height=HEIGHT)


def setup(
    tiny: TinyModels,
    kind: TinyKind,
    *,
    loras: Mapping[str, Path] | None = None,
    scratch: Path | None = None,
    **more: str,
) -> EngineSetup:
    """What an engine of a tiny model is made with; `more` are options."""
    return EngineSetup(
        options=OPTIONS | {"text_length": str(text_length(kind))} | more,
        model=tiny.model(kind),
        weights=tiny.folder(kind),
        loras={name: LoraFile(path=path) for name, path in (loras or {}).items()},
        scratch=scratch,
    )


@contextmanager
def engine_of(made_with: EngineSetup) -> Iterator[WanEngine]:
    made = WanEngine(made_with)
    try:
        yield made
    finally:
        made.close()


def transformer(tiny: TinyModels, kind: TinyKind, *, component: str = "transformer") -> ModelMixin:
    reader = WanVACETransformer3DModel if kind.startswith("vace") else WanTransformer3DModel
    return reader.from_pretrained(tiny.folder(kind) / component)


def write_lora(path: Path, *, model: ModelMixin, seed: int, strength: float = 0.3) -> Path:
    """A random LoRA on the attention of a transformer, with the keys of diffusers."""
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name.endswith(LINEARS) and name.startswith("blocks."):
            out, inner = module.weight.shape
            tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(RANK, inner, generator=random) * strength
            tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(out, RANK, generator=random) * strength
    save_file(tensors, path)
    return path


def loras(tiny: TinyModels, kind: TinyKind, *, folder: Path) -> dict[str, Path]:
    """Files for the LoRAs of `seed_phases`."""
    model = transformer(tiny, kind)
    return {
        name: write_lora(folder / f"{name}.safetensors", model=model, seed=seed)
        for seed, name in enumerate(("fast", "slow"))
    }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The events of a rendering, sorted."""

    events: Sequence[EngineEvent]

    def steps(self, segment: int = 0) -> list[AppliedStep]:
        return [event.step for event in self.events if isinstance(event, StepDone) and event.segment == segment]

    def frames(self, segment: int = 0) -> list[Frame]:
        return [event.pixels for event in self.events if isinstance(event, FrameDone) and event.segment == segment]

    def order(self) -> list[str]:
        """What happened, in short: `0H` a step of segment 0 on the high expert, `0.` its end; frames are left out."""
        told = []
        for event in self.events:
            if isinstance(event, StepDone):
                told.append(f"{event.segment}{event.step.expert[0].upper()}")
            elif isinstance(event, SegmentDone):
                told.append(f"{event.segment}.")
        return told

    def differences(self, plan: SegmentPlan) -> list[Finding]:
        """What a record says of these steps against the plan."""
        return list(segment_differences(plan, [asdict(step) for step in self.steps(plan.index)]))


def rendered(engine: WanEngine, jobs: Sequence[SegmentJob]) -> Outcome:
    return Outcome(events=list(engine.render(jobs)))


def same(ours: Sequence[Frame], theirs: Sequence[Frame]) -> bool:
    return len(ours) == len(theirs) > 0 and all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@contextmanager
def latents_seen() -> Iterator[list[Tensor]]:
    """The latents that are decoded while this is open."""
    seen: list[Tensor] = []
    right = Conditions.decode

    def decode(self: Conditions, latents: Tensor, *, job: SegmentJob) -> Iterator[Frame]:
        seen.append(latents.clone())
        return right(self, latents, job=job)

    Conditions.decode = decode
    try:
        yield seen
    finally:
        Conditions.decode = right
