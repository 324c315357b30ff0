"""Pictures made larger by a model's file, which spandrel reads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from media.clips import texture
from media.spandrel_alone import import_spandrel
from wayframe.errors import MediaError
from wayframe.media.upscale import by_model

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _spandrel() -> None:
    import_spandrel()


def esrgan() -> torch.nn.Module:
    return import_module("spandrel.architectures.ESRGAN.__arch.RRDB").RRDBNet(num_filters=8, num_blocks=1, scale=4)


def compact() -> torch.nn.Module:
    net = import_module("spandrel.architectures.Compact.__arch.SRVGG").SRVGGNetCompact
    return net(num_feat=8, num_conv=2, upscale=2)


@pytest.mark.parametrize(("make", "scale"), [(esrgan, 4), (compact, 2)])
def test_a_model_of_a_file_enlarges_a_picture(tmp_path: Path, make: Callable[[], torch.nn.Module], scale: int):
    torch.manual_seed(1)
    net = make()
    safetensors.save_file(net.state_dict(), tmp_path / "m.safetensors")
    picture = texture(1)[:24, :32]
    exact = by_model(tmp_path / "m.safetensors", size=(32 * scale, 24 * scale))(picture)
    with torch.inference_mode():
        made = net.eval()(torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None])[0]
    expected = np.rint(np.clip(made.permute(1, 2, 0).numpy(), 0, 1) * 255)
    assert np.abs(exact.astype(int) - expected).max() <= 1
    assert np.ptp(expected) > 0
    assert by_model(tmp_path / "m.safetensors", size=(64, 50))(picture).shape == (50, 64, 3)


def test_a_model_of_one_channel_is_an_error(tmp_path: Path):
    net = import_module("spandrel.architectures.ESRGAN.__arch.RRDB").RRDBNet(
        in_nc=1, out_nc=1, num_filters=8, num_blocks=1
    )
    safetensors.save_file(net.state_dict(), tmp_path / "m.safetensors")
    with pytest.raises(MediaError, match=r"is no model that turns one RGB picture into another"):
        by_model(tmp_path / "m.safetensors", size=(8, 8))


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path):
    safetensors.save_file({"weight": torch.zeros(2)}, tmp_path / "m.safetensors")
    with pytest.raises(MediaError, match=r"spandrel knows no model"):
        by_model(tmp_path / "m.safetensors", size=(8, 8))


def test_a_damaged_file_is_an_error(tmp_path: Path):
    (tmp_path / "m.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(MediaError, match=r"m\.safetensors"):
        by_model(tmp_path / "m.safetensors", size=(8, 8))


def test_the_stand_in_for_torchvision_is_gone():
    held = sys.modules.get("torchvision")
    assert held is None or held.__spec__ is not None
