"""The prompts of a run as one page, beside the pictures that their writer saw."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from wayframe.core.prompting import SegmentPrompt


def prompts_page(prompts: Sequence[SegmentPrompt], *, title: str) -> str:
    """A page that needs nothing else: pictures are inside, every text is escaped, and it loads nothing."""
    environment = Environment(
        loader=PackageLoader("wayframe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = _embedded
    return environment.get_template("prompts.html").render(prompts=prompts, title=title) + "\n"


def _embedded(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
