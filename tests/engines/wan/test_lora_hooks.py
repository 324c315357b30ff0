"""LoRAs on weights that are stored in 8 bits, quantised, or kept elsewhere until the forward asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_module
from diffusers import GGUFQuantizationConfig, WanTransformer3DModel
from diffusers.quantizers.gguf.utils import GGUFLinear, dequantize_gguf_tensor

from engines.wan.lora_changes import as_lora, changes, dotted, fused, run, saved
from engines.wan.tiny import transformer
from wayframe.engines.wan.lora_keys import LoraModule, LoraWeights, read_lora
from wayframe.engines.wan.lora_names import Kind, Target, original_name
from wayframe.engines.wan.lora_patch import Patches
from wayframe.errors import EngineError

CPU = torch.device("cpu")
HOOKS: dict[str, Callable[[torch.nn.Module], object]] = {
    "fp8": lambda m: m.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32),
    "blocks": lambda m: m.enable_group_offload(
        onload_device=CPU, offload_device=CPU, offload_type="block_level", num_blocks_per_group=1
    ),
    "leaves": lambda m: m.enable_group_offload(onload_device=CPU, offload_device=CPU, offload_type="leaf_level"),
    "accelerate": lambda m: cpu_offload(m, execution_device=CPU),
}


def in_8_bits(model: torch.nn.Module) -> torch.nn.Module:
    """The model that layerwise casting computes with: what it stores in 8 bits, in float32."""
    HOOKS["fp8"](model)
    plain = transformer("t2v", seed=1)
    plain.load_state_dict(model.state_dict())
    return plain


@pytest.mark.parametrize("first", ["hook", "patch"])
@pytest.mark.parametrize("hook", HOOKS)
def test_hooks_that_move_or_cast_the_weights_come_before_or_after(hook: str, first: str) -> None:
    model, base = transformer("t2v", seed=1), transformer("t2v", seed=1)
    lora = changes(model, seed=1, dense=(hook, first) != ("accelerate", "hook"))
    reference = in_8_bits(base) if hook == "fp8" else base
    wanted, unchanged = run(fused(reference, (lora, 0.6))), run(reference)
    patches = Patches(model)
    steps = [lambda: HOOKS[hook](model), lambda: patches.attach("one", as_lora(lora))]
    for step in steps if first == "hook" else reversed(steps):
        step()
    torch.testing.assert_close(run(model), unchanged, atol=1e-6, rtol=1e-6)
    patches.set({"one": 0.6})
    torch.testing.assert_close(run(model), wanted, atol=2e-5, rtol=1e-5)
    assert patches.read() == ({"one": 0.6}, {"one": (len(lora), len(lora))})
    patches.detach()
    torch.testing.assert_close(run(model), unchanged, atol=1e-6, rtol=1e-6)


def test_fp8_storage_stays_fp8() -> None:
    model = transformer("t2v", seed=1)
    HOOKS["fp8"](model)
    patches = Patches(model)
    patches.attach("one", as_lora(changes(model, seed=1)))
    patches.set({"one": 1.0})
    run(model)
    assert model.blocks[0].attn1.to_q.weight.dtype is torch.float8_e4m3fn


def test_a_table_that_a_hook_holds_back_is_refused() -> None:
    model = transformer("t2v", seed=1)
    HOOKS["accelerate"](model)
    patches = Patches(model)
    with pytest.raises(EngineError, match="changes scale_shift_table, which is offloaded: attach it before"):
        patches.attach("one", as_lora(changes(model, seed=1, dense=True)))
    assert patches.names() == ()


def test_a_hook_that_throws_the_patch_away_shows() -> None:
    model = transformer("t2v", seed=1)
    HOOKS["accelerate"](model)
    patches = Patches(model)
    patches.attach("one", as_lora(changes(model, seed=1)))
    patches.set({"one": 1.0})
    remove_hook_from_module(model, recurse=True)
    counts = patches.read()[1]
    assert counts["one"][0] < counts["one"][1]


class Halved(torch.nn.Linear):
    """A layer that makes of its weights something of its own, as those of quantisers do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / 2


def behind_a_hook() -> torch.nn.Linear:
    """A layer whose weights are nothing until its hook brings them."""
    layer = torch.nn.Linear(8, 8)
    weight, bias = layer.weight.clone(), layer.bias.clone()
    layer.forward = lambda x: torch.nn.functional.linear(x, weight, bias)
    torch.nn.init.zeros_(layer.weight)
    return layer


@pytest.mark.parametrize("make", [lambda: Halved(8, 8), behind_a_hook], ids=["subclass", "hook"])
@torch.no_grad()
def test_weights_that_are_not_plain_and_at_hand_are_never_merged(make: Callable[[], torch.nn.Linear]) -> None:
    layer, x = make(), torch.randn(512, 8)  # tokens enough for merging to pay
    a, b, unchanged = torch.randn(2, 8), torch.randn(8, 2), layer(x)
    target = Target(module="0", kind=Kind.LINEAR, weight=(8, 8), bias=(8,))
    patches = Patches(torch.nn.Sequential(layer))
    patches.attach("one", LoraWeights(modules={"0": LoraModule(target=target, a=a, b=b)}))
    patches.set({"one": 0.5})
    torch.testing.assert_close(layer(x), unchanged + 0.5 * x @ a.T @ b.T)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> WanTransformer3DModel:
    """A transformer from a GGUF file (Q8_0), as diffusers opens those of the published models."""
    folder = tmp_path_factory.mktemp("gguf")
    torch.manual_seed(0)
    model = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
    )
    model.save_pretrained(folder / "config")
    write_gguf(folder / "model.gguf", model)
    return WanTransformer3DModel.from_single_file(
        folder / "model.gguf",
        quantization_config=GGUFQuantizationConfig(compute_dtype=torch.float32),
        config=str(folder / "config"),
        torch_dtype=torch.float32,
    ).eval()


def write_gguf(path: Path, model: torch.nn.Module) -> None:
    """The weights under Wan's own names; those of linear layers in 8 bits."""
    writer = gguf.GGUFWriter(path, "wan")
    for name, tensor in model.state_dict().items():
        module, _, part = name.rpartition(".")
        own = original_name(name) if name.endswith("scale_shift_table") else f"{original_name(module)}.{part}"
        values, kind = tensor.numpy(), gguf.GGMLQuantizationType.F32
        if part == "weight" and values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            values = gguf.quantize(values, kind)
        writer.add_tensor(own, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_weights_take_a_lora_and_stay_quantised(quantised: WanTransformer3DModel, tmp_path: Path) -> None:
    layer = quantised.blocks[0].attn1.to_q
    assert isinstance(layer, GGUFLinear)
    made = changes(quantised, seed=1, dense=True)
    lora = read_lora(saved(tmp_path / "l.safetensors", dotted(made)), model=quantised)
    plain = WanTransformer3DModel.from_config(quantised.config).eval()
    plain.load_state_dict({name: dequantize_gguf_tensor(p) for name, p in quantised.named_parameters()})
    torch.testing.assert_close(run(quantised), run(plain), atol=1e-5, rtol=1e-5)
    patches, stored = Patches(quantised), layer.weight.clone()
    patches.attach("one", lora)
    patches.set({"one": 0.7})
    torch.testing.assert_close(run(quantised), run(fused(plain, (made, 0.7))), atol=2e-5, rtol=1e-5)
    assert torch.equal(layer.weight.as_tensor(), stored.as_tensor())
    patches.detach()
