"""Pictures made larger: by Lanczos, or by a model that spandrel reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from wayframe.errors import MediaError
from wayframe.media.pixels import Frame

Enlarge: TypeAlias = Callable[[Frame], Frame]
_WHITE = 255
_CHANNELS = 3


def enlarged_size(size: tuple[int, int], *, factor: float) -> tuple[int, int]:
    """Width and height times `factor`, even."""
    width, height = (max(round(side * factor / 2) * 2, 2) for side in size)
    return width, height


def by_lanczos(size: tuple[int, int]) -> Enlarge:
    """Enlarges a picture to (width, height) over 8x8 points."""
    return lambda picture: np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)


def by_model(path: Path, *, size: tuple[int, int]) -> Enlarge:
    """Enlarges a picture by the model in a .safetensors file, then fits what comes out to (width, height).

    Only .safetensors is read: a .pth file is a pickle, and opening it may run any program. Raises `MediaError` for
    another file, for one that is no model for single pictures of three channels, and without the extra `upscale`.
    """
    if path.suffix.lower() != ".safetensors":
        raise MediaError(
            f"{path}: only .safetensors is read; a {path.suffix or 'file without a suffix'} may be a pickle, "
            "and opening one may run any program; convert it first"
        )
    try:
        import torch
        from safetensors.torch import load_file
        from spandrel import ImageModelDescriptor, ModelLoader
    except ImportError as error:
        raise MediaError(f"{path}: a model needs the extra: pip install 'wayframe[upscale]'") from error
    try:
        model = ModelLoader(device="cpu").load_from_state_dict(load_file(path))
    except Exception as error:
        raise MediaError(f"{path}: spandrel knows no model like this: {type(error).__name__}") from error
    channels = (model.input_channels, model.output_channels)
    if not isinstance(model, ImageModelDescriptor) or channels != (_CHANNELS, _CHANNELS):
        raise MediaError(f"{path}: is no model that turns one RGB picture into another")
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def enlarge(picture: Frame) -> Frame:
        with torch.inference_mode():
            given = torch.from_numpy(picture.astype(np.float32) / _WHITE).permute(2, 0, 1)[None]
            made = model(given.to(model.device))[0].permute(1, 2, 0).float().cpu().numpy()
        large = np.asarray(np.rint(np.clip(made, 0, 1) * _WHITE), dtype=np.uint8)
        return _fitted(large, size=size)

    return enlarge


def _fitted(picture: Frame, *, size: tuple[int, int]) -> Frame:
    smaller = picture.shape[1] > size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    return (
        picture if picture.shape[1::-1] == size else np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
    )
