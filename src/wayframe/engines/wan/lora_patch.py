"""LoRAs on a transformer: what they add is computed beside the base weights, which are never written.

A layer is linear in its parameters, so f(x; W + dW, b + db) = f(x; W, b) + f(x; dW, db): the original forward runs, and
what the LoRAs add to its result is added to it. That holds for whatever stores W: GGUF blocks, 8-bit floats,
bitsandbytes, weights that an offload hook brings in only inside the original forward. For many tokens and plain
weights on the device of the input it is cheaper to add B A to W in a temporary and multiply once: the low-rank pair
costs tokens * (in + out) * rank, the product B A costs in * out * rank, so the border does not depend on the rank.

Precision: weight and alpha go into B in float32 and are rounded once to the type of the input; `addmm` rounds W + B A
once. In float32 that is exact to rounding. In bfloat16 the merged weight is as fine as the base weight itself, which
is how LoRAs are merged everywhere; its result is about as far from float32 as that of the low-rank pair (measured in
benchmarks/lora_patch.py: 1.3 % and 1.2 % of what the LoRAs add, of which 0.8 % is the rounding of the output alone).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import torch
from diffusers.models.normalization import RMSNorm
from torch import Tensor
from torch.nn import Conv3d, LayerNorm, Linear, Module, Parameter, functional

from wayframe.engines.wan.lora_delta import Delta, combined
from wayframe.engines.wan.lora_keys import LoraModule, LoraWeights
from wayframe.engines.wan.lora_names import TABLE, Kind, Target, plain
from wayframe.errors import EngineError


class Patch:
    """Takes the place of one module's `forward`. Without an active LoRA it calls the original and does nothing else."""

    def __init__(self, module: Module, *, target: Target) -> None:
        self.module, self.target = module, target
        self.loras: dict[str, LoraModule] = {}
        self.active: dict[str, float] = {}
        self._idle = True  # asked instead of `active`, whose weights torch.compile would take for constants
        self._before = module.__dict__.get("forward")  # a hook's, or none
        self.original: Callable[..., Tensor] = module.forward
        self._changed = _CHANGED[target.kind]
        self._delta: Delta | None = None
        self._place: tuple[torch.device, torch.dtype] | None = None  # of the inputs that came last
        module.__dict__["forward"] = self.forward

    @property
    def hooked(self) -> bool:
        """Whether the original forward goes through a hook, which may still have to fetch or cast the weights."""
        return self._before is not None

    def weight(self, name: str) -> float:
        """The weight that the LoRA has in this module at its next forward."""
        return self.active.get(name, 0.0)

    def set(self, weights: Mapping[str, float]) -> None:
        """Give every LoRA of this module its weight; those that are not named get none."""
        active = {name: weights[name] for name in self.loras if weights.get(name)}
        if active == self.active:
            return
        self.active, self._delta, self._idle = active, None, not active
        if active and self._place:  # made here, not in the forward: a compiled one would be compiled again for it
            self._delta = self._sum(*self._place)

    def forward(self, *args: object, **kwargs: object) -> Tensor:
        """What the module gives with the active LoRAs."""
        if self._idle:
            return self.original(*args, **kwargs)
        return self._changed(self, *args, **kwargs)

    def delta(self, *, device: torch.device, dtype: torch.dtype) -> Delta:
        """What the active LoRAs add, made once for a device and type and kept until a weight changes."""
        held = self._delta
        if held is None or held.device != device or held.dtype != dtype:
            held = self._delta = self._sum(device, dtype)
            self._place = (device, dtype)
        return held

    def _sum(self, device: torch.device, dtype: torch.dtype) -> Delta:
        loras = [(self.loras[name], weight) for name, weight in self.active.items()]
        return combined(loras, device=device, dtype=dtype)

    def stands_in(self, module: Module | None) -> bool:
        """Whether a call of `module` comes here: its forward is ours, alone or inside the wrappers of hooks."""
        forward: object = None if module is None else module.forward
        while forward is not None:
            if getattr(forward, "__self__", None) is self:
                return module is self.module
            forward = getattr(forward, "__wrapped__", None)
        return False

    def remove(self) -> None:
        """Put the original forward back; inside a hook that was put on later, stay and only call it."""
        self.set({})
        self.loras = {}
        own = self.module.__dict__
        if getattr(own.get("forward"), "__self__", None) is not self:
            return
        if self._before is None:
            del own["forward"]
        else:
            own["forward"] = self._before


def _linear(patch: Patch, x: Tensor) -> Tensor:
    delta, module = patch.delta(device=x.device, dtype=x.dtype), patch.module
    if not isinstance(module, Linear) or patch.hooked or not _merges(module, x=x):
        return delta.added(patch.original(x), x=x)
    bias: Tensor | None = module.bias
    if delta.bias is not None:
        bias = delta.bias if bias is None else bias + delta.bias
    return functional.linear(x, delta.merged(module.weight), bias)


def _merges(linear: Linear, *, x: Tensor) -> bool:
    """Whether the weight is plain and at hand, and there are tokens enough for merging to pay."""
    weight, out, inner = linear.weight, linear.out_features, linear.in_features
    if type(linear) is not Linear or type(weight) is not Parameter:
        return False
    if weight.dtype != x.dtype or weight.device != x.device:
        return False
    return x.numel() // inner * (out + inner) > out * inner


def _conv(patch: Patch, x: Tensor) -> Tensor:
    delta, conv, out = patch.delta(device=x.device, dtype=x.dtype), patch.module, patch.original(x)
    weight = delta.dense(patch.target.weight)
    if weight is not None and isinstance(conv, Conv3d):
        out = out + functional.conv3d(x, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    return out if delta.bias is None else out + delta.bias.view(-1, 1, 1, 1)


def _norm(patch: Patch, x: Tensor) -> Tensor:
    delta, out = patch.delta(device=x.device, dtype=torch.float32), patch.original(x)
    total = out.float()
    if delta.weight is not None:
        total = total + _normed(patch.module, x=x.float(), weight=delta.weight)
    if delta.bias is not None:
        total = total + delta.bias
    return total.to(out.dtype)


def _normed(module: Module, *, x: Tensor, weight: Tensor) -> Tensor:
    if isinstance(module, LayerNorm):
        return functional.layer_norm(x, weight.shape, weight, eps=module.eps)
    eps = module.eps if isinstance(module, torch.nn.RMSNorm | RMSNorm) else None
    return functional.rms_norm(x, weight.shape, weight, eps=eps)


def _table(patch: Patch, *args: object, **kwargs: object) -> Tensor:
    """An attribute of the instance hides the parameter during the call; the parameter itself stays what it is."""
    device = next(value.device for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
    delta, table = patch.delta(device=device, dtype=torch.float32), patch.module.get_parameter(TABLE)
    attributes = patch.module.__dict__
    attributes[TABLE] = delta.merged(table.to(device).float()).to(table.dtype)
    try:
        return patch.original(*args, **kwargs)
    finally:
        del attributes[TABLE]


_CHANGED: Mapping[Kind, Callable[..., Tensor]] = {
    Kind.LINEAR: _linear,
    Kind.CONV: _conv,
    Kind.NORM: _norm,
    Kind.TABLE: _table,
}


class Patches:
    """All LoRAs of one expert."""

    def __init__(self, expert: Module) -> None:
        self._expert = plain(expert)
        self._patches: dict[str, Patch] = {}
        self._names: list[str] = []

    def names(self) -> tuple[str, ...]:
        """The attached LoRAs, in the order in which they came."""
        return tuple(self._names)

    def attach(self, name: str, lora: LoraWeights) -> None:
        """Add a LoRA that was read for this expert, with weight 0. EngineError for a name that is taken."""
        if name in self._names:
            raise EngineError(f"the LoRA {name} is attached already; detach first")
        modules = dict(self._expert.named_modules())
        for key, change in lora.modules.items():
            _check(change.target, key=key, modules=modules, lora=name)
        for key, change in lora.modules.items():
            if key not in self._patches:
                self._patches[key] = Patch(modules[change.target.module], target=change.target)
            self._patches[key].loras[name] = change
        self._names.append(name)

    def set(self, weights: Mapping[str, float]) -> None:
        """Give every attached LoRA its weight from the next forward on; those that are not named get 0.

        What the factors took on the device is freed; `set({})` frees all of it. EngineError for an unknown name.
        """
        unknown = weights.keys() - set(self._names)
        if unknown:
            raise EngineError(f"no LoRA {min(unknown)} is attached; there are: {', '.join(self._names) or 'none'}")
        for patch in self._patches.values():
            patch.set(weights)

    def read(self) -> tuple[dict[str, float], dict[str, tuple[int, int]]]:
        """For each LoRA the weight that most of its modules hold, and (modules that hold it, modules attached).

        Asked of the modules as they are now: one whose patch was taken off or replaced holds nothing.
        """
        modules = dict(self._expert.named_modules())
        live = [patch for patch in self._patches.values() if patch.stands_in(modules.get(patch.target.module))]
        weights, counts = {}, {}
        for name in self._names:
            held = Counter(patch.weight(name) for patch in live if name in patch.loras)
            weights[name], holding = held.most_common(1)[0] if held else (0.0, 0)
            counts[name] = (holding, sum(name in patch.loras for patch in self._patches.values()))
        return weights, counts

    def detach(self) -> None:
        """Take all LoRAs off; every module has its own forward again."""
        for patch in reversed(self._patches.values()):
            patch.remove()
        self._patches, self._names = {}, []


def _check(target: Target, *, key: str, modules: Mapping[str, Module], lora: str) -> None:
    if target.module not in modules:
        raise EngineError(f"the LoRA {lora} was read for another model: this one has no {target.module}")
    if target.kind is Kind.TABLE and modules[target.module].get_parameter(TABLE).is_meta:
        raise EngineError(f"the LoRA {lora} changes {key}, which is offloaded: attach it before offloading")
