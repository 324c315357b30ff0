"""A commented spec for some pictures, for `wayframe new`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from wayframe.core.frames import fitted_size
from wayframe.core.resolve import DEFAULT_AREA, EVEN
from wayframe.errors import SpecError
from wayframe.media.images import image_facts
from wayframe.workflow.trip import IMAGE_SUFFIXES

SEGMENT = 48
_DIGITS = re.compile(r"(\d+)")


def spec_template(pictures: Sequence[Path], *, beside: Path) -> str:
    """The text of a spec that travels through `pictures` (or through those of a folder, in natural order).

    Paths are relative to the folder of `beside`. Raises `SpecError` when there is none, `ImageError` for a bad one.
    """
    found = _pictures(pictures)
    base = beside.absolute().parent
    first, *_ = [image_facts(path) for path in found]
    width, height = fitted_size((first.width, first.height), area=DEFAULT_AREA, step=EVEN)
    lines = [_keyframe(path, base=base, index=index, last=len(found) - 1) for index, path in enumerate(found)]
    lone = len(found) == 1
    return _TEMPLATE.format(
        mode="batch" if lone else "timeline",
        keyframes="\n".join(lines),
        lone="segment_frames: 49                # a lone keyframe: so many frames of camera motion\n" if lone else "",
        resolution=f"{width}x{height}",
    )


def _pictures(given: Sequence[Path]) -> list[Path]:
    if len(given) == 1 and given[0].is_dir():
        found = [p for p in given[0].iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
        if not found:
            raise SpecError(str(given[0]), "holds no pictures", fix=f"expected {', '.join(sorted(IMAGE_SUFFIXES))}")
        return sorted(found, key=_natural)
    return list(given)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts 2.jpg before 10.jpg."""
    return [(int(part) if part.isdigit() else -1, part.lower()) for part in _DIGITS.split(path.name)]


def _keyframe(path: Path, *, base: Path, index: int, last: int) -> str:
    name = yaml.safe_dump(os.path.relpath(path.absolute(), base), width=10**6, allow_unicode=True).splitlines()[0]
    at = f"\n    at: {index * SEGMENT}" if last else ""
    prompt = '\n    prompt: ""' if index < last or not last else ""
    return f"  - image: {name}{at}{prompt}"


_TEMPLATE = """\
# A trip for wayframe. Check it with `wayframe plan`, run it with `wayframe run`.
mode: {mode}                    # batch: leave `at` out and give segment_frames
keyframes:                        # `at` is an output frame (48) or a time (3.2s); a prompt is for what follows it
{keyframes}
{lone}
# resolution: {resolution}           # taken from the first picture when it is not said
fit: cover                        # contain: with bars; stretch: distorted
fps: 16
seed: 0
seed_policy: same                 # increment: one more for each segment

chaining: independent             # chained: each segment starts from the last frames of the one before
overlap: 1                        # frames that neighbours share

engine: preview                   # optical flow on the CPU, no model needed
amount_of_motion: 0.3             # camera motion, 0 to 1

# With a model (see docs/spec.md):
# model: wan2.2-vace-a14b
# preset: lightning_baseline_2_2_2
# prompt: ""
# negative_prompt: "cut, blurry, fade"
"""
