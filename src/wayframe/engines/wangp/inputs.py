"""What WanGP is given for a segment: settings, and the pictures that they name as files without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image

from wayframe.core.catalogue import Model
from wayframe.core.payload_wangp import WangpFrame, segment_settings, wangp_model
from wayframe.core.plan import Plan, SegmentPlan, lora_name
from wayframe.core.schedule import Solver, shift_of
from wayframe.engines.base import Frame, LoraFile, SegmentJob
from wayframe.engines.wan.canvas import Canvas, Grid
from wayframe.errors import EngineError, InputError

Settings: TypeAlias = dict[str, Any]
NEUTRAL: Mapping[str, Any] = {
    "image_mode": 0,
    "repeat_generation": 1,
    "batch_size": 1,
    "multi_prompts_gen_type": "FG",
    "prompt_enhancer": "",
    "skip_steps_cache_type": "",
    "temporal_upsampling": "",
    "spatial_upsampling": "",
    "film_grain_intensity": 0,
    "RIFLEx_setting": 2,
    "NAG_scale": 1,
    "apg_switch": 0,
    "cfg_star_switch": 0,
    "cfg_zero_step": -1,
}
"""What a user's defaults in WanGP might say otherwise, and a plan does not: one full prompt, every step, nothing after
the decoder."""
KEPT, MADE = 0, 255
UNKNOWN = 127
"""VACE's grey, where a frame is to be made."""
_GUIDED = "VA"
"""WanGP's flags for a guide video as it is (V) with a mask of what is to be made (A)."""
_LOSSLESS, _RATE = "FFV1", 16.0
_ONE_FRAME = ("i2v", "flf2v")
"""Kinds of models that start from a single picture in WanGP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Writes what a segment needs; `model_type` takes the place of WanGP's name of the model."""

    model: Model
    loras: Mapping[str, LoraFile]
    model_type: str | None = None

    def canvas(self, job: SegmentJob) -> Canvas:
        """The size and length that are asked for: WanGP rounds down to its grids, so they stand on them."""
        grid = Grid(size_step=self.model.size_step, frame_step=self.model.frame_step)
        return Canvas.around(width=job.width, height=job.height, frames=job.segment.frames, grid=grid)

    def settings(self, job: SegmentJob, *, folder: Path) -> Settings:
        """The settings of a segment; its pictures are written into `folder`.

        Raises `EngineError` for what WanGP's settings cannot say, before anything is written.
        """
        canvas = self.canvas(job)
        size = f"{canvas.width}x{canvas.height}"
        said = plain_settings(
            job.segment,
            model_type=wangp_name(self.model.name, said=self.model_type),
            resolution=size,
            loras=self.lora_files(),
        )
        length = {"video_length": canvas.frames, "sliding_window_size": canvas.frames}
        return {**NEUTRAL, "force_fps": str(self.model.fps), **said, **length, **self._pictures(job, canvas, folder)}

    def lora_files(self) -> dict[str, str]:
        """The path of each LoRA by the plan's id; raises `EngineError` where two files share a name."""
        paths = {name: str(lora.path.absolute()) for name, lora in self.loras.items()}
        names = [Path(path).name for path in paths.values()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise EngineError(f"two LoRAs have the file name {twice}, by which WanGP tells them apart; rename one")
        return paths

    def _pictures(self, job: SegmentJob, canvas: Canvas, folder: Path) -> Settings:
        known = _known(job, canvas)
        if self.model.kind == "t2v":
            return {"image_prompt_type": "", "video_prompt_type": ""}
        if self.model.kind == "vace":
            return _guide(known, canvas=canvas, folder=folder)
        if len(job.start) > 1 or len(job.end) > 1:
            raise _one_frame_only(job.segment.index, given=max(len(job.start), len(job.end)))
        takes_end = self.model.takes_end and bool(job.end) and canvas.frames > 1
        ends = {"image_start": known[0], **({"image_end": known[-1]} if takes_end else {})}
        kind = "SE" if takes_end else "S"
        return {
            "image_prompt_type": kind,
            "video_prompt_type": "",
            **{name: _png(picture, path=folder / f"{name}.png") for name, picture in ends.items()},
        }


def wangp_name(model: str | None, *, said: str | None) -> str:
    """What WanGP calls a model of the catalogue, unless something else is said; `EngineError` where it knows none."""
    with refused():
        return said or wangp_model(model)


def check_plan(plan: Plan, *, model_type: str | None) -> None:
    """Raise `EngineError` for a plan that WanGP's settings cannot say; `model_type` as in `Inputs`."""
    named = wangp_name(plan.model, said=model_type)
    loras = {name: lora_name(lora.file) for name, lora in plan.loras.items()}
    for segment in plan.segments:
        if not segment.is_rendered:
            continue
        plain_settings(segment, model_type=named, resolution=plan.resolution, loras=loras)
        chained = segment.overlap_before if plan.starts_from_before(segment) else 0
        given = chained if segment.given is None else segment.given.frames
        if plan.kind in _ONE_FRAME and plan.ends(segment)[0] is None and not given:
            problem = "leads to a keyframe from nowhere, and an image-to-video model of WanGP needs a start"
            raise EngineError(f"segment {segment.index} {problem}; use a VACE model, or leave the lead out")
        given = max(given, segment.given_after.frames if segment.given_after else 0)
        if given > 1 and plan.kind in _ONE_FRAME:
            raise _one_frame_only(segment.index, given=given)


def plain_settings(segment: SegmentPlan, *, model_type: str, resolution: str, loras: Mapping[str, str]) -> Settings:
    """What the plan says of a segment, in WanGP's words, without pictures; a LoRA without a file has weight 0 at every
    step and is left out.

    Raises `EngineError` for what WanGP's settings cannot say.
    """
    if segment.cfg_zero:
        problem = "WanGP overwrites the zero of CFG-Zero* with plain guidance"
        raise EngineError(f"segment {segment.index}: {problem}; leave cfg_zero out, or use the engine wan")
    weighted = {name for step in segment.steps for name, weight in step.loras.items() if weight}
    if missing := weighted - loras.keys():
        raise EngineError(f"segment {segment.index}: no file was given for the LoRA {min(missing)}; plan again")
    used = [
        replace(step, loras={name: step.loras[name] for name in step.loras if name in loras}) for step in segment.steps
    ]
    frame = WangpFrame(model_type=model_type, resolution=resolution, fps="", loras=loras)
    with refused():
        solver = Solver(segment.solver)
        shift = shift_of(solver, segment.timesteps) if solver is not Solver.TRAILING else 1.0
        said = segment_settings(replace(segment, steps=tuple(used)), frame=frame, shift=shift)
    return {name: value for name, value in said.items() if name not in ("force_fps", "video_length")}


def _one_frame_only(segment: int, *, given: int) -> EngineError:
    problem = "a segment of an image-to-video model starts from one frame in WanGP, and leads to one"
    fix = "use a VACE model, chaining: independent, or overlap: 1"
    return EngineError(f"segment {segment}: {problem}, {given} are given; {fix}")


@contextmanager
def refused() -> Iterator[None]:
    """Errors about what WanGP's settings can say, as errors of the engine."""
    try:
        yield
    except InputError as error:
        raise EngineError(f"WanGP cannot render this: {error}") from error


def _known(job: SegmentJob, canvas: Canvas) -> list[Frame | None]:
    """One entry per frame of the canvas, None where nothing is known; what is given goes before the end keyframe."""
    start, end = job.start, job.end
    rested = end[-1:] * (canvas.frames - canvas.shown_frames)
    unknown = canvas.frames - len(start) - len(end) - len(rested)
    return [*map(canvas.fill, start), *[None] * unknown, *map(canvas.fill, (*end, *rested))]


def _guide(known: Sequence[Frame | None], *, canvas: Canvas, folder: Path) -> Settings:
    """A guide video with the known frames and grey elsewhere, and its mask: black where a frame is kept."""
    shape = (canvas.height, canvas.width, 3)
    grey = np.full(shape, UNKNOWN, np.uint8)
    kept, made = np.full(shape, KEPT, np.uint8), np.full(shape, MADE, np.uint8)
    guide = [grey if picture is None else picture for picture in known]
    mask = [made if picture is None else kept for picture in known]
    return {
        "image_prompt_type": "",
        "video_prompt_type": _GUIDED,
        "video_guide": _video(guide, path=folder / "guide.mkv"),
        "video_mask": _video(mask, path=folder / "mask.mkv"),
    }


def _png(picture: Frame | None, *, path: Path) -> str:
    if picture is None:
        raise EngineError("a keyframe is missing")
    Image.fromarray(picture).save(path)
    return str(path)


def _video(frames: Sequence[Frame], *, path: Path) -> str:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_LOSSLESS), _RATE, (width, height))
    if not writer.isOpened():
        raise EngineError(f"{path.name} cannot be written for WanGP: OpenCV has no encoder for {_LOSSLESS}")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return str(path)
