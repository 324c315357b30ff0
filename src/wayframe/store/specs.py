"""Specs and plans from files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

from wayframe.errors import SpecError

SUFFIXES = (".yaml", ".yml", ".toml", ".json")
MAX_BYTES = 64 * 1024 * 1024


def read_data(path: Path) -> object:
    """Plain data from a YAML, TOML or JSON file, chosen by its suffix.

    Raises `SpecError` with the place of the fault; a key that stands twice in one mapping is a fault.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SpecError(str(path), "is not a spec", path.suffix or None, fix=f"expected {', '.join(SUFFIXES)}")
    text = _text(path)
    try:
        if path.suffix.lower() == ".toml":
            return tomllib.loads(text)
        if path.suffix.lower() == ".json":
            return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
        return yaml.load(text, Loader=_StrictLoader)
    except RecursionError as error:
        raise SpecError(str(path), "is nested too deeply") from error
    except (ValueError, yaml.YAMLError) as error:  # ValueError: also a date or a number that cannot be
        raise SpecError(str(path), f"cannot be read: {_first_line(error)}") from error


def read_value(text: str, *, field: str) -> object:
    """One value as a spec in YAML has it: `5`, `true`, `[a, b]`, `a text`; none for an empty text.

    Raises `SpecError` that names `field`.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except RecursionError as error:
        raise SpecError(field, "is nested too deeply") from error
    except (ValueError, yaml.YAMLError) as error:
        raise SpecError(field, f"cannot be read as YAML: {_first_line(error)}") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(str(path), f"is larger than {MAX_BYTES} bytes", path.stat().st_size)
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SpecError(str(path), "there is no such file") from error
    except UnicodeDecodeError as error:
        raise SpecError(str(path), f"is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror}") from error


class _DuplicateKeyError(ValueError):
    """A key that stands twice in one mapping."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(f"key {key!r} stands twice in one mapping")
        found[key] = value
    return found


def _refuse(constant: str) -> object:
    raise _DuplicateKeyError(f"{constant} is not a number of JSON")


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, but a key may stand once in a mapping."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:  # as written: keys that come in by a merge (`<<`) may stand here once more
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise _DuplicateKeyError(f"line {line}: key {key.value!r} stands twice in one mapping")
                seen.add(key.value)
        return node


def _first_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]
