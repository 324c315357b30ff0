"""How often a process gives a sign of life, and how long one is waited for."""

from __future__ import annotations

import os
from dataclasses import dataclass

from wayframe.errors import SpecError

VARIABLE = "WAYFRAME_BEAT_SECONDS"
BEAT_SECONDS, BEATS_UNTIL_DEAD = 5.0, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two beats; all processes of one database must have the same.

    A process that misses six of them is dead. With a sweep every beat, its work is handed on within 45 seconds.
    """

    beat: float = BEAT_SECONDS

    @property
    def dead(self) -> float:
        """Seconds without a sign of life after which a process is buried."""
        return self.beat * BEATS_UNTIL_DEAD

    @staticmethod
    def here() -> Pace:
        """That of the environment (``WAYFRAME_BEAT_SECONDS``), else five seconds. Raises `SpecError`."""
        said = os.environ.get(VARIABLE)
        try:
            beat = float(said) if said else BEAT_SECONDS
        except ValueError:
            beat = 0.0
        if not 0 < beat < float("inf"):
            raise SpecError(VARIABLE, "is no time in seconds", said, fix="leave it out, or say 5")
        return Pace(beat=beat)
