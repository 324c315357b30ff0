"""Where the home folder is."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from wayframe.errors import StoreError
from wayframe.store.home import open_home


def test_the_flag_wins_over_the_variable_and_the_variable_over_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda name, **_author: str(tmp_path / "data" / name))
    monkeypatch.delenv("WAYFRAME_HOME", raising=False)
    assert open_home().root == tmp_path / "data" / "wayframe"
    monkeypatch.setenv("WAYFRAME_HOME", "")
    assert open_home().root == tmp_path / "data" / "wayframe"
    monkeypatch.setenv("WAYFRAME_HOME", str(tmp_path / "variable"))
    assert open_home().root == tmp_path / "variable"
    assert open_home(tmp_path / "flag").root == tmp_path / "flag"


def test_the_folders_are_made_and_the_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = open_home(Path("deep/home"))
    assert home.root == tmp_path / "deep" / "home"
    assert home.runs.is_dir()
    assert home.artifacts.is_dir()
    assert not home.models.exists()


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_home(Path("~/frames")).root == tmp_path / "frames"


def test_a_home_that_cannot_be_made_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"home folder .*file cannot be used: .*; choose another with --home"):
        open_home(tmp_path / "file")


def test_a_home_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    assert open_home(tmp_path / "typo", make=False).root == tmp_path / "typo"
    assert not (tmp_path / "typo").exists()
