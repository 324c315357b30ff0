"""Random weights of RIFE, as its files are published: the same numbers every time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from wayframe.media.rife_net import RIFE_4_6, RIFE_4_25, Rife

Version = Literal["4.6", "4.25"]


def weights(version: Version) -> dict[str, Tensor]:
    """The weights by name, small, so that flows stay within a picture."""
    with torch.random.fork_rng():
        torch.manual_seed(46)
        net = Rife(RIFE_4_6 if version == "4.6" else RIFE_4_25)
    return {name: value.detach() for name, value in net.state_dict().items()}


def write_published(path: Path, version: Version) -> Path:
    """A file as published: names behind `module.`, and from 4.25 on with the parts that only training uses."""
    held = {f"module.{name}": value for name, value in weights(version).items()}
    if version == "4.25":
        held |= {"module.teacher.conv0.0.0.weight": torch.zeros(32, 31, 3, 3), "module.caltime.8.bias": torch.zeros(1)}
    if path.suffix == ".safetensors":
        save_file(held, path)
    else:
        torch.save(held, path)
    return path
