"""The GPUs of this machine, by the names that CUDA takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress

VISIBLE = "CUDA_VISIBLE_DEVICES"
_SECONDS = 10


def gpus() -> tuple[str, ...]:
    """Those of CUDA_VISIBLE_DEVICES where it is set, else all that nvidia-smi lists; empty when there are none."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() and name.strip() != "-1")
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    with suppress(OSError, subprocess.SubprocessError):
        command = [program, "--query-gpu=index", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
        return tuple(said.split())
    return ()
