"""The user's options for an engine: from the command line, and from `options.toml` in the home folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping

from wayframe.errors import SpecError
from wayframe.files import redact_text
from wayframe.store.home import Home

FILE = "options.toml"


def parse_options(words: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as a mapping; raises `SpecError` for another form, and for a key that is given twice."""
    options: dict[str, str] = {}
    for word in words:
        name, is_there, value = word.partition("=")
        if not (name and is_there and value):
            raise SpecError("--option", "expected KEY=VALUE", redact_text(word), fix="such as --option dtype=float32")
        if name in options:
            raise SpecError(f"--option {name}", "is given twice", redact_text(value), fix="give it once")
        options[name] = value
    return options


def engine_options(engine: str, *, home: Home, given: Mapping[str, str]) -> dict[str, str]:
    """The options of an engine: its table in ``<home>/options.toml``, over which those that are `given` win.

    The file has a table for each engine (``[wan]``), with texts, whole numbers, and true or false. Raises `SpecError`
    that names the field when the file says something else.
    """
    path = home.root / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return dict(given)
    except (OSError, ValueError) as error:
        raise SpecError(str(path), f"cannot be read: {error}", fix="mend it, or remove it") from error
    table = data.get(engine, {})
    if not isinstance(table, Mapping):
        raise SpecError(
            f"{path}: {engine}", "expected a table", table, fix=f'such as [{engine}] with dtype = "float32"'
        )
    return {name: _text(value, field=f"{path}: {engine}.{name}") for name, value in table.items()} | dict(given)


def _text(value: object, *, field: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    raise SpecError(field, "expected a text, a whole number, true or false", value)


def way_to(identity: str, *, here: str) -> str:
    """How the engine whose identity is `here` becomes the one of `identity`: the options to give, or to leave out.

    An identity is the engine's name and version, and after blanks the options that decide pixels (``KEY=VALUE``).
    """
    (base, *wanted), (other, *given) = identity.split(" "), here.split(" ")
    if base != other:
        return "plan again here"
    add = [f"--option {word}" for word in wanted if word not in given]
    names = {word.partition("=")[0] for word in wanted}
    drop = [word.partition("=")[0] for word in given if word.partition("=")[0] not in names]
    said = [f"give {' '.join(add)}"] if add else []
    return ", ".join([*said, f"leave out the option {' and '.join(drop)}"] if drop else said)
