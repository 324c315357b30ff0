"""Words that depend on a number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 segment``, ``3 segments``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ranges(numbers: Sequence[int]) -> str:
    """Rising numbers, with runs of three and more as `3 to 9`."""
    parts: list[list[int]] = [[numbers[0]]] if numbers else []
    for before, after in pairwise(numbers):
        if after == before + 1:
            parts[-1].append(after)
        else:
            parts.append([after])
    shown = [f"{part[0]} to {part[-1]}" if len(part) >= SPAN else ", ".join(map(str, part)) for part in parts]
    return ", ".join(shown)


def duration(seconds: float) -> str:
    """A time in words: ``48 s``, ``3 min``, ``2 h 5 min``, ``4 d``."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < DAY:
        return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} min"
    return f"{seconds // DAY:.0f} d"


SPAN = 3
MINUTE, HOUR, DAY = 60, 3600, 86400
