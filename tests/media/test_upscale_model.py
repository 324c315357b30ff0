"""Pictures made larger by a model's file, where spandrel is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.clips import texture
from wayframe.errors import MediaError
from wayframe.media.upscale import by_model

esrgan = pytest.importorskip("spandrel.architectures.ESRGAN.__arch.RRDB")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


def test_a_model_of_a_file_enlarges_a_picture(tmp_path: Path):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = esrgan.RRDBNet(num_filters=8, num_blocks=1, scale=4)
    safetensors.save_file(net.state_dict(), tmp_path / "m.safetensors")
    picture = texture(1)[:24, :32]
    exact = by_model(tmp_path / "m.safetensors", size=(128, 96))(picture)
    with torch.inference_mode():
        made = net.eval()(torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None])[0]
    expected = np.rint(np.clip(made.permute(1, 2, 0).numpy(), 0, 1) * 255)
    assert np.abs(exact.astype(int) - expected).max() <= 1
    assert by_model(tmp_path / "m.safetensors", size=(64, 48))(picture).shape == (48, 64, 3)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path):
    safetensors.save_file({"weight": torch.zeros(2)}, tmp_path / "m.safetensors")
    with pytest.raises(MediaError, match=r"spandrel knows no model"):
        by_model(tmp_path / "m.safetensors", size=(8, 8))


def test_a_damaged_file_is_an_error(tmp_path: Path):
    (tmp_path / "m.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(MediaError, match=r"m\.safetensors"):
        by_model(tmp_path / "m.safetensors", size=(8, 8))
