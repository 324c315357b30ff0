"""The page about findings is what the rules say, and no rule is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from wayframe.core.findings import RANK
from wayframe.core.findings_doc import documented_rules, findings_markdown

ROOT = Path(__file__).parents[2]


def codes_in_the_source() -> Iterator[str]:
    for path in (ROOT / "src" / "wayframe").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "rule":
                yield str(ast.literal_eval(node.args[0]))


def test_the_page_is_up_to_date():
    assert (ROOT / "docs" / "findings.md").read_text() == findings_markdown()


def test_every_rule_of_the_source_is_on_the_page():
    codes = sorted(codes_in_the_source())
    assert len(codes) > 20
    assert sorted(rule.code for rule in documented_rules()) == codes


def test_every_rule_says_why_it_matters_and_what_to_do():
    page = findings_markdown()
    for rule in documented_rules():
        assert rule.why.endswith(".")
        assert rule.action.endswith(".")
        assert not rule.title.endswith(".")
        assert f"### `{rule.code}`\n\n**{rule.title}.** {rule.why}\n\nWhat to do: {rule.action}\n" in page


def test_rules_stand_gravest_first_and_by_code():
    order = [(-RANK[rule.severity], rule.code) for rule in documented_rules()]
    assert order == sorted(order)
