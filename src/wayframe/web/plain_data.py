"""What may stand in JSON and YAML that strangers send, before anything walks through it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import yaml

from wayframe.errors import SpecError

DEEPEST, MOST_KEYFRAMES, MOST_STEPS, MOST_STEPS_OF_ALL = 24, 1000, 1000, 100_000
LARGEST_NUMBER = 2**63


def check_plain(data: object) -> None:
    """Raise `SpecError` for data that is nested too deeply, or holds what is no text and no number."""
    waiting: list[tuple[object, int]] = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise SpecError("spec", f"is nested more than {DEEPEST} levels deep")
        if isinstance(value, Mapping):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple):
            waiting += [(part, depth + 1) for part in value]
        else:
            _check_leaf(value)


def _check_leaf(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError("spec", "holds a number that is not finite")
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise SpecError("spec", "holds a number that is too large")
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise SpecError("spec", "holds characters that are no text")


def check_size(spec: Mapping[str, object]) -> None:
    """Raise `SpecError` for a spec whose plan would be too large to make for a page."""
    counts = {name: _count(spec.get(name)) for name in ("keyframes", "trail", "segments", "guides")}
    for name, count in counts.items():
        if count > MOST_KEYFRAMES:
            raise SpecError(name, f"at most {MOST_KEYFRAMES} can be sent here", count)
    count = max(counts.values())
    most = max(_steps(spec), default=0)
    if most > MOST_STEPS or most * count > MOST_STEPS_OF_ALL:
        raise SpecError("steps", f"at most {MOST_STEPS}, and {MOST_STEPS_OF_ALL} of all segments", most)


def _count(said: object) -> int:
    return len(said) if isinstance(said, list) else _whole(said)


def _steps(spec: Mapping[str, object]) -> list[int]:
    """All numbers that ask for steps, anywhere in a spec, and the sums over phases."""
    found: list[int] = []
    waiting: list[object] = [spec]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
            found += [_whole(value.get("steps")), _whole(value.get("cfg_zero"))]
            found += [_sum(value.get("steps_per_phase")), _sum(_phases(value.get("phases")))]
        elif isinstance(value, list):
            waiting += value
    return found


def _phases(phases: object) -> list[object]:
    return [phase.get("steps") for phase in phases if isinstance(phase, Mapping)] if isinstance(phases, list) else []


def _sum(numbers: object) -> int:
    return sum(map(_whole, numbers)) if isinstance(numbers, list) else 0


def _whole(number: object) -> int:
    return number if isinstance(number, int) else 0


def check_yaml(text: str) -> None:
    """Raise `SpecError` for YAML that could grow when it is read: anchors and aliases are not taken."""
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                raise SpecError("spec", "holds anchors or aliases, which are not taken here", fix="write it out")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError("spec", f"cannot be read: {first}") from error
