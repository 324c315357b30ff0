"""What a segment costs on a GPU, calculated: the tables of docs/engine.md.

    python benchmarks/wan_costs.py [--table]

The operations of a forward are derived from the shape of the transformer, and held here against torch's own count of
the full models, which needs no weights. Seconds are these operations at the rate that a published step time stands for.
They are no measurement of this program. `--table` prints the tables alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel, WanVACETransformer3DModel
from torch.utils.flop_counter import FlopCounterMode

TEXT_TOKENS, PATCH, TEMPORAL = 512, 2, 4
PETA, GIGA = 1e15, 1e9
MOST_OFF = 0.001


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A transformer: `vace` further layers of the same kind, and the pixels that one token is wide and high."""

    name: str
    width: int
    layers: int
    ffn: int
    parameters: float
    vace: int = 0
    pixels: int = 16

    def tokens(self, size: tuple[int, int], *, frames: int) -> int:
        """The tokens of a segment: its latent frames times the patches of one."""
        return ((frames - 1) // TEMPORAL + 1) * (size[0] // self.pixels) * (size[1] // self.pixels)

    def operations(self, tokens: int) -> float:
        """Floating-point operations of one forward; a multiplication and its addition are two.

        For each layer: self-attention has four matrices and two products of all tokens with all tokens; attention to
        the text has two matrices over the tokens, two over the text, and its products; the feed-forward part has two
        matrices. Each layer of VACE's branch has a matrix more, and the branch one to begin with.
        """
        n, d, text = tokens, self.width, TEXT_TOKENS
        own = 8 * n * d**2 + 4 * n**2 * d
        cross = 4 * n * d**2 + 4 * text * d**2 + 4 * n * text * d
        layer = own + cross + 4 * n * d * self.ffn
        branch = (self.vace + 1) * 2 * n * d**2 if self.vace else 0
        return (self.layers + self.vace) * layer + branch


A14B = Shape(name="14B (I2V, T2V)", width=5120, layers=40, ffn=13824, parameters=14.29e9)
VACE = Shape(name="14B VACE", width=5120, layers=40, ffn=13824, parameters=17.34e9, vace=8)
SMALL = Shape(name="5B", width=3072, layers=30, ffn=14336, parameters=5.0e9, pixels=32)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU, and the published seconds of one step of two forwards, at 832x480 and 81 frames with the 14B."""

    name: str
    step: float

    @property
    def rate(self) -> float:
        """Operations in a second."""
        return 2 * A14B.operations(A14B.tokens((832, 480), frames=81)) / self.step


GPUS = (Gpu(name="H100", step=9.77), Gpu(name="RTX 4090", step=30.50))
"""diffusers with Wan 2.1 I2V 14B 480P, 40 steps, 81 frames: "Cross-Framework Performance Comparison" in the README of
https://github.com/ModelTC/LightX2V. The second card there is an RTX 4090 D, which has a ninth fewer cores."""
CASES = (
    (A14B, (832, 480), 61),
    (A14B, (832, 480), 81),
    (A14B, (768, 576), 61),
    (A14B, (768, 576), 81),
    (VACE, (832, 480), 61),
    (VACE, (832, 480), 81),
    (VACE, (768, 576), 61),
    (VACE, (768, 576), 81),
    (SMALL, (1280, 704), 121),
)
RECIPES = (("3+3 at guidance 1", 6), ("2+2+2 at 3/1/1", 8), ("40 steps, guided", 80))


def table(gpu: Gpu) -> Iterator[str]:
    """Lines of Markdown: seconds of a forward, and minutes of denoising for one segment by recipe."""
    recipes = " | ".join(f"{name} ({forwards})" for name, forwards in RECIPES)
    yield f"| {gpu.name} | size | frames | tokens | PFLOP | s per forward | {recipes} |"
    yield "| --- " * (6 + len(RECIPES)) + "|"
    for shape, size, frames in CASES:
        tokens = shape.tokens(size, frames=frames)
        operations = shape.operations(tokens)
        seconds = operations / gpu.rate
        times = " | ".join(duration(seconds * forwards) for _, forwards in RECIPES)
        where = f"{size[0]}x{size[1]} | {frames} | {tokens:,}"
        yield f"| {shape.name} | {where} | {operations / PETA:.2f} | {seconds:.1f} | {times} |"


def duration(seconds: float) -> str:
    """Seconds below two minutes, else minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def weights_table() -> Iterator[str]:
    """Lines of Markdown: what one transformer takes."""
    yield "| one transformer | parameters | bfloat16 | float8 |"
    yield "| --- | --- | --- | --- |"
    for shape in (A14B, VACE, SMALL):
        size = shape.parameters / GIGA
        yield f"| {shape.name} | {size:.1f} billion | {2 * size:.1f} GB | {size:.1f} GB |"


def tables() -> str:
    """All tables, as they stand in docs/engine.md."""
    parts = [*(table(gpu) for gpu in GPUS), weights_table()]
    return "\n\n".join("\n".join(part) for part in parts)


def counted(shape: Shape, *, size: tuple[int, int], frames: int) -> int:
    """The operations that torch counts in a forward of the full transformer, on tensors without data."""
    step = shape.pixels // PATCH
    channels = 48 if shape is SMALL else 16
    latents = (frames - 1) // TEMPORAL + 1, size[1] // step, size[0] // step
    heads = {"num_attention_heads": shape.width // 128, "num_layers": shape.layers, "ffn_dim": shape.ffn}
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        given = {
            "hidden_states": torch.empty(1, channels, *latents),
            "timestep": torch.empty(1),
            "encoder_hidden_states": torch.empty(1, TEXT_TOKENS, 4096),
        }
        if shape.vace:
            layers = list(range(0, shape.layers, shape.layers // shape.vace))
            model = WanVACETransformer3DModel(**heads, vace_layers=layers, vace_in_channels=96)
            given["control_hidden_states"] = torch.empty(1, 96, *latents)
            given["control_hidden_states_scale"] = torch.empty(shape.vace)
        else:
            model = WanTransformer3DModel(**heads, in_channels=channels, out_channels=channels)
        model(**given, return_dict=False)
    return counter.get_total_flops()


def main() -> int:
    """Print the tables and the ratio of the formula to torch's count; 1 when they differ by more than they may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="the tables alone")
    alone = parser.parse_args().table
    print(tables())
    if alone:
        return 0
    ratios = []
    print()
    for shape, size, frames in ((A14B, (832, 480), 81), (VACE, (832, 480), 81), (SMALL, (1280, 704), 121)):
        operations = shape.operations(shape.tokens(size, frames=frames))
        ratios.append(operations / counted(shape, size=size, frames=frames))
        print(f"{shape.name}: the formula gives {ratios[-1]:.5f}x the operations that torch counts")
    right = all(abs(ratio - 1) <= MOST_OFF for ratio in ratios)
    print(f"  at most {MOST_OFF:.1%} off: {'yes' if right else 'NO'}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
