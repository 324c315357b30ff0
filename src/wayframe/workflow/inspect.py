"""Videos and runs looked at: their metrics, with joins and keyframes where the plan says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wayframe.core.documents import parse_plan
from wayframe.core.plan import Plan
from wayframe.engines.base import Frame
from wayframe.errors import CancelledError, SpecError, StoreError
from wayframe.media.index import index, packet_digest
from wayframe.media.metrics import Fidelity, JoinPlace, Metrics, measure
from wayframe.store.runs import RunFolder
from wayframe.workflow.jobs import Keyframes
from wayframe.workflow.sources import capsule_of
from wayframe.workflow.trip import Trip, prepare_plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """What was found out about a video. `keyframes` are their frames; `note` says why joins are not known, if so."""

    video: Path
    metrics: Metrics
    keyframes: tuple[int, ...]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data, the values of every frame included."""
        width, height = self.metrics.size
        return {
            "video": str(self.video),
            "note": self.note,
            "resolution": f"{width}x{height}",
            "fps": str(self.metrics.fps),
            "keyframe_frames": list(self.keyframes),
            **self.metrics.to_json(series=True),
        }


def inspect_video(path: Path, *, keyframes: Path | None = None) -> Inspection:
    """Measure any video; one of ours says where its joins and keyframes are.

    With `keyframes`, the folder of the pictures, fidelity is measured too. Raises `MediaError` when the video cannot be
    read, `SpecError` when it carries no plan for the pictures, or a picture is missing.
    """
    plan, note = _carried(path)
    if plan is None and keyframes is not None:
        raise SpecError("--keyframes", f"cannot be placed: {note}", str(keyframes))
    return _inspect(path, plan=plan, folder=keyframes, note=note)


def inspect_run(run: RunFolder, *, keyframes: Path | None = None) -> Inspection:
    """Measure the video of a run. Fidelity is measured when `keyframes` is given, else taken from the record.

    Raises `StoreError` when the run has no video, and as `inspect_video` does.
    """
    record = run.read()
    if not run.video.exists():
        raise StoreError(f"run {run.run_id} is {record['status']} and has no video")
    found = _inspect(run.video, plan=parse_plan(record["planned"]), folder=keyframes)
    if keyframes is None:
        return replace(found, metrics=replace(found.metrics, keyframes=_recorded(record, video=run.video)))
    return found


def measure_trip(trip: Trip, *, video: Path, cancelled: Callable[[], bool]) -> Metrics:
    """The metrics of the finished video of a trip; raises `CancelledError` once `cancelled()` is true."""

    def check(done: int) -> None:
        if cancelled():
            raise CancelledError(f"{video}: stopped after {done} frames were measured")

    pictures = _Placed(trip.plan, Keyframes(trip.plan, trip.images))
    return measure(video, joins=join_places(trip.plan), keyframes=pictures, progress=check)


def join_places(plan: Plan) -> tuple[JoinPlace, ...]:
    """Where the segments of a plan meet, in output frames."""
    return tuple(JoinPlace(start=segment.start, overlap=segment.overlap_before) for segment in plan.segments[1:])


class _Placed(Mapping[int, Frame]):
    """The fitted keyframes of a plan by their output frame, loaded when they are asked for.

    Those that bridges stand in the place of are left out: they are not shown.
    """

    def __init__(self, plan: Plan, pictures: Keyframes) -> None:
        self._numbers = plan.shown
        self._pictures = pictures

    def __getitem__(self, at: int) -> Frame:
        return self._pictures[self._numbers[at]]

    def __contains__(self, at: object) -> bool:
        return at in self._numbers  # Mapping would load the picture to find out

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _carried(path: Path) -> tuple[Plan | None, str]:
    """The plan in a video's metadata, or why there is none that fits it."""
    frames = index(path).frames
    try:
        plan = parse_plan(capsule_of(path)["plan"])
    except SpecError as error:
        return None, str(error)
    if plan.frames != frames:
        return None, f"{path}: has {frames} frames, but the plan that it carries has {plan.frames}"
    return plan, ""


def _inspect(path: Path, *, plan: Plan | None, folder: Path | None, note: str = "") -> Inspection:
    if plan is None:
        return Inspection(video=path, metrics=measure(path), keyframes=(), note=note)
    pictures: Mapping[int, Frame] = {}
    if folder is not None:
        trip = prepare_plan(plan, folders=[folder])
        pictures = _Placed(plan, Keyframes(plan, trip.images))
    metrics = measure(path, joins=join_places(plan), keyframes=pictures)
    return Inspection(video=path, metrics=metrics, keyframes=tuple(keyframe.at for keyframe in plan.keyframes))


def _recorded(record: Mapping[str, Any], *, video: Path) -> tuple[Fidelity, ...]:
    """Keyframe fidelity as the run measured it, when the video is still the one that it was measured on."""
    outcome = record["outcome"]
    if "metrics" not in outcome or outcome["digest"] != packet_digest(video):
        return ()
    return tuple(
        Fidelity(at=entry["at"], psnr=math.inf if entry["psnr"] is None else entry["psnr"], ssim=entry["ssim"])
        for entry in outcome["metrics"]["keyframes"]
    )
