"""Step tables: from a plan, from applied steps, and from the settings that upstream sent to WanGP."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wayframe.core.catalogue import TWO_EXPERTS
from wayframe.core.loras import wire_multipliers
from wayframe.core.schedule import sigmas, wire_switch_steps, wire_timesteps
from wayframe.core.subject import Basis, StepRow, StepTable, lora_name
from wayframe.errors import PayloadError

GUIDANCE_KEYS = ("guidance_scale", "guidance2_scale", "guidance3_scale")
THRESHOLD_KEYS = ("switch_threshold", "switch_threshold2")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDefaults:
    """What a WanGP model definition brings by itself: settings, and LoRAs in front of those that are sent."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    loras: tuple[str, ...] = ()
    multipliers: tuple[str, ...] = ()
    experts: int | None = None


def planned_table(segment: Mapping[str, Any]) -> StepTable | None:
    """The table of a segment of a plan (as JSON), or None when it denoises nothing."""
    steps = segment["steps"]
    if not steps:
        return None
    rows = tuple(
        StepRow(
            timestep=step["timestep"],
            sigma_drop=step["sigma"] - step["sigma_next"],
            phase=step["phase"],
            expert=step["expert"],
            guidance=step["guidance"],
            loras=dict(step["loras"]),
        )
        for step in steps
    )
    return StepTable(basis=Basis.PLANNED, rows=rows, thresholds=tuple(segment["thresholds"]))


def applied_table(steps: Sequence[Mapping[str, Any]], planned: StepTable) -> StepTable:
    """The table of applied steps (as in a record); phases come from the plan, which the engine does not know."""
    drops = _drops([step["timestep"] for step in steps])
    phases = [row.phase for row in planned.rows]
    rows = tuple(
        StepRow(
            timestep=step["timestep"],
            sigma_drop=drops[position],
            phase=phases[step["index"]] if step["index"] < len(phases) else 0,
            expert=step["expert"],
            guidance=step["guidance"],
            loras=dict(step["loras"]),
        )
        for position, step in enumerate(steps)
    )
    return StepTable(basis=Basis.APPLIED, rows=rows, thresholds=planned.thresholds)


def sent_table(sent: Mapping[str, Any], *, defaults: ModelDefaults | None = None) -> StepTable | None:
    """The table that WanGP makes of the settings it was sent, or None when the log does not hold enough of them.

    Steps, phases and LoRA weights follow WanGP's own reading (`schedule.wire_*`, `loras.wire_multipliers`).
    """
    brought = defaults or ModelDefaults()
    settings = {**brought.settings, **{key: value for key, value in sent.items() if value is not None}}
    try:
        count, shift = int(settings["num_inference_steps"]), float(settings["flow_shift"])
        times = wire_timesteps(str(settings.get("sample_solver", "")), steps=count, shift=shift)
        phases = int(settings.get("guidance_phases", 1))
        limits = [float(settings.get(key) or 0) for key in THRESHOLD_KEYS[: max(phases - 1, 0)]]
        switch_steps = wire_switch_steps(times, thresholds=limits, phases=phases)
        names = [*brought.loras, *_names(settings.get("activated_loras"))]
        text = settings.get("loras_multipliers") or ""
        joined = " ".join([*brought.multipliers, *([text] if isinstance(text, str) else map(str, text))])
        switch = int(settings.get("model_switch_phase", 1))
        weights = wire_multipliers(
            joined, loras=len(names), steps=count, phases=phases, switch_phase=switch, switch_steps=switch_steps
        )
        scales = [float(settings[key]) for key in GUIDANCE_KEYS[:phases]]
    except (KeyError, TypeError, ValueError, PayloadError):
        return None
    numbers = [
        1 + (step >= switch_steps[0]) + (phases > TWO_EXPERTS and step >= switch_steps[1]) for step in range(count)
    ]
    numbers = [min(number, phases) for number in numbers]
    two, guess = _experts(settings, brought)
    drops = _drops(times)
    rows = tuple(
        StepRow(
            timestep=times[step],
            sigma_drop=drops[step],
            phase=numbers[step],
            expert=("high" if numbers[step] <= switch else "low") if two else "only",
            guidance=scales[numbers[step] - 1],
            loras={lora_name(name): weights[at][step] for at, name in enumerate(names)},
        )
        for step in range(count)
    )
    inferred = [*guess, *_without_entry(names, joined)]
    return StepTable(basis=Basis.SENT, rows=rows, thresholds=tuple(limits), inferred=tuple(inferred))


def requested_table(requested: Mapping[str, Any]) -> StepTable | None:
    """The table that an upstream segment's request would give, had it reached WanGP as it stands; None when the
    request says too little of it."""
    settings = {
        **requested,
        "activated_loras": requested.get("lora_names") or [],
        "loras_multipliers": requested.get("lora_multipliers") or "",
        "model_type": requested.get("model_name"),
    }
    table = sent_table(settings)
    return None if table is None else replace(table, basis=Basis.REQUESTED, inferred=())


def _names(value: object) -> list[str]:
    """LoRA names as a list, from a list or from its text."""
    if isinstance(value, str) and value.strip():
        value = ast.literal_eval(value)
    return [str(name) for name in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def _experts(settings: Mapping[str, Any], brought: ModelDefaults) -> tuple[bool, list[str]]:
    """Whether the model has two experts, and what is said when that is inferred from its name."""
    if brought.experts is not None:
        return brought.experts == TWO_EXPERTS, []
    model = str(settings.get("model_type", ""))
    two = any(mark in model for mark in ("2_2", "2.2", "wan22"))
    return two, [f"{'two experts' if two else 'one transformer'}: from the model's name {model!r}"]


def _without_entry(names: Sequence[str], multipliers: str) -> list[str]:
    entries = len(multipliers.split())
    return [
        f"{lora_name(name)} runs at 1.0: it has no multiplier, and WanGP gives such a LoRA 1.0 at all steps"
        for name in names[entries:]
    ]


def _drops(timesteps: Sequence[float]) -> list[float]:
    noise = sigmas(timesteps)
    return [noise[at] - noise[at + 1] for at in range(len(timesteps))]


def same_split(a: StepTable, b: StepTable) -> bool:
    """Whether two tables part their steps into phases alike, whatever their thresholds say."""
    return [row.phase for row in a.rows] == [row.phase for row in b.rows]
