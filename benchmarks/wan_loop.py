"""Our loop over the sum of its bare forwards, where one takes about 50 ms: reading back costs next to nothing."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from parts.wan_models import Large, lora, plans, transformer

from wayframe.core.plan import SegmentPlan
from wayframe.engines.wan.conditions import Condition
from wayframe.engines.wan.lora_keys import read_lora
from wayframe.engines.wan.lora_patch import Patches
from wayframe.engines.wan.readback import ReadBack
from wayframe.engines.wan.sampler import Denoising, Expert, Sampler
from wayframe.engines.wan.solvers import make_solver

HEADS, LAYERS, STEPS, ROUNDS = 5, 5, 6, 5
SHAPE = (1, 16, 5, 16, 16)
MOST = 1.02


@dataclass(kw_only=True)
class Timed:
    """The sampler with a LoRA on its expert, and the CPU time spent inside of the expert's forwards."""

    sampler: Sampler
    plan: SegmentPlan
    inside: float = 0.0

    @classmethod
    def of(cls, models: Large, *, folder: Path) -> Timed:
        said: dict[str, object] = {"steps": STEPS, "guidance": 3, "sample_solver": "unipc"}
        (plan,) = plans(models, size=(128, 128), frames=17, segments=1, said=said)
        module = transformer(heads=HEADS, layers=LAYERS).requires_grad_(False)
        patches = Patches(module)
        patches.attach("fast", read_lora(lora(folder / "fast.safetensors", models=models, seed=0), model=module))
        patches.set({"fast": 1.0})
        readback = ReadBack(count=lambda _: None)
        readback.watch(module, expert="only", loras=patches)
        expert = Expert(name="only", module=module, patch=(1, 2, 2), dtype=torch.float32, loras=patches)
        made = cls(sampler=Sampler(expert=expert, readback=readback, cancelled=lambda: False), plan=plan)
        module.forward = partial(made.forward, module.forward)
        return made

    def forward(self, bare: Callable[..., object], **given: torch.Tensor) -> object:
        start = time.process_time()
        result = bare(**given)
        self.inside += time.process_time() - start
        return result

    def ratio(self) -> float:
        """The time of the loop over that which it spends inside of its forwards."""
        self.inside = 0.0
        text = torch.randn(1, 32, 32)
        segment = Denoising(
            plan=self.plan,
            condition=Condition(latents_shape=SHAPE),
            prompt=text,
            negative=text,
            solver=make_solver("unipc", [*(step.sigma for step in self.plan.steps), 0.0]),
            latents=torch.randn(SHAPE),
        )
        start = time.process_time()
        assert len(list(self.sampler.denoise(segment, self.plan.steps))) == STEPS
        return (time.process_time() - start) / self.inside


def main() -> int:
    """Print the ratio; 1 when the loop costs more than it may."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        timed = Timed.of(Large(root=Path(name), heads=HEADS, layers=LAYERS), folder=Path(name))
    timed.ratio()
    middle = statistics.median(timed.ratio() for _ in range(ROUNDS))
    each = timed.inside / STEPS / 2 * 1000
    print(f"the loop takes {middle:.4f}x its forwards ({each:.0f} ms each, guided, one LoRA)")
    print(f"  at most {MOST}x: {'yes' if middle <= MOST else 'NO'}")
    return 0 if middle <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
