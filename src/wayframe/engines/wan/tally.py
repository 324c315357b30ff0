"""What the engine counts while it works, for the record."""

from __future__ import annotations

import sys
from collections import Counter

import torch

if sys.platform == "win32":

    def _resident_peak() -> int | None:
        return None  # the standard library does not tell

else:
    import resource

    def _resident_peak() -> int | None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


class Tally:
    """Counts by name; one is shared by all parts of an engine.

    `expert_loads` are transformers that were read from the disk or moved to the device, `bytes_moved` the bytes of all
    weights that were; `text_encodes`, `image_encodes`, `vae_encodes`, `vae_decodes` and `forwards` are calls.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._counts: Counter[str] = Counter()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of `name`."""
        self._counts[name] += amount

    def as_counts(self) -> dict[str, int]:
        """What was counted, sorted by name, and `peak_memory_bytes` where it can be told."""
        peak = peak_memory(self._device)
        counts = self._counts if peak is None else self._counts | Counter(peak_memory_bytes=peak)
        return dict(sorted(counts.items()))


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that were in use at once.

    On CUDA those that tensors took on the device since the tally began; elsewhere what the whole process had in main
    memory since it began (getrusage(2): kilobytes, on macOS bytes). None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _resident_peak()
