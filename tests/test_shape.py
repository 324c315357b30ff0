"""The size gates of the house: file and function length, nesting, names, and no pair of arguments to mix up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "wayframe"
FILES = sorted(SOURCE.rglob("*.py"))
FILE_LINES, FUNCTION_LINES, NESTING = 400, 60, 3
NAMES_WITHOUT_A_SUBJECT = {"utils", "util", "helpers", "helper", "common", "misc"}
NESTERS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[FunctionNode]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FunctionNode):
            yield node


def depth(node: ast.AST, inside: int = 0) -> int:
    deepest = inside
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deepest = max(deepest, depth(child, inside + (isinstance(child, NESTERS) and not is_elif)))
    return deepest


def confusable(function: FunctionNode) -> list[str]:
    """Positional parameters of one type, which a caller could swap unnoticed (commands and operators are exempt)."""
    if function.decorator_list or (function.name.startswith("__") and function.name != "__init__"):
        return []
    typed = [(a.arg, ast.unparse(a.annotation)) for a in function.args.args if a.annotation is not None]
    pairs = [(a, b) for (a, first), (b, second) in combinations(typed, 2) if first == second]
    return [f"{a}, {b}" for a, b in pairs if (a, b) != ("a", "b")]  # the two sides of a comparison


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_file_keeps_to_the_size_gates(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES
    assert path.stem not in NAMES_WITHOUT_A_SUBJECT
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= FUNCTION_LINES, f"{function.name} has {length} lines"
        assert depth(function) <= NESTING, f"{function.name} nests deeper than {NESTING}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_function_takes_a_positional_pair_that_can_be_swapped(path: Path) -> None:
    if path.name == "errors.py":  # SpecError("field", "problem") reads in its order
        return
    for function in functions(path):
        if not function.name.startswith("_") or function.name == "__init__":
            assert confusable(function) == [], f"{function.name} takes a pair of one type by position"
