"""Whose habits an upstream payload is read by. A module of its own, so that the command line can name them at once."""

from __future__ import annotations

from enum import StrEnum


class Like(StrEnum):
    """Upstream's worker of October 2025 or of 2026 with all that it adds by itself, or the payload's own words only."""

    UPSTREAM_2025_10 = "upstream-2025-10"
    UPSTREAM_2026 = "upstream-2026"
    PLAIN = "plain"
