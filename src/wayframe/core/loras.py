"""LoRA strength: from the text of a multiplier to one weight per denoising step.

``;`` separates phases and ``,`` spreads values over the steps of one phase: ``0.75;1.0;0`` over three phases of 2 steps
is .75 .75 1 1 0 0. A text without ``;`` holds for the whole run.

`parse_multiplier` reads what a spec may say; `wire_multipliers` reads what WanGP reads, sloppy forms included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat

from wayframe.core.schedule import phase_of_step
from wayframe.core.wording import counted
from wayframe.errors import PayloadError, SpecError

ABSENT = "0"
WANGP_PHASES = 3
WANGP_DEFAULT = 1.0

_REPEATS_FIRST = 2
_GRAMMAR = "expected numbers, ';' between phases, ',' between the steps of one phase, no spaces"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WIRE_FIELD = "loras_multipliers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """A multiplier as it was written (`text`), and its values by phase; one phase stands for the whole run."""

    text: str
    phases: tuple[tuple[float, ...], ...]

    def __str__(self) -> str:
        return self.text

    def per_step(self, steps_per_phase: Sequence[int], *, field: str) -> tuple[float, ...]:
        """Give the weight at every step of a run whose phases have `steps_per_phase` steps.

        The value at step i of n is number ``i * len(values) // n`` of its list. Raises SpecError when there are parts
        for another number of phases, more values than steps to spread them over, or a phase without a step.
        """
        total = len(phase_of_step(steps_per_phase))
        if len(self.phases) == 1:
            return self._spread(self.phases[0], steps=total, field=field)
        if len(self.phases) != len(steps_per_phase):
            problem = f"{len(self.phases)} parts for {counted(len(steps_per_phase), 'phase')}"
            raise SpecError(field, problem, self.text, fix="give one part per phase, or one value for the whole run")
        parts = zip(self.phases, steps_per_phase, strict=True)
        return tuple(chain.from_iterable(self._spread(values, steps=count, field=field) for values, count in parts))

    def _spread(self, values: tuple[float, ...], *, steps: int, field: str) -> tuple[float, ...]:
        if len(values) > steps:
            problem = f"{counted(len(values), 'value')} for {counted(steps, 'step')}"
            raise SpecError(field, problem, self.text, fix="give at most one value per step")
        return tuple(values[i * len(values) // steps] for i in range(steps))


def parse_multiplier(text: str | float, *, field: str) -> Multiplier:
    """Read a multiplier of a spec: any number of phases, any finite weights; a number stands for itself.

    The text reads back unchanged; a number gets its shortest text. Raises SpecError that names `field`, the value and
    what was expected: empty parts, words, spaces, not-a-number and infinity are refused.
    """
    written = text if isinstance(text, str) else _shortest(text)
    if isinstance(text, bool):
        raise SpecError(field, _GRAMMAR, text)
    parts = enumerate(written.split(";"), start=1)
    phases = tuple(_phase_values(part, phase=phase, text=written, field=field) for phase, part in parts)
    return Multiplier(text=written, phases=phases)


def multiplier_text(weights: Sequence[float]) -> str:
    """Give the text of one phase whose steps have these weights; it reads back to exactly them."""
    texts = [_shortest(weight) for weight in weights]
    return texts[0] if len(set(texts)) == 1 else ",".join(texts)


def join_phases(texts: Sequence[str]) -> str:
    """Join the multipliers that a LoRA has in phase 1, 2, ... to one text, keeping each as it is written.

    Raises SpecError when a part is empty or itself names phases.
    """
    for text in texts:
        if not text or ";" in text:
            raise SpecError("multiplier", "expected the value or values of a single phase", text)
    return ";".join(texts)


def merge_phase_loras(phases: Sequence[Sequence[tuple[str, str]]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the names of all LoRAs and the multiplier of each, as upstream writes lora_names and lora_multipliers.

    `phases` holds (file, multiplier) pairs. The names come sorted, as upstream's worker of 2025 does it; a LoRA that a
    phase leaves out has "0" there; of one that a phase names twice, the first counts; an empty name is passed over.
    """
    names = tuple(sorted({name for phase in phases for name, _ in phase if name.strip()}))
    firsts = [dict(reversed(phase)) for phase in phases]
    return names, tuple(join_phases([first.get(name, ABSENT) for first in firsts]) for name in names)


def wire_multipliers(
    text: str | Sequence[object],
    *,
    loras: int,
    steps: int,
    phases: int,
    switch_phase: int,
    switch_steps: tuple[int, int],
) -> tuple[tuple[float, ...], ...]:
    """Give the weight of each of `loras` LoRAs at each of `steps` steps, exactly as WanGP reads its loras_multipliers.

    `phases` is guidance_phases, `switch_phase` model_switch_phase, `switch_steps` the indices at which phase 2 and 3
    begin (`schedule.wire_switch_steps`). Entries stand one per LoRA, separated by spaces or newlines, or in a list.
    Surplus entries are not looked at, and a LoRA without an entry runs at 1.0 from first to last. Two parts in a run of
    three phases repeat the first when the switch phase is 2, else the last.

    Raises PayloadError where WanGP refuses the text, and also where it breaks down (an entry that is None, the entry
    ``|`` in a list) or would run on with nonsense (nan, inf): no weights follow from any of these.
    """
    if phases > WANGP_PHASES:
        raise PayloadError("guidance_phases", f"WanGP has at most {WANGP_PHASES}", phases)
    lengths = (switch_steps[0], switch_steps[1] - switch_steps[0], steps - switch_steps[1])
    rows = []
    for index, entry in enumerate(_wire_entries(text)[:loras]):
        parts = _wire_parts(entry, field=f"{_WIRE_FIELD}[{index}]", phases=phases)
        if len(parts) == 1:
            rows.append(_wire_spread(parts[0], steps=steps))
            continue
        by_phase = zip(_three(parts, phases=phases, switch_phase=switch_phase), lengths, strict=True)
        weights = chain.from_iterable(_wire_spread(values, steps=length) for values, length in by_phase)
        rows.append(tuple(weights)[:steps])
    return (*rows, *repeat((WANGP_DEFAULT,) * steps, loras - len(rows)))


def _shortest(number: float) -> str:
    return repr(number).removesuffix(".0")


def _phase_values(part: str, *, phase: int, text: str, field: str) -> tuple[float, ...]:
    numbers = part.split(",")
    for number in numbers:
        if not _NUMBER.fullmatch(number):
            what = f"{number!r} is not a number" if number else "a value is missing"
            raise SpecError(field, f"phase {phase}: {what}", text, fix=_GRAMMAR)
        if not math.isfinite(float(number)):
            raise SpecError(field, f"phase {phase}: {number} is not finite", text, fix=_GRAMMAR)
    return tuple(float(number) for number in numbers)


def _wire_entries(text: str | Sequence[object]) -> list[object]:
    """Split the text as WanGP does: only whole lines can be comments, and only a space parts the entries of a line."""
    if not isinstance(text, str):
        if "|" in text:
            raise PayloadError(_WIRE_FIELD, "a list cannot hold the separator '|'", list(text))
        return list(text)
    if text.count("|") > 1:
        raise PayloadError(_WIRE_FIELD, "there can be only one '|'", text)
    if not text:
        return []
    lines = text.strip(" \r\n").replace("\r", "").split("\n")
    joined = " ".join(line.strip() for line in lines if line and not line.startswith("#"))
    return list(joined.replace("|", " ").strip().split(" "))


def _wire_parts(entry: object, *, field: str, phases: int) -> tuple[tuple[float, ...], ...]:
    """Give the values of an entry by phase; a number, or a text without ``;``, is a single part."""
    if isinstance(entry, int | float):
        return ((_wire_number(entry, field=field, entry=entry),),)
    if not isinstance(entry, str):
        raise PayloadError(field, "expected a multiplier", entry, fix="leave the entry out: WanGP then uses 1.0")
    parts = entry.strip().split(";")
    if len(parts) > max(phases, 1):
        raise PayloadError(field, f"{len(parts)} parts for {counted(phases, 'phase')}", entry)
    return tuple(tuple(_wire_number(n, field=field, entry=entry) for n in part.split(",")) for part in parts)


def _wire_number(number: str | float, *, field: str, entry: object) -> float:
    try:
        weight = float(number)
    except (ValueError, OverflowError) as exc:
        raise PayloadError(field, f"{number!r} is not a number", entry) from exc
    if not math.isfinite(weight):
        raise PayloadError(field, f"{number!r} is not finite", entry)
    return weight


def _three(parts: tuple[tuple[float, ...], ...], *, phases: int, switch_phase: int) -> tuple[tuple[float, ...], ...]:
    """Pad the parts of an entry to WanGP's three phases; with two phases the third stays at the default, unused."""
    if len(parts) == WANGP_PHASES:
        return parts
    if phases < WANGP_PHASES:
        return (*parts, (WANGP_DEFAULT,))
    return (parts[0], *parts) if switch_phase == _REPEATS_FIRST else (*parts, parts[-1])


def _wire_spread(values: tuple[float, ...], *, steps: int) -> tuple[float, ...]:
    """Spread values over steps by adding up a stride, as WanGP does.

    Its rounding counts: of 3 values over 9 steps the last gets two steps and not three, as six thirds stay below 2.
    """
    if steps < 1:
        return ()
    stride = len(values) / steps
    return tuple(values[int(position)] for position in accumulate(repeat(stride, steps - 1), initial=0.0))
