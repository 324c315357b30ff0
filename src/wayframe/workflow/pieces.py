"""Pieces of videos as they stand in a join: cut out, or encoded once in our profile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wayframe.core.clips import ClipSpan
from wayframe.errors import CancelledError, MediaError
from wayframe.media.cutting import Cutting, cut_out, is_like
from wayframe.media.encode import PROFILES, VideoWriter
from wayframe.media.index import decode
from wayframe.workflow.contexts import Contexts


def cut_piece(span: ClipSpan, *, contexts: Contexts, target: Path, cancelled: Callable[[], bool]) -> Cutting:
    """Write a piece of a video to `target`.

    One of our own, of the same size, rate and profile, is copied packet by packet where IDR frames stand; any other is
    fitted and encoded. Raises `MediaError`, or `CancelledError` when stopped.
    """
    plan, path = contexts.plan, contexts.file(span.clip)
    profile = PROFILES[plan.profile]
    if is_like(path, size=plan.size, fps=plan.rate, profile=profile):
        frames = range(span.start, span.stop)
        return cut_out(path, frames=frames, target=target, profile=profile, cancelled=cancelled)
    width, height = plan.size
    with VideoWriter(target, width=width, height=height, fps=plan.rate, cuts=(), profile=profile) as writer:
        for pixels in decode(path, start=span.start, stop=span.stop):
            if cancelled():
                raise CancelledError(f"{path}: stopped after {writer.count} frames")
            writer.write(contexts.fitted(pixels))
    if writer.facts is None:
        raise MediaError(f"{target}: was not written")
    return Cutting(frames=writer.facts.frames, copied=0, encoded=writer.facts.frames, digest=writer.facts.digest)
