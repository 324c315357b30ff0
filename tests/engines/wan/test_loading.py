"""Folders and files that are not what they should be, and GGUF weights."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.wan.test_components import velocity
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.engines.wan import loading
from wayframe.engines.wan.components import Components
from wayframe.engines.wan.memory import is_out_of_memory
from wayframe.engines.wan.options import WanOptions
from wayframe.errors import EngineError, SpecError

WEIGHTS = "diffusion_pytorch_model.safetensors"


def components(folder: Path, tiny: TinyModels, kind: TinyKind, **options: str) -> Components:
    given = {"dtype": "float32", "device": "cpu", **options}
    return Components(folder, model=tiny.model(kind), options=WanOptions.parse(given))


def load_all(folder: Path, tiny: TinyModels, kind: TinyKind) -> None:
    parts = components(folder, tiny, kind)
    for name in parts.experts:
        parts.expert(name)
    parts.text(), parts.vae()


def refusal(folder: Path, tiny: TinyModels, kind: TinyKind) -> str:
    """What opening the folder and loading all of it says."""
    with pytest.raises(EngineError) as refused:
        load_all(folder, tiny, kind)
    said = str(refused.value)
    assert said.startswith(f"model tiny-{kind}: ")
    assert said.endswith(f"look what is wrong: wayframe models check tiny-{kind}")
    assert "\n" not in said
    return said


def change_index(folder: Path, **values: object) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | values))


def test_memory_that_runs_out_while_a_file_is_read_is_not_blamed_on_the_file() -> None:
    with (
        pytest.raises(RuntimeError, match="allocate memory") as caught,
        loading._told(lambda _: EngineError("damaged")),
    ):
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(OSError(2, "No such file or directory"))


def test_a_folder_that_is_not_there_is_no_model(tiny: TinyModels, tmp_path: Path) -> None:
    assert "model_index.json cannot be read (No such file or directory)" in refusal(tmp_path / "x", tiny, "t2v")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"_class_name": "StableDiffusionPipeline"},
            "_class_name is 'StableDiffusionPipeline', not one of WanPipeline",
        ),
        ({"vae": ["diffusers", "AutoencoderKL"]}, "vae is a AutoencoderKL, not a AutoencoderKLWan"),
        ({"text_encoder": ["os", "system"]}, "text_encoder is a system, not a UMT5EncoderModel"),
        ({"text_encoder": [None, None]}, "names no text_encoder"),
        ({"transformer": 3}, "model_index.json: transformer: "),
        ({"transformer_2": [None, None]}, "holds one expert, but the catalogue says experts = 2"),
        ({"_class_name": "WanImageToVideoPipeline"}, "kind i2v or flf2v, but the catalogue says t2v"),
        ({"_class_name": "WanVACEPipeline"}, "kind vace, but the catalogue says t2v"),
    ],
    ids=str,
)
def test_an_index_that_does_not_fit_is_refused(
    tiny: TinyModels, tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    folder = tiny.copy("t2v", tmp_path / "model")
    change_index(folder, **values)
    assert said in refusal(folder, tiny, "t2v")


@pytest.mark.parametrize(
    ("kind", "entry", "said"),
    [
        ("t2v21", "t2v", "holds one expert, but the catalogue says experts = 2"),
        ("i2v22", "i2v21", "holds two experts, but the catalogue says experts = 1"),
        ("i2v21", "flf2v21", "kind i2v, but the catalogue says flf2v"),
        ("flf2v21", "i2v21", "kind flf2v, but the catalogue says i2v"),
        ("vace21", "t2v21", "kind vace, but the catalogue says t2v"),
        ("ti2v5b", "vace21", "kind i2v or t2v, but the catalogue says vace"),
    ],
)
def test_a_folder_with_another_model_than_the_catalogue_says_is_refused(
    tiny: TinyModels, kind: TinyKind, entry: TinyKind, said: str
) -> None:
    assert said in refusal(tiny.folder(kind), tiny, entry)


def removed(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def without_a_weight(path: Path) -> None:
    weights = load_file(path)
    del weights[sorted(weights)[0]]
    save_file(weights, path)


def of_another_shape(path: Path) -> None:
    weights = load_file(path)
    name = sorted(weights)[0]
    weights[name] = torch.cat([weights[name]] * 2)
    save_file(weights, path)


DAMAGES: tuple[Callable[[Path], None], ...] = (removed, cut, without_a_weight, of_another_shape)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", [f"transformer_2/{WEIGHTS}", f"vae/{WEIGHTS}", "text_encoder/model.safetensors"])
def test_damaged_weights_are_an_error_and_never_filled_with_noise(
    tiny: TinyModels, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    folder = tiny.copy("t2v", tmp_path / "model")
    damage(folder / file)
    assert file.split("/")[0] in refusal(folder, tiny, "t2v")


@pytest.mark.parametrize("component", ["vae", "transformer_2", "tokenizer"])
def test_a_component_that_is_not_there_is_named(tiny: TinyModels, tmp_path: Path, component: str) -> None:
    folder = tiny.copy("t2v", tmp_path / "model")
    (folder / component).rename(tmp_path / "elsewhere")
    assert component in refusal(folder, tiny, "t2v")


def test_a_transformer_that_wants_clip_needs_an_image_encoder(tiny: TinyModels, tmp_path: Path) -> None:
    folder = tiny.copy("i2v21", tmp_path / "model")
    change_index(folder, image_encoder=[None, None])
    assert "names no image_encoder" in refusal(folder, tiny, "i2v21")


class Boom:
    """A pickle that would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("component", "stem"), [("transformer", "diffusion_pytorch_model"), ("text_encoder", "pytorch_model")]
)
def test_a_pickle_in_the_place_of_weights_is_never_opened(
    tiny: TinyModels, tmp_path: Path, component: str, stem: str
) -> None:
    folder = tiny.copy("t2v", tmp_path / "model")
    for file in (folder / component).glob("*.safetensors"):
        file.unlink()
    (folder / component / f"{stem}.bin").write_bytes(pickle.dumps(Boom(tmp_path / "boom")))
    assert component in refusal(folder, tiny, "t2v")
    assert not (tmp_path / "boom").exists()


def write_gguf(path: Path, weights: Mapping[str, torch.Tensor]) -> Path:
    """Matrices of whole blocks of 32 in 8 bits, everything else in float32, as the published files do."""
    writer, eight = gguf.GGUFWriter(str(path), "wan"), gguf.GGMLQuantizationType.Q8_0
    for name, weight in weights.items():
        array = weight.numpy().astype(np.float32)
        if weight.ndim == 2 and weight.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(array, eight), raw_dtype=eight)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def weights_of(tiny: TinyModels, kind: TinyKind, component: str = "transformer") -> dict[str, torch.Tensor]:
    return load_file(tiny.folder(kind) / component / WEIGHTS)


@torch.no_grad()
@pytest.mark.parametrize("offload", ["none", "model", "blocks"])
def test_gguf_weights_of_two_experts_are_near(tiny: TinyModels, tmp_path: Path, offload: str) -> None:
    high = write_gguf(tmp_path / "h.gguf", weights_of(tiny, "i2v22"))
    low = write_gguf(tmp_path / "l.gguf", weights_of(tiny, "i2v22", "transformer_2"))
    plain = components(tiny.folder("i2v22"), tiny, "i2v22")
    packed = components(tiny.folder("i2v22"), tiny, "i2v22", weights=f"high={high},low={low}", offload=offload)
    for name in ("high", "low", "high"):
        difference = velocity(packed.expert(name), packed) - velocity(plain.expert(name), plain)
        assert 0 < difference.abs().max() < 0.02
    assert packed.expert("high").blocks[0].ffn.net[2].weight.dtype == torch.uint8


@torch.no_grad()
@pytest.mark.parametrize("kind", ["t2v21", "i2v21", "vace21", "ti2v5b"])
def test_gguf_weights_of_one_expert_are_near(tiny: TinyModels, tmp_path: Path, kind: TinyKind) -> None:
    file = write_gguf(tmp_path / "w.gguf", weights_of(tiny, kind))
    plain = components(tiny.folder(kind), tiny, kind)
    packed = components(tiny.folder(kind), tiny, kind, weights=str(file))
    difference = velocity(packed.expert("only"), packed) - velocity(plain.expert("only"), plain)
    assert 0 < difference.abs().max() < 0.02


def test_the_number_of_gguf_files_is_that_of_the_experts(tiny: TinyModels, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "w.gguf", weights_of(tiny, "t2v21"))
    with pytest.raises(SpecError, match=r"option weights: tiny-t2v has 2 transformers; give high=PATH\.gguf"):
        components(tiny.folder("t2v"), tiny, "t2v", weights=str(file))
    with pytest.raises(SpecError, match=r"option weights: tiny-t2v21 has 1 transformer; give PATH\.gguf"):
        components(tiny.folder("t2v21"), tiny, "t2v21", weights=f"high={file},low={file}")


@pytest.mark.parametrize("offload", ["none", "blocks"])
def test_a_gguf_file_that_lacks_a_weight_is_refused(tiny: TinyModels, tmp_path: Path, offload: str) -> None:
    partly = weights_of(tiny, "t2v21")
    del partly["blocks.1.attn1.to_q.weight"]
    parts = components_of_gguf(write_gguf(tmp_path / "lacking.gguf", partly), tiny, offload=offload)
    with pytest.raises(EngineError, match=r"lacking\.gguf lacks weights of tiny-t2v21; give a GGUF file"):
        parts.expert("only")


def test_a_gguf_file_of_another_model_is_refused(tiny: TinyModels, tmp_path: Path) -> None:
    parts = components_of_gguf(write_gguf(tmp_path / "foreign.gguf", weights_of(tiny, "i2v22")), tiny)
    with pytest.raises(EngineError, match=r"foreign\.gguf does not fit tiny-t2v21 \(.*patch_embedding"):
        parts.expert("only")


def test_a_gguf_file_that_is_cut_off_is_refused(tiny: TinyModels, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "cut.gguf", weights_of(tiny, "t2v21"))
    cut(path)
    with pytest.raises(EngineError, match=r"cut\.gguf does not fit tiny-t2v21"):
        components_of_gguf(path, tiny).expert("only")


def components_of_gguf(path: Path, tiny: TinyModels, **options: str) -> Components:
    return components(tiny.folder("t2v21"), tiny, "t2v21", weights=str(path), **options)
