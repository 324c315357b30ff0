"""Tiny random models of depth in the format of `from_pretrained`: real classes and real files, below a megabyte."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessorPil,
    PreTrainedModel,
)

torch.set_num_threads(1)

DepthKind = Literal["depth_anything", "dpt", "metric"]
PATCH, SIDE = 4, 32


def save(kind: DepthKind, folder: Path) -> Path:
    """Write the model of a kind; the same numbers every time."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = dpt() if kind == "dpt" else depth_anything(metric=kind == "metric")
        enliven(model)
    model.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, ensure_multiple_of=PATCH, keep_aspect_ratio=kind != "dpt"
    ).save_pretrained(folder)
    return folder


def enliven(model: PreTrainedModel) -> None:
    """Weights that pass on what they see: those that a fresh model has give the same number everywhere."""
    for name, value in model.named_parameters():
        if value.dim() > 1:
            torch.nn.init.normal_(value, std=value[0].numel() ** -0.5)
        elif name.endswith(("conv3.bias", "head.4.bias")):
            torch.nn.init.constant_(value, 1.0)  # the last layer cuts off what is below 0


def depth_anything(*, metric: bool) -> DepthAnythingForDepthEstimation:
    backbone = Dinov2Config(
        image_size=SIDE,
        patch_size=PATCH,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative",
        max_depth=20 if metric else 1,
    )
    return DepthAnythingForDepthEstimation(config).eval()


def dpt() -> DPTForDepthEstimation:
    config = DPTConfig(
        image_size=SIDE,
        patch_size=PATCH,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
    )
    return DPTForDepthEstimation(config).eval()
