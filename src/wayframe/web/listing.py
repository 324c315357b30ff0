"""A run as a line of the list, and what a list may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wayframe.store import query
from wayframe.store.runs import ID_DIGITS
from wayframe.web.views_shape import video_names
from wayframe.workflow.queue.rows import RunRow

STATES = ("queued", "running", "completed", "failed", "cancelled", "incomplete")
NAME = r"^[A-Za-z0-9_-]{1,64}$"
CURSOR = r"^[0-9]{17}~[A-Za-z0-9_-]{1,64}$"
RunId = Annotated[str, StringConstraints(pattern=NAME)]


class ListQuery(BaseModel):
    """Which runs, newest first; `before` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    state: list[Annotated[str, StringConstraints(pattern=f"^({'|'.join(STATES)})$")]] = Field(default=[], max_length=6)
    where: str = Field(default="", max_length=query.LONGEST, description="an expression as in `wayframe runs --where`")
    before: Annotated[str, StringConstraints(pattern=CURSOR)] | None = None
    limit: int = Field(default=50, ge=1, le=200)


class FindingCounts(BaseModel):
    """How many findings a run has of each severity."""

    critical: int = 0
    warning: int = 0
    info: int = 0


class RunItem(BaseModel):
    """A run as the list shows it. Times are ISO 8601 in UTC, `seconds` those of its rendering.

    `source` is ``queue`` for a submitted run, ``home`` for one of `wayframe run`, and ``log`` for an imported one.
    """

    id: str
    source: str
    state: str
    title: str
    engine: str | None
    model: str | None
    mode: str | None
    chaining: str | None
    resolution: str | None
    segments: int
    keyframes: int = 0
    frames: int | None
    steps: int | None
    num_phases: int | None
    guidance: str | None
    loras: str | None
    seed: int | None
    created: str | None
    started: str | None = None
    finished: str | None
    error: str | None
    seconds: float | None
    findings: FindingCounts
    priority: int | None = None
    attempt: int | None = None
    revision: int = 1
    revision_of: str | None = None
    capability: str | None = None


class RunPage(BaseModel):
    """A page of the list. `next` is None on the last one; `unread` runs are there and not looked at yet."""

    items: list[RunItem]
    next: str | None
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is kept of a record, so that it need not be read again while its `stamp` stays the same.

    `forwards` and `work` (forwards times pixels times frames) are of the segments that were rendered, not found.
    """

    stamp: str
    row: query.RunRow
    title: str
    findings: Mapping[str, int]
    seconds: float | None = None
    forwards: int = 0
    work: float = 0.0
    machine: str = ""
    keyframes: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """The entry of such data; raises `TypeError` or `KeyError` for other data."""
        return cls(**{**data, "row": query.RunRow(**data["row"])})


def entry_of(record: Mapping[str, Any], *, stamp: str) -> Entry:
    """What is kept of a record; raises `StoreError` for one that lacks what a row shows."""
    row = query.row_of(record)
    findings: dict[str, int] = {}
    for item in record.get("findings", ()):
        findings[item["severity"]] = findings.get(item["severity"], 0) + 1
    outcome = record.get("outcome") or {}
    environment = record.get("environment") or {}
    forwards, work = (0, 0.0) if row.imported else _rendered(record)
    return Entry(
        stamp=stamp,
        row=row,
        title=_title(record, row=row),
        findings=findings,
        seconds=(outcome.get("seconds") or {}).get("render"),
        forwards=forwards,
        work=work,
        machine=f"{environment.get('platform')} {environment.get('device')}",
        keyframes=len((record.get("planned") or {}).get("keyframes", ())),
    )


def _rendered(record: Mapping[str, Any]) -> tuple[int, float]:
    planned = record["planned"]
    width, height = (int(side) for side in planned["resolution"].split("x"))
    reused = {item["index"] for item in (record.get("applied") or {}).get("segments", ()) if item.get("reused")}
    made = [segment for segment in planned["segments"] if segment["index"] not in reused]
    forwards = sum(step["forwards"] for segment in made for step in segment["steps"])
    work = sum(
        float(max(sum(step["forwards"] for step in segment["steps"]), 1)) * width * height * segment["frames"]
        for segment in made
    )
    return forwards, work


def _title(record: Mapping[str, Any], *, row: query.RunRow) -> str:
    if row.prompt and row.prompt.strip():
        return " ".join(row.prompt.split())[:120]
    requested = record.get("requested") or {}
    keyframes = requested.get("keyframes") or []
    names = [str(item.get("image", "")).rsplit("/", 1)[-1] for item in keyframes if isinstance(item, Mapping)]
    names = names or [name for name in video_names(requested, level="clips") if name]
    return " to ".join(dict.fromkeys((names[0], names[-1])))[:120] if names else ""


def item_of(entry: Entry, *, queued: RunRow | None, state: str) -> RunItem:
    """The line of a run: of its record, and of its row in the queue where it has one."""
    row = entry.row
    own = {
        name: getattr(row, name)
        for name in (
            *("engine", "model", "mode", "chaining", "resolution", "segments", "frames", "steps", "num_phases"),
            *("guidance", "loras", "seed", "created", "finished", "error"),
        )
    }
    if queued is not None:
        own |= {
            "created": iso(queued.created),
            "started": iso(queued.started),
            "finished": iso(queued.finished),
            "error": queued.error,
            "priority": queued.priority,
            "attempt": queued.attempt,
            "revision": queued.revision,
            "revision_of": queued.revision_of,
            "capability": queued.capability,
        }
    return RunItem(
        id=row.run_id,
        source="log" if row.imported else "home" if queued is None else "queue",
        state=state,
        title=(queued.title if queued else "") or entry.title,
        keyframes=entry.keyframes,
        seconds=entry.seconds,
        findings=FindingCounts(**{name: entry.findings.get(name, 0) for name in FindingCounts.model_fields}),
        **own,
    )


def bare_entry(queued: RunRow) -> Entry:
    """What is known of a submitted run whose record has not been looked at."""
    engine, _, model = queued.capability.partition(":")
    unknown: dict[str, Any] = dict.fromkeys(query.COLUMNS)
    row = query.RunRow(
        **{
            **unknown,
            "run_id": queued.run_id,
            "status": queued.state.value,
            "imported": False,
            "created": iso(queued.created),
            "engine": engine,
            "model": model or None,
            "segments": queued.segments,
            "frames": queued.frames,
        }
    )
    return Entry(stamp="", row=row, title=queued.title, findings={})


def order_of(run_id: str, *, created: str | None) -> str:
    """What runs are ordered by, 17 digits: an id that is a time, else when the run was made."""
    if run_id.isascii() and run_id.isdecimal() and len(run_id) == ID_DIGITS:
        return run_id
    digits = "".join(sign for sign in created or "" if sign.isascii() and sign.isdecimal())
    return digits[:ID_DIGITS].ljust(ID_DIGITS, "0")


def iso(milliseconds: int | None) -> str | None:
    """A time of the database as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")
