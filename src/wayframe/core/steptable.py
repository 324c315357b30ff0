"""Step tables: from a plan, from applied steps, and from the settings that upstream sent to WanGP."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

from wayframe.core.catalogue import TWO_EXPERTS
from wayframe.core.lora_names import unique_names
from wayframe.core.loras import wire_multipliers
from wayframe.core.schedule import sigmas, wire_switch_steps, wire_timesteps
from wayframe.core.subject import Basis, StepRow, StepTable
from wayframe.errors import PayloadError

GUIDANCE_KEYS = ("guidance_scale", "guidance2_scale", "guidance3_scale")
THRESHOLD_KEYS = ("switch_threshold", "switch_threshold2")
WANGP_PHASES, WANGP_UNSAID = 3, "1.0"
TWO_EXPERT_NAME, ONE_EXPERT_NAME = re.compile(r"(?i)2[_.]2|wan22"), re.compile(r"(?i)ti2v|(?<!\d)5b")
MOST_STEPS = 1000
"""More than anybody runs: a log that names more is damaged."""
TAKEN: Mapping[str, object] = {
    "sample_solver": "",
    "guidance_phases": 1,
    "model_switch_phase": 1,
    "activated_loras": (),
    "loras_multipliers": "",
}
"""What WanGP takes for a setting that it is not given."""


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
            counted=step["forwards"],
        )
        for step in steps
    )
    return StepTable(basis=Basis.PLANNED, rows=rows, thresholds=tuple(segment["thresholds"]))


def applied_table(steps: Sequence[Mapping[str, Any]], planned: StepTable) -> StepTable:
    """The table of applied steps (as in a record); phases come from the plan, which the engine does not know."""
    drops = _applied_drops(steps)
    phases = [row.phase for row in planned.rows]
    rows = tuple(
        StepRow(
            timestep=step["timestep"],
            sigma_drop=drops[position],
            phase=phases[step["index"]] if step["index"] < len(phases) else 0,
            expert=step["expert"],
            guidance=step["guidance"],
            loras=dict(step["loras"]),
            counted=step.get("forwards"),
        )
        for position, step in enumerate(steps)
    )
    return StepTable(basis=Basis.APPLIED, rows=rows, thresholds=planned.thresholds)


def logged_table(steps: object) -> StepTable | None:
    """The table of applied steps as our own log tells them, or None for what is no list of such steps.

    The log does not tell phases: a new one is counted where expert or guidance change, and `inferred` says so.
    """
    if not isinstance(steps, list) or not 0 < len(steps) <= MOST_STEPS:
        return None
    try:
        rows = _logged_rows(steps)
    except (KeyError, TypeError, ValueError):
        return None
    return StepTable(basis=Basis.APPLIED, rows=rows, inferred=("phases: counted where expert or guidance change",))


def _logged_rows(steps: Sequence[Mapping[str, Any]]) -> tuple[StepRow, ...]:
    drops = _applied_drops(steps)
    parts = [(step["expert"], step["guidance"]) for step in steps]
    phases = accumulate((int(a != b) for a, b in pairwise(parts)), initial=1)
    return tuple(
        StepRow(
            timestep=step["timestep"],
            sigma_drop=drop,
            phase=phase,
            expert=step["expert"],
            guidance=step["guidance"],
            loras=dict(step["loras"]),
            counted=step.get("forwards"),
        )
        for step, drop, phase in zip(steps, drops, phases, strict=True)
    )


def sent_table(sent: Mapping[str, Any], *, defaults: ModelDefaults | None = None) -> StepTable | None:
    """The table that WanGP makes of the settings it was sent, or None when the log does not hold enough of them.

    Steps, phases and LoRA weights follow WanGP's own reading (`schedule.wire_*`, `loras.wire_multipliers`). What is
    taken for a setting that is not there, and what follows from a name, is said in `inferred`.
    """
    brought = defaults or ModelDefaults()
    known = {**brought.settings, **{key: value for key, value in sent.items() if value is not None}}
    try:
        read = _Reading.of({**TAKEN, **known}, brought=brought)
        table = read.table()
    except (KeyError, TypeError, ValueError, OverflowError, PayloadError):
        return None
    taken = [f"{key}: not given, {value or 'nothing'!r} is taken" for key, value in TAKEN.items() if key not in known]
    two, guess = _experts(known, brought)
    rows = tuple(replace(row, expert=row.expert if two else "only") for row in table.rows)
    return replace(table, rows=rows, inferred=(*taken, *guess, *_without_entry(read.names, read.multipliers)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Settings as WanGP reads them."""

    times: tuple[float, ...]
    phases: int
    limits: tuple[float, ...]
    scales: tuple[float, ...]
    switch: int
    names: tuple[str, ...]
    multipliers: str

    @staticmethod
    def of(settings: Mapping[str, Any], *, brought: ModelDefaults) -> _Reading:
        """Raises KeyError, TypeError, ValueError, OverflowError or PayloadError for settings that say too little."""
        count, phases = int(settings["num_inference_steps"]), int(settings["guidance_phases"])
        if not (1 <= phases <= WANGP_PHASES and count <= MOST_STEPS):
            raise ValueError
        shift = float(settings["flow_shift"])
        own = [*brought.multipliers, *[WANGP_UNSAID] * len(brought.loras)][: len(brought.loras)]
        text = settings["loras_multipliers"]
        parts = text if isinstance(text, list | tuple) else [text]
        return _Reading(
            times=wire_timesteps(str(settings["sample_solver"]), steps=count, shift=shift),
            phases=phases,
            limits=tuple(float(settings[key]) for key in THRESHOLD_KEYS[: phases - 1]),
            scales=tuple(float(settings[key]) for key in GUIDANCE_KEYS[:phases]),
            switch=int(settings["model_switch_phase"]),
            names=tuple(unique_names([*brought.loras, *_names(settings["activated_loras"])])),
            multipliers=" ".join([*own, *map(str, parts)]),
        )

    def table(self) -> StepTable:
        """The steps, as on a model of two experts."""
        count = len(self.times)
        switch_steps = wire_switch_steps(self.times, thresholds=self.limits, phases=self.phases)
        weights = wire_multipliers(
            self.multipliers,
            loras=len(self.names),
            steps=count,
            phases=self.phases,
            switch_phase=self.switch,
            switch_steps=switch_steps,
        )
        numbers = [1 + (step >= switch_steps[0]) + (step >= switch_steps[1]) for step in range(count)]
        drops = _drops(self.times)
        rows = tuple(
            StepRow(
                timestep=self.times[step],
                sigma_drop=drops[step],
                phase=number,
                expert="high" if number <= self.switch else "low",
                guidance=self.scales[number - 1],
                loras={name: weights[at][step] for at, name in enumerate(self.names)},
            )
            for step, number in enumerate(numbers)
        )
        return StepTable(basis=Basis.SENT, rows=rows, thresholds=self.limits)


def requested_table(requested: Mapping[str, Any]) -> StepTable | None:
    """The table that an upstream segment's request would give, had it reached WanGP as it stands; None when the
    request says too little of it."""
    settings = {
        **{key: requested[key] for key in requested if key not in ("activated_loras", "loras_multipliers")},
        "activated_loras": requested.get("lora_names") or [],
        "loras_multipliers": requested.get("lora_multipliers") or "",
        "model_type": requested.get("model_name"),
    }
    table = sent_table(settings)
    return None if table is None else replace(table, basis=Basis.REQUESTED, inferred=())


def _names(value: object) -> list[str]:
    """LoRA names as a list, from a list or from its text; ValueError when it is neither."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value) if value.strip() else []
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError from error
    if not isinstance(value, list | tuple):
        raise TypeError
    return [str(name) for name in value]


def _experts(settings: Mapping[str, Any], brought: ModelDefaults) -> tuple[bool, list[str]]:
    """Whether the model has two experts, and what is said when that is inferred from its name."""
    if brought.experts is not None:
        return brought.experts == TWO_EXPERTS, []
    model = str(settings.get("model_type", ""))
    two = TWO_EXPERT_NAME.search(model) is not None and ONE_EXPERT_NAME.search(model) is None
    return two, [f"{'two experts' if two else 'one transformer'}: from the model's name {model!r}"]


def _without_entry(names: Sequence[str], multipliers: str) -> list[str]:
    entries = len(multipliers.split())
    return [
        f"{name} runs at 1.0: it has no multiplier, and WanGP gives such a LoRA 1.0 at all steps"
        for name in names[entries:]
    ]


def _applied_drops(steps: Sequence[Mapping[str, Any]]) -> list[float]:
    """The noise that each applied step removed: as the solver told it, else by the timesteps."""
    by_time = _drops([step["timestep"] for step in steps])
    told = [(step.get("sigma"), step.get("sigma_next")) for step in steps]
    return [
        drop if sigma is None or after is None else sigma - after
        for (sigma, after), drop in zip(told, by_time, strict=True)
    ]


def _drops(timesteps: Sequence[float]) -> list[float]:
    noise = sigmas(timesteps)
    return [noise[at] - noise[at + 1] for at in range(len(timesteps))]


def same_split(a: StepTable, b: StepTable) -> bool:
    """Whether two tables part their steps into phases alike, whatever their thresholds say."""
    return [row.phase for row in a.rows] == [row.phase for row in b.rows]
