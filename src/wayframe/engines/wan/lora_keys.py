"""Reading a LoRA for one transformer: every tensor of the file must fit a module of the model, or the user hears of it.

diffusers drops what it does not know: norm differences, modulation, whole files whose keys have another form (effect
exactly 0, one warning). Here nothing is dropped unless the spec agrees (`partial: true`), and then it is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch

from wayframe.engines.wan.lora_file import LoraTensors, Scaling, open_lora
from wayframe.engines.wan.lora_names import Kind, Part, Target, parse_key, paths_of, targets_of
from wayframe.errors import SpecError

_NAMED = 3
_PARTIAL = (
    "write `partial: true` at this LoRA to use the modules that fit (one of a bundle or preset: name its file under "
    "`loras` for that), or take a LoRA made for this model"
)
_OTHER = "take a LoRA made for this model"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraModule:
    """What a LoRA of weight 1 adds to one module: `scale * b @ a + weight` to its weight, `bias` to its bias.

    `a` is (rank, in, ...) and `b` (out, rank), both or none; `weight` and `bias` have the shapes of the parameters.
    `scale` is alpha / rank. The tensors are on the CPU as the file stores them.
    """

    target: Target
    a: torch.Tensor | None = None
    b: torch.Tensor | None = None
    scale: float = 1.0
    weight: torch.Tensor | None = None
    bias: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraWeights:
    """A LoRA that fits a model: what it adds, by the name of the module; `unmatched` names what was left out."""

    modules: Mapping[str, LoraModule]
    unmatched: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sorted:
    """The keys of a file: by target and part, and what does not fit with the reason."""

    parts: dict[str, dict[Part, str]] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)
    second: bool = False

    def put(self, key: str, *, name: str, part: Part) -> None:
        """Sort a key in; of two that mean the same, the first is kept."""
        parts = self.parts.setdefault(name, {})
        if part in parts:
            self.misfits[key] = f"a second {part} for {name}"
        else:
            parts[part] = key


def read_lora(path: Path, *, model: torch.nn.Module, expert: str = "only", partial: bool = False) -> LoraWeights:
    """The LoRA in a .safetensors file for this transformer; `lora_names` shows the forms of keys that are known.

    Where the file holds both transformers of a pipeline (`transformer.`, `transformer_2.`), `expert` `low` takes the
    second and any other the first. Alpha comes from the file's `.alpha` tensors or from the peft configuration in its
    metadata; without either, alpha is the rank. A LoRA may cover as few modules as it likes.

    SpecError for a file that is not safetensors or damaged; for keys that are unknown, modules that this model does
    not have, shapes that differ, an A without a B, numbers that are not finite: with `partial`, what does not fit is
    left out and named in `unmatched`. A file of which nothing fits is an error in any case.
    """
    targets, field = targets_of(model), f"LoRA {path.name}"
    with open_lora(path) as tensors:
        keys = _sort(tensors, paths=paths_of(targets), low=expert == "low")
        scaling = tensors.scaling(second=keys.second)
        modules = {}
        for name, parts in keys.parts.items():
            reader = _Module(name=name, target=targets[name], parts=parts, tensors=tensors, scaling=scaling)
            reason = reader.misfit()
            if reason:
                keys.misfits[name] = reason
            else:
                modules[name] = reader.read()
    keys.misfits |= {name: "holds numbers that are not finite" for name, lora in modules.items() if not _finite(lora)}
    fitting = {name: lora for name, lora in modules.items() if name not in keys.misfits}
    _judge(keys.misfits, fitting=len(fitting), field=field, partial=partial)
    return LoraWeights(modules=MappingProxyType(fitting), unmatched=tuple(keys.misfits))


def _sort(tensors: LoraTensors, *, paths: Mapping[str, str], low: bool) -> _Sorted:
    names = {key: parse_key(key) for key in tensors.keys}
    seconds = {name.second for name in names.values() if name}
    found = _Sorted(second=low if len(seconds) > 1 else True in seconds)
    for key, name in names.items():
        if name is None:
            found.misfits[key] = "unknown key"
        elif name.second != found.second:
            continue
        elif name.path in paths:
            found.put(key, name=paths[name.path], part=name.part)
        else:
            found.misfits[name.path] = "not in the model"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """The keys of one module of the file."""

    name: str
    target: Target
    parts: Mapping[Part, str]
    tensors: LoraTensors
    scaling: Scaling

    def misfit(self) -> str | None:
        """Why these tensors cannot be used for this module; None when they can."""
        wrong = next((key for key in self.parts.values() if not self.tensors.is_float(key)), None)
        if wrong:
            return f"{wrong} does not hold floating-point numbers"
        if (Part.A in self.parts) != (Part.B in self.parts):
            return "A without B" if Part.A in self.parts else "B without A"
        if Part.A not in self.parts and Part.B_BIAS in self.parts:
            return "a bias of B without B"
        if not self.parts.keys() - {Part.ALPHA}:
            return "alpha alone"
        return next(self._wrong_shapes(), None)

    def _wrong_shapes(self) -> Iterator[str]:
        shapes = {part: self.tensors.shape(key) for part, key in self.parts.items()}
        rank = shapes[Part.A][0] if shapes.get(Part.A) else 0
        for part, shape in shapes.items():
            wanted = self._wanted(part, rank=rank)
            if not wanted:
                yield f"has no {part}"
            elif shape not in wanted:
                yield f"{part} is {_times(shape)}, not {_times(wanted[0])}"

    def _wanted(self, part: Part, *, rank: int) -> tuple[tuple[int, ...], ...]:
        """The shapes that a part may have; none: this kind of module has no such part."""
        weight, bias = self.target.weight, self.target.bias
        low_rank = self.target.kind in (Kind.LINEAR, Kind.CONV)
        match part:
            case Part.A:
                return ((max(rank, 1), *weight[1:]),) if low_rank else ()
            case Part.B:
                return ((weight[0], rank), (weight[0], rank, *(1 for _ in weight[2:]))) if low_rank else ()
            case Part.ALPHA:
                return (), (1,)
            case Part.WEIGHT:
                return (weight,)
        return (bias,) if bias else ()

    def read(self) -> LoraModule:
        """The module's tensors; a bias that belongs to B is scaled as B is."""
        held = {part: self.tensors.read(key) for part, key in self.parts.items()}
        scale = 1.0
        if Part.A in held:
            rank = len(held[Part.A])
            alpha = held.get(Part.ALPHA)
            scale = self.scaling.of(self.name, rank=rank) if alpha is None else float(alpha) / rank
        b, bias, of_b = held.get(Part.B), held.get(Part.BIAS), held.get(Part.B_BIAS)
        if of_b is not None:
            bias = of_b.float() * scale + (0 if bias is None else bias.float())
        return LoraModule(
            target=self.target,
            a=held.get(Part.A),
            b=None if b is None else b.flatten(1),
            scale=scale,
            weight=held.get(Part.WEIGHT),
            bias=bias,
        )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _finite(lora: LoraModule) -> bool:
    tensors = (lora.a, lora.b, lora.weight, lora.bias)
    return math.isfinite(lora.scale) and all(bool(t.isfinite().all()) for t in tensors if t is not None)


def _judge(misfits: Mapping[str, str], *, fitting: int, field: str, partial: bool) -> None:
    if fitting and (partial or not misfits):
        return
    if not fitting and not misfits:
        raise SpecError(field, "holds no tensors", fix=_OTHER)
    shown = ", ".join(f"{name} ({reason})" for name, reason in list(misfits.items())[:_NAMED])
    more = f" and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else ""
    if not fitting:
        raise SpecError(field, f"nothing in it fits the model: {shown}{more}", fix=_OTHER)
    counted = f"{len(misfits)} of {len(misfits) + fitting} modules"
    raise SpecError(field, f"{counted} do not fit the model: {shown}{more}", fix=_PARTIAL)
