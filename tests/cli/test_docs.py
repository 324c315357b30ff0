"""docs/cli.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wayframe.cli.app import app
from wayframe.cli.docs import cli_markdown, commands, main
from wayframe.cli.lazily import offered

COMMANDS = ("run", "demo", "plan", "lint", "show", "runs", "schema", "new", "doctor")
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == cli_markdown(), "make docs"


def test_the_page_has_every_command_and_every_option_that_help_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    sections = dict(re.findall(r"^## (wayframe [\w ]+)\n(.*?)(?=^## |\Z)", cli_markdown(), re.DOTALL | re.MULTILINE))
    assert sections.keys() >= {f"wayframe {name}" for name in COMMANDS}
    assert list(sections) == [name for name, _ in commands(offered(), prefix="wayframe")]
    for name, text in sections.items():
        with pytest.raises(SystemExit):
            app([*name.split()[1:], "--help"])
        shown = set(re.findall(r"(?<![\w-])--[a-z]+", capsys.readouterr().out)) - {"--help"}
        assert shown == set(re.findall(r"(?<![\w-])--[a-z]+", text)), name


def test_a_page_is_printed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cli"]) == 0
    assert capsys.readouterr().out == cli_markdown()
    assert main(["findings"]) == 0
    assert capsys.readouterr().out.startswith("# Findings")
    assert main(["nothing"]) == main([]) == 2
    assert "say one of: cli, findings" in capsys.readouterr().err
