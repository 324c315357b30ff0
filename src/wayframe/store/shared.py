"""Artifacts in a store that many machines share: a video named by its content, then the sidecar that makes it count."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayframe.errors import StoreMissingError

if TYPE_CHECKING:  # it needs obstore, which one machine alone does without
    from wayframe.store.objects import ObjectStore

ARTIFACTS = "artifacts"
SIDECAR = "artifact.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class SharedArtifacts:
    """Artifacts under ``artifacts/KK/KEY/``: ``SHA256.mp4`` and ``artifact.json``, which names it.

    The sidecar goes last and is create-only, so an artifact that has one is whole and everybody's. The video is named
    by its bytes: what a worker left that died before its sidecar never stands in the way of another one's.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def facts(self, key: str) -> dict[str, Any] | None:
        """The sidecar of an artifact; None when there is none, or none that can be used."""
        try:
            facts = json.loads(self.objects.read(_sidecar(key)))
        except (StoreMissingError, ValueError):
            return None
        usable = isinstance(facts, dict) and facts.get("key") == key and _SHA256.fullmatch(str(facts.get("sha256")))
        return facts if usable else None

    def fetch(self, key: str, target: Path, *, facts: Mapping[str, Any]) -> None:
        """Download the video that `facts` name. `StoreMissingError` or `StoreDamagedError` when it is not whole."""
        self.objects.fetch(_video(key, facts=facts), target, sha256=facts["sha256"])

    def publish(self, key: str, folder: Path, *, video: str, facts: Mapping[str, Any]) -> bool:
        """Upload the artifact in `folder` (its sidecar and the file named `video`); False when another came first."""
        name = _video(key, facts=facts)
        made = self.objects.put_new(name, folder / video, sha256=facts["sha256"])
        if not self.objects.put_new(_sidecar(key), folder / SIDECAR):
            return False
        if not made and not self.objects.exists(name):  # an old one that nobody named, collected just now
            self.objects.put_new(name, folder / video, sha256=facts["sha256"])
        return True

    def replace(self, key: str, folder: Path, *, video: str, facts: Mapping[str, Any]) -> None:
        """Put the artifact in `folder` in the place of one that is damaged."""
        self.objects.replace(_video(key, facts=facts), folder / video, sha256=facts["sha256"])
        self.objects.replace(_sidecar(key), folder / SIDECAR)


def _folder(key: str) -> str:
    return f"{ARTIFACTS}/{key[:2]}/{key}"


def _sidecar(key: str) -> str:
    return f"{_folder(key)}/{SIDECAR}"


def _video(key: str, *, facts: Mapping[str, Any]) -> str:
    return f"{_folder(key)}/{facts['sha256']}.mp4"
