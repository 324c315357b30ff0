"""How a payload's segments are denoised: its phase_config, or its loose values, in our own explicit form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayframe.core.catalogue import TWO_EXPERTS, Model
from wayframe.core.findings import Finding, finding
from wayframe.core.loras import multiplier_text, wire_multipliers
from wayframe.core.payload_like import Like
from wayframe.core.payload_loras import added_up, overruled, twice, unclear, unnamed
from wayframe.core.payload_models import HIGH_LORA, Definition, definition_for
from wayframe.core.payload_rules import (
    PAYLOAD_ADDED,
    PAYLOAD_LORA_IN_NO_PHASE,
    PAYLOAD_LORA_TWICE,
    PAYLOAD_MULTIPLIER,
    PAYLOAD_OVERRULED,
    PAYLOAD_PHASE_EMPTY,
    PAYLOAD_PHASE_NUMBERS,
    PAYLOAD_SOLVER,
)
from wayframe.core.payload_wire import Wire, WireLora, WirePhase, WirePhases
from wayframe.core.schedule import Solver, wire_switch_steps, wire_timesteps
from wayframe.core.wording import counted
from wayframe.errors import PayloadError

Said = dict[str, Any]
UNSHIFTED = 1.0
DEFAULT_THRESHOLD = 0.0
_OF_PHASE = {
    "guidance2_scale": 2,
    "switch_threshold": 2,
    "model_switch_phase": 2,
    "guidance3_scale": 3,
    "switch_threshold2": 3,
}
"""Keys that mean something from so many phases on."""
_SAYS_NOTHING = {"switch_threshold": 0, "switch_threshold2": 0, "model_switch_phase": 1}
_SOLVERS: Mapping[str, Solver] = {
    "euler": Solver.EULER,
    "unipc": Solver.UNIPC,
    "": Solver.UNIPC,
    "dpm++": Solver.DPMPP,
    "dpm++_sde": Solver.DPMPP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoising:
    """The words of a spec (or of one keyframe) about denoising, where they come from, and what was found.

    `origins` is by word; `lora_origins` by the file of a LoRA that the payload itself does not name.
    """

    words: Said
    origins: Mapping[str, str]
    findings: tuple[Finding, ...]
    lora_origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A LoRA with its strength in WanGP's grammar; None: it has no entry."""

    url: str
    text: str | float | None
    origin: str = ""


def solver_read(name: str, *, shift: float, found: list[Finding], where: str = "sample_solver") -> tuple[str, float]:
    """The solver of ours and the shift that give the grid of a solver's name on the wire.

    WanGP gives an unknown name even steps from 1000 to 1: the grid of euler with shift 1.
    """
    known = _SOLVERS.get(name)
    solver, used = (known, shift) if known else (Solver.EULER, UNSHIFTED)
    if solver.value != name:
        message = f"sample_solver {name!r} has the grid of {solver.value}" + ("" if known else " with flow_shift 1")
        found.append(finding(PAYLOAD_SOLVER, message, where=where, evidence={"sample_solver": name}))
    return solver.value, used


def configured(config: WirePhases, *, model: Model, loras: Sequence[WireLora] | None, key: str) -> Denoising:
    """The words for a phase_config; `loras` replace those of its phases, as a segment's own LoRAs do upstream."""
    found: list[Finding] = []
    solver, shift = solver_read(
        config.sample_solver, shift=config.flow_shift, found=found, where=f"{key}.sample_solver"
    )
    found += _numbers(config, key=key)
    phases = [
        {
            "steps": config.steps_per_phase[index],
            "guidance": config.guidance[index],
            **_expert(model, number=index + 1, switch=config.model_switch_phase),
            "loras": [] if loras is not None else list(_phase_loras(phase, config, index=index, found=found)),
        }
        for index, phase in enumerate(config.phases)
    ]
    words: Said = {"phases": phases, "flow_shift": shift, "sample_solver": solver}
    if loras is not None:
        own, unclear_ones = of_segment(loras)
        words |= own
        found += unclear_ones
    origins = {"loras": f"payload:{key}", **dict.fromkeys(words, f"payload:{key}")}
    return Denoising(words=words, origins=origins, findings=tuple(found))


def of_segment(loras: Sequence[WireLora]) -> tuple[Said, list[Finding]]:
    """The words for a segment's own LoRAs, and what is unclear about them."""
    where = "loras_per_segment_expanded"
    named = [(lora.url, lora.multiplier) for lora in loras if lora.url.strip()]
    found = [*unclear(loras, where=where), *twice((url for url, _ in named), where=where)]
    return {"loras": added_up(named, where=where)}, found


def _numbers(config: WirePhases, *, key: str) -> Iterator[Finding]:
    numbers = [phase.phase for phase in config.phases]
    if any(number not in (None, place, str(place)) for place, number in enumerate(numbers, 1)):
        message = f"the phases are numbered {', '.join(str(number) for number in numbers)}: their order counts"
        yield finding(PAYLOAD_PHASE_NUMBERS, message, where=f"{key}.phases", evidence={"numbers": numbers})


def _expert(model: Model, *, number: int, switch: int) -> Said:
    """Phases up to the switch run on the high expert; a switch behind the last phase leaves the low one unused."""
    if model.experts != TWO_EXPERTS:
        return {}
    return {"expert": "high" if number <= switch else "low"}


def _phase_loras(phase: WirePhase, config: WirePhases, *, index: int, found: list[Finding]) -> Iterator[Said]:
    seen: set[str] = set()
    steps = config.steps_per_phase[index]
    found += unclear(phase.loras, where=f"phases[{index}].loras")
    for lora in phase.loras:
        if lora.url in seen and lora.url.strip():
            message = f"phase {index + 1} names {lora.url} twice: the first entry wins"
            found.append(finding(PAYLOAD_LORA_TWICE, message, where=f"phases[{index}].loras"))
        values = lora.multiplier.count(",") + 1
        if values not in (1, steps):
            field_path = f"phase_config.phases[{index}].loras"
            raise PayloadError(field_path, f"{values} values for {steps} steps", lora.multiplier, fix="give one a step")
        if lora.url.strip() and lora.url not in seen:
            yield {"file": lora.url, "multiplier": lora.multiplier}
        seen.add(lora.url)


def loose(wire: Wire, *, model: Model, like: Like) -> Denoising:
    """The words for a payload without a phase_config: its own values and, read as upstream does, what that adds."""
    reading = _Loose(wire=wire, model=model, like=like, definition=definition_for(wire.model_name, like))
    return reading.denoising()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loose:
    """A payload's top-level values over the model's definition."""

    wire: Wire
    model: Model
    like: Like
    definition: Definition | None

    def denoising(self) -> Denoising:
        found: list[Finding] = []
        words, origins = self._words(found)
        entries = [entry for entry in self._entries() if entry.url.strip()]
        found += self._unclear(entries)
        phases = self._phases()
        if phases == 1 and not any(";" in str(entry.text) for entry in entries):
            words |= {"guidance": self._guidance(0)}
            origins |= {"guidance": self._origin("guidance_scale", none="default")}
            words |= {} if self._steps() is None else {"steps": self._steps()}
            if entries:
                words["loras"] = added_up([_whole(entry, found=found) for entry in entries], where="lora_multipliers")
        else:
            words["phases"] = self._own_phases(phases, entries=entries, found=found)
            origins |= {"phases": self._origin("guidance_phases", none="automatic")}
        origins |= {"steps": self._origin("num_inference_steps" if self.wire.num_inference_steps else "steps")}
        origins |= {"loras": f"payload:{'lora_names' if self.wire.lora_names else 'additional_loras'}"}
        added = {entry.url: entry.origin for entry in entries if entry.origin}
        found += [*self._added(entries), *self._unapplied(), *without_phase(self.wire, phases=phases)]
        return Denoising(words=words, origins=origins, findings=tuple(found), lora_origins=added)

    def _words(self, found: list[Finding]) -> tuple[Said, dict[str, str]]:
        wire = self.wire
        words: Said = {}
        origins: dict[str, str] = {}
        shift = wire.flow_shift or (self.definition.shift if self.definition else None)
        solver = wire.sample_solver if wire.sample_solver is not None else None
        solver = solver if solver is not None else (self.definition.solver if self.definition else None)
        if solver is not None:
            words["sample_solver"], used = solver_read(solver, shift=shift or self.model.flow_shift, found=found)
            origins["sample_solver"] = self._origin("sample_solver")
            shift = used if used == UNSHIFTED else shift
        if shift is not None:
            words["flow_shift"] = shift
            origins["flow_shift"] = self._origin("flow_shift")
        return words, origins

    def _origin(self, key: str, *, none: str = "automatic") -> str:
        """The payload's own value, else what the model's definition brings."""
        return f"payload:{key}" if getattr(self.wire, key) is not None else "automatic" if self.definition else none

    def _steps(self) -> int | None:
        """num_inference_steps; else steps, which upstream of 2026 does not read; else the definition's."""
        own = None if self.wire.advanced_mode or self.like is Like.UPSTREAM_2026 else self.wire.steps
        defined = self.definition.steps if self.definition else None
        return self.wire.num_inference_steps or own or defined

    def _phases(self) -> int:
        defined = len(self.definition.guidance) if self.definition else 1
        return self.wire.guidance_phases or defined

    def _guidance(self, index: int) -> float:
        """Guidance of a phase; what nobody says is 1, no guidance."""
        own = (self.wire.guidance_scale, self.wire.guidance2_scale, self.wire.guidance3_scale)
        defined = self.definition.guidance if self.definition else ()
        value = own[index] if index < len(own) else None
        return value if value is not None else defined[index] if index < len(defined) else 1.0

    def _thresholds(self) -> tuple[float, ...]:
        defined = self.definition.thresholds if self.definition else ()
        own = (self.wire.switch_threshold, self.wire.switch_threshold2)
        pairs = zip(own, (*defined, DEFAULT_THRESHOLD, DEFAULT_THRESHOLD), strict=False)
        return tuple(mine if mine is not None else other for mine, other in pairs)

    def _own_phases(self, phases: int, *, entries: Sequence[_Entry], found: list[Finding]) -> list[Said]:
        steps = self._steps() or self.model.steps
        solver = self.wire.sample_solver
        if solver is None:
            solver = self.definition.solver if self.definition else self.model.sample_solver.value
        shift = self.wire.flow_shift or (self.definition.shift if self.definition else self.model.flow_shift)
        grid = wire_timesteps(solver, steps=steps, shift=shift)
        first, second = wire_switch_steps(grid, thresholds=self._thresholds(), phases=phases)
        second = max(first, second)
        switch = self.wire.model_switch_phase or (self.definition.switch if self.definition else 1)
        weights = self._weights(entries, steps=steps, phases=phases, switch=switch, parts=(first, second), found=found)
        own = []
        for number, (start, end) in enumerate([(0, first), (first, second), (second, steps)][:phases], 1):
            if start == end:
                message = f"no timestep lies in phase {number} of {phases}"
                evidence = {"thresholds": list(self._thresholds()[: phases - 1])}
                found.append(finding(PAYLOAD_PHASE_EMPTY, message, where=f"phases[{number - 1}]", evidence=evidence))
                continue
            own.append(
                {
                    "steps": end - start,
                    "guidance": self._guidance(number - 1),
                    **_expert(self.model, number=number, switch=switch),
                    "loras": [
                        {"file": file, "multiplier": multiplier_text(row[start:end])} for file, row in weights.items()
                    ],
                }
            )
        return own

    def _weights(
        self,
        entries: Sequence[_Entry],
        *,
        steps: int,
        phases: int,
        switch: int,
        parts: tuple[int, int],
        found: list[Finding],
    ) -> dict[str, tuple[float, ...]]:
        """The strength of every LoRA at every step; of a LoRA that is named twice the strengths add up, as in WanGP."""
        for entry in entries:
            _check_parts(entry, phases=phases)
        texts = [1.0 if entry.text is None else entry.text for entry in entries]
        rows = wire_multipliers(
            texts, loras=len(texts), steps=steps, phases=phases, switch_phase=switch, switch_steps=parts
        )
        summed: dict[str, tuple[float, ...]] = {}
        for entry, row in zip(entries, rows, strict=True):
            before = summed.get(entry.url, (0.0,) * steps)
            summed[entry.url] = tuple(old + new for old, new in zip(before, row, strict=True))
            if entry.text is None or 1 <= str(entry.text).count(";") < phases - 1:
                _filled(entry, row, found=found)
        return summed

    def _entries(self) -> list[_Entry]:
        """All LoRAs: of the model's definition, of lora_names, of additional_loras, and the one of amount_of_motion."""
        wire = self.wire
        defined = self.definition.loras if self.definition else ()
        entries = [_Entry(url=url, text=text, origin="automatic") for url, text in defined]
        given = wire.given_multipliers
        named = [
            _Entry(url=url, text=given[index] if index < len(given) else None)
            for index, url in enumerate(wire.lora_names)
        ]
        names = set(wire.lora_names)
        more = {lora.url: lora.multiplier for lora in wire.more_loras if lora.url not in names}
        if self.like is Like.UPSTREAM_2026:
            more = {}
        return [*entries, *named, *(_Entry(url=url, text=text) for url, text in more.items()), *self._of_motion()]

    def _unclear(self, entries: Sequence[_Entry]) -> Iterator[Finding]:
        """What is unclear about the LoRAs that the payload itself names; an own strength is named by `_filled`."""
        wire = self.wire
        yield from (unnamed(f"lora_names[{index}]") for index, url in enumerate(wire.lora_names) if not url.strip())
        for key, loras in (("additional_loras", wire.additional_loras), ("loras", wire.loras)):
            yield from unclear(loras, where=key)
        own = {entry.url for entry in entries if not entry.origin}
        yield from twice((entry.url for entry in entries if entry.url in own), where="loras")
        if self.like is not Like.UPSTREAM_2026:
            yield from overruled(wire)

    def _of_motion(self) -> list[_Entry]:
        """In October 2025 amount_of_motion m brings the high-noise Lightning LoRA at 0.5 + 0.5 m in phase 1."""
        motion = self.wire.amount_of_motion
        if self.like is not Like.UPSTREAM_2025_10 or self.wire.advanced_mode or motion is None:
            return []
        if "2_2" not in self.wire.model_name:
            return []
        return [_Entry(url=HIGH_LORA, text=f"{0.5 + 0.5 * motion:.2f};0.0;0.0", origin="automatic")]

    def _unapplied(self) -> Iterator[Finding]:
        """The worker of 2026 takes LoRAs from phases and from lora_names only."""
        for lora in self.wire.more_loras if self.like is Like.UPSTREAM_2026 else ():
            if lora.url not in self.wire.lora_names:
                message = f"{lora.url.rsplit('/', 1)[-1]} stands in additional_loras, which the worker of 2026 ignores"
                yield finding(PAYLOAD_LORA_IN_NO_PHASE, message, where="loras", evidence={"file": lora.url})

    def _added(self, entries: Sequence[_Entry]) -> Iterator[Finding]:
        if self.definition is not None:
            guidance = "/".join(f"{scale:g}" for scale in self.definition.guidance)
            message = (
                f"the definition of {self.wire.model_name} brings {len(self.definition.guidance)} phases {guidance}"
            )
            evidence = {"thresholds": list(self.definition.thresholds), "switch": self.definition.switch}
            yield finding(PAYLOAD_ADDED, message, where="phases", evidence=evidence)
        for entry in entries:
            if entry.origin:
                message = f"{entry.url.rsplit('/', 1)[-1]} at {entry.text} is added"
                yield finding(PAYLOAD_ADDED, message, where="loras", evidence={"file": entry.url, "text": entry.text})


def without_phase(wire: Wire, *, phases: int, winner: str = "guidance_phases") -> Iterator[Finding]:
    """What the payload says about phases that there are not; a threshold of 0 and a first switch say nothing."""
    for key, needed in _OF_PHASE.items():
        value = getattr(wire, key)
        if value is not None and value != _SAYS_NOTHING.get(key) and phases < needed:
            message = f"{key} says {value:g}, and there is no phase {needed}: {winner} wins"
            evidence = {"winner": winner, "said": value, "phases": phases}
            yield finding(PAYLOAD_OVERRULED, message, where=key, evidence=evidence)


def _check_parts(entry: _Entry, *, phases: int) -> None:
    """Raise `PayloadError` for more parts than phases, which WanGP refuses as well."""
    parts = str(entry.text).count(";") + 1
    if parts <= phases:
        return
    if entry.origin:
        problem = f"{entry.url.rsplit('/', 1)[-1]} at {entry.text}, which upstream adds, is for {parts} phases"
        raise PayloadError("guidance_phases", problem, phases, fix="leave guidance_phases out, or read it --like plain")
    problem = f"{parts} parts for {counted(phases, 'phase')}"
    fix = "say which phases there are: a phase_config, guidance_phases, or a model that brings them (--like)"
    raise PayloadError("lora_multipliers", problem, entry.text, fix=fix)


def _filled(entry: _Entry, row: Sequence[float], *, found: list[Finding]) -> None:
    said = "no strength" if entry.text is None else f"strength {entry.text}"
    message = f"{entry.url.rsplit('/', 1)[-1]} has {said}: it runs at {multiplier_text(row)}"
    found.append(finding(PAYLOAD_MULTIPLIER, message, where="loras", evidence={"weights": list(row)}))


def _whole(entry: _Entry, *, found: list[Finding]) -> tuple[str, str | float]:
    """A LoRA of a run of one phase, with its strength."""
    if entry.text is None:
        _filled(entry, (1.0,), found=found)
        return entry.url, "1.0"
    return entry.url, entry.text
