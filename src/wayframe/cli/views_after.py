"""Guide videos and final files in words: one line each, in plans, after runs and in records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wayframe.core.after import After
from wayframe.core.plan import Plan

SHORT = 12
_LONG = re.compile(r"[0-9a-f]{40,}$")


def guide_lines(plan: Plan) -> Iterator[str]:
    """Each guide video that steers: what is shown of it, and the output frames where."""
    for guide in plan.guides:
        spans = [
            (segment.start + span.at, len(span.sources), span, segment.guide.strength)
            for segment in plan.segments
            if segment.guide is not None
            for span in segment.guide.spans
            if span.guide == guide.index
        ]
        if spans:
            _, _, span, strength = spans[0]
            last = max(start + length for start, length, _, _ in spans) - 1
            model = f" by {_LONG.sub(_shortened, span.depth.model)}" if span.depth else ""
            scale = f", strength {strength:g}" if strength != 1 else ""
            yield f"guide {guide.index}: {span.kind}{model} on frames {spans[0][0]} to {last}{scale}"


def after_line(after: After) -> str:
    """What is done to the video of a plan, and the name of the final file."""
    said = [
        f"frames {after.trim.start} to {after.trim.end - 1}" if after.trim else "",
        f"enlarged {after.upscale.factor:g} times by {_model(after.upscale.digest, 'Lanczos')}"
        if after.upscale
        else "",
        f"{after.fps} fps by {_model(after.rife, 'optical flow')}" if after.fps else "",
        "with sound" if after.audio else "",
        f"as {after.profile}" if after.profile else "",
    ]
    return f"final{after.suffix}: {', '.join(part for part in said if part)}"


def final_line(made: Mapping[str, Any], *, name: str) -> str:
    """What a record says of the final file."""
    steps = ", ".join(step["step"] for step in made["steps"]) or "copied"
    return f"{name}: {made['frames']} frames {made['resolution']} at {made['fps']} fps ({steps})"


def _shortened(digest: re.Match[str]) -> str:
    return digest.group()[:SHORT]


def _model(digest: str | None, otherwise: str) -> str:
    return f"model {digest[:SHORT]}" if digest else otherwise
