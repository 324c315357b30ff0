"""The options of the engine, from the user's words to what enters the content key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from diffusers.models.attention_dispatch import AttentionBackendName

from wayframe.engines.wan import PACKAGES, missing, require_packages
from wayframe.engines.wan.options import BACKENDS, GgufFiles, WanOptions
from wayframe.errors import SpecError

GGUF = b"GGUF" + bytes(3 * 2**20)


def gguf(path: Path, content: bytes = GGUF) -> Path:
    path.write_bytes(content)
    return path


def test_defaults_are_what_a_large_card_wants() -> None:
    options = WanOptions.parse({})
    assert (options.dtype, options.weights, options.offload, options.device) == ("bfloat16", "bf16", "none", "auto")
    assert (options.batch, options.text_length, options.attention, options.keep) == (32, 512, "sdpa", False)


def test_words_become_values() -> None:
    options = WanOptions.parse({"vae_tiling": "true", "compile": "false", "batch": "4", "device": "cuda:1"})
    assert (options.vae_tiling, options.compile, options.batch, options.device) == (True, False, 4, "cuda:1")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("speed", "high", "engine wan has no such option (got 'high'); it has dtype, weights, offload"),
        ("dtype", "bf16", "'bfloat16', 'float16' or 'float32' (got 'bf16')"),
        ("offload", "disk", "'none', 'model' or 'blocks' (got 'disk')"),
        ("attention", "_native_math", "(got '_native_math')"),
        ("vae_tiling", "perhaps", "(got 'perhaps')"),
        ("batch", "0", "greater than or equal to 1 (got '0')"),
        ("batch", "many", "(got 'many')"),
        ("text_length", "513", "less than or equal to 512 (got '513')"),
        ("device", "gpu", "must be auto, cpu, cuda, cuda:N or mps (got 'gpu')"),
        ("device", "cuda:1\n", "must be auto, cpu, cuda, cuda:N or mps"),
        ("weights", "q8", "must be bf16, fp8, PATH.gguf, or high=PATH.gguf,low=PATH.gguf"),
        ("weights", "high=a.gguf", "must be bf16, fp8, PATH.gguf, or high=PATH.gguf,low=PATH.gguf"),
        ("weights", "nowhere.gguf", "cannot be read (No such file or directory)"),
    ],
)
def test_a_wrong_option_is_named_with_its_value_in_one_line(name: str, value: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        WanOptions.parse({name: value})
    assert refused.value.field == f"option {name}"
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_only_has_the_name_of_a_gguf_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not a GGUF file"):
        WanOptions.parse({"weights": str(gguf(tmp_path / "a.gguf", b"<html>"))})


def test_identity_names_what_decides_pixels_and_differs_from_the_default() -> None:
    assert WanOptions.parse({}).identity() == "wan/1"
    assert WanOptions.parse({"dtype": "bfloat16"}).identity() == "wan/1"
    given = {"text_length": "226", "vae_tiling": "true", "weights": "fp8", "dtype": "float32", "attention": "math"}
    assert WanOptions.parse(given).identity() == (
        "wan/1 dtype=float32 weights=fp8 vae_tiling=true attention=math text_length=226"
    )


def test_where_a_model_is_held_is_no_part_of_the_identity() -> None:
    given = {"offload": "blocks", "keep": "true", "device": "cpu", "batch": "1"}
    assert WanOptions.parse(given).identity() == "wan/1"


def test_the_identity_of_gguf_weights_is_their_content_and_not_their_place(tmp_path: Path) -> None:
    one, same = gguf(tmp_path / "one.gguf"), gguf(tmp_path / "same.gguf")
    head, tail = gguf(tmp_path / "head.gguf", GGUF[:9] + b"x" + GGUF[10:]), gguf(tmp_path / "t.gguf", GGUF[:-1] + b"x")
    longer = gguf(tmp_path / "longer.gguf", GGUF + bytes(1))
    identities = [WanOptions.parse({"weights": str(path)}).identity() for path in (one, same, head, tail, longer)]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 4
    assert str(tmp_path) not in identities[0]


def test_two_gguf_files_are_named_by_expert_in_any_order(tmp_path: Path) -> None:
    high, low = gguf(tmp_path / "h.gguf"), gguf(tmp_path / "l.gguf", GGUF + bytes(1))
    named = WanOptions.parse({"weights": f"high={high},low={low}"})
    turned = WanOptions.parse({"weights": f"low={low},high={high}"})
    assert isinstance(named.weights, GgufFiles)
    assert named.weights.paths == {"high": high, "low": low}
    assert named.identity() == turned.identity()
    assert named.identity() != WanOptions.parse({"weights": f"high={low},low={high}"}).identity()


def test_relief_goes_from_what_keeps_the_pixels_to_what_changes_them() -> None:
    told = []
    given: dict[str, str] = {"dtype": "float32"}
    for name, value in (
        ("offload", "model"),
        ("offload", "blocks"),
        ("dtype", "bfloat16"),
        ("weights", "fp8"),
        ("vae_tiling", "true"),
    ):
        relief = WanOptions.parse(given).relief()
        assert f"{name}={value}" in relief.change
        told.append(relief.alters_pixels)
        before = WanOptions.parse(given).identity()
        given[name] = value
        assert (WanOptions.parse(given).identity() != before) == relief.alters_pixels
    assert told == [False, False, True, True, True]
    assert "resolution" in str(WanOptions.parse(given).relief())


def test_relief_says_whether_finished_segments_are_rendered_again() -> None:
    assert str(WanOptions().relief()) == "try --option offload=model, which keeps the pixels and what is finished"
    assert "finished segments are rendered again" in str(WanOptions.parse({"offload": "blocks"}).relief())


def test_diffusers_knows_every_way_to_compute_attention() -> None:
    assert set(BACKENDS.values()) <= {name.value for name in AttentionBackendName}


def test_all_packages_are_here_where_these_tests_run() -> None:
    assert missing() == []
    require_packages()


def test_options_and_the_list_of_missing_packages_need_none_of_them() -> None:
    program = f"""
import sys
for name in {PACKAGES!r}:
    sys.modules[name] = None
from wayframe.engines import wan
from wayframe.engines.wan import layout
from wayframe.engines.wan.options import WanOptions
assert WanOptions.parse({{"dtype": "float16"}}).identity() == "wan/1 dtype=float16"
try:
    wan.require_packages()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "EngineError engine wan needs torch, diffusers, transformers, accelerate, safetensors, huggingface_hub, ftfy, "
        'gguf, which are not installed; install them: pip install "wayframe[wan]"\n'
    )
