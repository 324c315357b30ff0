"""A document as one HTML file that needs nothing else: styles, script, charts and pictures are inside."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from wayframe.core.dossier import Clip
from wayframe.report.chart import draw
from wayframe.report.document import Block, Document, Player, plain

EMBEDDED_BELOW = 4 * 1024 * 1024
"""Bytes of a video that goes into the file unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """How the page gets at videos: `address` gives what stands in ``src``."""

    address: Callable[[Clip], str]


def html(document: Document, *, media: Media) -> str:
    """The page. Every text is escaped; the page forbids itself to load anything from a network."""
    environment = Environment(
        loader=PackageLoader("wayframe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["jpeg"] = _jpeg
    environment.filters["kind"] = _kind
    environment.filters["draw"] = draw
    environment.filters["plain"] = plain
    environment.filters["address"] = media.address
    environment.filters["player"] = _player
    return environment.get_template("report.html").render(document=document) + "\n"


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _jpeg(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def data_address(video: bytes) -> str:
    """A video as an address that holds it."""
    return f"data:video/mp4;base64,{base64.b64encode(video).decode()}"


def _player(block: Player) -> dict[str, object]:
    """What the page's script needs to know of two videos."""
    return {
        "rates": [clip.rate for clip in block.clips],
        "frames": [clip.frames for clip in block.clips],
        "spans": [[list(a), list(b)] for a, b in block.spans],
        "joins": [start for start, _ in block.clips[0].joins],
    }
