"""Whether the process that owns something is still there."""

from __future__ import annotations

import os


def process_lives(pid: int) -> bool:
    """Whether a process of this id runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
