"""The program as a real process that can be killed, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.media.index import packet_digest
from wayframe.store.home import Home
from workflow.rides import leftovers, lines

PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A spec in a folder with pictures, and a home to run it in."""

    spec: Path
    home: Path

    def command(self) -> list[str]:
        return [sys.executable, "-m", "wayframe", "run", self.spec.name, "--out", str(self.out), "--force"]

    @property
    def out(self) -> Path:
        return self.home / "out.mp4"

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[str]]:
        """The running program; it is killed when the block ends before it does."""
        environment = {**os.environ, "WAYFRAME_HOME": str(self.home), "OPENCV_FOR_THREADS_NUM": "1"}
        with subprocess.Popen(
            self.command(), cwd=self.spec.parent, env=environment, stderr=subprocess.PIPE, text=True
        ) as program:
            try:
                yield program
            finally:
                program.kill()

    def finish(self) -> str:
        """Run to the end; what it said on the way."""
        with self.process() as program:
            said = program.communicate(timeout=PATIENCE)[1]
            assert program.returncode == 0, said
        return said

    def runs(self) -> list[Path]:
        """Run folders with a record, oldest first."""
        return sorted(path.parent for path in (self.home / "runs").glob("*/run.json"))

    def record(self, run: Path) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((run / "run.json").read_text())
        return data

    def events(self, name: str) -> list[dict[str, Any]]:
        """Whole lines of the event logs of all runs that tell of an event."""
        found = []
        for log in sorted((self.home / "runs").glob("*/events.jsonl")):
            text = log.read_text()
            found += [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [event for event in found if event["event"] == name]

    def count(self) -> int:
        """Lines of all event logs."""
        return sum(path.read_bytes().count(b"\n") for path in (self.home / "runs").glob("*/events.jsonl"))

    def artifacts(self) -> set[str]:
        """Keys of what is published."""
        return {path.parent.name for path in (self.home / "artifacts").glob("??/*/artifact.json")}

    def wait_for(self, happened: Callable[[], bool], program: subprocess.Popen[str]) -> None:
        """Look again and again until it happened or the program ended."""
        until = time.monotonic() + PATIENCE
        while not happened() and program.poll() is None and time.monotonic() < until:
            time.sleep(0.002)

    def check_whole(self, *, digest: str, segments: int) -> None:
        """Nothing lost, nothing twice, nothing half, and the video is that of an uninterrupted run."""
        published = Counter(event["key"] for event in self.events("SegmentPublished"))
        assert max(published.values()) == 1, published
        assert len(self.artifacts()) == segments
        assert published.keys() <= self.artifacts()
        assert leftovers(Home(root=self.home)) == []
        last = self.runs()[-1]
        assert self.record(last)["status"] == "completed"
        assert self.record(last)["outcome"]["digest"] == digest == packet_digest(self.out)
        assert lines(last / "events.jsonl")[-1]["event"] == "RunFinished"
