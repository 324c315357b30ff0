"""An engine of another package: the null engine's frames, slowly, with a ledger of what was really rendered.

The environment says how: SLOW_LEDGER is a file that gets a line when a segment begins and when it ends, SLOW_SECONDS
how long a segment takes. A prompt says what goes wrong: `dies` kills the process, `fails` raises while the file of
SLOW_FAILS exists, `deaf` does not listen when it is cancelled.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wayframe.engines.base import EngineEvent, EngineSetup, SegmentDone, SegmentJob
from wayframe.engines.null import NullEngine
from wayframe.errors import CancelledError

TICK = 0.05


class SlowEngine(NullEngine):
    name = "slow"
    identity = "slow/1"

    def __init__(self, setup: EngineSetup | None = None) -> None:
        super().__init__(setup)
        self._ledger = os.environ.get("SLOW_LEDGER")
        self._seconds = float(os.environ.get("SLOW_SECONDS", "0"))

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        for number in range(len(jobs)):
            job = jobs[number]
            self._note("begin", job)
            self._work(job, cancelled=cancelled)
            for event in super().render([job]):
                if isinstance(event, SegmentDone):
                    self._note("end", job)
                yield event

    def _work(self, job: SegmentJob, *, cancelled: Callable[[], bool]) -> None:
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            if cancelled() and "deaf" not in job.segment.prompt:
                self._note("stop", job)
                raise CancelledError("told to stop")
            time.sleep(TICK)
        if "dies" in job.segment.prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        if "fails" in job.segment.prompt and Path(os.environ.get("SLOW_FAILS", "/nowhere")).exists():
            raise RuntimeError("the engine met a value that it does not know")

    def _note(self, what: str, job: SegmentJob) -> None:
        if self._ledger:
            line = {"what": what, "key": job.segment.key, "segment": job.segment.index, "pid": os.getpid()}
            with Path(self._ledger).open("a", encoding="utf-8") as ledger:
                ledger.write(json.dumps(line) + "\n")
