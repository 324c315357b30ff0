"""Names of the settings that hold for all processes of a database (`Place.switches`)."""

from __future__ import annotations

PAUSED = "paused"
"""While its value is `ON`, workers take no further batches; what is in work is finished, and runs are still begun."""
ON, OFF = "1", "0"
