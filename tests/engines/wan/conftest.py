"""The tests of the Wan engine need the extra `wan`; without it they are left out."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("diffusers") else ["test_*.py"]

if find_spec("torch"):
    import torch

    torch.set_num_threads(1)  # the workers of a session share the cores
