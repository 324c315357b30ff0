from __future__ import annotations

from pathlib import Path

import pytest

from cli.terminal import Terminal
from workflow.rides import draw


@pytest.fixture
def wayframe(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The program in a folder with pictures 0.png to 3.png."""
    draw(tmp_path / "trip", 4)
    monkeypatch.chdir(tmp_path / "trip")
    monkeypatch.setenv("WAYFRAME_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal(folder=tmp_path / "trip", home=tmp_path / "home", capture=capsys, patch=monkeypatch)
