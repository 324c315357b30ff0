"""Rules about the shape of a trip: loops, segments from nowhere, and videos that it is made with."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from wayframe.core.catalogue import Model
from wayframe.core.findings import Finding, Severity, finding, rule
from wayframe.core.plan import Plan

LOOP_REPEATS = rule(
    "loop-repeats-frame",
    Severity.INFO,
    title="The video ends with the picture that it begins with",
    why="Played in a loop, the last frame and the first one show the same keyframe: it stands for two frames.",
    action="Leave the last frame out where the video is played in a loop; to be cut at it, it must be there.",
)
LEAD_FROM_NOWHERE = rule(
    "lead-from-nowhere",
    Severity.WARNING,
    title="A segment leads to a keyframe from nowhere, with a model that was trained to start from a picture",
    why="Image-to-video weights always had a first picture in training; without one they may freeze or flicker.",
    action="Use a VACE model for a lead, or put a keyframe at its start.",
)
CLIP_RATE = rule(
    "clip-rate-differs",
    Severity.WARNING,
    title="A video has another frame rate than the trip",
    why="Its frames are taken one by one, so its motion becomes faster or slower.",
    action="Set `fps` to the video's, or convert the video first.",
)
CLIP_FITTED = rule(
    "clip-fitted",
    Severity.INFO,
    title="A video has another size than the trip",
    why="Its frames are fitted as keyframes are: enlarged or made smaller, and cut off or barred by `fit`.",
    action="Set `resolution` to the video's where they should stay as they are.",
)
KEYFRAME_REPLACED = rule(
    "keyframe-replaced",
    Severity.INFO,
    title="A keyframe is not shown as it is",
    why="A bridge stands in the place of the frames around it: the video passes by the picture, not through it.",
    action="Nothing, when that is meant; `bridges: {replace: 0}` shows all keyframes.",
)
LOOP_NEEDS = 2
"""A loop goes somewhere in between: of two equal pictures another rule speaks."""
_IMAGE_TO_VIDEO = ("i2v", "flf2v")


def shape_findings(plan: Plan, *, model: Model | None, denoises: bool) -> Iterator[Finding]:
    """Findings about the shape of a trip."""
    yield from _loops(plan)
    if model is not None and denoises and model.kind in _IMAGE_TO_VIDEO:
        yield from _leads(plan, model=model)
    yield from _clips(plan)
    yield from _replaced(plan)


def _loops(plan: Plan) -> Iterator[Finding]:
    pictures = plan.keyframes
    returns = len(pictures) > LOOP_NEEDS and pictures[0].digest == pictures[-1].digest
    if returns and pictures[-1].at == plan.frames - 1:
        message = f"frame {plan.frames - 1} shows keyframe 0 again"
        yield finding(LOOP_REPEATS, message, where="loop", evidence={"frame": plan.frames - 1})


def _leads(plan: Plan, *, model: Model) -> Iterator[Finding]:
    for segment in plan.segments:
        first, last = plan.ends(segment)
        if first is None and last is not None and segment.given is None and not plan.starts_from_before(segment):
            message = f"segment {segment.index} leads to keyframe {last} from nowhere, and {model.name} needs a start"
            evidence = {"model": model.name}
            yield finding(LEAD_FROM_NOWHERE, message, where=f"segments[{segment.index}]", evidence=evidence)


def _clips(plan: Plan) -> Iterator[Finding]:
    for clip in plan.clips:
        where = f"clips[{clip.index}]"
        if Fraction(clip.fps) != plan.rate:
            message = f"video {clip.index} has {clip.fps} frames a second, the trip {plan.fps}"
            evidence: dict[str, object] = {"clip": clip.fps, "planned": str(plan.fps)}
            yield finding(CLIP_RATE, message, where=where, evidence=evidence)
        if clip.resolution != plan.resolution:
            message = f"video {clip.index} is {clip.resolution}, the trip {plan.resolution}"
            evidence = {"clip": clip.resolution, "planned": plan.resolution}
            yield finding(CLIP_FITTED, message, where=where, evidence=evidence)


def _replaced(plan: Plan) -> Iterator[Finding]:
    for segment in plan.segments:
        number, (_, out) = plan.ends(segment)[1], segment.replaced or (0, 0)
        if number is not None and out:
            message = f"keyframe {number} lies in the {out} frames of segment {segment.index} that a bridge takes out"
            yield finding(KEYFRAME_REPLACED, message, where=f"keyframes[{number}]", evidence={"frames": out})
