"""Guidance: one velocity from that with the prompt and that with the negative prompt, in float32."""

from __future__ import annotations

import torch


def guided(*, cond: torch.Tensor, uncond: torch.Tensor, scale: float, star: bool) -> torch.Tensor:
    """Classifier-free guidance (arXiv 2207.12598): from the unguided velocity on through the guided one; float32.

    With `star` the unguided velocity is scaled by `optimised_scale` before (CFG-Zero*, arXiv 2503.18886).
    """
    cond, uncond = cond.float(), uncond.float()
    if star:
        uncond = optimised_scale(cond=cond, uncond=uncond) * uncond
    return uncond + scale * (cond - uncond)


def optimised_scale(*, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
    """<cond, uncond> / ||uncond||^2 of each sample, shaped to be multiplied with it; 0 where uncond is 0.

    It makes the unguided velocity the projection of the guided one (arXiv 2503.18886).
    """
    flat_cond, flat_uncond = cond.flatten(1), uncond.flatten(1)
    square = (flat_uncond * flat_uncond).sum(1)
    scale = (flat_cond * flat_uncond).sum(1) / square.clamp_min(torch.finfo(square.dtype).tiny)
    return scale.view(-1, *[1] * (cond.ndim - 1))
