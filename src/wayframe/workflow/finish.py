"""What is done when all segments are there: the stitch, the contact sheet, and what was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wayframe.core.capsule import CAPSULE_KEY, seal
from wayframe.core.events import FindingMade, StitchProgress, TaskKind, TaskState
from wayframe.core.plan import Plan
from wayframe.errors import StoreError
from wayframe.files import redact
from wayframe.media.encode import PROFILES
from wayframe.media.sheet import contact_sheet
from wayframe.media.stitch import Join, StitchReport, stitch
from wayframe.store.artifacts import Artifact, ArtifactStore
from wayframe.store.runs import VIDEO, RunFolder
from wayframe.workflow.after import AfterWork
from wayframe.workflow.final import AFTER_KEY, after_json
from wayframe.workflow.inspect import measure_trip
from wayframe.workflow.tasks import Tasks
from wayframe.workflow.trip import Trip


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Makes the video of a run in its folder out of its artifacts."""

    trip: Trip
    folder: RunFolder
    tasks: Tasks
    cancelled: Callable[[], bool]
    store: ArtifactStore | None = None

    def video(self, artifacts: Mapping[int, Artifact]) -> dict[str, Any]:
        """Stitch and measure; gives what the record says of the outcome. `artifacts` holds every segment's."""
        begin = time.perf_counter()
        report = self._stitch(artifacts)
        stitched = time.perf_counter()
        metrics = measure_trip(self.trip, video=self.folder.video, cancelled=self.cancelled)
        measured = time.perf_counter()
        after = self._after()
        finished = time.perf_counter()
        return {
            **({"after": after} if after else {}),
            "video": VIDEO,
            "frames": report.frames,
            "digest": report.digest,
            "bytes": self.folder.video.stat().st_size,
            "stitch": {"copied": report.copied, "encoded": report.encoded},
            "metrics": metrics.to_json(),
            "seconds": {
                "stitch": round(stitched - begin, 3),
                "metrics": round(measured - stitched, 3),
                **({"after": round(finished - measured, 3)} if after else {}),
            },
        }

    def _stitch(self, artifacts: Mapping[int, Artifact]) -> StitchReport:
        plan = self.trip.plan
        self.tasks.change(TaskKind.STITCH, TaskState.RUNNING)
        report = stitch(
            [artifacts[segment.index].video for segment in plan.segments],
            joins=joins(plan, artifacts),
            target=self.folder.video,
            profile=PROFILES[plan.profile],
            curve=plan.curve,
            metadata={CAPSULE_KEY: self._capsule()},
            progress=lambda done: self.tasks.emit(StitchProgress(done=done, frames=plan.frames)),
            cancelled=self.cancelled,
        )
        if report.frames != plan.frames:
            raise StoreError(f"the stitch has {report.frames} frames, {plan.frames} were planned")
        for found in report.findings:
            self.tasks.emit(FindingMade(finding=found))
        contact_sheet(
            self.folder.video,
            target=self.folder.sheet,
            keyframes=plan.shown,
            joins=[segment.start for segment in plan.segments[1:]],
        )
        self.tasks.change(TaskKind.STITCH, TaskState.COMPLETE)
        return report

    def _after(self) -> dict[str, Any] | None:
        """The final file that the plan asks for; what the record says of it."""
        after = self.trip.plan.after
        if after is None or self.store is None:
            return None
        files, profile = self.trip.after_files, self.trip.plan.profile
        work = AfterWork(after=after, store=self.store, profile=profile, files=files, cancelled=self.cancelled)
        metadata = {CAPSULE_KEY: self._capsule(), AFTER_KEY: json.dumps(after_json(after))}
        return work.make(self.folder.video, target=self.folder.final(after.suffix), metadata=metadata)

    def _capsule(self) -> str:
        return seal(spec=redact(self.trip.requested), resolved=self.trip.resolved, plan=redact(self.trip.planned()))


def joins(plan: Plan, artifacts: Mapping[int, Artifact]) -> Sequence[Join]:
    """How neighbours are joined: a blend where two different pictures overlap, else a cut.

    A piece of a video, and a segment of the trip, keep their frames beside a bridge, which shows the same ones.
    """
    found = []
    for left, right in pairwise(plan.segments):
        given = [segment for segment in (left, right) if segment is right or segment.given_after]
        altered = any(artifacts[segment.index].facts.get("altered") for segment in given)
        bridged = any(segment.piece or segment.needs for segment in (left, right))
        left_out = (left.replaced or (0, 0))[1], (right.replaced or (0, 0))[0]
        overlap = right.overlap_before - sum(left_out)
        blended = overlap > 1 and (altered or not (bridged or plan.chaining == "chained"))
        keeps_right = right.piece or left.needs
        found.append(Join(overlap=overlap, blend=blended, keep="right" if keeps_right else "left", left_out=left_out))
    return found
