"""Plans and resolved specs as plain JSON data, and plans read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wayframe.core.clips import ClipSpan
from wayframe.core.coherence import check_plan
from wayframe.core.findings import Finding
from wayframe.core.guides import check_guides
from wayframe.core.plan import PLAN_SCHEMA, Plan, lora_name, usual_ends
from wayframe.core.plan_keys import keyed
from wayframe.core.resolve import Resolved, ResolvedSegment
from wayframe.core.spec import field_path
from wayframe.errors import SpecError


@cache
def _plans() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


@cache
def _finding_lists() -> TypeAdapter[tuple[Finding, ...]]:
    return TypeAdapter(tuple[Finding, ...])


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON data; `parse_plan` reads it back to an equal plan."""
    data: dict[str, Any] = _plans().dump_python(plan, mode="json", by_alias=True)
    return data


def findings_json(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings as plain JSON data."""
    data: list[dict[str, Any]] = _finding_lists().dump_python(findings, mode="json")
    return data


def parse_findings(data: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Findings of a record, read back."""
    return _finding_lists().validate_python(data)


def parse_plan(data: object) -> Plan:
    """Read a plan back.

    Raises `SpecError` for another schema, for wrong or unknown fields, for parts that do not agree, and for a segment
    that was changed under its old key (an artifact made for the old content would be taken for it). Segments without
    keys get them.
    """
    if not isinstance(data, Mapping):
        raise SpecError("plan", "expected a mapping", data)
    if data.get("schema") != PLAN_SCHEMA:
        raise SpecError("schema", f"expected {PLAN_SCHEMA}", data.get("schema"), fix="plan again with this version")
    try:
        plan = _plans().validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        unknown = first["type"] == "unexpected_keyword_argument"
        problem = "unknown key" if unknown else first["msg"][:1].lower() + first["msg"][1:]
        raise SpecError(field_path(first["loc"]) or "plan", problem, first["input"]) from error
    check_plan(plan)
    check_guides(plan)
    fresh = keyed(plan)
    for old, new in zip(plan.segments, fresh.segments, strict=True):
        if old.key not in ("", new.key):
            raise SpecError(
                f"segments[{old.index}].key",
                "is not the key of this content",
                old.key,
                fix="remove the keys after an edit",
            )
    return fresh


def resolved_json(resolved: Resolved) -> dict[str, Any]:
    """Every value with its origin: ``{"values": {...}, "origins": {path: origin}}``."""
    return {"values": resolved_values(resolved), "origins": dict(resolved.origins)}


def resolved_values(resolved: Resolved) -> dict[str, Any]:
    """The values of a resolved spec as plain JSON data."""
    width, height = resolved.resolution
    return {
        "mode": resolved.mode,
        "chaining": resolved.chaining,
        "overlap": list(resolved.layout.overlaps),
        "segment_frames": list(resolved.layout.frames),
        "positions": list(resolved.layout.positions),
        "fps": resolved.fps,
        "resolution": f"{width}x{height}",
        "fit": resolved.fit,
        "matte": resolved.matte,
        "profile": resolved.profile,
        "curve": resolved.curve,
        "seed_policy": resolved.seed_policy,
        "engine": resolved.engine,
        "model": resolved.model.name if resolved.model else None,
        "preset": resolved.preset,
        "segments": [
            _segment_values(segment, usual=usual_ends(index, keyframes=len(resolved.layout.positions)))
            for index, segment in enumerate(resolved.segments)
        ],
        **resolved.blocks,
    }


def _segment_values(segment: ResolvedSegment, *, usual: tuple[int | None, int | None]) -> dict[str, Any]:
    recipe = segment.recipe
    return {
        "prompt": segment.prompt,
        "negative_prompt": segment.negative_prompt,
        "seed": segment.seed,
        "amount_of_motion": segment.amount_of_motion,
        "sample_solver": recipe.solver.value,
        "flow_shift": recipe.flow_shift,
        "phases": [
            {"steps": phase.steps, "guidance": phase.guidance, "expert": phase.expert} for phase in recipe.phases
        ],
        "loras": [
            {
                "file": lora.file if "://" in lora.file else lora_name(lora.file),
                "multiplier": str(lora.multiplier),
                "for": lora.target,
                "distilled": lora.distilled,
                **({"partial": True} if lora.partial else {}),
                **({"bundle": lora.bundle} if lora.bundle else {}),
            }
            for lora in recipe.loras
        ],
        **_seldom(segment, usual=usual),
    }


def _seldom(segment: ResolvedSegment, *, usual: tuple[int | None, int | None]) -> dict[str, Any]:
    """Values that are left out where they are at their default, so that older records and videos stay equal."""
    recipe = segment.recipe
    values = {
        "ends": None if segment.leg.ends == usual else list(segment.leg.ends),
        "hold": segment.leg.hold,
        "given": _span(segment.leg.given),
        "given_after": _span(segment.leg.given_after),
        "piece": _span(segment.leg.piece),
        "replaced": list(segment.leg.replaced) if any(segment.leg.replaced) else None,
        "cfg_star": recipe.cfg_star,
        "cfg_zero": recipe.cfg_zero,
        "bundles": dict(recipe.bundles),
        "written": segment.written,
        "look": asdict(segment.look) if segment.look else None,
    }
    return {name: value for name, value in values.items() if value}


def _span(span: ClipSpan | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {name: value for name, value in asdict(span).items() if value is not False}
