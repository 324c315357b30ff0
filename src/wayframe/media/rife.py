"""Frames between two others by a RIFE model's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from wayframe.core.after import RIFE_SUFFIXES
from wayframe.errors import MediaError
from wayframe.media.metrics_quality import luma_of, ssim
from wayframe.media.pixels import Frame
from wayframe.media.rate import Between, nearer

if TYPE_CHECKING:
    from torch import Tensor

    from wayframe.media.rife_net import Rife

_WHITE = 255
_CUT, _GLANCE = 0.2, (32, 32)
"""Two frames are of two scenes when they are this little alike, at this size: as Practical-RIFE decides."""
_TRAINING = ("teacher.", "caltime.")
"""Parts of the published files that only training uses."""
_NAMED = 3


def by_rife(path: Path) -> Between:
    """Frames between two by the weights of RIFE 4.6, 4.25 or 4.26 in a file; at a cut the nearer frame is shown.

    .safetensors is read, and .pkl or .pth as far as they hold nothing but tensors: no code of theirs is run. Raises
    `MediaError` for another file, for weights of which one is missing, unknown or of another shape, and without torch.
    """
    net, device = _loaded(path)

    def between(a: Frame, b: Frame) -> Callable[[float], Frame]:
        return nearer(a, b) if _is_cut(a, b) else _drawn(net, a, b, device=device)

    return between


def _is_cut(a: Frame, b: Frame) -> bool:
    first, second = (luma_of(cv2.resize(frame, _GLANCE, interpolation=cv2.INTER_AREA)) for frame in (a, b))
    return ssim(first=first, second=second) < _CUT


def _drawn(net: Rife, a: Frame, b: Frame, *, device: str) -> Callable[[float], Frame]:
    import torch

    height, width = a.shape[:2]
    multiple = net.layout.multiple
    missing = (0, -width % multiple, 0, -height % multiple)

    def tensor(frame: Frame) -> Tensor:
        planes = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / _WHITE
        return torch.nn.functional.pad(planes, missing, mode="replicate")  # black would be seen at the borders

    with torch.inference_mode():
        pair = net.between(tensor(a), last=tensor(b))

    def frame(t: float) -> Frame:
        with torch.inference_mode():
            made = pair(t)[0, :, :height, :width].permute(1, 2, 0).clamp(0, 1).cpu().numpy()
        return np.asarray(np.rint(made * _WHITE), dtype=np.uint8)

    return frame


def _loaded(path: Path) -> tuple[Rife, str]:
    try:
        import torch

        from wayframe.media.rife_net import LAYOUTS, Rife
    except ImportError as error:
        raise MediaError(f"{path}: a RIFE model needs torch: pip install 'wayframe[upscale]'") from error
    weights = {name.removeprefix("module."): value for name, value in _weights(path).items()}
    weights = {name: value for name, value in weights.items() if not name.startswith(_TRAINING)}
    layout = LAYOUTS["encode.cnn0.weight" in weights]
    with torch.device("meta"):
        net = Rife(layout)
    wrong = _differences(weights, needed=net.state_dict())
    if wrong:
        raise MediaError(f"{path}: is no RIFE model of version 4.6, 4.25 or 4.26: {wrong}")
    net.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return net.to(device).eval(), device


def _weights(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file, by name. Raises `MediaError`."""
    import torch

    if path.suffix.lower() not in RIFE_SUFFIXES:
        raise MediaError(f"{path}: a RIFE model is a file of {', '.join(RIFE_SUFFIXES)}")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise MediaError(f"{path}: holds no tensors, or more than tensors: {type(error).__name__}") from error
    if not isinstance(held, dict) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise MediaError(f"{path}: holds more than tensors by name")
    return held


def _differences(given: Mapping[str, Tensor], *, needed: Mapping[str, Tensor]) -> str:
    """What is wrong with weights, in words; empty when nothing is."""
    shapes = [name for name in needed if name in given and given[name].shape != needed[name].shape]
    found = {
        "it lacks": [name for name in needed if name not in given],
        "it holds what is not known:": [name for name in given if name not in needed],
        "of another shape:": shapes,
    }
    return "; ".join(f"{word} {_some(names)}" for word, names in found.items() if names)


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
