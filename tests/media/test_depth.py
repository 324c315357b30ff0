"""Depth by a model of transformers, as the library itself gives it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from media.clips import texture
from wayframe.errors import MediaError
from wayframe.media.depth import DepthModel, Span, with_contrast

tiny = pytest.importorskip("media.tiny_depth")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
PICTURE = texture(7)[:64, :96]


@pytest.mark.parametrize("kind", ["depth_anything", "dpt"])
def test_depth_is_what_the_library_gives(tmp_path: Path, kind: str):
    folder = tiny.save(kind, tmp_path / kind)
    model = transformers.AutoModelForDepthEstimation.from_pretrained(folder).eval()
    pictures = transformers.DPTImageProcessorPil.from_pretrained(folder)
    with torch.inference_mode():
        expected = model(**pictures(images=PICTURE, return_tensors="pt")).predicted_depth[0].numpy()
    found = DepthModel.load(folder).depth(PICTURE)
    assert np.array_equal(found, expected)
    assert found.shape == ((32, 48) if kind == "depth_anything" else (128, 128))
    assert np.ptp(found) > 0


def test_grey_goes_from_the_farthest_of_all_pictures_to_the_nearest():
    span = Span()
    first, second = np.array([[2, 4], [4, 4]], np.float32), np.array([[4, 7], [4, 4]], np.float32)
    for depth in (first, second):
        span.see(depth)
    assert [list(span.grey(depth, size=(2, 2))[0, :, 0]) for depth in (first, second)] == [[0, 102], [102, 255]]


def test_a_wall_is_black_and_what_cubic_curves_overshoot_is_cut():
    span = Span()
    span.see(np.full((2, 2), 3, np.float32))
    assert not span.grey(np.full((2, 2), 3, np.float32), size=(8, 8)).any()
    span.see(np.array([[3, 9]], np.float32))
    large = span.grey(np.array([[3, 3, 9, 9]], np.float32), size=(32, 2))
    assert (large.min(), large.max(), large.shape) == (0, 255, (2, 32, 3))


def test_contrast_spreads_greys_around_the_middle():
    frame = np.array([[[0] * 3, [100] * 3, [255] * 3]], np.uint8)
    assert list(with_contrast(frame, contrast=2)[0, :, 0]) == [0, 72, 255]
    assert list(with_contrast(frame, contrast=0.5)[0, :, 0]) == [64, 114, 191]
    assert with_contrast(frame, contrast=1) is frame


def test_a_damaged_model_is_an_error(tmp_path: Path):
    folder = tiny.save("dpt", tmp_path / "small")
    (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(MediaError, match=r"the depth model small cannot be loaded: "):
        DepthModel.load(folder)


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MediaError, match=r"pip install 'wayframe\[wan\]'"):
        DepthModel.load(tmp_path)
