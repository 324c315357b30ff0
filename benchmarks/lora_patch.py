"""Two LoRAs on one Linear at 4,096 tokens against the plain layer and against peft, in turns in the same run.

    python benchmarks/lora_patch.py [--quick] [--width 1280] [--rank 16]

One thread, CPU seconds. Prints each way's cost as a multiple of the plain layer: two LoRAs may cost at most 1.03 of it,
LoRAs of weight 0 nothing. Then, in bfloat16, how far merging and the low-rank pair are from the same sum in float32.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch.nn import Linear, Sequential

from wayframe.engines.wan.lora_delta import combined
from wayframe.engines.wan.lora_keys import LoraModule, LoraWeights
from wayframe.engines.wan.lora_names import targets_of
from wayframe.engines.wan.lora_patch import Patches

TOKENS, MOST, FREE = 4096, 1.03, 1.01
WEIGHTS = {"high": 0.75, "low": 1.0}


def loras(layer: Sequential, *, rank: int) -> dict[str, LoraWeights]:
    """Two random LoRAs for the one Linear of `layer`, about a hundredth of its weights in size."""
    target = targets_of(layer)["0"]
    out, inner = target.weight
    made = {}
    for name in WEIGHTS:
        a, b = torch.randn(rank, inner) / inner**0.5, torch.randn(out, rank) * 0.02
        made[name] = LoraWeights(modules={"0": LoraModule(target=target, a=a, b=b)})
    return made


def plain(width: int) -> Sequential:
    torch.manual_seed(0)
    return Sequential(Linear(width, width)).requires_grad_(requires_grad=False)


def patched(width: int, *, weights: Mapping[str, float], rank: int) -> Sequential:
    layer = plain(width)
    patches = Patches(layer)
    for name, lora in loras(layer, rank=rank).items():
        patches.attach(name, lora)
    patches.set(weights)
    return layer


def with_peft(width: int, *, rank: int) -> Sequential:
    """The same two LoRAs through peft."""
    layer = plain(width)
    for name, lora in loras(layer, rank=rank).items():
        config = LoraConfig(r=rank, lora_alpha=rank * WEIGHTS[name], target_modules=["0"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are two adapters
            inject_adapter_in_model(config, layer, adapter_name=name)
        factors = lora.modules["0"]
        layer[0].lora_A[name].weight.data.copy_(factors.a)
        layer[0].lora_B[name].weight.data.copy_(factors.b)
    layer[0].set_adapter(list(WEIGHTS))
    return layer.eval()


def cpu_seconds(work: Callable[[], torch.Tensor]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def ratios(layers: Mapping[str, Sequential], *, x: torch.Tensor, rounds: int) -> dict[str, float]:
    """For each layer the median of its cost against the plain layer that ran just before and after it."""
    found: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(rounds):
        for name, layer in layers.items():
            before, cost, after = (
                cpu_seconds(lambda one=one: one(x)) for one in (layers["plain"], layer, layers["plain"])
            )
            found[name].append(cost / ((before + after) / 2))
    return {name: statistics.median(values) for name, values in found.items()}


def half_precision(width: int, *, rank: int) -> dict[str, float]:
    """Mean error of the added part in bfloat16 against float32 on the same rounded layer, relative to what it adds."""
    layer = plain(width).bfloat16()
    x = torch.randn(512, width).bfloat16()
    pairs = [(lora.modules["0"], WEIGHTS[name]) for name, lora in loras(layer, rank=rank).items()]
    fine = combined(pairs, device=x.device, dtype=torch.float32)
    half = combined(pairs, device=x.device, dtype=torch.bfloat16)
    base = layer[0].weight, layer[0].bias
    exact = torch.nn.functional.linear(x.float(), fine.merged(base[0].float()), base[1].float())
    ways = {
        "nothing but bfloat16 output": exact.bfloat16(),
        "merged": torch.nn.functional.linear(x, half.merged(base[0]), base[1]),
        "low-rank pair": half.added(layer(x), x=x),
    }
    size = (exact - torch.nn.functional.linear(x.float(), base[0].float(), base[1].float())).abs().mean()
    return {name: float((got.float() - exact).abs().mean() / size) for name, got in ways.items()}


def main() -> int:
    """Print the ratios; 1 when two LoRAs cost more than they may, weight 0 is not free, or the results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--rank", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(mode=False)
    size = {"rank": given.rank}
    layers = {
        "plain": plain(given.width),
        "two LoRAs": patched(given.width, weights=WEIGHTS, **size),
        "two LoRAs of weight 0": patched(given.width, weights={}, **size),
        "peft, two LoRAs": with_peft(given.width, **size),
    }
    x = torch.randn(1, TOKENS, given.width)
    off = float((layers["two LoRAs"](x) - layers["peft, two LoRAs"](x)).abs().max())
    assert torch.equal(layers["two LoRAs of weight 0"](x), layers["plain"](x)), "weight 0 changes nothing"
    found = ratios(layers, x=x, rounds=7 if given.quick else 25)
    print(f"Linear {given.width}x{given.width}, rank {given.rank}, {TOKENS} tokens, one thread:")
    for name, ratio in found.items():
        print(f"  {name:<24} {ratio:.3f}x the plain layer")
    print(f"  peft against ours: {found['peft, two LoRAs'] / found['two LoRAs']:.2f}x; largest difference {off:.1e}")
    print("bfloat16, mean error over mean size of what the LoRAs add:")
    for name, error in half_precision(given.width, **size).items():
        print(f"  {name:<28} {error:.3f}")
    good = found["two LoRAs"] <= MOST and found["two LoRAs of weight 0"] <= FREE and off < 1e-4
    print(f"  two LoRAs at most {MOST:g}x and weight 0 at most {FREE:g}x: {'yes' if good else 'NO'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
