"""wayframe: keyframes in, one continuous video out, with a record of every step."""

from __future__ import annotations

__version__ = "0.1.0"
