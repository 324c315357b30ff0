"""Frames that segments start from and lead to: of segments beside them, or of a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wayframe.core.clips import ClipSpan
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.engines.base import Frame
from wayframe.errors import StoreError
from wayframe.files import sha256_file
from wayframe.media.images import fit_image
from wayframe.media.index import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Decodes what a segment is given. `clips` are the files of the plan's videos; `published` finds a segment's."""

    plan: Plan
    clips: Sequence[Path]
    published: Callable[[SegmentPlan], Path | None]
    _checked: set[int] = field(default_factory=set)

    def before(self, segment: SegmentPlan) -> tuple[Frame, ...]:
        """The frames that a segment starts from, at output size; nothing when it starts from a keyframe alone.

        Those shared with the segment before are decoded from its published file and from nowhere else. Raises
        `StoreError` when that is not there, or a video is not the one that was planned with.
        """
        if segment.given is not None:
            return self.span(segment.given)
        if not self.plan.starts_from_before(segment):
            return ()
        before = self.plan.segments[segment.index - 1]
        video = self.made(before.index)
        return tuple(decode(video, start=before.frames - segment.overlap_before, stop=before.frames))

    def after(self, segment: SegmentPlan) -> tuple[Frame, ...]:
        """The frames that a segment leads to, of a video or another segment; nothing where it leads to none."""
        return () if segment.given_after is None else self.span(segment.given_after)

    def span(self, span: ClipSpan) -> tuple[Frame, ...]:
        """Frames of a segment as published, or of a video, fitted to the output as keyframes are."""
        if span.segment:
            return tuple(decode(self.made(span.clip), start=span.start, stop=span.stop))
        path = self.file(span.clip)
        return tuple(self.fitted(pixels) for pixels in decode(path, start=span.start, stop=span.stop))

    def made(self, number: int) -> Path:
        """The published file of a segment. Raises `StoreError` when it is not there."""
        video = self.published(self.plan.segments[number])
        if video is None:
            raise StoreError(f"frames of segment {number} are needed, which is not published")
        return video

    def fitted(self, pixels: Frame) -> Frame:
        """A frame of a video at output size; as it is where it has that size."""
        width, height = self.plan.size
        if pixels.shape[:2] == (height, width):
            return pixels
        return fit_image(pixels, width=width, height=height, fit=self.plan.fit, matte=self.plan.matte)

    def file(self, clip: int) -> Path:
        """The file of a video; `StoreError` when it was changed since the plan was made."""
        path = self.clips[clip]
        if clip not in self._checked and sha256_file(path) != self.plan.clips[clip].digest:
            raise StoreError(f"{path} was changed since the plan was made; start again")
        self._checked.add(clip)
        return path
