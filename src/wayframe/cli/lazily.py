"""Commands whose module is imported when they are called; until then their line in `CONTENTS` stands for them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from wayframe.cli.contents import CONTENTS


class LazyGroup(TyperGroup):
    """Lists every command, and builds the one that is called: to build all takes as long as to import typer."""

    def __init__(self, **settings: Any) -> None:
        listed = {name: TyperCommand(name, help=says) for module in CONTENTS.values() for name, says in module.items()}
        super().__init__(**{**settings, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name, command and the words that are left to it; fails as any group does where there is no such command."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and _built(str(listed.name)), rest


def offered(*modules: str) -> typer.Typer:
    """The commands of these modules of `cli`, else of all, as they register them."""
    found = typer.Typer(callback=lambda: None, rich_markup_mode=None, add_completion=False)
    for module in modules or CONTENTS:
        import_module(f"wayframe.cli.{module}").register(found)
    return found


def _built(name: str) -> Any:
    module = next(module for module, commands in CONTENTS.items() if name in commands)
    group: Any = get_command(offered(module))  # with a callback it is a group, of one command too
    return group.commands[name]
