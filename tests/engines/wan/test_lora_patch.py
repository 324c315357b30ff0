"""Patched modules give what peft gives, the base weights stay as they are, and what was lost shows."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.utils import counters

from engines.wan.lora_changes import as_lora, blocks_only, changes, dotted, fused, run
from engines.wan.tiny import TinyKind, transformer
from wayframe.engines.wan.lora_keys import LoraModule, LoraWeights
from wayframe.engines.wan.lora_names import targets_of
from wayframe.engines.wan.lora_patch import Patches
from wayframe.errors import EngineError

ALL_KINDS: tuple[TinyKind, ...] = ("t2v", "i2v21", "vace21", "ti2v5b")


@pytest.fixture
def model() -> torch.nn.Module:
    return transformer("t2v", seed=1)


def two(model: torch.nn.Module, *, dense: bool = True) -> dict[str, LoraWeights]:
    return {name: as_lora(changes(model, seed=seed, dense=dense)) for name, seed in (("high", 1), ("low", 2))}


def attached(model: torch.nn.Module, loras: dict[str, LoraWeights]) -> Patches:
    patches = Patches(model)
    for name, lora in loras.items():
        patches.attach(name, lora)
    return patches


def test_two_loras_with_changing_weights_give_what_peft_gives(model: torch.nn.Module) -> None:
    made = {name: blocks_only(changes(model, seed=seed)) for name, seed in (("high", 1), ("low", 2))}
    peft = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft, of the second adapter
        for name, change in made.items():
            peft.load_lora_adapter(dotted(change, own=False), adapter_name=name, prefix=None)
    patches = attached(model, {name: as_lora(change) for name, change in made.items()})
    for weights in ({"high": 0.75, "low": 0.0}, {"high": 1.0, "low": 0.0}, {"high": 0.3, "low": 1.0}, {"low": -0.5}):
        patches.set(weights)
        peft.set_adapters(list(weights), list(weights.values()))
        torch.testing.assert_close(run(model), run(peft), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_two_loras_with_every_kind_of_change_are_their_sum(kind: TinyKind) -> None:
    model = transformer(kind, seed=1)
    loras = two(model)
    wanted = fused(model, (loras["high"].modules, 0.6), (loras["low"].modules, -0.3))
    attached(model, loras).set({"high": 0.6, "low": -0.3})
    torch.testing.assert_close(run(model, kind), run(wanted, kind), atol=2e-5, rtol=1e-5)


def test_without_weight_the_result_is_the_base_models_to_the_bit(model: torch.nn.Module) -> None:
    before = run(model)
    patches = attached(model, two(model))
    assert torch.equal(run(model), before)
    patches.set({"high": 1.0, "low": 0.5})
    assert not torch.allclose(run(model), before, atol=1e-3)
    patches.set({"high": 0.0})
    assert torch.equal(run(model), before)


def test_a_lora_of_weight_0_beside_another_changes_nothing_to_the_bit(model: torch.nn.Module) -> None:
    loras = two(model)
    attached(model, {"low": loras["low"]}).set({"low": 0.7})
    alone = run(model)
    other = transformer("t2v", seed=1)
    attached(other, loras).set({"high": 0.0, "low": 0.7})
    assert torch.equal(run(other), alone)


def test_the_base_weights_are_never_written_and_their_names_stay(model: torch.nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    memory = {name: p.data_ptr() for name, p in model.named_parameters()}
    patches = attached(model, two(model))
    patches.set({"high": 1.0, "low": 1.0})
    run(model)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == memory
    assert not any(p.requires_grad and p.grad is not None for p in model.parameters())


def test_detach_gives_every_module_its_own_forward_back(model: torch.nn.Module) -> None:
    before, wanted = {name: vars(module).copy() for name, module in model.named_modules()}, run(model)
    patches = attached(model, two(model))
    patches.set({"high": 1.0})
    run(model)
    patches.detach()
    assert {name: vars(module).keys() for name, module in model.named_modules()} == {
        name: attributes.keys() for name, attributes in before.items()
    }
    assert torch.equal(run(model), wanted)
    assert (patches.names(), patches.read()) == ((), ({}, {}))


def test_loras_can_be_attached_again_after_detach(model: torch.nn.Module) -> None:
    loras = two(model)
    patches = attached(model, loras)
    patches.set({"high": 0.5})
    wanted = run(model)
    patches.detach()
    patches.attach("high", loras["high"])
    patches.set({"high": 0.5})
    assert torch.equal(run(model), wanted)


def test_a_weight_depends_on_nothing_that_was_set_before(model: torch.nn.Module) -> None:
    patches = attached(model, two(model))
    patches.set({"high": 0.3, "low": 0.2})
    wanted = run(model)
    for weights in ({"high": 2.0}, {}, {"low": 1e3}, {"high": 0.3, "low": 0.2}):
        patches.set(weights)
        result = run(model)
    assert torch.equal(result, wanted)


def one_layer(*, bias: bool = True, width: int = 24) -> tuple[torch.nn.Sequential, dict[str, LoraModule]]:
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(width, 40, bias=bias))
    target = targets_of(layer)["0"]
    change = LoraModule(
        target=target,
        a=torch.randn(3, width) * 0.2,
        b=torch.randn(40, 3) * 0.2,
        scale=0.5,
        weight=torch.randn(40, width) * 0.1,
        bias=torch.randn(40) * 0.1,
    )
    return layer.requires_grad_(requires_grad=False), {"0": change}


@pytest.mark.parametrize("bias", [True, False])
def test_few_tokens_through_the_low_rank_pair_give_what_many_give_merged(bias: bool) -> None:
    layer, made = one_layer(bias=bias)
    patches = attached(layer, {"one": as_lora(made)})
    patches.set({"one": 0.8})
    calls = []
    layer[0].forward.__self__.original = lambda x: calls.append(len(x)) or torch.nn.Linear.forward(layer[0], x)
    x = torch.randn(400, 24)
    merged = layer(x)
    assert calls == []  # the base layer was not asked: its weight was read
    singly = torch.cat([layer(token) for token in x.split(1)])
    assert len(calls) == 400
    torch.testing.assert_close(merged, singly, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 400])
def test_half_precision_stays_as_near_to_float32_as_its_own_rounding(tokens: int) -> None:
    layer, made = one_layer(width=64)
    exact = fused(copy.deepcopy(layer.bfloat16()).float(), (made, 0.7))
    patches = attached(layer, {"one": as_lora(made)})
    patches.set({"one": 0.7})
    x = torch.randn(tokens, 64).bfloat16()
    got, wanted = layer(x), exact(x.float())
    assert got.dtype is torch.bfloat16
    assert (got.float() - wanted).abs().mean() < 2**-8 * wanted.abs().mean()


def test_the_factors_follow_the_type_of_the_input(model: torch.nn.Module) -> None:
    patches = attached(model, two(model))
    patches.set({"high": 0.5})
    single = run(model)
    double = run(model.double())
    torch.testing.assert_close(single, double, atol=1e-4, rtol=1e-4)
    again = run(model.float())
    torch.testing.assert_close(single, again, atol=1e-6, rtol=1e-6)


def test_what_is_read_is_what_the_modules_hold(model: torch.nn.Module) -> None:
    made = changes(model, seed=1)
    patches = attached(model, {"high": as_lora(made), "low": as_lora(blocks_only(made))})
    counts = {"high": (len(made), len(made)), "low": (20, 20)}
    assert patches.read() == ({"high": 0.0, "low": 0.0}, counts)
    patches.set({"high": 0.75})
    assert patches.read() == ({"high": 0.75, "low": 0.0}, counts)


def test_a_module_that_lost_its_patch_shows(model: torch.nn.Module) -> None:
    patches = attached(model, {"one": as_lora(blocks_only(changes(model, seed=1)))})
    patches.set({"one": 0.5})
    del model.blocks[0].attn1.to_q.forward
    assert patches.read() == ({"one": 0.5}, {"one": (19, 20)})
    model.blocks[0].attn1.to_k.forward = torch.nn.Identity().forward
    assert patches.read()[1] == {"one": (18, 20)}
    model.blocks[1].attn1 = copy.deepcopy(model.blocks[1].attn1)
    assert patches.read()[1] == {"one": (14, 20)}
    model.blocks = torch.nn.ModuleList()
    assert patches.read() == ({"one": 0.0}, {"one": (0, 20)})


def test_a_module_with_another_weight_shows(model: torch.nn.Module) -> None:
    patches = attached(model, {"one": as_lora(blocks_only(changes(model, seed=1)))})
    patches.set({"one": 0.5})
    model.blocks[0].attn1.to_q.forward.__self__.set({"one": 0.25})
    assert patches.read() == ({"one": 0.5}, {"one": (19, 20)})


def test_detach_leaves_what_somebody_else_put_in_place(model: torch.nn.Module) -> None:
    patches = attached(model, {"one": as_lora(blocks_only(changes(model, seed=1)))})
    other = torch.nn.Identity().forward
    model.blocks[0].attn1.to_q.forward = other
    patches.detach()
    assert model.blocks[0].attn1.to_q.forward == other


def test_unknown_and_repeated_names_are_refused(model: torch.nn.Module) -> None:
    lora = as_lora(blocks_only(changes(model, seed=1)))
    patches = attached(model, {"one": lora})
    with pytest.raises(EngineError, match="no LoRA two is attached; there are: one"):
        patches.set({"two": 1.0})
    with pytest.raises(EngineError, match="the LoRA one is attached already"):
        patches.attach("one", lora)
    with pytest.raises(EngineError, match=r"was read for another model: this one has no blocks\.0"):
        Patches(torch.nn.Sequential()).attach("one", lora)


def test_an_error_inside_a_forward_leaves_the_tables_as_they_are(model: torch.nn.Module) -> None:
    attached(model, two(model)).set({"high": 1.0})
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 3, 3, 8, 8), torch.tensor([1.0]), torch.zeros(1, 8, 32))
    assert "scale_shift_table" not in vars(model)
    assert isinstance(model.scale_shift_table, torch.nn.Parameter)


WEIGHT = st.floats(-2, 2).filter(lambda w: w == 0 or abs(w) > 1e-3)


@settings(max_examples=25, deadline=None)
@given(first=WEIGHT, second=WEIGHT, tokens=st.sampled_from([1, 200]))
def test_any_two_weights_are_the_sum_fused_by_hand(first: float, second: float, tokens: int) -> None:
    layer, made = one_layer()
    other = {"0": LoraModule(target=made["0"].target, a=torch.ones(2, 24) * 0.1, b=torch.ones(40, 2) * 0.1)}
    wanted = fused(layer, (made, first), (other, second))
    attached(layer, {"a": as_lora(made), "b": as_lora(other)}).set({"a": first, "b": second})
    x = torch.randn(tokens, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), wanted(x), atol=1e-5, rtol=1e-5)


def test_a_compiled_model_gives_the_same_and_is_not_compiled_again_for_a_known_set_of_loras(
    model: torch.nn.Module,
) -> None:
    patches = attached(model, two(model))
    sets = [{"high": 1.0}, {"high": 0.5, "low": 0.5}, {}, {"high": 0.2}, {"high": 0.9, "low": 0.1}, {"low": 1.0}]
    wanted = []
    for weights in sets:
        patches.set(weights)
        wanted.append(run(model))
    torch._dynamo.reset()
    counters.clear()  # of whatever this process compiled before
    compiled, made = torch.compile(model, backend="eager"), []
    for weights, result in zip(sets, wanted, strict=True):
        patches.set(weights)
        before = counters["stats"]["unique_graphs"]
        torch.testing.assert_close(run(compiled), result, atol=1e-6, rtol=1e-6)
        made.append(counters["stats"]["unique_graphs"] - before)
    assert made == [1, 1, 1, 0, 0, 0]
    assert not counters["graph_break"]
    assert attached(compiled, {}).names() == ()
    torch._dynamo.reset()
