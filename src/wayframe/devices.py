"""Torch's devices by the names that options give them."""

from __future__ import annotations

import torch

from wayframe.errors import SpecError


def named_device(name: str) -> torch.device:
    """The device `cpu`, `mps`, `cuda` (the first) or `cuda:N`; `auto` is CUDA, else Apple's GPU, else the processor.

    Raises `SpecError` for one that is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device("cuda", 0) if name == "cuda" else torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SpecError("option device", f"torch sees {torch.cuda.device_count()} CUDA devices here", name)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SpecError("option device", "torch sees no Apple GPU here", name)
    return device
