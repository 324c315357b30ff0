"""The look of a segment, frame by frame, between the engine and the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from wayframe.core.look import Look
from wayframe.engines.base import Frame, SegmentJob
from wayframe.media.colour_match import ColourStats, matched
from wayframe.media.look import toned, with_banner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentLook:
    """Changes the frames of one segment; those that were given to it stay as they are.

    The colours go from those of the picture that the segment starts from to those of the one that it leads to.
    """

    look: Look
    job: SegmentJob
    start: ColourStats | None
    end: ColourStats | None

    @classmethod
    def of(cls, job: SegmentJob) -> Self | None:
        """For a segment with a look; None without one: its frames are encoded as they come."""
        look = job.segment.look
        if look is None:
            return None
        first = job.first if job.first is not None else _only(job.start[-1:])
        last = job.last if job.last is not None else _only(job.end[:1])
        if not look.colour_match:
            return cls(look=look, job=job, start=None, end=None)
        start, end = (None if picture is None else ColourStats.of(picture) for picture in (first, last))
        return cls(look=look, job=job, start=start or end, end=end or start)

    def frame(self, index: int, pixels: Frame) -> Frame:
        """Frame `index` of the segment as it is to be encoded."""
        if self.job.kept(index) is not None:
            return pixels
        look = self.look
        if self.start is not None and self.end is not None:
            target = self.start.toward(self.end, t=index / max(self.job.segment.frames - 1, 1))
            pixels = matched(pixels, target=target, strength=look.colour_match)
        if (look.saturation, look.brightness) != (1, 0):
            pixels = toned(pixels, saturation=look.saturation, brightness=look.brightness)
        if look.banner:
            pixels = with_banner(pixels, first=self.job.first, last=self.job.last)
        return pixels


def still(picture: Frame, *, look: Look | None) -> Frame:
    """A keyframe that stands still, as it is to be encoded."""
    if look is None:
        return picture
    return toned(picture, saturation=look.saturation, brightness=look.brightness)


def _only(pictures: tuple[Frame, ...]) -> Frame | None:
    return pictures[0] if pictures else None
