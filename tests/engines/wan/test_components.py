"""Parts of a model: the numbers of the stock pipeline, on the device while they are in use, and counted."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from engines.wan.tiny import KINDS, TEXT_WIDTH, TWO_EXPERTS, WITH_CLIP, TinyKind, TinyModels
from wayframe.engines.wan.components import Components
from wayframe.engines.wan.layout import ExpertName
from wayframe.engines.wan.options import TRAINED_TEXT, WanOptions
from wayframe.engines.wan.placing import weight_bytes
from wayframe.errors import SpecError

pytestmark = pytest.mark.usefixtures("no_gradients")
OFFLOADS = ({"offload": "none"}, {"offload": "model"}, {"offload": "model", "keep": "true"}, {"offload": "blocks"})


@pytest.fixture
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def opened(tiny: TinyModels, kind: TinyKind, **options: str) -> Components:
    given = {"dtype": "float32", "device": "cpu", **options}
    return Components(tiny.folder(kind), model=tiny.model(kind), options=WanOptions.parse(given))


def velocity(expert: torch.nn.Module, parts: Components) -> torch.Tensor:
    """What an expert says of some noise, with every input that its kind wants."""
    generator, config = torch.Generator().manual_seed(5), parts.layout.transformer

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(parts.dtype)

    inputs: dict[str, Any] = {
        "hidden_states": noise(1, config.in_channels, 2, 4, 4),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": noise(1, TRAINED_TEXT if config.clip_pictures else 8, TEXT_WIDTH),
    }
    if config.clip_pictures:
        inputs["encoder_hidden_states_image"] = noise(config.clip_pictures, 17, 4)
    if parts.kind == "vace":
        inputs["control_hidden_states"] = noise(1, 96, 2, 4, 4)
    result: torch.Tensor = expert(**inputs, return_dict=False)[0]
    return result


def encoded(parts: Components, text: str) -> torch.Tensor:
    tokenizer, encoder = parts.text()
    ids = tokenizer([text], padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    return encoder(ids.input_ids, ids.attention_mask).last_hidden_state


@pytest.mark.parametrize("kind", KINDS)
def test_parts_have_the_numbers_of_the_stock_pipeline(tiny: TinyModels, kind: TinyKind) -> None:
    parts, stock = opened(tiny, kind), DiffusionPipeline.from_pretrained(tiny.folder(kind))
    transformers = (stock.transformer, stock.transformer_2)
    for name, transformer in zip(parts.experts, transformers, strict=False):
        assert torch.equal(velocity(parts.expert(name), parts), velocity(transformer, parts))
    ids = stock.tokenizer(["a dog"], padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    assert torch.equal(encoded(parts, "a dog"), stock.text_encoder(**ids).last_hidden_state)
    video = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    mode = stock.vae.encode(video).latent_dist.mode()
    assert torch.equal(parts.vae().encode(video).latent_dist.mode(), mode)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_known_by_its_folder(tiny: TinyModels, kind: TinyKind) -> None:
    parts = opened(tiny, kind)
    assert parts.experts == (("high", "low") if kind in TWO_EXPERTS else ("only",))
    assert parts.kind == tiny.model(kind).kind
    assert parts.boundary == tiny.model(kind).boundary
    assert parts.expand_timesteps == (kind == "ti2v5b")
    assert parts.layout.transformer.clip_pictures == {"i2v21": 1, "flf2v21": 2}.get(kind, 0)
    expected = (48, 16, 4) if kind == "ti2v5b" else (16, 8, 4)
    vae = parts.layout.vae
    assert (vae.z_dim, vae.scale_factor_spatial, vae.scale_factor_temporal) == expected
    assert len(vae.latents_mean) == len(vae.latents_std) == vae.z_dim


@pytest.mark.parametrize("kind", ["i2v21", "flf2v21"])
def test_clip_has_the_numbers_of_the_stock_pipeline(tiny: TinyModels, kind: TinyKind) -> None:
    stock = DiffusionPipeline.from_pretrained(tiny.folder(kind))
    processor, encoder = opened(tiny, kind).image_encoder()
    pixels = torch.rand(1, 3, 32, 32)
    ours = encoder(pixels, output_hidden_states=True).hidden_states[-2]
    assert torch.equal(ours, stock.image_encoder(pixels, output_hidden_states=True).hidden_states[-2])
    assert type(processor).__name__ == "CLIPImageProcessorPil"


@pytest.mark.parametrize("options", OFFLOADS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_where_parts_are_held_changes_no_bit(tiny: TinyModels, kind: TinyKind, options: dict[str, str]) -> None:
    plain, other = opened(tiny, kind), opened(tiny, kind, **options)
    assert torch.equal(encoded(plain, "a dog"), encoded(other, "a dog"))
    for name in plain.experts:
        expected = velocity(plain.expert(name), plain)
        for _ in range(2):
            assert torch.equal(velocity(other.expert(name), other), expected)


@pytest.mark.parametrize("options", OFFLOADS, ids=str)
def test_blocks_are_streamed_where_that_was_asked_for_and_nowhere_else(
    tiny: TinyModels, options: dict[str, str]
) -> None:
    def streamed(module: torch.nn.Module) -> bool:
        hooks = getattr(module, "_diffusers_hook", None)
        return hooks is not None and hooks.get_hook("group_offloading") is not None

    parts = opened(tiny, "vace", **options)
    layers = [layer for layer in parts.text()[1].modules() if isinstance(layer, torch.nn.Linear)]
    assert layers
    assert {streamed(layer) for layer in layers} == {options["offload"] == "blocks"}
    for name in parts.experts:
        expert = parts.expert(name)
        assert {streamed(block) for block in (*expert.blocks, *expert.vace_blocks)} == {options["offload"] == "blocks"}
    assert not any(map(streamed, parts.vae().modules()))


def test_the_vae_runs_in_float32_whatever_the_others_run_in(tiny: TinyModels) -> None:
    parts = opened(tiny, "i2v21", dtype="bfloat16")
    assert parts.vae().dtype == parts.image_encoder()[1].dtype == torch.float32
    assert parts.expert("only").dtype == torch.bfloat16
    assert encoded(parts, "a dog").dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near_float32(tiny: TinyModels, dtype: str) -> None:
    plain, half = opened(tiny, "i2v22"), opened(tiny, "i2v22", dtype=dtype)
    difference = velocity(half.expert("high"), half).float() - velocity(plain.expert("high"), plain)
    assert 0 < difference.abs().max() < 0.05


def loads(parts: Components, *turns: ExpertName) -> tuple[int, int]:
    for name in turns:
        parts.expert(name)
    counts = parts.tally.as_counts()
    return counts["expert_loads"], counts["bytes_moved"]


def test_ten_segments_load_two_experts_in_phases_and_twenty_in_turn(tiny: TinyModels) -> None:
    one = weight_bytes(opened(tiny, "i2v22").expert("high"))
    in_phases, in_turn = opened(tiny, "i2v22", offload="model"), opened(tiny, "i2v22", offload="model")
    assert loads(in_phases, *["high"] * 10, *["low"] * 10) == (2, 2 * one)
    assert loads(in_turn, *["high", "low"] * 10) == (20, 20 * one)


def test_experts_whose_blocks_are_streamed_are_read_once_with_keep(tiny: TinyModels) -> None:
    one = weight_bytes(opened(tiny, "i2v22").expert("high"))
    assert loads(opened(tiny, "i2v22", offload="blocks"), "high", "low", "high") == (3, 3 * one)
    assert loads(opened(tiny, "i2v22", offload="blocks", keep="true"), "high", "low", "high") == (2, 2 * one)


def test_experts_that_stay_on_the_device_are_loaded_once(tiny: TinyModels) -> None:
    parts = opened(tiny, "t2v", offload="none")
    first = parts.expert("high")
    for name in ("low", "high", "low"):
        parts.expert(name)
    assert parts.expert("high") is first
    assert parts.tally.as_counts()["expert_loads"] == 2


@pytest.mark.parametrize("offload", ["model", "blocks"])
def test_the_memory_of_an_expert_is_free_when_the_other_one_comes(tiny: TinyModels, offload: str) -> None:
    parts = opened(tiny, "t2v", offload=offload)
    text = weakref.ref(parts.text()[1])
    high = weakref.ref(parts.expert("high"))
    assert text() is None
    velocity(parts.expert("low"), parts)
    assert high() is None


def test_with_keep_an_expert_comes_back_as_the_same_object(tiny: TinyModels) -> None:
    parts = opened(tiny, "t2v", offload="model", keep="true")
    high = parts.expert("high")
    high.mark_of_a_test = True
    parts.expert("low")
    assert parts.expert("high") is high
    assert parts.tally.as_counts()["expert_loads"] == 3


def test_small_parts_go_beside_an_expert_and_the_vae_outlasts_it(tiny: TinyModels) -> None:
    parts = opened(tiny, "i2v21", offload="model")
    vae, expert = parts.vae(), parts.expert("only")
    clip = weakref.ref(parts.image_encoder()[1])
    assert parts.expert("only") is expert
    parts.text()
    assert clip() is None
    parts.expert("only")
    assert parts.vae() is vae


def test_what_is_freed_is_gone_and_read_again_when_it_is_needed(tiny: TinyModels) -> None:
    parts = opened(tiny, "i2v21")
    before = encoded(parts, "a dog")
    gone = [weakref.ref(parts.text()[1]), weakref.ref(parts.vae()), weakref.ref(parts.expert("only"))]
    for name in ("text_encoder", "vae", "only", "image_encoder"):
        parts.free(name)
    assert [part() for part in gone] == [None, None, None]
    assert torch.equal(encoded(parts, "a dog"), before)
    last = weakref.ref(parts.text()[1])
    parts.close()
    parts.close()
    assert last() is None


@pytest.mark.parametrize("offload", ["none", "model", "blocks"])
@pytest.mark.parametrize("kind", ["t2v21", "i2v21", "vace"])
def test_fp8_weights_are_smaller_and_near(tiny: TinyModels, kind: TinyKind, offload: str) -> None:
    plain, eight = opened(tiny, kind), opened(tiny, kind, weights="fp8", offload=offload)
    name = plain.experts[0]
    full, small = plain.expert(name), eight.expert(name)
    difference = velocity(small, eight) - velocity(full, plain)
    assert 0 < difference.abs().max() < 0.2
    assert weight_bytes(small) < weight_bytes(full)
    kinds = {name: weight.dtype for name, weight in small.named_parameters()}
    assert kinds["blocks.0.attn1.to_q.weight"] == torch.float8_e4m3fn
    assert kinds["patch_embedding.weight"] == torch.float32


def test_a_tiled_vae_is_told_so(tiny: TinyModels) -> None:
    assert opened(tiny, "t2v", vae_tiling="true").vae().use_tiling
    assert not opened(tiny, "t2v").vae().use_tiling


def test_attention_is_always_set_so_that_no_variable_decides(tiny: TinyModels) -> None:
    def backends(**options: str) -> set[str]:
        blocks = opened(tiny, "t2v21", **options).expert("only").blocks
        return {str(block.attn1.processor._attention_backend.value) for block in blocks}

    assert backends() == {"native"}
    assert backends(attention="math") == {"_native_math"}


def test_attention_by_another_way_gives_nearly_the_same(tiny: TinyModels) -> None:
    plain, other = opened(tiny, "vace21"), opened(tiny, "vace21", attention="math")
    assert torch.allclose(velocity(plain.expert("only"), plain), velocity(other.expert("only"), other), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attention": "sage"}, "option attention: needs CUDA, but the device is cpu"),
        ({"device": "cuda:99"}, "option device: torch sees"),
    ],
)
def test_an_option_that_the_device_cannot_do_is_refused_at_once(
    tiny: TinyModels, options: dict[str, str], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        opened(tiny, "t2v", **options)


@pytest.mark.parametrize("kind", sorted(WITH_CLIP))
def test_another_length_of_text_would_hide_what_clip_saw_and_is_refused(tiny: TinyModels, kind: TinyKind) -> None:
    with pytest.raises(SpecError, match=r"option text_length: tiny-.* behind 512 tokens of text \(got 226\); leave it"):
        opened(tiny, kind, text_length="226")
    parts = opened(tiny, kind, text_length="512")
    expert, seen = parts.expert("only"), []
    expert.blocks[1].attn2.add_k_proj.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    velocity(expert, parts)
    assert seen == [17 * parts.layout.transformer.clip_pictures]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of torch
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler")
@pytest.mark.parametrize("options", [{}, {"offload": "blocks"}], ids=str)
def test_a_compiled_expert_gives_nearly_the_same(tiny: TinyModels, options: dict[str, str]) -> None:
    plain, compiled = opened(tiny, "t2v21"), opened(tiny, "t2v21", compile="true", **options)
    expected, expert = velocity(plain.expert("only"), plain), compiled.expert("only")
    assert torch.allclose(velocity(expert, compiled), expected, atol=1e-5)
    assert expert.blocks[0]._compiled_call_impl is not None


def test_loading_says_nothing_on_the_terminal(tiny: TinyModels, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny.folder("i2v21")
    capfd.readouterr()
    parts = Components(folder, model=tiny.model("i2v21"), options=WanOptions.parse({"device": "cpu"}))
    parts.text(), parts.vae(), parts.image_encoder(), parts.expert("only")
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_only_read(tiny: TinyModels, tmp_path: Path) -> None:
    folder = tiny.copy("vace", tmp_path / "model")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    parts = Components(folder, model=tiny.model("vace"), options=WanOptions.parse({"offload": "blocks"}))
    velocity(parts.expert("high"), parts)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
