"""Bars of an engine that denoises: how far it is, readable with ten segments and with a hundred."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from core.trips import T2V, planned, stills
from wayframe.cli.bars import SEGMENTS_SHOWN, StepBars, step_bars
from wayframe.core.events import (
    FrameRendered,
    SegmentReused,
    StepApplied,
    StitchProgress,
    TaskChanged,
    TaskKind,
    TaskState,
)
from wayframe.core.plan import Plan


class Screen:
    """Bars of a plan under a clock that stands still, and what they show."""

    def __init__(self, segments: int) -> None:
        self.plan: Plan = planned(stills(segments + 1, model=T2V, preset="lightning_baseline_2_2_2", prompt="x")).plan
        self.now = 0.0
        self.progress: Progress = step_bars()
        self.progress.get_time = lambda: self.now
        self.bars = StepBars(self.progress, self.plan)

    def step(self, segment: int, *steps: int) -> None:
        for index in steps:
            planned = self.plan.segments[segment].steps[index]
            self.now += 10.0 * planned.forwards
            self.bars.take(
                StepApplied(
                    task="t",
                    segment=segment,
                    step=index,
                    timestep=planned.timestep,
                    expert=planned.expert,
                    guidance=planned.guidance,
                    loras={},
                    forwards=planned.forwards,
                )
            )

    def complete(self, segment: int) -> None:
        self.bars.take(TaskChanged(task="t", kind=TaskKind.SEGMENT, state=TaskState.COMPLETE, segment=segment))

    def lines(self) -> list[str]:
        console = Console(file=io.StringIO(), width=110)
        console.print(self.progress.get_renderable())
        assert isinstance(console.file, io.StringIO)
        return [
            " ".join(line.replace("━", "").replace("╸", "").split()) for line in console.file.getvalue().splitlines()
        ]


def test_before_the_first_step_it_says_that_it_prepares() -> None:
    screen = Screen(2)
    screen.now = 75.0
    assert screen.lines() == ["forwards 0/16 preparing, 0:01:15 gone", "segments 0/2"]


def test_a_segment_shows_its_step_expert_and_guidance_and_the_whole_what_is_left() -> None:
    screen = Screen(2)
    screen.step(0, 0, 1, 2)
    assert screen.lines() == [
        "forwards 5/16 0:00:50 gone, 0:01:50 left",
        "segments 0/2 1 in high, 1 waiting",
        "segment 0 5/8 step 3 of 6, high, guidance 1",
    ]


def test_phase_by_phase_all_segments_are_counted_and_those_that_moved_last_are_shown() -> None:
    screen = Screen(100)
    for segment in range(50):
        screen.step(segment, 0, 1, 2, 3)
    lines = screen.lines()
    assert lines[1] == "segments 0/100 50 in high, 50 waiting"
    assert [line.split(" ")[1] for line in lines[2:]] == ["44", "45", "46", "47", "48", "49"]
    assert len(lines) == 2 + SEGMENTS_SHOWN
    screen.step(3, 4)
    assert screen.lines()[1] == "segments 0/100 49 in high, 1 in low, 50 waiting"
    assert [line.split(" ")[1] for line in screen.lines()[2:]] == ["3", "45", "46", "47", "48", "49"]


def test_a_segment_that_is_decoded_says_so_and_one_that_is_complete_goes() -> None:
    screen = Screen(2)
    screen.step(0, 0, 1, 2, 3, 4, 5)
    screen.bars.take(FrameRendered(segment=0, done=7, frames=61))
    assert screen.lines()[1:] == ["segments 0/2 1 decoding, 1 waiting", "segment 0 8/8 decoded 7 of 61 frames"]
    screen.complete(0)
    assert screen.lines()[1:] == ["segments 1/2 1 waiting"]
    screen.bars.take(StitchProgress(done=3, frames=121))
    assert screen.lines()[-1] == "stitch 3/121 frames"


@pytest.mark.parametrize("after", [0, 1])
def test_a_segment_that_was_found_costs_no_forwards_whatever_its_steps_say(after: int) -> None:
    screen = Screen(2)
    screen.step(1, *range(after))
    screen.bars.take(SegmentReused(task="t", segment=0, key="k", frames=61, digest="d"))
    screen.step(0, 0, 1, 2, 3, 4, 5)
    screen.complete(0)
    assert screen.lines()[0].startswith(f"forwards {2 * after}/8 ")
    assert screen.lines()[1].startswith("segments 1/2 ")
