"""Pieces into one video: packets are copied, and only what is blended is encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

from wayframe.core.findings import Finding
from wayframe.errors import CancelledError
from wayframe.files import atomic_path
from wayframe.media.assembly import Assembly
from wayframe.media.blend import curve_named
from wayframe.media.encode import Profile, check_format
from wayframe.media.spans import Join, Span, read_pieces, spans

__all__ = ["Join", "StitchOptions", "StitchReport", "stitch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchReport:
    """What a stitch made: `frames` = `copied` (packets as they were) + `encoded`; `digest` as of `packet_digest`."""

    frames: int
    copied: int
    encoded: int
    digest: str
    findings: tuple[Finding, ...]


class StitchOptions(TypedDict):
    """The named arguments of `stitch`.

    `joins` has one entry less than there are pieces; `curve` is one of `blend.CURVES` (default ``bell``); `metadata`
    goes into the container; `progress` gets the number of frames done so far; work stops once `cancelled()` is true.
    """

    joins: Sequence[Join]
    target: Path
    profile: Profile
    curve: NotRequired[str]
    metadata: NotRequired[Mapping[str, str]]
    progress: NotRequired[Callable[[int], None]]
    cancelled: NotRequired[Callable[[], bool]]


def stitch(pieces: Sequence[Path], **options: Unpack[StitchOptions]) -> StitchReport:
    """Join `pieces` into ``target``, which appears whole and checked or not at all; options: `StitchOptions`.

    The result has sum(frames) - sum(overlaps) frames, less those that are left out. Packets between IDR frames are
    copied bit by bit; blends, and frames that cannot be copied (a finding says why), are encoded with ``profile``.
    Memory grows with the longest overlap, and with some 3 kB a piece. The same pieces and settings give the same
    packets. Raises `MediaError` for pieces that cannot be read or don't fit together, `CancelledError` when stopped.
    """
    return _Stitch(pieces=pieces, **options).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stitch:
    pieces: Sequence[Path]
    joins: Sequence[Join]
    target: Path
    profile: Profile
    curve: str = "bell"
    metadata: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[int], None] = lambda _frames: None
    cancelled: Callable[[], bool] = lambda: False

    def run(self) -> StitchReport:
        mixing = curve_named(self.curve)
        pieces = read_pieces(self.pieces, joins=self.joins)
        first = pieces[0]
        check_format(first.path, width=first.width, height=first.height, fps=first.fps)
        with atomic_path(self.target) as temporary, ExitStack() as stack:
            assembly = Assembly(temporary, target=self.target, like=first, profile=self.profile, curve=mixing)
            stack.callback(assembly.abandon)
            assembly.describe(self.metadata)
            for span in spans(pieces, joins=self.joins, parameters=assembly.parameters):
                self._add(span, assembly)
            facts = assembly.finish()
        return StitchReport(
            frames=facts.frames,
            copied=assembly.copied,
            encoded=assembly.encoded,
            digest=facts.digest,
            findings=assembly.findings(),
        )

    def _add(self, span: Span, assembly: Assembly) -> None:
        for done in assembly.add(span):
            if self.cancelled():
                raise CancelledError(f"{self.target}: stopped after {done} frames")
            self.progress(done)
