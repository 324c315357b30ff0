"""Where weights are: on the device, in main memory, or on their way block by block."""

from __future__ import annotations

from itertools import chain

import torch
from diffusers.hooks import apply_group_offloading

from wayframe.devices import named_device
from wayframe.engines.wan.loading import quiet
from wayframe.engines.wan.options import WanOptions
from wayframe.engines.wan.tally import Tally
from wayframe.errors import SpecError

_ONLY_CUDA = frozenset({"cudnn", "efficient", "flash", "flash3", "sage", "xformers"})


def pick_device(options: WanOptions) -> torch.device:
    """The device that `options` name; `auto` is CUDA, else Apple's GPU, else the processor.

    Raises `SpecError` for a device that is not here, or an option that it cannot do.
    """
    device = named_device(options.device)
    if options.attention in _ONLY_CUDA and device.type != "cuda":
        raise SpecError("option attention", f"needs CUDA, but the device is {device}", options.attention)
    if options.weights == "fp8" and device.type == "mps":
        raise SpecError("option weights", "float8 needs CUDA or the processor, but the device is mps", "fp8")
    return device


def use(device: torch.device) -> None:
    """Make a CUDA device the current one of this thread: diffusers' streams and some kernels look at no other."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def weight_bytes(module: torch.nn.Module) -> int:
    """The bytes of all weights and buffers, in the dtype that they are held in."""
    return sum(tensor.nbytes for tensor in chain(module.parameters(), module.buffers()))


def stream_blocks(module: torch.nn.Module, *, device: torch.device, tally: Tally) -> None:
    """Hold a transformer in main memory; its forward brings one block after the other to the device.

    On CUDA the next block is fetched by a stream of its own while one is computed, from pinned memory.
    """
    _stream(module, device=device, tally=tally, offload_type="block_level", num_blocks_per_group=1)


def stream_layers(module: torch.nn.Module, *, device: torch.device, tally: Tally) -> None:
    """The same for a module whose blocks lie deeper, layer by layer."""
    _stream(module, device=device, tally=tally, offload_type="leaf_level")


def _stream(module: torch.nn.Module, *, device: torch.device, tally: Tally, **settings: str | int) -> None:
    with quiet():
        apply_group_offloading(module, onload_device=device, use_stream=device.type == "cuda", **settings)
    if device.type != "cpu":  # there nothing moves
        amount = weight_bytes(module)
        module.register_forward_pre_hook(lambda *_: tally.add("bytes_moved", amount))
