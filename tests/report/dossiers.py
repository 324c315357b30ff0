"""Dossiers made by hand, and from logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.subjects import segment, subject, table
from wayframe.core.comparison import compare
from wayframe.core.diff import Filters
from wayframe.core.dossier import Clip, Dossier, NoiseFloor, VideoPair
from wayframe.core.subject import Basis, FrameCount, StepTable, Subject
from wayframe.store.home import open_home
from wayframe.workflow.compare import CompareOptions, gather, last_completed

NO_FILTERS = Filters()


def of(*subjects: Subject, filters: Filters = NO_FILTERS) -> Dossier:
    """The dossier of subjects without videos."""
    first, *others = subjects
    return Dossier(
        comparisons=tuple(compare(first, other, filters=filters) for other in others),
        filters=filters,
        arguments=tuple(item.name for item in subjects),
        clips=(None,) * len(subjects),
        videos=(None,) * len(others),
    )


def of_log(path: Path, *, home: Path, last: int = 2, filters: Filters = NO_FILTERS) -> Dossier:
    """The dossier of a log's last completed runs."""
    options = CompareOptions(filters=filters, arguments=("--log", path.name))
    return gather(last_completed([path], last=last, defaults=None), home=open_home(home), options=options)


def steps(high: Sequence[float], *, guidance: Sequence[float] = (3, 1, 1)) -> StepTable:
    """Three steps on high, high, low, with one LoRA `high`."""
    rows = zip((1000.0, 800.0, 400.0), ("high", "high", "low"), guidance, high, strict=True)
    return table(*((time, expert, scale, {"high": weight}) for time, expert, scale, weight in rows))


def run(
    name: str,
    *,
    prompt: str = "a lake",
    high: Sequence[float] = (1, 1, 0),
    wanted: Sequence[float] | None = None,
    segments: int = 2,
    requested: Mapping[str, object] | None = None,
) -> Subject:
    """A run of equal segments."""
    parts = [
        replace(
            segment(index, planned={"prompt": prompt, "seed": 7}),
            steps=steps(high),
            wanted=None if wanted is None else replace(steps(wanted), basis=Basis.REQUESTED),
            frames=FrameCount(asked=25, quantised=25, delivered=25, overlap_before=min(index, 1)),
        )
        for index in range(segments)
    ]
    pictures = tuple(f"{index:064x}" for index in range(segments + 1))
    return replace(
        subject(name, segments=parts, keyframes=pictures, requested=requested or {"seed": 7}), kind="run", run_id=name
    )


def clip(path: Path, *, joins: Sequence[tuple[int, int]] = (), spans: Sequence[tuple[int, int]] = ()) -> Clip:
    """A clip of a file that need not exist."""
    size = path.stat().st_size if path.exists() else 0
    return Clip(
        path=str(path),
        size_bytes=size,
        width=64,
        height=48,
        frames=9,
        rate=16.0,
        spans=tuple(spans),
        joins=tuple(joins),
    )


def with_videos(
    dossier: Dossier, *, clips: Sequence[Clip], pair: VideoPair, noise: NoiseFloor | None = None
) -> Dossier:
    """The dossier of a pair with its videos."""
    return replace(dossier, clips=tuple(clips), videos=(pair,), noise=noise)
