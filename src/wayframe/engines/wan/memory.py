"""Memory that ran out, and memory that is given back."""

from __future__ import annotations

import gc

import torch

_WORDS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "status_alloc_failed",  # cuBLAS and cuDNN, of their own work space
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that device or main memory did not suffice; not all of them have a class of their own."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in said for word in _WORDS)


def free_memory(device: torch.device) -> None:
    """Give what nobody refers to any more back to the system; offloading hooks make cycles, so collect them.

    On CUDA main memory that was pinned too, where torch knows how: it keeps whole experts of it otherwise.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        getattr(torch.accelerator, "empty_host_cache", _nothing)()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _nothing() -> None:
    """For a torch without such a function."""
