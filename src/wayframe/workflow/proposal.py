"""Which model and options suit this machine: what is here, looked at, and put to `core.advice`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

from wayframe.core.advice import GB, GIB, Machine, propose
from wayframe.core.catalogue import Catalogue
from wayframe.store import hub
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home
from wayframe.store.weights import find_weights

MIB = 1024**2
_SECONDS = 10


def proposal(home: Home) -> str:
    """What to run on this machine, in one line: the words for `wayframe run`, and what must be brought first."""
    catalogue = load_catalogue(home)
    here = [name for name, model in catalogue.models.items() if find_weights(model, home=home)]
    machine = Machine(gpu=gpu_memory(), disk=free_disk(home), memory=main_memory())
    if machine.gpu is None:
        return "no GPU is found; --engine preview needs none"
    advice = propose(machine, sizes=_sizes(catalogue), here=here)
    found = f"a GPU with {machine.gpu / GIB:.1f} GiB"
    if advice is None:
        return (
            f"{found} and {(machine.disk or 0) / GIB:.0f} GiB of free disk take no model; --engine preview needs none"
        )
    first = "" if advice.model in here else f"; first: wayframe models pull {advice.model}"
    return f"{found}: {advice.command()} ({advice.why}){first}"


def _sizes(catalogue: Catalogue) -> dict[str, float]:
    return {name: model.size_gb * GB for name, model in catalogue.models.items() if model.size_gb is not None}


def gpu_memory() -> float | None:
    """The memory of the largest GPU in bytes, as PyTorch sees it, else as nvidia-smi says; None without one."""
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            devices = range(torch.cuda.device_count())
            return float(max(torch.cuda.get_device_properties(number).total_memory for number in devices))
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
        return max(float(line) for line in said.split()) * MIB
    return None


def main_memory() -> float | None:
    """The main memory of this machine in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    with suppress(ValueError, OSError):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return None


def free_disk(home: Home) -> float:
    """The free bytes of the disk that weights are pulled to: that of the Hub's cache, else of the home folder."""
    wanted = hub.cache_folder() or home.root
    place = next(path for path in (wanted, *wanted.absolute().parents) if path.exists())
    return float(shutil.disk_usage(place).free)
