"""A stretch of frames cut out of a video: packets are copied where that can be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wayframe.core.findings import Finding
from wayframe.errors import CancelledError, MediaError
from wayframe.files import atomic_path
from wayframe.media.assembly import Assembly
from wayframe.media.bitstream import parameter_sets
from wayframe.media.blend import curve_named
from wayframe.media.encode import Profile, template_parameters
from wayframe.media.index import VideoIndex, index
from wayframe.media.spans import RATE_TOLERANCE, body_spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """What a cut made: `copied` frames as they were and `encoded` ones; `digest` as of `packet_digest`."""

    frames: int
    copied: int
    encoded: int
    digest: str
    findings: tuple[Finding, ...] = ()


def is_like(path: Path, *, size: tuple[int, int], fps: Fraction, profile: Profile) -> bool:
    """Whether a video is as our encoder makes it with these settings, so that its packets can be copied."""
    found = index(path)
    if found.codec != "h264" or (found.width, found.height) != size or abs(found.fps - fps) > RATE_TOLERANCE * fps:
        return False
    parameters = template_parameters(width=size[0], height=size[1], fps=fps, profile=profile)
    return parameter_sets(found.extradata) == parameters


def cut_out(
    path: Path,
    *,
    frames: range,
    target: Path,
    profile: Profile,
    cancelled: Callable[[], bool] = lambda: False,
) -> Cutting:
    """Frames of a video as one of its own, which appears whole and checked or not at all.

    Packets between IDR frames are copied bit by bit, the others encoded with `profile` (a finding says how many).
    Raises `MediaError` for frames that are not in the video, `CancelledError` when stopped.
    """
    piece = index(path)
    if not 0 <= frames.start < frames.stop <= piece.frames:
        raise MediaError(f"{path}: frames {frames.start} to {frames.stop} were asked for, there are {piece.frames}")
    with atomic_path(target) as temporary, ExitStack() as stack:
        assembly = Assembly(temporary, target=target, like=piece, profile=profile, curve=curve_named("bell"))
        stack.callback(assembly.abandon)
        _fill(assembly, piece, frames=frames, cancelled=cancelled)
        facts = assembly.finish()
    return Cutting(
        frames=facts.frames,
        copied=assembly.copied,
        encoded=assembly.encoded,
        digest=facts.digest,
        findings=assembly.findings(),
    )


def _fill(assembly: Assembly, piece: VideoIndex, *, frames: range, cancelled: Callable[[], bool]) -> None:
    for span in body_spans(piece, 0, frames, assembly.parameters):
        for done in assembly.add(span):
            if cancelled():
                raise CancelledError(f"{piece.path}: stopped after {done} frames")
