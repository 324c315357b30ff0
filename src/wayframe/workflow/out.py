"""The copy of the final video that a user asks for with --out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.core.after import After
from wayframe.errors import MediaError, SpecError, StoreError
from wayframe.files import atomic_path, redact, remove_partial
from wayframe.workflow.record import plan_digest
from wayframe.workflow.sources import capsule_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """Where a copy goes, and the plan of the video; `force` replaces whatever is there."""

    path: Path
    plan: Mapping[str, Any]
    force: bool = False

    def check(self) -> None:
        """Raise `StoreError` unless the video may be written here.

        A video that carries the same plan is replaced without `force`: the same command once more, after a kill or
        after it was done, loses nothing by it.
        """
        path = self.path
        if path.is_dir():
            raise StoreError(f"--out {path} is a folder; name a file in it")
        suffix = self._suffix()
        if path.suffix.lower() != suffix:
            raise StoreError(f"--out {path} is no name for this video; let it end in {suffix}")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise StoreError(f"--out {path} cannot be written: {above} is no folder that may be written to")
        if path.exists() and not self.force and not self._is_same():
            raise StoreError(
                f"--out {path} exists and is not a video of this plan; use another name, or --force to replace it"
            )

    def deliver(self, video: Path) -> None:
        """Copy `video` here in one step; raises `StoreError`, as `check` does and when the disk refuses."""
        self.check()
        try:
            remove_partial(self.path)
            with atomic_path(self.path) as temporary:
                shutil.copyfile(video, temporary)
        except OSError as error:
            raise StoreError(f"--out {self.path} cannot be written ({error.strerror}); see {video}") from error

    def _suffix(self) -> str:
        after = self.plan.get("after")
        return After(profile=after.get("profile")).suffix if after else ".mp4"

    def _is_same(self) -> bool:
        try:
            carried = capsule_of(self.path)["plan"]
        except (SpecError, MediaError):
            return False
        return isinstance(carried, Mapping) and plan_digest(carried) == plan_digest(redact(self.plan))
