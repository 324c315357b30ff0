"""The network of RIFE 4.6 and of RIFE 4.25 and 4.26, by whose names of weights its published files are read.

Huang, Zhang, Heng, Shi, Zhou: Real-Time Intermediate Flow Estimation for Video Frame Interpolation, ECCV 2022; layers,
names and shapes as in https://github.com/hzwer/Practical-RIFE (MIT) and its models of these versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAK = 0.2
_RESIDUALS = 8
_FLOW, _MASK = 4, 1  # planes: right and down in each picture (pixels), and how much the first one counts
_HEAD_WIDTH = 16
_SHARPEST = 2  # a block works on half, then on a quarter of its input


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What tells versions apart: per block its width and how much smaller its pictures are; planes beside the flow.

    `features` planes per picture come from a network of their own (0: there is none), `spare` planes pass from block to
    block, and `unused` ones are made and not looked at.
    """

    versions: str
    widths: tuple[int, ...]
    scales: tuple[int, ...]
    features: int = 0
    spare: int = 0
    unused: int = 0

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be multiples of."""
        return self.scales[0] * _SHARPEST * _SHARPEST

    def planes_in(self, block: int) -> int:
        """Planes that a block is given: two pictures, their features and the time; after the first one also mask,
        spare planes and flow.
        """
        first = 2 * 3 + 2 * self.features + 1
        return first if block == 0 else first + _MASK + self.spare + _FLOW

    @property
    def planes_out(self) -> int:
        """Planes that a block gives."""
        return _FLOW + _MASK + self.spare + self.unused


RIFE_4_6 = Layout(versions="4.6", widths=(192, 128, 96, 64), scales=(8, 4, 2, 1), unused=1)
RIFE_4_25 = Layout(versions="4.25 or 4.26", widths=(192, 128, 96, 64, 32), scales=(16, 8, 4, 2, 1), features=4, spare=8)
LAYOUTS = (RIFE_4_6, RIFE_4_25)


class Rife(nn.Module):
    """Pictures between two others; its weights have the names of the published files."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        for number, width in enumerate(layout.widths):
            block = Block(layout.planes_in(number), width=width, planes_out=layout.planes_out)
            self.add_module(f"block{number}", block)
        if layout.features:
            self.encode = Head(layout.features)

    def between(self, first: Tensor, *, last: Tensor) -> Callable[[float], Tensor]:
        """The pictures between two: of a time from 0 (first) to 1 (last); all (1, 3, height, width), 0 to 1.

        Both sides must be multiples of `layout.multiple`.
        """
        features = (self.encode(first), self.encode(last)) if self.layout.features else ()
        return lambda t: self._at(t, pictures=(first, last), features=features)

    def _at(self, t: float, *, pictures: tuple[Tensor, Tensor], features: tuple[Tensor, ...]) -> Tensor:
        time = torch.full_like(pictures[0][:, :1], t)
        made = self._block(0, torch.cat((*pictures, *features, time), 1), flow=None)
        flow, mask, spare = self._parted(made)
        for number in range(1, len(self.layout.widths)):
            seen = (*_warped(pictures, flow), *_warped(features, flow), time, mask, spare)
            made = self._block(number, torch.cat(seen, 1), flow=flow)
            change, change_of_mask, spare = self._parted(made)
            flow = flow + change
            mask = change_of_mask if self.layout.features else mask + change_of_mask
        start, end = _warped(pictures, flow)
        share = torch.sigmoid(mask)
        return start * share + end * (1 - share)

    def _block(self, number: int, seen: Tensor, *, flow: Tensor | None) -> Tensor:
        made: Tensor = self.get_submodule(f"block{number}")(seen, flow, scale=self.layout.scales[number])
        return made

    def _parted(self, made: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flow, mask and spare planes."""
        shown = _FLOW + _MASK
        return made[:, :_FLOW], made[:, _FLOW:shown], made[:, shown : shown + self.layout.spare]


class Block(nn.Module):
    """Sees pictures `scale` times smaller, and gives planes of full size."""

    def __init__(self, planes_in: int, *, width: int, planes_out: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halved(planes_in, width=width // 2), _halved(width // 2, width=width))
        self.convblock = nn.Sequential(*(Residual(width) for _ in range(_RESIDUALS)))
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * planes_out, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, seen: Tensor, flow: Tensor | None, *, scale: int) -> Tensor:
        seen = _resized(seen, 1 / scale)
        if flow is not None:
            seen = torch.cat((seen, _resized(flow, 1 / scale) / scale), 1)
        made = _resized(self.lastconv(self.convblock(self.conv0(seen))), scale)
        return torch.cat((made[:, :_FLOW] * scale, made[:, _FLOW:]), 1)


class Residual(nn.Module):
    """Adds a convolution, weighed plane by plane."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones((1, width, 1, 1)))

    def forward(self, planes: Tensor) -> Tensor:
        return functional.leaky_relu(self.conv(planes) * self.beta + planes, _LEAK)


class Head(nn.Module):
    """Features of a picture, at its size."""

    def __init__(self, planes_out: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, _HEAD_WIDTH, 3, 2, 1)
        self.cnn1 = nn.Conv2d(_HEAD_WIDTH, _HEAD_WIDTH, 3, 1, 1)
        self.cnn2 = nn.Conv2d(_HEAD_WIDTH, _HEAD_WIDTH, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(_HEAD_WIDTH, planes_out, 4, 2, 1)

    def forward(self, picture: Tensor) -> Tensor:
        planes = picture
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            planes = functional.leaky_relu(layer(planes), _LEAK)
        features: Tensor = self.cnn3(planes)
        return features


def _halved(planes_in: int, *, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(planes_in, width, 3, 2, 1), nn.LeakyReLU(_LEAK))


def _resized(planes: Tensor, factor: float) -> Tensor:
    return functional.interpolate(planes, scale_factor=factor, mode="bilinear", align_corners=False)


def _warped(pair: tuple[Tensor, ...], flow: Tensor) -> tuple[Tensor, ...]:
    """Each of a pair read where its flow points to, by the border's colour beyond the border."""
    return tuple(_read(planes, flow[:, 2 * at : 2 * at + 2]) for at, planes in enumerate(pair))


def _read(planes: Tensor, flow: Tensor) -> Tensor:
    height, width = planes.shape[-2:]
    down, right = torch.meshgrid(
        torch.linspace(-1, 1, height, device=planes.device),
        torch.linspace(-1, 1, width, device=planes.device),
        indexing="ij",
    )
    places = torch.stack((right + flow[0, 0] * 2 / (width - 1), down + flow[0, 1] * 2 / (height - 1)), -1)
    return functional.grid_sample(planes, places[None], mode="bilinear", padding_mode="border", align_corners=True)
