"""Wan models that are small, and yet large enough for their transformers to be what takes the time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from engines.wan.runs import planned, write_lora
from engines.wan.tiny import TinyKind, TinyModels
from wayframe.core.plan import SegmentPlan
from wayframe.engines.base import EngineSetup, Frame, LoraFile, SegmentJob

TEXT_WIDTH, CHANNELS = 32, 16
PARAMETERS_14B = {"num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 40}
"""The transformer of Wan 2.2 A14B, from its published config.json (with text_dim 4096, freq_dim 256)."""


@dataclass(frozen=True, kw_only=True)
class Large(TinyModels):
    """Tiny models whose transformers have `layers` blocks of `heads` times 64 channels."""

    heads: int
    layers: int

    def folder(self, kind: TinyKind) -> Path:
        """The tiny model's folder with other transformers in it."""
        folder = self.root / f"large-{kind}"
        if not folder.exists():
            self.copy_of(kind, folder)
        return folder

    def copy_of(self, kind: TinyKind, folder: Path) -> None:
        """Write the model of a kind to a folder."""
        TinyModels(root=self.root / "tiny").copy(kind, folder)
        for number, component in enumerate(("transformer", "transformer_2")):
            if (folder / component).is_dir():
                torch.manual_seed(number)
                transformer(heads=self.heads, layers=self.layers).save_pretrained(folder / component)


def transformer(*, heads: int, layers: int) -> WanTransformer3DModel:
    """A text-to-video transformer with random weights, as Wan's are built."""
    return WanTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=64,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        text_dim=TEXT_WIDTH,
        freq_dim=64,
        ffn_dim=4 * 64 * heads,
        num_layers=layers,
        cross_attn_norm=True,
    ).eval()


def bytes_14b() -> int:
    """The bytes of one 14B expert in bfloat16, counted on a model without memory."""
    with torch.device("meta"):
        model = WanTransformer3DModel(
            **PARAMETERS_14B, in_channels=36, out_channels=CHANNELS, text_dim=4096, freq_dim=256, cross_attn_norm=True
        )
    return 2 * sum(parameter.numel() for parameter in model.parameters())


def plans(
    models: TinyModels, *, size: tuple[int, int], frames: int, segments: int, said: dict[str, object]
) -> Sequence[SegmentPlan]:
    """Segments of two experts, planned from a spec that says `said`."""
    resolution = f"{size[0]}x{size[1]}"
    return planned(models, "t2v", segments=segments, resolution=resolution, segment_frames=frames, **said)


def jobs(segments: Sequence[SegmentPlan], *, size: tuple[int, int]) -> list[SegmentJob]:
    """Jobs with gray keyframes, which a text-to-video model does not look at."""
    gray: Frame = np.full((size[1], size[0], 3), 127, np.uint8)
    return [SegmentJob(segment=one, width=size[0], height=size[1], first=gray, last=gray) for one in segments]


def setup(models: TinyModels, *, loras: dict[str, Path] | None = None, **options: str) -> EngineSetup:
    """An engine's setup for the model of two experts, in float32 on the processor."""
    return EngineSetup(
        options={"dtype": "float32", "device": "cpu", "text_length": "32", **options},
        model=models.model("t2v"),
        weights=models.folder("t2v"),
        loras={name: LoraFile(path=path) for name, path in (loras or {}).items()},
    )


def lora(path: Path, *, models: TinyModels, seed: int) -> Path:
    """A random LoRA on the attention of the model's first expert."""
    model = WanTransformer3DModel.from_pretrained(models.folder("t2v") / "transformer")
    return write_lora(path, model=model, seed=seed, strength=0.05)
