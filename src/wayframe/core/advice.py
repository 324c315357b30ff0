"""Which model and options fit a machine: calculated from the sizes of the weights and of what a step holds.

All of it is arithmetic, nothing is measured on a GPU: parameters as published for Wan 2.1 and 2.2, activations of one
transformer block in bfloat16, the VAE's widest layer in float32, for the trip that a spec asks for by default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

GIB = 1024**3
GB = 10**9
WIDTH, HEIGHT, FRAMES = 768, 576, 61
"""The default trip: segments of 61 frames of 768x576."""
RESERVE = 1.5 * GIB
"""Stays free on the GPU: the CUDA context, kernels' workspace, fragmentation."""
_TEXT_PARAMETERS = 5.68e9
"""The encoder of UMT5-XXL."""
_BYTES = {"bf16": 2.0, "fp8": 1.0}
_VAE_BYTES = 0.51 * GB
_BLOCKS_HELD, _TEXT_BLOCKS = 2, 24
_PINNED = 1.5
"""CUDA pins main memory in powers of two: Wan's matrices of 52 and 142 MB in bfloat16 take 67 and 268 MB."""
_LIVE = 9
"""Tensors of the width of a token that are alive at the widest point of a block, in bfloat16: the residual stream in
float32 (2) and normed (2), query, key, value, their output, and one for the modulation."""
_VAE_CHANNELS, _VAE_LIVE, _VAE_FRAMES, _TILE = 192, 4, 4, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The transformer of a model: parameters of one expert, experts, blocks, width of a token and of what it feeds."""

    parameters: float
    experts: int
    blocks: int
    width: int
    inner: int


SHAPES: Mapping[str, Shape] = {
    "wan2.2-i2v-a14b": Shape(parameters=14.3e9, experts=2, blocks=40, width=5120, inner=13824),
    "wan2.1-vace-14b": Shape(parameters=17.3e9, experts=1, blocks=48, width=5120, inner=13824),
    "wan2.1-vace-1.3b": Shape(parameters=2.15e9, experts=1, blocks=45, width=1536, inner=8960),
}
"""The models that are proposed, the best first: those that travel between two pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, in bytes: memory of the GPU (None: there is none), main memory, free disk. None: not known."""

    gpu: float | None
    disk: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A way to hold a model."""

    weights: str
    offload: str
    vae_tiling: bool

    def options(self) -> dict[str, str]:
        """As options of the engine `wan`; without those that are its defaults."""
        said = {"weights": self.weights, "offload": self.offload, "vae_tiling": "true" if self.vae_tiling else "false"}
        defaults = {"weights": "bf16", "offload": "none", "vae_tiling": "false"}
        return {name: value for name, value in said.items() if value != defaults[name]}


SETTINGS = (
    Setting(weights="bf16", offload="none", vae_tiling=False),
    Setting(weights="bf16", offload="model", vae_tiling=False),
    Setting(weights="fp8", offload="model", vae_tiling=False),
    Setting(weights="fp8", offload="model", vae_tiling=True),
    Setting(weights="fp8", offload="blocks", vae_tiling=True),
)
"""From the fastest to the one that needs the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A proposal: a model of the catalogue, options of the engine, and why, in one sentence. `needs` is in bytes."""

    model: str
    options: Mapping[str, str]
    needs: float
    why: str

    def command(self) -> str:
        """The words for `wayframe run`."""
        options = "".join(f" --option {name}={value}" for name, value in self.options.items())
        return f"--engine wan --model {self.model}{options}"


def propose(machine: Machine, *, sizes: Mapping[str, float], here: Collection[str] = ()) -> Advice | None:
    """The best model that fits a machine, with the fastest options that fit; None when none does.

    `sizes` gives the bytes that a model's download takes; `here` names those that need none.
    """
    if machine.gpu is None:
        return None
    for name, shape in SHAPES.items():
        if not _fits_disk(name, machine=machine, sizes=sizes, here=here):
            continue
        for setting in SETTINGS:
            needs = gpu_bytes(shape, setting)
            if needs <= machine.gpu and _fits_memory(shape, setting, machine=machine):
                return Advice(model=name, options=setting.options(), needs=needs, why=_why(shape, setting, needs=needs))
    return None


def gpu_bytes(shape: Shape, setting: Setting) -> float:
    """The most memory of the GPU that a default trip takes, in bytes: the widest moment of text, steps and decoding."""
    per = _BYTES[setting.weights]
    expert, text = shape.parameters * per, _TEXT_PARAMETERS * 2
    step, decode = activation_bytes(shape), decode_bytes(tiled=setting.vae_tiling)
    if setting.offload == "none":
        return shape.experts * expert + text + _VAE_BYTES + max(step, decode) + RESERVE
    if setting.offload == "model":  # the expert stays while a segment is decoded: the next one needs it
        return max(text, expert + max(step, decode)) + _VAE_BYTES + RESERVE
    held = _BLOCKS_HELD / shape.blocks
    return max(text * _BLOCKS_HELD / _TEXT_BLOCKS, expert * held + step, decode) + _VAE_BYTES + RESERVE


def tokens() -> int:
    """How many tokens the transformer sees of a default segment: latents are 4x8x8 smaller, patches 1x2x2."""
    return ((FRAMES - 1) // 4 + 1) * (WIDTH // 16) * (HEIGHT // 16)


def activation_bytes(shape: Shape) -> float:
    """What one block of the transformer holds at its widest, in bytes; the attention matrix is never made whole."""
    return tokens() * 2.0 * (_LIVE * shape.width + shape.inner)


def decode_bytes(*, tiled: bool) -> float:
    """What the VAE's last stage holds for four frames, in bytes (float32); a tile has 256x256 pixels."""
    area = _TILE * _TILE if tiled else WIDTH * HEIGHT
    return 4.0 * _VAE_LIVE * _VAE_CHANNELS * _VAE_FRAMES * area


def _fits_disk(name: str, *, machine: Machine, sizes: Mapping[str, float], here: Collection[str]) -> bool:
    return name in here or machine.disk is None or (name in sizes and sizes[name] <= machine.disk)


def _fits_memory(shape: Shape, setting: Setting, *, machine: Machine) -> bool:
    """With blocks on their way, one expert or the text encoder lies in main memory, pinned."""
    if setting.offload != "blocks" or machine.memory is None:
        return True
    return _PINNED * max(shape.parameters * _BYTES[setting.weights], _TEXT_PARAMETERS * 2) <= machine.memory


def _why(shape: Shape, setting: Setting, *, needs: float) -> str:
    return ", ".join(_reasons(shape, setting)) + f": {needs / GIB:.1f} GiB of the GPU are taken (calculated)"


def _reasons(shape: Shape, setting: Setting) -> Iterator[str]:
    size = f"{shape.parameters * _BYTES[setting.weights] / GIB:.1f} GiB"
    if setting.offload == "none":
        yield "everything stays on the GPU"
    elif setting.offload == "model":
        yield f"one expert at a time is on the GPU, {size} in {setting.weights}"
    else:
        yield f"of an expert's {size} in {setting.weights} one block at a time is on the GPU"
    if setting.vae_tiling:
        yield "frames are decoded in tiles"
