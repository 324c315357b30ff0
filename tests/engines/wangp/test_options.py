"""The words of `--option` for the engine `wangp`, and what its identity says of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engines.wangp import installs
from wayframe.engines.wangp.options import WangpOptions, version_of
from wayframe.errors import EngineError, SpecError


def test_the_version_and_what_decides_pixels_stand_in_the_identity(tmp_path: Path) -> None:
    config = tmp_path / "wgp_config.json"
    config.write_text("{}")
    said = installs.options(profile="4", attention="sage2", silence="9", config=str(config), model_type="my_tune")
    assert WangpOptions.parse(said).identity() == (
        "wangp/1+10.99 attention=sage2 model_type=my_tune config=44136fa355b3678a"
    )
    assert WangpOptions.parse({}).identity() == "wangp/1"


def test_a_wangp_without_a_version_is_known_by_its_main_module(tmp_path: Path) -> None:
    (tmp_path / "wgp.py").write_text("print('hello')\n")
    first = version_of(tmp_path)
    (tmp_path / "wgp.py").write_text("print('other')\n")
    assert len(first) == 12
    assert first != version_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("root", "nowhere", r"option root: is no WanGP folder: there is no wgp\.py"),
        ("python", "nowhere", "option python: there is no such file"),
        ("config", sys.executable, r"option config: WanGP takes a file of the name wgp_config\.json only"),
        ("profile", "9", "option profile: expected one of 1, 2, 3, 4, 5"),
        ("attention", "sdpa --listen", "option attention: expected a word of WanGP's"),
        ("silence", "0", "option silence: expected a number of seconds above 0"),
        ("silence", "soon", "option silence: expected a number of seconds above 0"),
        ("dtype", "float32", "option dtype: is none of the engine wangp .*its options are root, python"),
    ],
)
def test_a_word_that_cannot_be_is_refused(name: str, value: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        WangpOptions.parse({name: value})


def test_a_virtual_environment_in_its_folder_is_found(tmp_path: Path) -> None:
    for name in ("wgp.py", "shared/api.py", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    options = WangpOptions.parse({"root": str(tmp_path)})
    assert options.interpreter() == tmp_path / ".venv/bin/python"
    (tmp_path / ".venv/bin/python").unlink()
    with pytest.raises(EngineError, match="name it: --option python=PATH"):
        options.interpreter()
