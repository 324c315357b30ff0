"""What the active LoRAs of one module add to its parameters, on the device and in the type of its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from wayframe.engines.wan.lora_keys import LoraModule


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What all active LoRAs together add to a module: `b @ a + weight` and `bias`; what is None adds nothing."""

    a: Tensor | None = None
    b: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    device: torch.device
    dtype: torch.dtype

    def merged(self, base: Tensor) -> Tensor:
        """`base` with this added, in a new tensor."""
        if self.weight is not None:
            base = base + self.weight
        return base if self.a is None or self.b is None else torch.addmm(base, self.b, self.a)

    def added(self, out: Tensor, *, x: Tensor) -> Tensor:
        """What a linear layer gave for `x`, with this added to it."""
        if self.a is not None and self.b is not None:
            inner = functional.linear(x, self.a)
            flat = torch.addmm(out.reshape(-1, out.shape[-1]), inner.reshape(-1, inner.shape[-1]), self.b.t())
            out = flat.view(out.shape)
        if self.weight is not None:
            out = out + functional.linear(x, self.weight)
        return out if self.bias is None else out + self.bias

    def dense(self, shape: Sequence[int]) -> Tensor | None:
        """`b @ a + weight` in the shape of the parameter; None when only the bias changes."""
        if self.a is None or self.b is None:
            return self.weight
        product = (self.b @ self.a.flatten(1)).view(*shape)
        return product if self.weight is None else product + self.weight


def combined(loras: Sequence[tuple[LoraModule, float]], *, device: torch.device, dtype: torch.dtype) -> Delta:
    """The sum of LoRAs times their weights; factors are stacked, so that the rank is the sum of the ranks."""

    def scaled(tensor: Tensor, *, factor: float) -> Tensor:
        return tensor.to(device, torch.float32) * factor

    a = [lora.a.to(device, dtype) for lora, _ in loras if lora.a is not None]
    b = [scaled(lora.b, factor=weight * lora.scale).to(dtype) for lora, weight in loras if lora.b is not None]
    weights = [scaled(lora.weight, factor=weight) for lora, weight in loras if lora.weight is not None]
    biases = [scaled(lora.bias, factor=weight) for lora, weight in loras if lora.bias is not None]
    return Delta(
        a=torch.cat(a) if a else None,
        b=torch.cat(b, 1) if b else None,
        weight=torch.stack(weights).sum(0).to(dtype) if weights else None,
        bias=torch.stack(biases).sum(0).to(dtype) if biases else None,
        device=device,
        dtype=dtype,
    )
