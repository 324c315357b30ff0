from __future__ import annotations

from pathlib import Path

import pytest

from wayframe.workflow.run import RunResult
from workflow.rides import Ground, Watch, through


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ground, RunResult, Watch]:
    """One completed run of three pictures, for tests that only look at it."""
    ground, watch = Ground.at(tmp_path_factory.mktemp("finished")), Watch()
    return ground, ground.run(through(0, 1, 2, prompts=("up", "down")), listen=watch.listen), watch
