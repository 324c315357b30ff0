"""What `wayframe doctor` proposes for this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from wayframe.core.advice import GB, GIB
from wayframe.store.home import Home, open_home
from wayframe.workflow.proposal import free_disk, gpu_memory, main_memory, proposal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home on a machine whose GPU PyTorch does not see, with an empty cache of the Hub."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return open_home(tmp_path / "home")


def install_smi(home: Home, *, says: str, code: int = 0) -> None:
    """Put a program nvidia-smi on the path that says so much memory for each GPU."""
    folder = home.root.parent / "bin"
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({says!r})\nsys.exit({code})\n")
    program.chmod(0o755)


def test_without_a_gpu_the_preview_is_proposed(home: Home) -> None:
    assert gpu_memory() is None
    assert proposal(home) == "no GPU is found; --engine preview needs none"


def test_the_largest_gpu_counts(home: Home) -> None:
    install_smi(home, says="8192\n24564")
    assert gpu_memory() == 24564 * 1024**2


@pytest.mark.parametrize(("says", "code"), [("no devices were found", 0), ("", 0), ("24564", 9)])
def test_a_broken_driver_is_no_gpu(home: Home, says: str, code: int) -> None:
    install_smi(home, says=says, code=code)
    assert gpu_memory() is None


def test_what_pytorch_sees_comes_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(home, says="8192")
    sizes = [16 * GIB, 48 * GIB]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(sizes))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(total_memory=sizes[number]))
    assert gpu_memory() == 48 * GIB


def test_a_gpu_gets_words_for_run_and_for_the_pull(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(home, says="24564")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=500 * GB))
    said = proposal(home)
    words = "--engine wan --model wan2.2-i2v-a14b --option weights=fp8 --option offload=model"
    assert said.startswith(f"a GPU with 24.0 GiB: {words} (one expert at a time is on the GPU")
    assert said.endswith("; first: wayframe models pull wan2.2-i2v-a14b")


def test_a_disk_for_no_model_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    install_smi(home, says="24564")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2 * GIB))
    assert proposal(home) == "a GPU with 24.0 GiB and 2 GiB of free disk take no model; --engine preview needs none"


def test_memory_and_disk_are_those_of_this_machine(home: Home) -> None:
    memory = main_memory()
    assert memory is not None
    assert memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert free_disk(home) > 0
