"""What an expert is really given at each forward, read by hooks on the modules themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from torch import nn
from torch.utils.hooks import RemovableHandle

from wayframe.errors import EngineError


class LoraState(Protocol):
    """The LoRAs on an expert."""

    def read(self) -> tuple[Mapping[str, float], Mapping[str, tuple[int, int]]]:
        """The weight of each LoRA as its modules hold it, and how many hold it out of those that it is attached to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One forward: which expert ran, at what timestep (the highest of its tokens), and the LoRAs on it just then."""

    expert: str
    timestep: float
    loras: Mapping[str, float]
    modules: Mapping[str, tuple[int, int]]


class ReadBack:
    """Sees every forward of the experts that it watches; `count` hears `forwards`."""

    def __init__(self, *, count: Callable[[str], None]) -> None:
        self._count = count
        self._hooks: WeakKeyDictionary[nn.Module, RemovableHandle] = WeakKeyDictionary()
        self._seen: list[Forward] = []

    def watch(self, module: nn.Module, *, expert: str, loras: LoraState) -> None:
        """See the forwards of an expert from now on, under the name `expert`."""

        def see(_: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            del args
            weights, modules = loras.read()
            timestep = float(given["timestep"].max())
            self._seen.append(Forward(expert=expert, timestep=timestep, loras=weights, modules=modules))
            self._count("forwards")

        self.forget(module)
        self._hooks[module] = module.register_forward_pre_hook(see, with_kwargs=True)

    def forget(self, module: nn.Module) -> None:
        """Watch an expert no more."""
        hook = self._hooks.pop(module, None)
        if hook is not None:
            hook.remove()

    def take(self) -> tuple[Forward, ...]:
        """The forwards since this was last asked."""
        seen, self._seen = tuple(self._seen), []
        return seen


def agreed(forwards: Sequence[Forward], *, step: int) -> Forward:
    """What all forwards of one step were given; `EngineError` when it was not the same, or when there was none."""
    if not forwards:
        raise EngineError(f"step {step}: no forward of an expert was seen; its modules were replaced")
    first = forwards[0]
    for other in forwards[1:]:
        for name in (field.name for field in fields(Forward)):
            one, two = getattr(first, name), getattr(other, name)
            if one != two:
                raise EngineError(f"step {step}: its forwards disagree: {name} was {one}, then {two}")
    return first
