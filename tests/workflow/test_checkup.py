"""What `wayframe doctor` finds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from wayframe.workflow import checkup
from wayframe.workflow.checkup import check_up


def test_a_healthy_place_passes_every_check(tmp_path: Path) -> None:
    checks = {check.name: check for check in check_up(tmp_path)}
    assert [name for name, check in checks.items() if not check.good] == []
    assert {
        "versions",
        "machine",
        "codec",
        "pictures",
        "home",
        "space",
        "catalogue",
        "engines",
        "wan",
        "proposal",
    } == set(checks)
    assert checks["home"].says == str(tmp_path)
    assert "preview" in checks["engines"].says
    assert list(tmp_path.glob(".doctor*")) == []


def test_a_home_that_is_not_there_yet_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    checks = {check.name: check for check in check_up(tmp_path / "new" / "home")}
    assert all(check.good for check in checks.values())
    assert checks["home"].says == f"{tmp_path / 'new' / 'home'} (the first run makes it)"
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_made_is_a_failed_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [home] = [check for check in check_up(tmp_path / "file") if check.name == "home"]
    assert not home.good
    assert str(tmp_path / "file") in home.says


def test_a_broken_catalogue_and_a_full_disk_fail_their_checks_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text("name = ")
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1024))
    bad = {check.name: check.says for check in check_up(tmp_path) if not check.good}
    assert set(bad) == {"catalogue", "space"}
    assert "mine.toml" in bad["catalogue"]
    assert bad["space"] == "0.0 GiB free in the home folder"
