"""Every form of LoRA file does what the same change fused by hand does; what does not fit is told."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines.wan.lora_changes import (
    ALPHA,
    RANK,
    as_lora,
    blocks_only,
    changes,
    dotted,
    flat,
    fused,
    run,
    saved,
)
from engines.wan.tiny import TinyKind, transformer
from wayframe.engines.wan.lora_keys import LoraModule, read_lora
from wayframe.engines.wan.lora_names import original_name, parse_key, paths_of, targets_of
from wayframe.engines.wan.lora_patch import Patches
from wayframe.errors import SpecError

Writer = Callable[[Mapping[str, LoraModule]], dict[str, Tensor]]
UP_DOWN = ("lora_down", "lora_up")
FORMS: dict[str, Writer] = {
    "peft": lambda made: dotted(made, prefix="transformer.", own=False),
    "peft second": lambda made: dotted(made, prefix="transformer_2.", own=False),
    "peft bare": lambda made: dotted(made, own=False),
    "old diffusers": lambda made: dotted(made, prefix="transformer.", own=False, words=("lora.down", "lora.up")),
    "lightx2v": lambda made: dotted(made, prefix="diffusion_model.", words=UP_DOWN),
    "comfy": lambda made: dotted(made, prefix="diffusion_model."),
    "comfy with names of diffusers": lambda made: dotted(made, prefix="diffusion_model.", own=False),
    "checkpoint": lambda made: dotted(made, prefix="model.diffusion_model."),
    "diffsynth": lambda made: dotted(made, words=("lora_A.default", "lora_B.default")),
    "diffsynth pipe": lambda made: dotted(made, prefix="pipe.dit."),
    "peft native": lambda made: dotted(made, prefix="base_model.model."),
    "bare": lambda made: dotted(made, words=UP_DOWN),
    "kohya": flat,
    "videox": lambda made: flat(made, prefix="lora_unet__"),
    "lycoris": lambda made: flat(made, prefix="lycoris_", own=False),
}
ALL_KINDS: tuple[TinyKind, ...] = ("t2v", "i2v21", "vace21", "ti2v5b")


@pytest.fixture
def model() -> torch.nn.Module:
    return transformer("t2v", seed=1)


def applied(model: torch.nn.Module, file: Path, *, kind: TinyKind = "t2v", weight: float = 1.0) -> Tensor:
    patches = Patches(model)
    patches.attach("one", read_lora(file, model=model))
    patches.set({"one": weight})
    result = run(model, kind)
    patches.detach()
    return result


@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["no alpha", "alpha"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_does_what_the_change_fused_by_hand_does(
    form: str, alpha: float | None, model: torch.nn.Module, tmp_path: Path
) -> None:
    made = changes(model, seed=3, dense=True, scale=1.0 if alpha is None else alpha / RANK)
    file = saved(tmp_path / "lora.safetensors", FORMS[form](made))
    wanted = run(fused(model, (made, 0.7)))
    assert (wanted - run(model)).abs().max() > 0.1
    torch.testing.assert_close(applied(model, file, weight=0.7), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["lightx2v", "kohya"])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_module_of_every_kind_of_model_has_its_name(kind: TinyKind, form: str, tmp_path: Path) -> None:
    model = transformer(kind, seed=1)
    made = changes(model, seed=4, dense=True)
    file = saved(tmp_path / "lora.safetensors", FORMS[form](made))
    assert read_lora(file, model=model).modules.keys() == targets_of(model).keys()
    wanted = run(fused(model, (made, 0.5)), kind)
    torch.testing.assert_close(applied(model, file, kind=kind, weight=0.5), wanted, atol=2e-5, rtol=1e-5)


def test_the_names_are_those_of_wans_own_code() -> None:
    names = {
        "blocks.1.attn1.to_out.0": "blocks.1.self_attn.o",
        "blocks.1.attn2.add_k_proj": "blocks.1.cross_attn.k_img",
        "blocks.1.attn2.norm_added_k": "blocks.1.cross_attn.norm_k_img",
        "blocks.1.norm2": "blocks.1.norm3",
        "blocks.1.ffn.net.0.proj": "blocks.1.ffn.0",
        "blocks.1.scale_shift_table": "blocks.1.modulation",
        "scale_shift_table": "head.modulation",
        "proj_out": "head.head",
        "patch_embedding": "patch_embedding",
        "condition_embedder.time_proj": "time_projection.1",
        "condition_embedder.text_embedder.linear_2": "text_embedding.2",
        "condition_embedder.time_embedder.linear_1": "time_embedding.0",
        "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
        "condition_embedder.image_embedder.norm2": "img_emb.proj.4",
        "vace_blocks.0.proj_in": "vace_blocks.0.before_proj",
        "vace_blocks.0.proj_out": "vace_blocks.0.after_proj",
        "vace_blocks.0.attn2.to_k": "vace_blocks.0.cross_attn.k",
    }
    assert {name: original_name(name) for name in names} == names


def test_diffusers_agrees_on_the_form_that_it_reads_itself(model: torch.nn.Module, tmp_path: Path) -> None:
    made = blocks_only(changes(model, seed=5, scale=ALPHA / RANK))
    file = saved(tmp_path / "lora.safetensors", FORMS["lightx2v"](made))
    ours = applied(model, file)
    WanPipeline.load_lora_into_transformer(WanPipeline.lora_state_dict(file), transformer=model)
    torch.testing.assert_close(ours, run(model), atol=1e-5, rtol=1e-5)


def test_modulation_differences_of_lightx2v_are_applied(model: torch.nn.Module, tmp_path: Path) -> None:
    made = {name: m for name, m in changes(model, seed=6, dense=True).items() if name.endswith("scale_shift_table")}
    tensors = {f"diffusion_model.blocks.{n}.diff_m": made[f"blocks.{n}.scale_shift_table"].weight for n in (0, 1)}
    tensors["diffusion_model.head.diff_m"] = made["scale_shift_table"].weight
    file = saved(tmp_path / "lora.safetensors", tensors)
    wanted = run(fused(model, (made, 1.0)))
    torch.testing.assert_close(applied(model, file), wanted, atol=1e-5, rtol=1e-5)
    assert (wanted - run(model)).abs().max() > 0.01


def test_a_lora_may_cover_only_some_layers(model: torch.nn.Module, tmp_path: Path) -> None:
    made = {name: m for name, m in changes(model, seed=5).items() if name == "blocks.1.attn1.to_q"}
    lora = read_lora(saved(tmp_path / "q.safetensors", FORMS["peft"](made)), model=model)
    assert (list(lora.modules), lora.unmatched) == (["blocks.1.attn1.to_q"], ())


def test_alpha_in_the_metadata_of_diffusers_is_applied(model: torch.nn.Module, tmp_path: Path) -> None:
    config = {"r": RANK, "lora_alpha": 8, "alpha_pattern": {"attn1.to_q": 2}, "use_rslora": False}
    said = {"lora_adapter_metadata": json.dumps({f"transformer.{key}": value for key, value in config.items()})}
    tensors = FORMS["peft"](blocks_only(changes(model, seed=5)))
    modules = read_lora(saved(tmp_path / "l.safetensors", tensors, metadata=said), model=model).modules
    assert (modules["blocks.0.attn1.to_q"].scale, modules["blocks.0.attn2.to_q"].scale) == (0.5, 2.0)
    said = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8, "transformer.use_rslora": True})}
    modules = read_lora(saved(tmp_path / "l.safetensors", tensors, metadata=said), model=model).modules
    assert modules["blocks.0.attn1.to_q"].scale == 4.0


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"transformer.lora_alpha": "x"}', '{"transformer.alpha_pattern": {"(a+)+$": 1}}']
)
def test_metadata_that_makes_no_sense_is_refused(said: str, model: torch.nn.Module, tmp_path: Path) -> None:
    tensors = FORMS["peft"](blocks_only(changes(model, seed=5)))
    file = saved(tmp_path / "l.safetensors", tensors, metadata={"lora_adapter_metadata": said})
    with pytest.raises(SpecError, match=r"LoRA l\.safetensors: its lora_adapter_metadata cannot be read"):
        read_lora(file, model=model)


def test_a_file_for_two_experts_gives_each_its_own(model: torch.nn.Module, tmp_path: Path) -> None:
    first, second = (blocks_only(changes(model, seed=seed)) for seed in (1, 2))
    file = saved(tmp_path / "both.safetensors", {**FORMS["peft"](first), **FORMS["peft second"](second)})
    q = "blocks.0.attn1.to_q"
    for expert, made in (("high", first), ("low", second), ("only", first)):
        assert torch.equal(read_lora(file, model=model, expert=expert).modules[q].a, made[q].a)


def test_bfloat16_and_8_bit_files_are_read(model: torch.nn.Module, tmp_path: Path) -> None:
    made = blocks_only(changes(model, seed=5))
    for dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float16):
        tensors = {key: tensor.to(dtype) for key, tensor in FORMS["comfy"](made).items()}
        lora = read_lora(saved(tmp_path / "l.safetensors", tensors), model=model)
        stored = tensors["diffusion_model.blocks.0.self_attn.q.lora_A.weight"].float()
        assert torch.equal(lora.modules["blocks.0.attn1.to_q"].a.float(), stored)


def test_modules_that_the_model_lacks_are_an_error_with_names_unless_the_spec_agrees(tmp_path: Path) -> None:
    made = blocks_only(changes(transformer("i2v21", seed=1), seed=5))
    file = saved(tmp_path / "i2v.safetensors", FORMS["lightx2v"](made))
    model = transformer("t2v", seed=1)
    with pytest.raises(SpecError) as caught:
        read_lora(file, model=model)
    assert str(caught.value) == (
        "LoRA i2v.safetensors: 4 of 24 modules do not fit the model: blocks.0.cross_attn.k_img (not in the model), "
        "blocks.0.cross_attn.v_img (not in the model), blocks.1.cross_attn.k_img (not in the model) and 1 more; "
        "write `partial: true` at this LoRA to use the modules that fit (one of a bundle or preset: name its file "
        "under `loras` for that), or take a LoRA made for this model"
    )
    lora = read_lora(file, model=model, partial=True)
    assert lora.unmatched == tuple(f"blocks.{n}.cross_attn.{k}_img" for n in (0, 1) for k in "kv")
    assert len(lora.modules) == 20


Q = "blocks.0.self_attn.q"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({f"{Q}.lora_B.weight": None}, r"blocks\.0\.attn1\.to_q \(A without B\)"),
        ({f"{Q}.lora_A.weight": None}, r"blocks\.0\.attn1\.to_q \(B without A\)"),
        ({f"{Q}.lora_A.weight": torch.ones(4, 25)}, r"to_q \(A is 4x25, not 4x24\)"),
        ({f"{Q}.lora_B.weight": torch.ones(24, 5)}, r"to_q \(B is 24x5, not 24x4\)"),
        ({f"{Q}.lora_A.weight": torch.ones(0, 24), f"{Q}.lora_B.weight": torch.ones(24, 0)}, r"A is 0x24, not 1x24"),
        ({f"{Q}.lora_A.weight": torch.tensor(1.0)}, r"to_q \(A is one number"),
        ({f"{Q}.alpha": torch.ones(2)}, r"to_q \(alpha is 2, not one number\)"),
        ({f"{Q}.alpha": torch.tensor(float("nan"))}, r"to_q \(holds numbers that are not finite\)"),
        ({f"{Q}.lora_A.weight": torch.full((4, 24), float("inf"))}, r"to_q \(holds numbers that are not finite\)"),
        ({f"{Q}.lora_A.weight": torch.ones(4, 24, dtype=torch.int32)}, "does not hold floating-point numbers"),
        ({f"{Q}.diff": torch.ones(24)}, r"to_q \(weight difference is 24, not 24x24\)"),
        ({"blocks.0.self_attn.norm_q.diff_b": torch.ones(24)}, r"norm_q \(has no bias difference\)"),
        ({"blocks.0.norm3.lora_A.weight": torch.ones(4, 24)}, r"norm2 \(A without B\)"),
        ({"blocks.0.attn1.to_q.lora_A.weight": torch.ones(4, 24)}, "a second A for blocks"),
        ({"blocks.1.ffn.0.alpha": torch.tensor(1.0), "blocks.1.ffn.0.lora_A.weight": None,
          "blocks.1.ffn.0.lora_B.weight": None}, r"blocks\.1\.ffn\.net\.0\.proj \(alpha alone\)"),
        ({f"{Q}.lora_magnitude_vector.weight": torch.ones(24)}, r"q\.lora_magnitude_vector\.weight \(unknown key\)"),
        ({f"{Q}.lokr_w1": torch.ones(2, 2)}, r"q\.lokr_w1 \(unknown key\)"),
        ({"blocks.7.self_attn.q.diff_b": torch.ones(24)}, r"blocks\.7\.self_attn\.q \(not in the model\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    damage: dict[str, Tensor | None], told: str, model: torch.nn.Module, tmp_path: Path
) -> None:
    tensors = {**dotted(blocks_only(changes(model, seed=5))), **damage}
    file = saved(tmp_path / "bad.safetensors", {key: t for key, t in tensors.items() if t is not None})
    with pytest.raises(SpecError, match=rf"^LoRA bad\.safetensors: 1 of \d+ modules do not fit .*{told}"):
        read_lora(file, model=model)
    assert len(read_lora(file, model=model, partial=True).unmatched) == 1


@pytest.mark.parametrize("tensors", [{"unet.down.lora_A.weight": torch.ones(2, 2)}, {}])
def test_a_file_of_which_nothing_fits_is_an_error_even_when_a_part_is_enough(
    tensors: dict[str, Tensor], model: torch.nn.Module, tmp_path: Path
) -> None:
    file = saved(tmp_path / "other.safetensors", tensors)
    with pytest.raises(SpecError, match=r"nothing in it fits the model: unet\.down|holds no tensors"):
        read_lora(file, model=model, partial=True)


class Harm:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["l.pt", "l.pth", "l.bin", "l.ckpt", "l.CKPT", "l.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_under_any_name_and_never_run(
    name: str, zipped: bool, model: torch.nn.Module, tmp_path: Path
) -> None:
    file, harmed = tmp_path / name, tmp_path / "harmed"
    if zipped:
        torch.save({"a": Harm(harmed)}, file)
    else:
        file.write_bytes(pickle.dumps(Harm(harmed)))
    with pytest.raises(SpecError, match=r"reading a pickle runs whatever code it holds"):
        read_lora(file, model=model)
    assert not harmed.exists()


def lying_header(data: bytes) -> bytes:
    """The end of the last tensor moved beyond the file."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    last = max((key for key in header if key != "__metadata__"), key=lambda key: header[key]["data_offsets"])
    header[last]["data_offsets"][1] += 4096
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-100],
    "only a header": lambda data: data[: 8 + int.from_bytes(data[:8], "little")],
    "header cut": lambda data: data[:50],
    "empty": lambda _: b"",
    "huge header": lambda data: (1 << 62).to_bytes(8, "little") + data[8:],
    "header lies": lying_header,
    "something else": lambda _: b"<html>404</html>" * 10,
    "a pointer of Git LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line(damage: str, model: torch.nn.Module, tmp_path: Path) -> None:
    file = saved(tmp_path / "l.safetensors", dotted(blocks_only(changes(model, seed=5))))
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.raises(SpecError, match=r"LoRA l\.safetensors: is damaged or not a safetensors file .*fetch"):
        read_lora(file, model=model)


def test_a_file_that_is_not_there_or_a_folder_is_one_line(model: torch.nn.Module, tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("none.safetensors", "folder.safetensors"):
        with pytest.raises(SpecError, match=rf"LoRA {name}: (cannot be read|is damaged)"):
            read_lora(tmp_path / name, model=model)


NAMES = sorted(targets_of(transformer("i2v21", seed=1)) | targets_of(transformer("vace21", seed=1)))
PREFIXES = ("", "transformer.", "diffusion_model.", "base_model.model.", "base_model.model.diffusion_model.")


@given(name=st.sampled_from(NAMES), own=st.booleans(), prefix=st.sampled_from((*PREFIXES, "lora_unet_")))
def test_every_name_leads_back_to_its_module(name: str, own: bool, prefix: str) -> None:
    paths = paths_of(dict.fromkeys(NAMES))
    path = original_name(name) if own else name
    parsed = parse_key(f"{prefix}{path.replace('.', '_') if prefix == 'lora_unet_' else path}.diff")
    assert parsed is not None
    assert paths[parsed.path] == name


def test_no_path_means_two_modules() -> None:
    targets = targets_of(transformer("i2v21", seed=1)) | targets_of(transformer("vace21", seed=1))
    paths = paths_of(targets)
    for name in targets:
        assert all(paths[path] == name for path in (name, original_name(name), re.sub(r"\.", "_", name)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_in_the_header_are_an_error_or_a_lora(
    flips: list[tuple[int, int]], model: torch.nn.Module, tmp_path: Path
) -> None:
    data = bytearray(saved(tmp_path / "l.safetensors", dotted(blocks_only(changes(model, seed=5)))).read_bytes())
    for at, value in flips:
        data[at] = value
    (tmp_path / "l.safetensors").write_bytes(data)
    try:
        lora = read_lora(tmp_path / "l.safetensors", model=model, partial=True)
    except SpecError:
        return
    Patches(model).attach("one", lora)
    assert as_lora(lora.modules).modules
