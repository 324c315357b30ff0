"""Logs of our own runs: what is known of such a run stands in its record, not in its log."""

from __future__ import annotations

import re
from pathlib import Path

_OWN_NAMES = re.compile(r"(?:debug\.log|events\.jsonl)(?:\.\d{1,4})?(?:\.(?:gz|zst))?$")


def own_run_folder(path: Path) -> Path | None:
    """The run folder that a log of ours, or the folder itself, belongs to; None for any other log.

    A log of ours is a ``debug.log`` or ``events.jsonl`` (rotated or packed, too) beside a ``run.json``.
    """
    folder = path if path.is_dir() else path.parent
    own = path.is_dir() or _OWN_NAMES.fullmatch(path.name) is not None
    return folder if own and (folder / "run.json").is_file() else None
