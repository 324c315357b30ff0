"""Which model is meant, whether it is whole, and what the key of a written prompt sees of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("transformers")

import huggingface_hub.constants
from safetensors.torch import load_file, save_file

from prompts.tiny_qwen import jpeg
from wayframe.errors import PromptError
from wayframe.prompts.base import PromptRequest, WriterSetup
from wayframe.prompts.qwen_writer import QwenWriter

if TYPE_CHECKING:
    from prompts.tiny_qwen import TinyQwen

ASKED = PromptRequest(segment=0, pictures=(jpeg(90),), system="You see.", question="What moves?", max_words=9)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CPU = {"device": "cpu"}


@pytest.fixture
def folder(tiny_qwen: TinyQwen, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_qwen.folder("qwen2_5_vl"), tmp_path / "mine"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def identity(model: str, *, models: Path | None = None, **options: str) -> str:
    return QwenWriter(WriterSetup(model=model, models=models, options=options)).identity


def refusal(folder: Path) -> str:
    """Why nothing can be written with the model in that folder."""
    with pytest.raises(PromptError) as caught:
        next(QwenWriter(WriterSetup(model=str(folder), options=CPU)).write([ASKED]))
    return str(caught.value)


def test_the_identity_of_a_folder_changes_with_its_weights_and_not_with_its_place(folder: Path, tmp_path: Path) -> None:
    here = identity(str(folder))
    assert here.startswith("qwen/1 folder:")
    assert str(tmp_path) not in here
    moved = Path(shutil.copytree(folder, tmp_path / "models" / "other"))
    assert identity("other", models=tmp_path / "models") == here
    weights = load_file(moved / "model.safetensors")
    weights["lm_head.weight"][0, 0] += 1
    save_file(weights, moved / "model.safetensors", metadata={"format": "pt"})
    assert identity(str(moved)) != here


def test_the_chat_template_is_part_of_the_identity(folder: Path) -> None:
    before = identity(str(folder))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert identity(str(folder)) != before


def test_options_that_decide_answers_are_part_of_the_identity_and_the_device_is_not(folder: Path) -> None:
    plain = identity(str(folder))
    assert identity(str(folder), device="cpu") == plain
    assert identity(str(folder), dtype="float32") == plain.replace("qwen/1", "qwen/1 dtype=float32")
    assert identity(str(folder), temperature="0.5", seed="3") == plain.replace(
        "qwen/1", "qwen/1 temperature=0.5 seed=3"
    )


def test_a_snapshot_of_the_hub_is_known_by_its_commit(folder: Path, cache: Path) -> None:
    repository = cache / "models--Qwen--Qwen2.5-VL-7B-Instruct"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    one = QwenWriter(WriterSetup())
    assert (one.model, one.identity) == ("Qwen/Qwen2.5-VL-7B-Instruct", f"qwen/1 Qwen/Qwen2.5-VL-7B-Instruct@{COMMIT}")
    (repository / "snapshots" / COMMIT / "model.safetensors").unlink()
    with pytest.raises(PromptError) as caught:
        _ = QwenWriter(WriterSetup()).identity
    assert str(caught.value) == (
        "the model Qwen/Qwen2.5-VL-7B-Instruct is not whole: it lacks model.safetensors; "
        "wayframe models pull Qwen/Qwen2.5-VL-7B-Instruct"
    )


@pytest.mark.usefixtures("cache")
def test_a_model_that_is_not_on_this_disk_is_told_with_the_command_that_brings_it() -> None:
    with pytest.raises(PromptError) as caught:
        identity("Qwen/Qwen2.5-VL-3B-Instruct", revision="v2")
    assert str(caught.value) == (
        "the model Qwen/Qwen2.5-VL-3B-Instruct is not on this disk; wayframe models pull Qwen/Qwen2.5-VL-3B-Instruct@v2"
    )


@pytest.mark.parametrize("name", ["{}/mine", "./mine", "mine", "Qwen/mine"])
def test_a_folder_is_called_by_its_last_name(name: str, tmp_path: Path) -> None:
    shown = QwenWriter(WriterSetup(model=name.format(tmp_path), models=tmp_path)).model
    assert shown == (name if name == "Qwen/mine" else "mine")


@pytest.mark.usefixtures("cache")
def test_without_the_extra_it_is_told_before_a_pull_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayframe.prompts.qwen_weights.find_spec", lambda _name: None)
    with pytest.raises(PromptError, match=r"comes from the Hub; pip install \"wayframe\[vlm\]\"$"):
        identity("Qwen/Qwen2.5-VL-3B-Instruct")


def test_a_word_that_is_neither_folder_nor_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"^prompts\.model: qwen is no folder here and no ORG/NAME of the Hub"):
        identity("qwen", models=tmp_path)


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "llava"}))
    assert refusal(folder) == f"{folder} is llava; writer qwen takes qwen2_vl, qwen2_5_vl, qwen3_vl, qwen3_vl_moe"


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert refusal(folder).startswith(f"the model {folder} is not whole: it lacks {name}; give a folder")


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "it lacks model-00002-of-00002.safetensors; " in refusal(folder)


def test_weights_that_were_cut_off_are_damaged(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    said = refusal(folder)
    assert said.startswith(f"the model in {folder} cannot be loaded (")
    assert "\n" not in said


def test_a_weight_that_the_files_lack_is_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["visual.merger.ln_q.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 weights, the first is model.visual.merger.ln_q.weight" in refusal(folder)


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "it lacks model.safetensors" in refusal(folder)


def test_the_template_beside_an_older_models_tokenizer_is_used(folder: Path) -> None:
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "{{ messages[0].role }}"}))
    assert "makes 0 places for 1 pictures" in refusal(folder)
    (folder / "chat_template.json").write_text("[]")
    assert "cannot be loaded" in refusal(folder)
