"""The experts with their LoRAs, made ready one after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import nn

from wayframe.engines.base import LoraFile
from wayframe.engines.wan.components import Components
from wayframe.engines.wan.layout import ExpertName, Layout
from wayframe.engines.wan.lora_keys import read_lora
from wayframe.engines.wan.lora_patch import Patches
from wayframe.engines.wan.readback import ReadBack
from wayframe.engines.wan.sampler import Expert
from wayframe.errors import EngineError
from wayframe.files import sha256_file


class Experts:
    """Experts of a model, watched by `readback`; `files` maps the plan's ids of LoRAs to their files.

    LoRAs are attached in the order of their contents: the order decides the last bit of a sum, and neither a file's
    name nor what was rendered before may decide it.
    """

    def __init__(self, *, components: Components, files: Mapping[str, LoraFile], readback: ReadBack) -> None:
        self._components, self._files, self._readback = components, files, readback
        self._ready: dict[ExpertName, tuple[Expert, Patches]] = {}
        self._digests: dict[str, str] = {}
        self._left_out: dict[str, dict[str, None]] = {}

    @property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """What of each LoRA that was attached in part does not fit the experts that it was attached to."""
        return {lora: tuple(names) for lora, names in self._left_out.items()}

    def ready(self, name: ExpertName, *, loras: Collection[str]) -> tuple[Expert, Patches]:
        """The expert on the device with at least these LoRAs attached.

        Where experts exclude each other on the device, the others are let go first. Raises `SpecError` for a LoRA that
        does not fit, and `EngineError` for a model that cannot be loaded.
        """
        self.make_way(keep=name)
        module = self._components.expert(name)
        if name not in self._ready or self._ready[name][0].module is not module:
            self._ready[name] = self._watched(name, module)
        expert, patches = self._ready[name]
        self._attach(expert, patches, loras=loras)
        return expert, patches

    def make_way(self, *, keep: ExpertName | None = None) -> None:
        """Let all other experts go where the large parts exclude each other on the device: another one is coming."""
        if self._components.options.offload != "none":
            for other in [held for held in self._ready if held != keep]:
                self._let_go(other)

    def close(self) -> None:
        """Let all experts go."""
        for name in list(self._ready):
            self._let_go(name)

    def _watched(self, name: ExpertName, module: nn.Module) -> tuple[Expert, Patches]:
        patches = Patches(module)
        self._readback.watch(module, expert=told_name(module, layout=self._components.layout) or name, loras=patches)
        patch = self._components.layout.transformer.patch_size
        expert = Expert(name=name, module=module, patch=patch, dtype=self._components.dtype, loras=patches)
        return expert, patches

    def _attach(self, expert: Expert, patches: Patches, *, loras: Collection[str]) -> None:
        attached = patches.names()
        if set(loras) <= set(attached):
            return
        patches.detach()
        for lora in sorted({*attached, *loras}, key=self._digest):
            file = self._files[lora]
            weights = read_lora(file.path, model=expert.module, expert=expert.name, partial=file.partial)
            patches.attach(lora, weights)
            if weights.unmatched:
                self._left_out.setdefault(lora, {}).update(dict.fromkeys(weights.unmatched))

    def _digest(self, lora: str) -> str:
        if lora not in self._digests:
            try:
                self._digests[lora] = sha256_file(self._files[lora].path)
            except OSError as error:
                raise EngineError(f"LoRA {lora} cannot be read ({error.strerror}); look for its file") from error
        return self._digests[lora]

    def _let_go(self, name: ExpertName) -> None:
        """Keep nothing of an expert: its memory could not be freed."""
        expert, patches = self._ready.pop(name)
        patches.detach()
        self._readback.forget(expert.module)


def told_name(module: nn.Module, *, layout: Layout) -> ExpertName | None:
    """The expert that a transformer says it was read as, by the folder in its config; None where it says nothing."""
    config = getattr(module, "config", {})
    folder = Path(str(config.get("_name_or_path", ""))).name
    return next((name for name, component in layout.transformers.items() if component == folder), None)
