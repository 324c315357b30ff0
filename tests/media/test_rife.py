"""Frames between two by a RIFE file: read by the names of the published weights, and by nothing that runs code."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media.clips import HEIGHT, WIDTH, moving, texture
from wayframe.errors import MediaError
from wayframe.media.rate import retimed
from wayframe.media.rife import by_rife

torch = pytest.importorskip("torch")
functional = torch.nn.functional
tiny = pytest.importorskip("media.tiny_rife")
net = pytest.importorskip("wayframe.media.rife_net")
torch.set_num_threads(1)

PUBLISHED_46 = {
    "block0.conv0.0.0.weight": (96, 7, 3, 3),
    "block0.conv0.1.0.weight": (192, 96, 3, 3),
    "block0.convblock.7.beta": (1, 192, 1, 1),
    "block0.convblock.7.conv.weight": (192, 192, 3, 3),
    "block0.lastconv.0.weight": (192, 24, 4, 4),
    "block1.conv0.0.0.weight": (64, 12, 3, 3),
    "block3.lastconv.0.bias": (24,),
}
PUBLISHED_425 = {
    "block0.conv0.0.0.weight": (96, 15, 3, 3),
    "block1.conv0.0.0.weight": (64, 28, 3, 3),
    "block4.conv0.1.0.weight": (32, 16, 3, 3),
    "block4.lastconv.0.weight": (32, 52, 4, 4),
    "encode.cnn0.weight": (16, 3, 3, 3),
    "encode.cnn3.weight": (16, 4, 4, 4),
}


@pytest.mark.parametrize(
    ("version", "count", "published"), [("4.6", 4 * 30, PUBLISHED_46), ("4.25", 5 * 30 + 8, PUBLISHED_425)]
)
def test_weights_have_the_names_and_shapes_of_the_published_files(version: str, count: int, published: dict):
    held = tiny.weights(version)
    assert len(held) == count
    assert {name: tuple(held[name].shape) for name in published} == published


@pytest.mark.parametrize("version", ["4.6", "4.25"])
@pytest.mark.parametrize("name", ["flownet.pkl", "rife.pth", "rife.safetensors"])
def test_every_form_of_a_published_file_gives_the_same_frames(tmp_path: Path, version: str, name: str):
    a, b = list(moving(5))[::4]
    made = by_rife(tiny.write_published(tmp_path / name, version))(a, b)(0.3)
    model = net.Rife(net.RIFE_4_6 if version == "4.6" else net.RIFE_4_25)
    model.load_state_dict(tiny.weights(version))
    planes = [torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 255 for frame in (a, b)]
    wider = 0 if version == "4.6" else 32  # 96 x 64 to multiples of 32, of 64
    first, last = (functional.pad(picture, (0, wider, 0, 0), mode="replicate") for picture in planes)
    with torch.inference_mode():
        expected = model.between(first, last=last)(0.3)[0, :, :HEIGHT, :WIDTH].permute(1, 2, 0)
    assert np.abs(made.astype(int) - np.rint(expected.clamp(0, 1).numpy() * 255)).max() <= 1
    assert made.shape == (HEIGHT, WIDTH, 3)
    assert not np.array_equal(made, a)


def still(net_of: str) -> dict[str, torch.Tensor]:
    """Weights that move nothing: the last layer of each block gives flow 0 and mask 0."""
    return {
        name: torch.zeros_like(value) if "lastconv" in name else value for name, value in tiny.weights(net_of).items()
    }


@pytest.mark.parametrize("version", ["4.6", "4.25"])
def test_without_flow_and_mask_a_frame_is_the_mean_of_both(tmp_path: Path, version: str):
    torch.save(still(version), tmp_path / "flownet.pkl")
    a, b = list(moving(3))[::2]
    made = by_rife(tmp_path / "flownet.pkl")(a, b)(0.5)
    assert np.abs(made.astype(int) - (a.astype(float) + b) / 2).max() <= 1


@pytest.mark.parametrize("version", ["4.6", "4.25"])
def test_a_known_flow_reads_each_picture_where_it_points_to(tmp_path: Path, version: str):
    held = still(version)
    last = f"block{3 if version == '4.6' else 4}.lastconv.0.bias"
    planes = torch.zeros_like(held[last]).reshape(-1, 4)  # four places of a pixel shuffle for each plane
    planes[0], planes[2], planes[4] = (
        2.0,
        -2.0,
        20.0,
    )  # read 2 to the right, and the last 2 to the left; the first shows
    held[last] = planes.reshape(-1)
    torch.save(held, tmp_path / "flownet.pkl")
    a, b = list(moving(3))[::2]
    made = by_rife(tmp_path / "flownet.pkl")(a, b)(0.5)
    assert np.abs(made[:, 4:-4].astype(int) - a[:, 6:-2]).max() <= 1


def test_beyond_the_border_is_the_borders_colour(tmp_path: Path):
    held = still("4.25")
    planes = torch.zeros_like(held["block4.lastconv.0.bias"]).reshape(-1, 4)
    planes[0] = planes[2] = 40.0  # reads 40 to the right in both
    held["block4.lastconv.0.bias"] = planes.reshape(-1)
    torch.save(held, tmp_path / "flownet.pkl")
    a = np.full((50, 70, 3), 200, np.uint8)
    a[:, :60] = 180
    assert by_rife(tmp_path / "flownet.pkl")(a, a)(0.5).min() >= 179


def test_a_time_decides_the_frame_and_the_same_time_gives_the_same(tmp_path: Path):
    a, b = list(moving(5))[::4]
    drawn = by_rife(tiny.write_published(tmp_path / "flownet.pkl", "4.25"))(a, b)
    early, again, late = drawn(0.25), drawn(0.25), drawn(0.7)
    assert np.array_equal(early, again)
    assert not np.array_equal(early, late)


def test_odd_sizes_are_padded_and_cut_again(tmp_path: Path):
    torch.save(still("4.25"), tmp_path / "flownet.pkl")
    a, b = texture(1)[:50, :70], texture(1)[1:51, :70]
    made = by_rife(tmp_path / "flownet.pkl")(a, b)(0.5)
    assert np.abs(made.astype(int) - (a.astype(float) + b) / 2).max() <= 1


def test_at_a_cut_the_nearer_frame_is_shown(tmp_path: Path):
    a, b = texture(1)[:HEIGHT, :WIDTH], texture(2)[:HEIGHT, :WIDTH]
    drawn = by_rife(tiny.write_published(tmp_path / "flownet.pkl", "4.6"))(a, b)
    assert np.array_equal(drawn(0.4), a)
    assert np.array_equal(drawn(0.6), b)


def test_frames_of_the_old_rate_stay_as_they_are(tmp_path: Path):
    given = list(moving(3))
    between = by_rife(tiny.write_published(tmp_path / "flownet.pkl", "4.6"))
    made = list(retimed(given, fps=Fraction(16), target=Fraction(40), between=between))
    assert len(made) == 6
    assert np.array_equal(made[0], given[0])
    assert np.array_equal(made[5], given[2])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"block9.conv0.0.0.bias": (4,)}, r"4\.25 or 4\.26: it holds what is not known: block9\.conv0\.0\.0\.bias$"),
        ({"block4.lastconv.0.weight": (24, 52, 4, 4)}, r"of another shape: block4\.lastconv\.0\.weight$"),
        ({"encode.cnn3.bias": None}, r"it lacks encode\.cnn3\.bias$"),
    ],
)
def test_other_weights_are_refused_by_name(tmp_path: Path, change: dict, problem: str):
    held = {name: value for name, value in tiny.weights("4.25").items() if name not in change}
    held |= {name: torch.zeros(shape) for name, shape in change.items() if shape}
    torch.save(held, tmp_path / "flownet.pkl")
    with pytest.raises(MediaError, match=problem):
        by_rife(tmp_path / "flownet.pkl")


def test_a_file_of_something_else_names_what_it_lacks(tmp_path: Path):
    torch.save({"conv_first.weight": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(MediaError, match=r"lacks block0.* and 117 more; .*not known: conv_first\.weight"):
        by_rife(tmp_path / "x.pth")


class Harm:
    """Pickled, it would write a file when it is opened as a pickle."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("harm"),))


def test_a_pickle_that_runs_code_is_refused_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"block0": Harm()}, tmp_path / "flownet.pkl")
    with pytest.raises(MediaError, match=r"holds no tensors, or more than tensors: UnpicklingError"):
        by_rife(tmp_path / "flownet.pkl")
    assert not (tmp_path / "harm").exists()


def test_damaged_files_and_other_files_are_errors(tmp_path: Path):
    for name in ("a.pkl", "a.safetensors"):
        (tmp_path / name).write_bytes(b"\x10\0\0\0\0\0\0\0{")
        with pytest.raises(MediaError, match="holds no tensors"):
            by_rife(tmp_path / name)
    torch.save([1, 2], tmp_path / "b.pkl")
    with pytest.raises(MediaError, match="more than tensors by name"):
        by_rife(tmp_path / "b.pkl")
    with pytest.raises(MediaError, match=r"is a file of \.safetensors, \.pkl, \.pth"):
        by_rife(tmp_path / "a.bin")


def test_without_torch_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MediaError, match=r"pip install 'wayframe\[upscale\]'"):
        by_rife(tmp_path / "flownet.pkl")
