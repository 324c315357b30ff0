"""A dossier as JSON for programs; schema ``wayframe.comparison/1``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wayframe.core.comparison import Comparison
from wayframe.core.derived import TableComparison
from wayframe.core.diff import Difference
from wayframe.core.documents import findings_json
from wayframe.core.dossier import Dossier
from wayframe.core.subject import Evidence, Missing, StepTable, Subject, Value
from wayframe.report.values import letter

SCHEMA = "wayframe.comparison/1"


def comparison_json(dossier: Dossier) -> str:
    """The dossier as one JSON document; a value that is not there is ``{"missing": "absent" | "not logged"}``."""
    return json.dumps(comparison_data(dossier), indent=2, ensure_ascii=False) + "\n"


def comparison_data(dossier: Dossier) -> dict[str, Any]:
    """The same as plain data."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "subjects": [_subject(subject, at) for at, subject in enumerate(dossier.subjects)],
        "filters": asdict(dossier.filters),
        "comparisons": [
            {**_comparison(comparison), "a": letter(0), "b": letter(at)}
            for at, comparison in enumerate(dossier.comparisons, start=1)
        ],
        "findings": findings_json(dossier.findings),
        "videos": [None if pair is None else asdict(pair) for pair in dossier.videos],
        "noise": None if dossier.noise is None else asdict(dossier.noise),
        "log": None if dossier.log is None else asdict(dossier.log),
    }
    return data


def _subject(subject: Subject, at: int) -> dict[str, Any]:
    return {
        "letter": letter(at),
        "name": subject.name,
        "kind": subject.kind,
        "source": subject.source,
        "run_id": subject.run_id,
        "status": subject.status,
        "segments": len(subject.segments),
        "keyframes": list(subject.keyframes),
        "pictures": list(subject.pictures),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "verdict": comparison.verdict.value,
        "reason": comparison.reason,
        "causes": [
            {
                "topic": cause.topic.value,
                "effect": cause.effect,
                "paper": cause.paper,
                "detail": cause.detail,
                "paths": [item.path for item in cause.differences],
            }
            for cause in comparison.causes
        ],
        "differences": [_difference(item) for item in comparison.differences],
        "hidden": comparison.hidden,
        "pairs": [[pair.a, pair.b] for pair in comparison.pairs],
        "steps": [_table(table) for table in comparison.tables],
        "findings": {
            "a": findings_json(comparison.findings_of_a),
            "b": findings_json(comparison.findings_of_b),
            "both": findings_json(comparison.findings_of_both),
        },
    }


def _difference(item: Difference) -> dict[str, Any]:
    return {
        "path": item.path,
        "level": item.level.value,
        "segment": item.segment,
        "a": _value(item.a),
        "b": _value(item.b),
        "sort": item.sort.value,
        "impact": item.impact.value,
        "effect": item.effect,
        "note": item.note,
        "proof": {"a": _proof(item.proof_a), "b": _proof(item.proof_b)},
    }


def _value(value: Value) -> Value:
    if isinstance(value, Missing):
        return {"missing": value.value}
    if isinstance(value, Mapping):
        return {key: _value(part) for key, part in value.items()}
    return value


def _proof(proof: Evidence | None) -> dict[str, Any] | None:
    return None if proof is None else asdict(proof)


def _table(table: TableComparison) -> dict[str, Any]:
    return {
        "segments": [table.pair.a, table.pair.b],
        "equal": {
            "timesteps": table.timesteps,
            "experts": table.experts,
            "guidance": table.guidance,
            "loras": not table.loras,
        },
        "a": _steps(table.a),
        "b": _steps(table.b),
    }


def _steps(table: StepTable) -> dict[str, Any]:
    return {
        "basis": table.basis.value,
        "thresholds": list(table.thresholds),
        "inferred": list(table.inferred),
        "steps": [
            {
                "timestep": row.timestep,
                "phase": row.phase,
                "expert": row.expert,
                "guidance": row.guidance,
                "loras": dict(row.loras),
            }
            for row in table.rows
        ],
    }
