"""Pages of the documentation that are made from the program: ``python -m wayframe.cli.docs [cli|findings]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from inspect import Parameter, getdoc, signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

HEAD = """\
# Commands

This page is generated from the program: `python -m wayframe.cli.docs cli`; `wayframe COMMAND --help` says the same.

Exit codes: 0 done; 1 an error, told in one line on stderr; 2 wrong use of the command line; 130 stopped by Ctrl-C or
SIGTERM: finished segments are kept, and the same command goes on.
"""
_VALUES: dict[type, str] = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def cli_markdown() -> str:
    """All commands with their arguments and options, as Markdown."""
    from wayframe.cli.lazily import offered

    return "\n".join([HEAD, *(_section(name, command) for name, command in commands(offered(), prefix="wayframe"))])


def commands(app: typer.Typer, *, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every command under its full name (``wayframe run``), those of groups too, in the order of help."""
    for command in app.registered_commands:
        if command.callback:
            yield f"{prefix} {command.name or command.callback.__name__.replace('_', '-')}", command.callback
    for group in app.registered_groups:
        if group.typer_instance:
            yield from commands(group.typer_instance, prefix=f"{prefix} {group.name}")


class _Word(NamedTuple):
    """What one can say to a command: its spelling, what it says, and the panel that it stands in."""

    spelling: str
    says: str
    panel: str


def _section(name: str, command: Callable[..., Any]) -> str:
    arguments, options = _words(command)
    usage = " ".join([name, "[OPTIONS]", *(word.spelling for word in arguments)])
    parts = [f"## {name}\n\n{getdoc(command)}\n\n```\n{usage}\n```\n"]
    parts += [_table(arguments)] if arguments else []
    for panel in dict.fromkeys(word.panel for word in options):
        parts += [f"{panel}:\n"] if panel else []
        parts.append(_table([word for word in options if word.panel == panel]))
    return "\n".join(parts)


def _table(words: list[_Word]) -> str:
    rows = [f"| `{_cell(word.spelling)}` | {_cell(word.says)} |" for word in words]
    return "\n".join(["| | |", "| --- | --- |", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _words(command: Callable[..., Any]) -> tuple[list[_Word], list[_Word]]:
    """The arguments and the options of a command, in their order."""
    hints = get_type_hints(command, include_extras=True)
    arguments, options = [], []
    for name, parameter in signature(command).parameters.items():
        if get_origin(hints.get(name)) is Annotated:
            kind, info = get_args(hints[name])[:2]
            if isinstance(info, ArgumentInfo):
                arguments.append(_argument(parameter, kind, info))
            elif isinstance(info, OptionInfo):
                options.append(_option(parameter, kind, info))
    return arguments, options


def _argument(parameter: Parameter, kind: Any, info: ArgumentInfo) -> _Word:
    plain = _plain(kind)
    spelling = (info.metavar or parameter.name.upper()) + ("..." if get_origin(plain) is list else "")
    required = parameter.default is Parameter.empty
    return _Word(spelling=spelling if required else f"[{spelling}]", says=info.help or "", panel="")


def _option(parameter: Parameter, kind: Any, info: OptionInfo) -> _Word:
    first = (info.default,) if isinstance(info.default, str) else ()  # in Annotated, typer keeps the first name there
    names = ", ".join([*first, *(info.param_decls or ())])
    value = info.metavar or _value(_plain(kind))
    says = " ".join([info.help or "", *_defaults(parameter, info)])
    return _Word(spelling=f"{names} {value}".rstrip(), says=says, panel=info.rich_help_panel or "")


def _defaults(parameter: Parameter, info: OptionInfo) -> Iterator[str]:
    if parameter.default not in (None, False, Parameter.empty):
        yield f"Default: `{parameter.default}`."
    if info.envvar:
        yield f"Variable: `{info.envvar}`."


def _plain(kind: Any) -> Any:
    """The type itself of one that may be None."""
    if get_origin(kind) in (Union, UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def _value(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "[" + "|".join(str(member.value) for member in kind) + "]"
    return "" if kind is bool else _VALUES.get(kind, "VALUE")


def main(words: list[str]) -> int:
    """Print the page that is asked for; 2 when there is none of that name."""
    from wayframe.core.findings_doc import findings_markdown

    pages = {"cli": cli_markdown, "findings": findings_markdown}
    if len(words) != 1 or words[0] not in pages:
        sys.stderr.write(f"say one of: {', '.join(pages)}\n")
        return 2
    sys.stdout.write(pages[words[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
