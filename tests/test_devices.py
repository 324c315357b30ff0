"""Devices by name, on a machine with whatever it has."""

from __future__ import annotations

import pytest
import torch

from wayframe.devices import named_device
from wayframe.errors import SpecError


def test_auto_names_what_is_here():
    device = named_device("auto")
    assert device == named_device(device.type)
    assert (device.type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize(("name", "says"), [("cuda:99", r"torch sees \d+ CUDA"), ("mps", "torch sees no Apple GPU")])
def test_a_device_that_is_not_here_is_refused(name: str, says: str):
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has an Apple GPU")
    with pytest.raises(SpecError, match=f"option device: {says}.*{name}"):
        named_device(name)
