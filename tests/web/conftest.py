from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if not (find_spec("fastapi") and find_spec("dbos")):
    collect_ignore_glob = ["*"]  # the extra `page` is not installed
else:
    from web.browser import Browser
    from workflow.queue.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue on an SQLite file, with pictures and a home."""
    made = Stage.at(tmp_path, base=tmp_path_factory.getbasetemp(), shared=False)
    yield made
    made.client.close()


@pytest.fixture
def browser(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """The page of that queue, in this process, for whoever is on this machine; its list never rests between looks."""
    monkeypatch.setattr("wayframe.web.index.REST", 0.0)
    with Browser.of(stage.place) as made:
        yield made
