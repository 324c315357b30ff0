"""The list of commands is made without them, and says the same as they do."""

from __future__ import annotations

from inspect import getdoc
from pathlib import Path

import pytest
from typer.main import get_command_name
from typer.testing import CliRunner

from wayframe.cli import app as program
from wayframe.cli.contents import CONTENTS
from wayframe.cli.lazily import offered

from .terminal import Terminal

FOLDER = Path(program.__file__).parent
APP = program.app


def helps(module: str) -> dict[str, str]:
    """The first words of the help of all commands and groups that a module registers, by their names."""
    found = offered(module)
    commands = {
        command.name or get_command_name(command.callback.__name__): getdoc(command.callback) or ""
        for command in found.registered_commands
        if command.callback
    }
    groups = {group.name or "": group.typer_instance.info.help for group in found.registered_groups}
    return {name: says.splitlines()[0] for name, says in {**commands, **groups}.items()}


@pytest.mark.parametrize("module", CONTENTS)
def test_a_line_of_the_list_begins_the_help_of_its_command(module: str):
    said = helps(module)
    assert list(said) == list(CONTENTS[module])
    for name, line in CONTENTS[module].items():
        assert said[name].startswith(line), name
        assert said[name][len(line)] in ".,:; ", name


def test_every_module_with_commands_is_in_the_list():
    with_commands = {path.stem for path in FOLDER.glob("*.py") if "\ndef register(" in path.read_text()}
    assert with_commands == set(CONTENTS)


def test_every_line_stands_whole_in_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(APP, ["--help"]).output
    for name, line in ((name, line) for commands in CONTENTS.values() for name, line in commands.items()):
        assert [row.split(maxsplit=1) for row in shown.splitlines() if row.startswith(f"  {name} ")] == [[name, line]]


def test_a_command_gets_its_own_words_and_a_wrong_one_is_named(wayframe: Terminal):
    assert "--origins" in wayframe("plan", "--help").out
    assert "migrate" in wayframe("db", "--help").out
    wrong = wayframe("plam")
    assert wrong.code == 2
    assert "plam" in wrong.err
    assert "plan" in wrong.err
