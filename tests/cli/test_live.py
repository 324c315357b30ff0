"""The display: bars on a terminal (a real pseudo-terminal), and what they count."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.progress import Progress

from wayframe.cli.bars import Bars
from wayframe.cli.live import _JsonLines, display
from wayframe.core.events import FrameRendered, SegmentReused, StitchProgress, TaskChanged, TaskKind, TaskState
from workflow.rides import Ground, draw, through


def on_a_terminal(command: list[str], *, folder: Path) -> tuple[int, str]:
    """Exit code and everything that a command shows on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "WAYFRAME_HOME": str(folder / "home"), "TERM": "xterm-256color", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment) as program:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        code = program.wait()
    os.close(ours)
    return code, shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # on Linux a terminal whose other side is closed ends so
        return b""


def test_a_terminal_shows_bars_and_ends_with_the_result(tmp_path: Path) -> None:
    draw(tmp_path, 3)
    command = [sys.executable, "-m", "wayframe", "run", "0.png", "1.png", "2.png", "--frames", "60"]
    code, shown = on_a_terminal([*command, "--resolution", "256x192"], folder=tmp_path)
    assert code == 0, shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"total\s+[━╸╺ ]+\s*\d+/\d+\s+frames", plain), plain[:2000]
    assert re.search(r"segment 0\s+[━╸╺ ]+\s*\d+/60 +frames", plain)
    assert "119 frames 256x192 at 16 fps" in plain
    assert "\x1b[?25h" in shown  # the cursor is there again


@pytest.fixture
def bars(tmp_path: Path) -> Bars:

    plan = Ground.at(tmp_path).trip(through(0, 1, 2)).plan
    return Bars(Progress(disable=True), plan)


def test_the_total_counts_every_frame_once_rendered_and_once_stitched(bars: Bars) -> None:
    total = bars._progress.tasks[0]
    assert total.total == 5 + 5 + 9
    bars.take(SegmentReused(task="t", segment=0, key="k", frames=5, digest="d"))
    assert total.completed == 5
    for done in range(1, 6):
        bars.take(FrameRendered(segment=1, done=done, frames=5))
    assert total.completed == 10
    bars.take(TaskChanged(task="t", kind=TaskKind.SEGMENT, state=TaskState.COMPLETE, segment=1))
    bars.take(StitchProgress(done=4, frames=9))
    bars.take(StitchProgress(done=9, frames=9))
    assert total.completed == total.total


def test_a_segment_has_a_bar_while_it_is_rendered(bars: Bars) -> None:
    def names() -> list[str]:
        return [task.description for task in bars._progress.tasks]

    bars.take(FrameRendered(segment=0, done=1, frames=5))
    bars.take(FrameRendered(segment=1, done=1, frames=5))
    assert names() == ["total", "segment 0", "segment 1"]
    bars.take(TaskChanged(task="t", kind=TaskKind.SEGMENT, state=TaskState.COMPLETE, segment=0))
    bars.take(StitchProgress(done=1, frames=9))
    assert names() == ["total", "segment 1", "stitch"]


def test_quiet_says_nothing_of_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Ground.at(tmp_path).trip(through(0, 1)).plan
    with display("quiet", plan=plan) as listen:
        listen(FrameRendered(segment=0, done=1, frames=5))
    assert capsys.readouterr() == ("", "")


def test_json_lines_carry_the_utc_time_and_tell_progress_ten_times_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ticks = iter(number / 64 for number in range(1000))
    noon = datetime(2025, 10, 7, 12, 0, 0, 5000, tzinfo=UTC)
    lines = _JsonLines(now=lambda: noon, monotonic=lambda: next(ticks))
    for done in range(1, 51):
        lines.take(FrameRendered(segment=0, done=done, frames=50))
    lines.take(TaskChanged(task="t", kind=TaskKind.SEGMENT, state=TaskState.COMPLETE, segment=0))
    lines.take(StitchProgress(done=9, frames=9))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["time"] for line in told} == {"2025-10-07T12:00:00.005+00:00"}
    assert [line.get("done") for line in told] == [1, 8, 15, 22, 29, 36, 43, 50, None, 9]
