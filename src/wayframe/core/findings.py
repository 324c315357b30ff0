"""A finding: a statement about a plan or a run, made by a rule with a code, with its evidence.

`RULES` is the one list of codes; docs/findings.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict


class Severity(StrEnum):
    """How much a finding matters; ordered from least to most by `RANK`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


RANK: Mapping[Severity, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a code stands for: its severity, why it matters and what to do about it."""

    code: str
    severity: Severity
    title: str
    why: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement: `where` is a field path such as ``segments[1].steps[5]``; `evidence` holds plain JSON values."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    code: str
    severity: Severity
    message: str
    where: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    action: str = ""


RULES: dict[str, Rule] = {}


def rule(code: str, severity: Severity, *, title: str, why: str, action: str) -> Rule:
    """Enter a code into `RULES` and return its rule; a code entered twice is a bug."""
    if code in RULES:
        raise ValueError(f"finding code {code!r} is defined twice")
    RULES[code] = Rule(code=code, severity=severity, title=title, why=why, action=action)
    return RULES[code]


def finding(rule: Rule, message: str, *, where: str, evidence: Mapping[str, object] | None = None) -> Finding:
    """Make a finding by `rule`; severity and advice come from the rule."""
    return Finding(
        code=rule.code,
        severity=rule.severity,
        message=message,
        where=where,
        evidence=dict(evidence or {}),
        action=rule.action,
    )
