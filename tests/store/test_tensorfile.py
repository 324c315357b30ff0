"""A .safetensors file is known by its head and its length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hub import tensor_file
from wayframe.store.tensorfile import tensor_fault


def made(head: object, *, data: int) -> bytes:
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def test_a_file_of_the_reference_writer_is_whole(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    kinds = (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn)
    tensors = {str(kind): torch.zeros(3, 5).to(kind) for kind in kinds} | {"scalar": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert tensor_fault(tmp_path / "a.safetensors") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a .safetensors file"),
        (b"<!doctype html><html>log in</html>", "is not a .safetensors file"),
        (b"PK\x03\x04\0\0\0\0 a pickle in a zip", "is cut off in its head"),
        (tensor_file()[:-1], "has 63 bytes of data, 64 are announced"),
        (tensor_file() + b"x", "has 65 bytes of data, 64 are announced"),
        (tensor_file()[:20], "is cut off in its head, at 20 bytes"),
        (made([1], data=0), "its head is no JSON table"),
        (
            made({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 3]}}, data=3),
            "has a wrong entry for tensor 'a'",
        ),
        (made({"a": {"dtype": "U8", "shape": [-2], "data_offsets": [0, 2]}}, data=2), "has a wrong entry"),
        (made({"a": {"dtype": "?", "shape": [2], "data_offsets": [0, 2]}}, data=2), "has a wrong entry"),
        (made({"a": 1}, data=2), "has a wrong entry"),
        (
            made({"a": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]}}, data=3),
            "has a gap or an overlap at byte 0",
        ),
    ],
)
def test_anything_else_is_told_in_a_few_words(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    assert says in (tensor_fault(tmp_path / "a.safetensors") or "")


@given(cut=st.integers(min_value=0, max_value=len(tensor_file()) - 1))
def test_every_cut_is_noticed(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.safetensors"
    path.write_bytes(tensor_file()[:cut])
    assert tensor_fault(path) is not None
