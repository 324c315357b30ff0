"""docs/licences.md names every package that comes along."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_and_every_extra_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "licences.md").read_text()
    extras: dict[str, list[str]] = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for needs in extras.values() for one in needs)]
    packages = {found[0] for one in wanted if (found := re.match(r"[\w-]+", one))} - {"wayframe"}
    assert {name for name in packages if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page)} == set()
    assert {name for name in extras if f"`{name}`" not in page} == set()
