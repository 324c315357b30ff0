"""Segments to render, for the contract that every engine keeps and for the engines' own tests."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import cv2
import numpy as np

from wayframe.core.plan import SegmentPlan, Step
from wayframe.engines.base import Engine, EngineEvent, Frame, FrameDone, SegmentJob

WIDTH, HEIGHT, MARGIN = 96, 64, 48


def picture(seed: int = 0, *, width: int = WIDTH, height: int = HEIGHT, shift: int = 0) -> Frame:
    """A texture of soft blobs of all sizes, which flow can follow; `shift` moves it to the right by whole pixels."""
    random = np.random.default_rng(seed)
    wide = width + 2 * MARGIN
    total = np.zeros((height, wide, 3), np.float32)
    for sigma in (1.5, 3, 6, 12):
        noise = cv2.GaussianBlur(random.normal(size=(height, wide, 3)).astype(np.float32), (0, 0), sigma)
        total += noise * (28 / noise.std())
    shown = total[:, MARGIN - shift : MARGIN - shift + width]
    return np.clip(128 + shown, 0, 255).astype(np.uint8)


TWO_STEPS = (
    Step(
        index=0, timestep=1000.0, sigma=1.0, sigma_next=0.5, phase=0, expert="high", guidance=1.0, loras={}, forwards=1
    ),
    Step(index=1, timestep=500.0, sigma=0.5, sigma_next=0.0, phase=0, expert="low", guidance=3.0, loras={}, forwards=2),
)


def segment(index: int = 0, *, frames: int = 9, seed: int = 7, amount_of_motion: float = 0.5) -> SegmentPlan:
    """A segment of two denoising steps; its key differs from that of every segment of another index."""
    return SegmentPlan(
        index=index,
        key=f"{index:064x}",
        start=0,
        end=frames,
        frames=frames,
        overlap_before=0,
        overlap_after=0,
        seed=seed,
        prompt="",
        negative_prompt="",
        amount_of_motion=amount_of_motion,
        forwards=3,
        solver="euler",
        thresholds=(),
        timesteps=(1000.0, 500.0),
        steps=TWO_STEPS,
    )


def job(
    plan: SegmentPlan,
    *,
    first: Frame | None,
    last: Frame | None,
    given: tuple[Frame, ...] = (),
    given_after: tuple[Frame, ...] = (),
) -> SegmentJob:
    """The job that renders `plan` at the size of its pictures."""
    height, width = next(shown for shown in (first, last, *given, *given_after) if shown is not None).shape[:2]
    return SegmentJob(
        segment=plan, width=width, height=height, first=first, last=last, given=given, given_after=given_after
    )


def batch() -> list[SegmentJob]:
    """Three segments that differ in everything that an engine of pictures looks at."""
    return [
        job(segment(0, frames=5, seed=1), first=picture(1), last=picture(1, shift=4)),
        job(segment(1, frames=4, seed=2, amount_of_motion=0.0), first=picture(2), last=picture(3)),
        job(segment(2, frames=3, seed=3), first=picture(4), last=None),
    ]


class OnDemand(Sequence[SegmentJob]):
    """Jobs whose pictures are made when they are asked for; `most_held` is how many somebody held at one time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pictures: list[weakref.ref[Frame]] = []
        self.asked: list[int] = []
        self.most_held = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> SegmentJob:
        if not 0 <= index < self._count:
            raise IndexError(index)
        made = job(segment(index, frames=3), first=picture(index), last=picture(index, shift=2))
        self._pictures.append(weakref.ref(made.start[0]))
        self.asked.append(index)
        self.most_held = max(self.most_held, sum(held() is not None for held in self._pictures))
        return made


def events(engine: Engine, jobs: Sequence[SegmentJob]) -> list[EngineEvent]:
    """Everything that the engine says about the jobs, in its order."""
    return list(engine.render(jobs))


def frames_of(happened: Sequence[EngineEvent]) -> dict[int, list[Frame]]:
    """The frames of each segment, in the order in which they came."""
    shown: dict[int, list[Frame]] = {}
    for event in happened:
        if isinstance(event, FrameDone):
            shown.setdefault(event.segment, []).append(event.pixels)
    return shown


def render(engine: Engine, one: SegmentJob) -> list[Frame]:
    """The frames of a single job."""
    return frames_of(events(engine, [one])).get(one.segment.index, [])
