"""The engine `wan`: how a run sees it. Planning needs this module and no torch."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from wayframe.engines.base import EngineEvent, EngineReport, EngineSetup, SegmentJob, until_cancelled
from wayframe.engines.wan import require_packages
from wayframe.engines.wan.options import WanOptions
from wayframe.errors import EngineError

if TYPE_CHECKING:
    from wayframe.engines.wan.rendering import Rendering
    from wayframe.engines.wan.tally import Tally

_TOLD = ("torch", "diffusers", "transformers")


class WanEngine:
    """Wan 2.1 and 2.2: every step of the plan through the expert that it names, and read back from there.

    Up to `batch` segments are held at once and go through the experts together. Keyframes condition the model; what it
    makes of them is not their pixels. Making the engine reads no model: that is done for the first job.
    """

    name = "wan"
    denoises = True
    shows_keyframes = False

    def __init__(self, setup: EngineSetup | None = None) -> None:
        self._setup = setup or EngineSetup()
        self._options = WanOptions.parse(self._setup.options)
        self.identity = self._options.identity()
        self._open: Rendering | None = None
        self._tally: Tally | None = None
        self._report = EngineReport(device=self._options.device, versions=_versions())
        if self._setup.weights is not None:
            require_packages()

    def render(
        self, jobs: Sequence[SegmentJob], *, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[EngineEvent]:
        """Yield the events of all jobs: for each segment its steps, then its frames.

        Raises `CancelledError` within a step, before its next forward. Raises `EngineError` for a setup or a plan that
        cannot be rendered, and when memory runs out: it then says what to try, and the engine can render again.
        """
        return until_cancelled(self._events(jobs, cancelled), cancelled=cancelled)

    def report(self) -> EngineReport:
        """Device, versions, and what was counted since the engine was made; still told after it was closed."""
        if self._open is not None:
            self._report = self._open.report(self._report.versions)
        return self._report

    def close(self) -> None:
        """Free the model and all that is on the device; it is loaded again when something is rendered."""
        if self._open is not None:
            self.report()
            self._open.close()
            self._open = None

    def _events(self, jobs: Sequence[SegmentJob], cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
        size = self._options.batch
        for start in range(0, len(jobs), size):
            held = [jobs[number] for number in range(start, min(start + size, len(jobs)))]
            yield from self._batch(held, cancelled)

    def _batch(self, jobs: Sequence[SegmentJob], cancelled: Callable[[], bool]) -> Iterator[EngineEvent]:
        try:
            yield from self._rendering().batch(jobs, cancelled=cancelled)
        except (RuntimeError, MemoryError, OSError) as error:
            from wayframe.engines.wan.memory import is_out_of_memory

            if not is_out_of_memory(error):
                raise
            where = self.report().device
            traceback.clear_frames(error.__traceback__)  # or they hold what they had on the device
            self.close()
            raise EngineError(f"out of memory on {where}; {self._options.relief()}") from error

    def _rendering(self) -> Rendering:
        if self._open is None:
            require_packages()
            from wayframe.engines.wan.rendering import Rendering

            self._open = Rendering(self._setup, options=self._options, tally=self._tally)
            self._tally = self._open.tally
        return self._open


def _versions() -> dict[str, str]:
    """What is installed of the packages that decide the numbers; nothing is imported."""
    found = {}
    for package in _TOLD:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
