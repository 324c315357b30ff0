"""How the tensors of a LoRA file are called, and which module of a Wan transformer of diffusers each of them means.

A key is a prefix, the path of a module, and a part::

    transformer.blocks.0.attn1.to_q.lora_A.weight           diffusers and peft
    diffusion_model.blocks.0.self_attn.q.lora_down.weight   lightx2v, ComfyUI: Wan's own names
    blocks.0.self_attn.q.lora_A.default.weight              DiffSynth
    lora_unet_blocks_0_self_attn_q.lora_down.weight         kohya (VideoX-Fun writes lora_unet__)

Paths are looked up among the modules that the model has, under the names of diffusers, of the original repository and
of both with underscores; nothing is guessed from the text of a key. The pairs of names are those of diffusers'
`convert_wan_transformer_to_diffusers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from diffusers.models.normalization import RMSNorm

TABLE = "scale_shift_table"
"""The parameter of a block, and of the whole transformer, that Wan's own code calls `modulation`."""


class Kind(StrEnum):
    """How a module uses what a LoRA changes."""

    LINEAR = "linear"
    CONV = "conv"
    NORM = "norm"
    TABLE = "table"


class Part(StrEnum):
    """What a tensor of a LoRA is for its module."""

    A = "A"
    B = "B"
    B_BIAS = "bias of B"
    ALPHA = "alpha"
    WEIGHT = "weight difference"
    BIAS = "bias difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a LoRA may change in a model: a module, or the modulation table of one.

    `module` is the name in `named_modules`; `weight` and `bias` are the shapes of the unpacked parameters (a quantised
    layer holds bytes of another shape), `bias` None where a difference of it has no place.
    """

    module: str
    kind: Kind
    weight: tuple[int, ...]
    bias: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A key taken apart; `second`: it was written for the low-noise expert (`transformer_2.`) of a pipeline."""

    path: str
    part: Part
    second: bool = False


def plain(model: torch.nn.Module) -> torch.nn.Module:
    """The module itself where `torch.compile` has wrapped it."""
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, torch.nn.Module) else model


def targets_of(model: torch.nn.Module) -> dict[str, Target]:
    """Everything in a model that a LoRA may change, by its name in diffusers."""
    found = {}
    for name, module in plain(model).named_modules():
        target = _target(module, name=name)
        if target:
            found[name] = target
        table = module._parameters.get(TABLE)
        if table is not None:
            found[f"{name}.{TABLE}".lstrip(".")] = Target(
                module=name, kind=Kind.TABLE, weight=tuple(table.shape), bias=None
            )
    return found


def _target(module: torch.nn.Module, *, name: str) -> Target | None:
    shape: tuple[int, ...]
    match module:
        case torch.nn.Linear():
            shape = (module.out_features, module.in_features)
            return Target(module=name, kind=Kind.LINEAR, weight=shape, bias=shape[:1])
        case torch.nn.Conv3d():
            shape = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
            return Target(module=name, kind=Kind.CONV, weight=shape, bias=shape[:1])
        case torch.nn.LayerNorm() if module.elementwise_affine:
            return Target(module=name, kind=Kind.NORM, weight=module.normalized_shape, bias=module.normalized_shape)
        case torch.nn.RMSNorm() | RMSNorm() if isinstance(module.weight, torch.Tensor):
            return Target(module=name, kind=Kind.NORM, weight=tuple(module.weight.shape), bias=None)
    return None


def paths_of(targets: Mapping[str, Target]) -> dict[str, str]:
    """Every path under which a file may mean a target -> the target's name in diffusers."""
    paths = {}
    for name in targets:
        for path in (name, original_name(name)):
            paths[path] = paths[path.replace(".", "_")] = name
    return paths


_ORIGINAL = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
        (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
        (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
        (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
        (r"^condition_embedder\.time_proj$", "time_projection.1"),
        (r"^condition_embedder\.image_embedder\.norm1$", "img_emb.proj.0"),
        (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj$", "img_emb.proj.1"),
        (r"^condition_embedder\.image_embedder\.ff\.net\.2$", "img_emb.proj.3"),
        (r"^condition_embedder\.image_embedder\.norm2$", "img_emb.proj.4"),
        (rf"^{TABLE}$", "head.modulation"),
        (r"^proj_out$", "head.head"),
        (rf"\.{TABLE}$", ".modulation"),
        (r"\.attn1\.", ".self_attn."),
        (r"\.attn2\.", ".cross_attn."),
        (r"\.to_out\.0$", ".o"),
        (r"\.to_([qkv])$", r".\1"),
        (r"\.add_([kv])_proj$", r".\1_img"),
        (r"\.norm_added_k$", ".norm_k_img"),
        (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
        (r"\.ffn\.net\.2$", ".ffn.2"),
        (r"\.norm2$", ".norm3"),  # the norm before cross attention; the other two have no weights
        (r"\.proj_in$", ".before_proj"),
        (r"\.proj_out$", ".after_proj"),
    )
)


def original_name(name: str) -> str:
    """The name in Wan's own code of a module that diffusers calls `name`; the same where both agree."""
    for pattern, original in _ORIGINAL:
        name = pattern.sub(original, name)
    return name


_DOTTED = (
    *("base_model.model.", "model.diffusion_model.", "diffusion_model.", "pipe.dit."),
    *("transformer.", "transformer_2."),
)
_FLAT = ("lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_")
_KEY = re.compile(
    r"(?P<path>.+?)\.(?:"
    r"(?P<factor>lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up)(?:\.[^.]+)?\.(?P<what>weight|bias)"
    r"|(?P<plain>alpha|diff_m|diff_b|diff))"
)
_PARTS = {
    **dict.fromkeys(("lora_A.weight", "lora_down.weight", "lora.down.weight"), Part.A),
    **dict.fromkeys(("lora_B.weight", "lora_up.weight", "lora.up.weight"), Part.B),
    **dict.fromkeys(("lora_B.bias", "lora_up.bias", "lora.up.bias"), Part.B_BIAS),
    "alpha": Part.ALPHA,
    "diff": Part.WEIGHT,
    "diff_m": Part.WEIGHT,  # lightx2v: `blocks.0.diff_m` is a difference of `blocks.0.modulation`
    "diff_b": Part.BIAS,
}


def parse_key(key: str) -> Name | None:
    """A key taken apart; None when it has no part that is known."""
    found = _KEY.fullmatch(key)
    part = _PARTS.get(found["plain"] or f"{found['factor']}.{found['what']}") if found else None
    if not found or not part:
        return None
    path, prefixes = _bare(found["path"])
    if found["plain"] == "diff_m":
        path += "_modulation" if prefixes and prefixes[-1] in _FLAT else ".modulation"
    return Name(path=path, part=part, second="transformer_2." in prefixes)


def _bare(path: str) -> tuple[str, tuple[str, ...]]:
    """A path without what stands before it, and what stood there."""
    prefixes = tuple(_prefixes(path))
    return path.removeprefix("".join(prefixes)), prefixes


def _prefixes(path: str) -> Iterator[str]:
    while True:
        prefix = next((p for p in (*_DOTTED, *_FLAT) if path.startswith(p)), None)
        if prefix is None:
            return
        yield prefix
        path = path.removeprefix(prefix)
