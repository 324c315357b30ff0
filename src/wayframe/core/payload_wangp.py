"""A plan as settings of WanGP, one set for each segment, such that WanGP's reading of them gives the plan's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from wayframe.core.loras import WANGP_PHASES, multiplier_text
from wayframe.core.payload_models import WANGP_NAMES
from wayframe.core.payload_values import ResolvedValues
from wayframe.core.plan import Plan, SegmentPlan, Step
from wayframe.core.schedule import Solver
from wayframe.errors import PayloadError

Settings = dict[str, Any]
_GUIDANCE_KEYS = ("guidance_scale", "guidance2_scale", "guidance3_scale")
_THRESHOLD_KEYS = ("switch_threshold", "switch_threshold2")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    """Neighbouring steps of one guidance and one expert: a phase as WanGP has them."""

    guidance: float
    expert: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WangpFrame:
    """What the settings of all segments share: WanGP's name of the model, `WIDTHxHEIGHT`, frames a second, and what
    each LoRA of the plan is called there.
    """

    model_type: str
    resolution: str
    fps: str
    loras: Mapping[str, str]


def export_wangp(plan: Plan, *, values: ResolvedValues) -> list[Settings]:
    """The settings of every segment that is rendered. `values` is the resolved level of the same run or spec.

    Raises `PayloadError` for what WanGP's settings cannot say: no steps, more than three runs of guidance and expert,
    the low expert alone, a grid that WanGP does not have, a model that it does not know.
    """
    frame = WangpFrame(
        model_type=wangp_model(plan.model),
        resolution=plan.resolution,
        fps=str(plan.fps),
        loras={name: lora.file for name, lora in plan.loras.items()},
    )
    segments = [
        (segment, resolved)
        for segment, resolved in zip(plan.segments, values.segments, strict=True)
        if segment.is_rendered
    ]
    return [segment_settings(segment, frame=frame, shift=resolved.flow_shift) for segment, resolved in segments]


def wangp_model(name: str | None) -> str:
    """WanGP's name of a model of the catalogue. Raises `PayloadError` for one that it does not know."""
    if name is None or name not in WANGP_NAMES:
        raise PayloadError("model", "is not known to WanGP", name, fix=f"known are {', '.join(WANGP_NAMES)}")
    return WANGP_NAMES[name]


def segment_settings(segment: SegmentPlan, *, frame: WangpFrame, shift: float) -> Settings:
    """The settings of one segment; raises `PayloadError` as `export_wangp` does."""
    where = f"segments[{segment.index}]"
    if not segment.steps:
        raise PayloadError(f"{where}.steps", "there are none to export", fix="name a model or steps")
    if segment.solver == Solver.TRAILING:
        fix = "use euler, unipc or dpm++"
        raise PayloadError(f"{where}.sample_solver", "WanGP has no such grid", segment.solver, fix=fix)
    phases = _phases(segment.steps, where=where)
    loras = list(segment.steps[0].loras)
    return {
        "model_type": frame.model_type,
        "prompt": segment.prompt,
        "negative_prompt": segment.negative_prompt,
        "resolution": frame.resolution,
        "video_length": segment.frames,
        "force_fps": frame.fps,
        "seed": segment.seed,
        "num_inference_steps": len(segment.steps),
        "sample_solver": segment.solver,
        "flow_shift": shift,
        "guidance_phases": len(phases),
        **{key: phase.guidance for key, phase in zip(_GUIDANCE_KEYS, phases, strict=False)},
        **dict(zip(_THRESHOLD_KEYS, _thresholds(phases), strict=False)),
        "model_switch_phase": _switch(phases, where=where),
        **_cfg(segment, where=where),
        "activated_loras": [frame.loras[name] for name in loras],
        "loras_multipliers": " ".join(
            ";".join(multiplier_text([step.loras[name] for step in phase.steps]) for phase in phases) for name in loras
        ),
    }


def _cfg(segment: SegmentPlan, *, where: str) -> Settings:
    """WanGP's words for CFG-Zero*: it counts steps from 0, guided or not, and only while the star is on."""
    if not (segment.cfg_star or segment.cfg_zero):
        return {}
    zeroed = [step.index for step in segment.steps if step.forwards == 0]
    if zeroed and (not segment.cfg_star or zeroed != list(range(len(zeroed)))):
        problem = "WanGP has it together with cfg_star only, and from the first step"
        raise PayloadError(f"{where}.cfg_zero", problem, segment.cfg_zero, fix="leave cfg_zero out")
    return {"cfg_star_switch": 1, "cfg_zero_step": len(zeroed) - 1}


def _phases(steps: Sequence[Step], *, where: str) -> list[_Phase]:
    """The plan's phases, parted where the expert changes; neighbours that agree are one when there are too many."""
    parted = [list(group) for _, group in groupby(steps, key=lambda step: (step.phase, step.expert))]
    if len(parted) > WANGP_PHASES:
        parted = [list(group) for _, group in groupby(steps, key=lambda step: (step.guidance, step.expert))]
    if len(parted) > WANGP_PHASES:
        problem = f"{len(parted)} runs of guidance and expert; WanGP has at most {WANGP_PHASES} phases"
        raise PayloadError(f"{where}.phases", problem, fix="use fewer phases")
    return [_Phase(guidance=group[0].guidance, expert=group[0].expert, steps=tuple(group)) for group in parted]


def _thresholds(phases: Sequence[_Phase]) -> list[float]:
    """The midpoint of the timesteps around the start of each phase but the first."""
    return [(left.steps[-1].timestep + right.steps[0].timestep) / 2 for left, right in pairwise(phases)]


def _switch(phases: Sequence[_Phase], *, where: str) -> int:
    """The last phase of the high expert; WanGP always begins with that one."""
    experts = [phase.expert for phase in phases]
    if experts[0] == "low":
        raise PayloadError(f"{where}.phases[0].expert", "WanGP begins with the high expert", "low")
    return experts.index("low") if "low" in experts else len(experts)
