"""Kills a process once, right after it published an artifact and before anybody wrote that down."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayframe.store.artifacts import Artifact, ArtifactStore

_publish = ArtifactStore.publish


def _publish_and_die(self: ArtifactStore, video: Path, *, key: str, facts: Mapping[str, Any]) -> Artifact:
    artifact = _publish(self, video, key=key, facts=facts)
    died = Path(os.environ["SLOW_LEDGER"]).with_name("died")
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return artifact


ArtifactStore.publish = _publish_and_die
