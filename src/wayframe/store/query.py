"""A small, safe expression over runs: ``num_phases == 2 and status == 'failed'``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any

from wayframe.errors import SpecError, StoreError

ALLOWED_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
ALLOWED_FUNCTIONS = frozenset(
    {
        "abs",
        "coalesce",
        "glob",
        "ifnull",
        "instr",
        "length",
        "like",
        "lower",
        "max",
        "min",
        "round",
        "substr",
        "trim",
        "upper",
    }
)
STEPS_BETWEEN_CHECKS, MOST_CHECKS, LONGEST = 1000, 20_000, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """The columns that an expression may use; None: not known."""

    run_id: str
    status: str
    imported: bool
    created: str | None
    finished: str | None
    error: str | None
    engine: str | None
    model: str | None
    mode: str | None
    chaining: str | None
    resolution: str | None
    segments: int
    frames: int | None
    seed: int | None
    steps: int | None
    num_phases: int | None
    guidance: str | None
    loras: str | None
    prompt: str | None


COLUMNS = tuple(field.name for field in fields(RunRow))


def row_of(record: Mapping[str, Any]) -> RunRow:
    """The row of a record, ours or imported from a log; raises `StoreError` for one that lacks what a row shows."""
    try:
        return _logged(record) if "logged" in record else _own(record)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise StoreError(f"the record of run {record.get('run_id')} lacks a part: {error}") from error


def _own(record: Mapping[str, Any]) -> RunRow:
    planned = record["planned"]
    first = planned["segments"][0]
    steps = first["steps"]
    return RunRow(
        run_id=record["run_id"],
        status=record["status"],
        imported=False,
        created=record["created"],
        finished=record["finished"],
        error=record["error"],
        engine=planned["engine"],
        model=planned["model"],
        mode=planned["mode"],
        chaining=planned["chaining"],
        resolution=planned["resolution"],
        segments=len(planned["segments"]),
        frames=planned["frames"],
        seed=_number(first["seed"]),
        steps=len(steps),
        num_phases=max((step["phase"] for step in steps), default=0),
        guidance=_listed(dict.fromkeys(f"{step['guidance']:g}" for step in steps)),
        loras=_listed(planned["loras"]),
        prompt=_first(segment["prompt"] for segment in planned["segments"]),
    )


def _logged(record: Mapping[str, Any]) -> RunRow:
    """The row of a run that a log told; a log may hold anything in the place of a number or a name."""
    logged = record["logged"]
    requested, planned, segments = logged["requested"], logged["planned"], logged["segments"]
    sent = _table(segments[0]["applied"]) if segments else {}
    scales = [
        sent[key] for key in ("guidance_scale", "guidance2_scale", "guidance3_scale") if sent.get(key) is not None
    ]
    phases = _number(sent.get("guidance_phases", _table(requested.get("phase_config")).get("num_phases")))
    loras = sent.get("activated_loras")
    chained = requested.get("chain_segments", True) and not requested.get("independent_segments")
    return RunRow(
        run_id=record["run_id"],
        status=record["status"],
        imported=True,
        created=record["created"],
        finished=record["finished"],
        error=_first(segment["error"] or "" for segment in segments) or None,
        engine=_text(planned.get("engine")) or "wangp",
        model=_text(requested.get("model_name")),
        mode=_text(requested.get("generation_mode")),
        chaining="chained" if chained else "independent",
        resolution=_text(requested.get("parsed_resolution_wh")),
        segments=len(segments),
        frames=_number(planned.get("expected_frames", planned.get("frames"))),
        seed=_number(requested.get("seed_base")),
        steps=_number(sent.get("num_inference_steps", requested.get("steps"))),
        num_phases=phases,
        guidance=_listed(f"{scale:g}" if isinstance(scale, int | float) else str(scale) for scale in scales[:phases]),
        loras=_listed(map(str, loras if isinstance(loras, list) else ())),
        prompt=_first(str(segment["requested"].get("base_prompt") or "") for segment in segments),
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    """A whole number that SQLite can hold, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None


def _listed(names: Iterable[str]) -> str:
    return " ".join(names)


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def matching(rows: Sequence[RunRow], *, where: str) -> list[str]:
    """The run ids of the rows for which an SQLite expression over `COLUMNS` is true, in the order of `rows`.

    Only reading of these columns and a few pure functions are allowed, and only so much work. Raises `SpecError` that
    says what is wrong with the expression.
    """
    if len(where) > LONGEST:
        raise SpecError("--where", f"is longer than {LONGEST} characters")
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE runs (place INTEGER, {', '.join(COLUMNS)})")
        marks = ", ".join("?" for _ in range(len(COLUMNS) + 1))
        values = [(place, *asdict(row).values()) for place, row in enumerate(rows)]
        database.executemany(f"INSERT INTO runs VALUES ({marks})", values)
        database.commit()
        database.set_authorizer(_authorize)
        checks = iter(range(MOST_CHECKS))
        database.set_progress_handler(lambda: int(next(checks, None) is None), STEPS_BETWEEN_CHECKS)
        try:
            # The first makes sure that the text is one expression: what closes a bracket that it has not opened can
            # satisfy one of the two, never both.
            database.execute(f"SELECT ((\n{where}\n)) FROM runs LIMIT 0")
            found = database.execute(f"SELECT run_id FROM runs WHERE (\n{where}\n) ORDER BY place").fetchall()
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # ValueError: text that SQLite cannot take
            raise _refused(where, error) from error
    return [run_id for (run_id,) in found]


def _authorize(action: int, first: str | None, second: str | None, *_context: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in ALLOWED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_READ and first != "runs":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in ALLOWED_ACTIONS else sqlite3.SQLITE_DENY


def _refused(where: str, error: Exception) -> SpecError:
    text = str(error).splitlines()[0]
    if text.startswith("no such column: "):
        name = text.removeprefix("no such column: ").split()[0].strip('"')
        close = get_close_matches(name, COLUMNS, n=1, cutoff=0.5)
        advice = f"did you mean {close[0]}?" if close else f"columns are {', '.join(COLUMNS)}"
        advice += f" (text stands in single quotes: '{name}')"
        return SpecError("--where", f"there is no column {name}", where, fix=advice)
    if "not authorized" in text or "prohibited" in text:
        return SpecError("--where", "only columns, comparisons and simple functions may be used", where)
    if text == "interrupted":
        return SpecError("--where", "takes too long", where)
    return SpecError(
        "--where", f"is not an expression: {text}", where, fix="such as: num_phases == 2 and status == 'failed'"
    )
