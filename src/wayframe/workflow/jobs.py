"""Segment jobs, made when the engine asks for them, so that memory does not grow with the trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

from wayframe.core.plan import Plan
from wayframe.engines.base import Frame, SegmentJob
from wayframe.errors import ImageError
from wayframe.files import sha256_file
from wayframe.media.images import fit_image, load_image
from wayframe.workflow.contexts import Contexts
from wayframe.workflow.guides import Guides

KEPT_PICTURES = 3


class Keyframes:
    """The keyframes of a plan at output size; a few are kept, the others are loaded again when needed."""

    def __init__(self, plan: Plan, images: Sequence[Path]) -> None:
        self._plan, self._images = plan, images
        self._load = lru_cache(maxsize=KEPT_PICTURES)(self._fitted)

    def __getitem__(self, index: int) -> Frame:
        """Keyframe `index`: (height, width, 3) RGB."""
        return self._load(index)

    def __len__(self) -> int:
        return len(self._images)

    def _fitted(self, index: int) -> Frame:
        width, height = self._plan.size
        path = self._images[index]
        pixels = load_image(path, matte=self._plan.matte)
        if sha256_file(path) != self._plan.keyframes[index].digest:
            raise ImageError(str(path), "was changed since the plan was made", fix="start again")
        return fit_image(pixels, width=width, height=height, fit=self._plan.fit, matte=self._plan.matte)


class JobBatch(Sequence[SegmentJob]):
    """The jobs of some segments of a plan, each made on demand; `contexts` gives the frames of both ends."""

    def __init__(
        self,
        plan: Plan,
        keyframes: Keyframes,
        *,
        segments: Sequence[int],
        contexts: Contexts | None = None,
        guides: Guides | None = None,
    ) -> None:
        self._plan, self._keyframes, self._segments = plan, keyframes, tuple(segments)
        self._contexts, self._guides = contexts, guides

    def __len__(self) -> int:
        return len(self._segments)

    @overload
    def __getitem__(self, index: int) -> SegmentJob: ...
    @overload
    def __getitem__(self, index: slice) -> JobBatch: ...
    def __getitem__(self, index: int | slice) -> SegmentJob | JobBatch:
        if isinstance(index, slice):
            some = self._segments[index]
            return JobBatch(self._plan, self._keyframes, segments=some, contexts=self._contexts, guides=self._guides)
        return self.job(self._segments[index])

    def job(self, number: int) -> SegmentJob:
        """The job of segment `number`."""
        segment, (width, height) = self._plan.segments[number], self._plan.size
        first, last = self._plan.ends(segment)
        return SegmentJob(
            segment=segment,
            width=width,
            height=height,
            first=None if first is None else self._keyframes[first],
            last=None if last is None else self._keyframes[last],
            given=self._contexts.before(segment) if self._contexts else (),
            guide=self._guides.of(segment) if self._guides else (),
            given_after=self._contexts.after(segment) if self._contexts else (),
        )
