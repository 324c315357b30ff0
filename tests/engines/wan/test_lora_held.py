"""LoRAs on an expert that is moved, streamed, compiled or held in other weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engines.wan.test_components import opened, velocity
from engines.wan.test_loading import weights_of, write_gguf
from engines.wan.tiny import TinyModels
from wayframe.engines.wan.components import Components
from wayframe.engines.wan.lora_keys import read_lora
from wayframe.engines.wan.lora_patch import Patches

RANK, WIDTH = 4, 24
MODULES = [f"blocks.{block}.{layer}" for block in (0, 1) for layer in ("attn1.to_q", "attn2.to_v", "attn1.to_out.0")]


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    generator, weights = torch.Generator().manual_seed(9), {}
    for module in MODULES:
        weights[f"transformer.{module}.lora_A.weight"] = torch.randn(RANK, WIDTH, generator=generator)
        weights[f"transformer.{module}.lora_B.weight"] = torch.randn(WIDTH, RANK, generator=generator)
    save_file(weights, tmp_path / "lora.safetensors")
    return tmp_path / "lora.safetensors"


@torch.no_grad()
def velocities(parts: Components, lora: Path, *, weights: tuple[float, ...] = (0.0, 0.5, 1.0, 0.0)) -> torch.Tensor:
    """What the expert says with the LoRA at each weight in turn."""
    expert = parts.expert(parts.experts[0])
    patches, said = Patches(expert), []
    patches.attach("a", read_lora(lora, model=expert))
    for weight in weights:
        patches.set({"a": weight})
        said.append(velocity(expert, parts).float())
        assert patches.read() == ({"a": weight}, {"a": (len(MODULES), len(MODULES))})
    return torch.stack(said)


@pytest.mark.parametrize(
    "options", [{"offload": "model"}, {"offload": "model", "keep": "true"}, {"offload": "blocks"}], ids=str
)
def test_a_lora_changes_the_same_bits_wherever_the_expert_is_held(
    tiny: TinyModels, lora: Path, options: dict[str, str]
) -> None:
    expected = velocities(opened(tiny, "t2v"), lora)
    assert torch.equal(velocities(opened(tiny, "t2v", **options), lora), expected)
    assert (expected[1] - expected[0]).abs().max() > 0.01
    assert torch.equal(expected[3], expected[0])


@pytest.mark.parametrize("offload", ["none", "blocks"])
def test_a_lora_on_fp8_weights_adds_nearly_what_it_adds_to_full_ones(
    tiny: TinyModels, lora: Path, offload: str
) -> None:
    full = velocities(opened(tiny, "t2v"), lora)
    eight = velocities(opened(tiny, "t2v", weights="fp8", offload=offload), lora)
    assert torch.equal(eight[3], eight[0])
    added, expected = eight[2] - eight[0], full[2] - full[0]
    assert (added - expected).norm() < 0.3 * expected.norm()


def test_a_lora_on_gguf_weights_adds_nearly_what_it_adds_to_full_ones(
    tiny: TinyModels, lora: Path, tmp_path: Path
) -> None:
    file = write_gguf(tmp_path / "w.gguf", weights_of(tiny, "t2v21"))
    full = velocities(opened(tiny, "t2v21"), lora)
    packed = velocities(opened(tiny, "t2v21", weights=str(file)), lora)
    assert torch.equal(packed[3], packed[0])
    assert (packed[2] - packed[0] - full[2] + full[0]).norm() < 0.05 * (full[2] - full[0]).norm()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of torch
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler")
def test_a_compiled_expert_follows_every_change_of_a_lora(tiny: TinyModels, lora: Path) -> None:
    expected = velocities(opened(tiny, "t2v21"), lora)
    assert torch.allclose(velocities(opened(tiny, "t2v21", compile="true"), lora), expected, atol=1e-5)
