"""Pictures made larger, by Lanczos and by a model's file."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from media.clips import texture
from wayframe.errors import MediaError
from wayframe.media.upscale import by_lanczos, by_model, enlarged_size


def test_sizes_are_even():
    assert enlarged_size((768, 576), factor=2) == (1536, 1152)
    assert enlarged_size((62, 44), factor=1.25) == (78, 56)


def test_lanczos_makes_a_picture_from_which_the_first_comes_back():
    picture = texture(1)
    large = by_lanczos((320, 256))(picture)
    assert large.shape == (256, 320, 3)
    back = cv2.resize(large, (160, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - picture).mean() < 2


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "model"])
def test_what_may_be_a_pickle_is_not_opened(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(MediaError, match=r"only \.safetensors is read"):
        by_model(tmp_path / name, size=(8, 8))


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MediaError, match=r"pip install 'wayframe\[upscale\]'"):
        by_model(tmp_path / "model.safetensors", size=(8, 8))
