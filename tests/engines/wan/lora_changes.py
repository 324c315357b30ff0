"""Random changes to a tiny transformer, the files that hold them in every form, and the same changes fused by hand."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from engines.wan.tiny import TinyKind, text_length
from wayframe.engines.wan.lora_keys import LoraModule, LoraWeights
from wayframe.engines.wan.lora_names import Kind, original_name, targets_of

RANK, ALPHA = 4, 2.0
LOW_RANK = frozenset({Kind.LINEAR, Kind.CONV})
ATTENTION = frozenset({"to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2", "add_k_proj", "add_v_proj"})


def changes(model: torch.nn.Module, *, seed: int, dense: bool = False, scale: float = 1.0) -> dict[str, LoraModule]:
    """A low-rank change of every layer that can have one; `dense`: differences of biases, norms and tables too."""
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw) * 0.2

    made = {}
    for name, target in targets_of(model).items():
        low = target.kind in LOW_RANK
        if low or dense:
            made[name] = LoraModule(
                target=target,
                a=random(RANK, *target.weight[1:]) if low else None,
                b=random(target.weight[0], RANK) if low else None,
                scale=scale,
                weight=None if low else random(*target.weight),
                bias=random(*target.bias) if dense and target.bias else None,
            )
    return made


def blocks_only(made: Mapping[str, LoraModule]) -> dict[str, LoraModule]:
    """The changes that most trainers make: attention and feed-forward layers of the blocks."""
    return {n: m for n, m in made.items() if "blocks" in n and any(n.endswith(f".{end}") for end in ATTENTION)}


def as_lora(made: Mapping[str, LoraModule]) -> LoraWeights:
    return LoraWeights(modules=made)


def fused(model: torch.nn.Module, *parts: tuple[Mapping[str, LoraModule], float]) -> torch.nn.Module:
    """A copy with the changes written into its weights, in the plainest way."""
    result = copy.deepcopy(model)
    parameters = dict(result.named_parameters())
    with torch.no_grad():
        for made, weight in parts:
            for name, change in made.items():
                table = change.target.kind is Kind.TABLE
                base = parameters[name if table else f"{name}.weight"]
                if change.a is not None and change.b is not None:
                    product = change.b @ change.a.flatten(1)
                    base += weight * change.scale * product.reshape(base.shape)
                if change.weight is not None:
                    base += weight * change.weight
                if change.bias is not None:
                    parameters[f"{name}.bias"] += weight * change.bias
    return result


def run(model: torch.nn.Module, kind: TinyKind = "t2v", *, size: int = 8) -> Tensor:
    """One forward on fixed random input, as the pipelines of that kind make it."""
    draw = torch.Generator().manual_seed(7)
    dtype = next(p.dtype for n, p in model.named_parameters() if n.startswith("proj_out") or "patch_embedding" in n)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(dtype)

    channels = {"i2v21": 36, "ti2v5b": 48}.get(kind, 16)
    given = {
        "hidden_states": random(1, channels, 3, size, size),
        "timestep": torch.full((1, 3 * (size // 2) ** 2), 500.0) if kind == "ti2v5b" else torch.tensor([500.0]),
        "encoder_hidden_states": random(1, text_length(kind, short=8), 32),
    }
    if kind == "i2v21":
        given["encoder_hidden_states_image"] = random(1, 17, 4)
    if kind == "vace21":
        given["control_hidden_states"] = random(1, 96, 3, size, size)
        given["control_hidden_states_scale"] = torch.ones(2)
    with torch.no_grad():
        return model(**given, return_dict=False)[0].float()


def dotted(
    made: Mapping[str, LoraModule], *, prefix: str = "", own: bool = True, words: tuple[str, str] = ("lora_A", "lora_B")
) -> dict[str, Tensor]:
    """Keys with dots: Wan's own names of the modules or those of diffusers, and the words for the two factors."""
    tensors: dict[str, Tensor | None] = {}
    for name, change in made.items():
        path = prefix + (original_name(name) if own else name)
        tensors[f"{path}.{words[0]}.weight"], tensors[f"{path}.{words[1]}.weight"] = change.a, change.b
        tensors[f"{path}.diff"], tensors[f"{path}.diff_b"] = change.weight, change.bias
        if change.scale != 1.0:
            tensors[f"{path}.alpha"] = torch.tensor(change.scale * RANK)
    return {key: tensor for key, tensor in tensors.items() if tensor is not None}


def flat(made: Mapping[str, LoraModule], *, prefix: str = "lora_unet_", own: bool = True) -> dict[str, Tensor]:
    """kohya's keys: underscores in place of the dots of a module's path."""
    result = {}
    for name, change in made.items():
        path = original_name(name) if own else name
        for key, tensor in dotted({name: change}, own=own, words=("lora_down", "lora_up")).items():
            result[prefix + path.replace(".", "_") + key.removeprefix(path)] = tensor
    return result


def saved(path: Path, tensors: Mapping[str, Tensor], *, metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    return path
