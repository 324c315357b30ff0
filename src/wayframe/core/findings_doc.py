"""The page about findings: every rule, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from wayframe import core
from wayframe.core.findings import RANK, Rule, Severity

_HEAD = """\
# Findings

A finding says that something is allowed, but probably not meant, or that something had to be changed. It has a code, a
severity, the place that it speaks of, its evidence and what to do. `wayframe lint` shows the findings about a spec,
`wayframe plan` puts them into the plan, and a run keeps them in its record.

This page is generated from the rules: `python -m wayframe.cli.docs findings`.
"""
_MEANING = {
    Severity.CRITICAL: "The result will most likely be wrong.",
    Severity.WARNING: "The result may not be what you want.",
    Severity.INFO: "Good to know.",
}


def documented_rules() -> tuple[Rule, ...]:
    """Every rule of the core once, the gravest first, then by code."""
    rules = {rule.code: rule for module in _modules() for rule in vars(module).values() if isinstance(rule, Rule)}
    return tuple(sorted(rules.values(), key=lambda rule: (-RANK[rule.severity], rule.code)))


def _modules() -> Iterator[ModuleType]:
    """All modules of the core: all rules live there, so the page does not depend on what else was imported."""
    return (import_module(f"{core.__name__}.{module.name}") for module in iter_modules(core.__path__))


def findings_markdown() -> str:
    """The page as Markdown: for each severity its rules, with what they mean and what to do."""
    rules = documented_rules()
    parts = [_HEAD]
    for severity in sorted(Severity, key=lambda one: -RANK[one]):
        parts.append(f"## {severity.capitalize()}\n\n{_MEANING[severity]}\n")
        parts.extend(_section(rule) for rule in rules if rule.severity == severity)
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    return f"### `{rule.code}`\n\n**{rule.title}.** {rule.why}\n\nWhat to do: {rule.action}\n"
