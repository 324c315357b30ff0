"""What is counted."""

from __future__ import annotations

import sys

import pytest
import torch

from wayframe.engines.wan.tally import Tally, peak_memory

no_peak = pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")


def test_counts_are_sums_by_name() -> None:
    tally = Tally()
    tally.add("forwards")
    tally.add("forwards", 7)
    tally.add("bytes_moved", 28_000_000_000)
    counts = tally.as_counts()
    assert (counts["forwards"], counts["bytes_moved"]) == (8, 28_000_000_000)
    assert list(counts) == sorted(counts)


@no_peak
def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory(torch.device("cpu"))
    assert before is not None
    held = torch.ones(before // 8 + 2**26, dtype=torch.float64)  # more than all that was ever held
    assert Tally().as_counts()["peak_memory_bytes"] >= held.nbytes
