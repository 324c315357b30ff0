"""How near each point of a picture is, by a model of depth in the format of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.errors import MediaError
from wayframe.media.pixels import Frame

if TYPE_CHECKING:
    from torch import Tensor

DEPTH_KINDS = ("depth_anything", "dpt")
"""The `model_type` of models whose numbers grow as things come nearer."""
Depth: TypeAlias = NDArray[np.float32]
"""(height, width): larger is nearer; of no unit."""
_WHITE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthModel:
    """A model in memory; `load` makes it."""

    model: Any
    pictures: Any
    device: str

    @classmethod
    def load(cls, folder: Path) -> DepthModel:
        """The model of a folder, on the GPU where there is one. Raises `MediaError`: packages, damaged files."""
        try:
            import torch
            from transformers import AutoModelForDepthEstimation, DPTImageProcessorPil
            from transformers.utils import logging
        except ImportError as error:
            raise MediaError("a depth model needs PyTorch and transformers: pip install 'wayframe[wan]'") from error
        bar = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:  # the one on Pillow: what is drawn must not depend on torchvision, which may be installed or not
            pictures = DPTImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
            model = AutoModelForDepthEstimation.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except Exception as error:
            raise MediaError(f"the depth model {folder.name} cannot be loaded: {_first_line(error)}") from error
        finally:
            if bar:
                logging.enable_progress_bar()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model=model.to(device).eval(), pictures=pictures, device=device)

    def depth(self, picture: Frame) -> Depth:
        """The depth of a picture, at the size that the model makes of it."""
        import torch

        seen: Tensor = self.pictures(images=picture, return_tensors="pt")["pixel_values"].to(self.device)
        with torch.inference_mode():
            found: Tensor = self.model(seen).predicted_depth[0]
        return np.asarray(found.float().cpu().numpy(), np.float32)


@dataclass(slots=True)
class Span:
    """The least and the largest depth that was seen."""

    low: float = float("inf")
    high: float = float("-inf")

    def see(self, depth: Depth) -> None:
        """Take another picture in."""
        self.low, self.high = min(self.low, float(depth.min())), max(self.high, float(depth.max()))

    def grey(self, depth: Depth, *, size: tuple[int, int]) -> Frame:
        """Depth as grey of this (width, height), enlarged by cubic curves: the nearest of all is white.

        All black where everything is equally far.
        """
        large = cv2.resize(depth, size, interpolation=cv2.INTER_CUBIC)
        share = (large - self.low) / ((self.high - self.low) or 1)
        grey = np.asarray(np.rint(np.clip(share, 0, 1) * _WHITE), np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)


def with_contrast(frame: Frame, *, contrast: float) -> Frame:
    """Greys spread around the middle one: (x - 1/2) * contrast + 1/2, as upstream's worker does it."""
    if contrast == 1:
        return frame
    spread = (frame.astype(np.float32) / _WHITE - 0.5) * contrast + 0.5
    return np.asarray(np.rint(np.clip(spread, 0, 1) * _WHITE), np.uint8)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
