"""What `wayframe compare` is given - runs, logs, specs, plans, videos - as subjects of a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayframe.core.catalogue import TWO_EXPERTS
from wayframe.core.documents import parse_plan, plan_json
from wayframe.core.findings import Finding, Severity
from wayframe.core.payload import DETAILS, PARAMS, is_payload
from wayframe.core.plan import usual_ends
from wayframe.core.steptable import ModelDefaults, applied_table, planned_table
from wayframe.core.subject import PICTURES, FlowTask, FrameCount, Level, Subject, SubjectSegment, picture_name
from wayframe.errors import SpecError
from wayframe.logs.reading import find_run as find_logged_run
from wayframe.store.home import Home
from wayframe.store.runs import RECORD, RunFolder, find_run
from wayframe.store.specs import SUFFIXES, read_data
from wayframe.workflow.log_subjects import logged_subject
from wayframe.workflow.sources import capsule_of, spec_source, trip_of_spec

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")
NOT_OF_THE_RUN = frozenset({"segments", "keyframes", "findings", "forwards"})
NOT_OF_A_SEGMENT = frozenset(
    {
        "index",
        "key",
        "start",
        "end",
        "steps",
        "forwards",
        "timesteps",
        "thresholds",
        "frames",
        "phases",
        "loras",
        "ends",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Makes subjects; `defaults` are WanGP's model definitions by model name."""

    home: Home
    defaults: Mapping[str, ModelDefaults]

    def read(self, what: str) -> Subject:
        """The subject that `what` names.

        A run id (or its beginning, or ``last``), a run folder, a spec, plan or payload file, a video of ours, or
        ``FILE.log#RUN``. Raises `InputError` or `StoreError` when there is no such thing.
        """
        path, _, run = what.rpartition("#")
        if path and run and not Path(what).exists():
            return logged_subject(find_logged_run([Path(path)], run), source=what, defaults=self.defaults)
        if Path(what).suffix.lower() in VIDEO_SUFFIXES:
            carried = capsule_of(Path(what))
            levels = {**_levels(carried), "planned": plan_json(parse_plan(carried["plan"]))}
            return subject_of(levels, name=Path(what).name, kind="video", source=what, video=what)
        if Path(what).suffix.lower() in SUFFIXES:
            return self._file(Path(what))
        if Path(what).is_file() and not (Path(what) / RECORD).exists():
            raise SpecError(what, "is none of: run, spec, plan, payload, video", fix="for a log write FILE.log#RUN")
        return self.run(find_run(self.home, what))

    def run(self, folder: RunFolder) -> Subject:
        """The subject of a run folder."""
        record = folder.read()
        if "logged" in record:
            return logged_subject(record["logged"], source=str(folder.path), defaults=self.defaults)
        video = str(folder.video) if folder.video.is_file() else None
        return subject_of(record, name=folder.run_id, kind="run", source=folder.run_id, video=video)

    def _file(self, path: Path) -> Subject:
        data = read_data(path)
        if isinstance(data, Mapping) and str(data.get("schema", "")).startswith("wayframe.plan/"):
            return subject_of({"planned": plan_json(parse_plan(data))}, name=path.name, kind="plan", source=str(path))
        source = spec_source([path], words={})
        trip = trip_of_spec(source, home=self.home)
        kind = "payload" if source.imported else "spec"
        record = {"requested": trip.requested, "resolved": trip.resolved, "planned": trip.planned()}
        return subject_of(record, name=path.name, kind=kind, source=str(path))


def _levels(carried: Mapping[str, Any]) -> dict[str, Any]:
    return {"requested": carried.get("spec"), "resolved": carried.get("resolved")}


def subject_of(record: Mapping[str, Any], *, name: str, kind: str, source: str, video: str | None = None) -> Subject:
    """The subject of a record of ours, or of those of its levels that there are."""
    planned = record["planned"]
    requested, resolved = record.get("requested"), record.get("resolved") or {}
    values: dict[Level, Mapping[str, Any]] = {Level.PLANNED: _without(planned, NOT_OF_THE_RUN)}
    if requested is not None:
        requested = _request(requested)
        values[Level.REQUESTED] = {**_without(requested, NOT_OF_THE_RUN), **_positions(requested)}
    if resolved:
        values[Level.RESOLVED] = _without(resolved["values"], NOT_OF_THE_RUN)
    for level in (Level.APPLIED, Level.OUTCOME, Level.ENVIRONMENT):
        known = _without(record.get(level.value) or {}, frozenset({"segments", "metrics"}))
        known = {name: value for name, value in known.items() if value != {}}  # an engine without anything to tell
        if known:
            values[level] = known
    return Subject(
        name=name,
        kind=kind,
        source=source,
        run_id=record.get("run_id"),
        status=record.get("status"),
        error=record.get("error"),
        values=values,
        whole=frozenset(values),
        origins=resolved.get("origins", {}),
        segments=tuple(_segment(record, index) for index in range(len(planned["segments"]))),
        keyframes=tuple(keyframe["digest"] for keyframe in planned["keyframes"]),
        pictures=_pictures(requested or {}, count=len(planned["keyframes"])),
        flow=tuple(_task(task) for task in record.get("tasks", ())),
        findings=tuple(_finding(item) for item in record.get("findings", planned["findings"])),
        video=video,
    )


def _without(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in names}


def _request(requested: Mapping[str, Any]) -> Mapping[str, Any]:
    """A spec as it is, and of an upstream payload what is asked for, without the task around it."""
    for wrapper in (PARAMS, DETAILS):
        inner = requested.get(wrapper) if is_payload(requested) else None
        requested = inner if isinstance(inner, Mapping) else requested
    return requested


def _positions(requested: Mapping[str, Any]) -> dict[str, Any]:
    """Where the request puts its keyframes: there is one more of them than segments, so this is of the whole run."""
    positions = [keyframe.get("at") for keyframe in requested.get("keyframes", ())]
    return {"at": positions} if any(position is not None for position in positions) else {}


def _pictures(requested: Mapping[str, Any], *, count: int) -> tuple[str, ...]:
    """The names of all pictures as the request has them; nothing unless it names each."""
    images = [keyframe.get("image") for keyframe in requested.get("keyframes", ())] or requested.get(PICTURES)
    if requested.get("loop") and isinstance(images, list):
        images = [*images, *images[:1]]
    if not isinstance(images, list) or len(images) != count:
        return ()
    return tuple(picture_name(str(image)) for image in images)


def _segment(record: Mapping[str, Any], index: int) -> SubjectSegment:
    planned = record["planned"]["segments"][index]
    digests = [keyframe["digest"] for keyframe in record["planned"]["keyframes"]]
    values: dict[Level, Mapping[str, Any]] = {Level.PLANNED: _without(planned, NOT_OF_A_SEGMENT)}
    first, last = planned.get("ends") or usual_ends(index, keyframes=len(digests))
    asked = (record.get("requested") or {}).get("keyframes", [])
    if first is not None and first < len(asked) and not planned.get("still"):
        values[Level.REQUESTED] = _without(asked[first], frozenset({"image", "at", "hold"}))
    resolved = (record.get("resolved") or {}).get("values", {}).get("segments", [])
    if index < len(resolved):
        values[Level.RESOLVED] = _without(resolved[index], NOT_OF_A_SEGMENT)
    wanted = planned_table(planned)
    applied = _applied_steps(record, index)
    table = applied_table(applied, wanted) if wanted is not None and applied else wanted
    tasks = [task for task in record.get("tasks", ()) if task["segment"] == index]
    return SubjectSegment(
        index=index,
        keyframes=(None if first is None else digests[first], None if last is None else digests[last]),
        status=tasks[0]["state"] if tasks else None,
        error=tasks[0]["error"] if tasks else None,
        values=values,
        whole=frozenset(values),
        steps=table,
        wanted=wanted,
        frames=FrameCount(delivered=planned["frames"], overlap_before=planned["overlap_before"]),
    )


def _applied_steps(record: Mapping[str, Any], index: int) -> Sequence[Mapping[str, Any]] | None:
    segments = (record.get("applied") or {}).get("segments", [])
    steps: Sequence[Mapping[str, Any]] | None = segments[index]["steps"] if index < len(segments) else None
    return steps


def _task(task: Mapping[str, Any]) -> FlowTask:
    return FlowTask(kind=task["kind"], segment=task["segment"], task=task["id"], state=task["state"])


def _finding(item: Mapping[str, Any]) -> Finding:
    return Finding(
        code=item["code"],
        severity=Severity(item["severity"]),
        message=item["message"],
        where=item["where"],
        evidence=item.get("evidence", {}),
        action=item.get("action", ""),
    )


def model_defaults(folder: Path | None) -> dict[str, ModelDefaults]:
    """WanGP's model definitions of a folder (NAME.json), by name; raises `SpecError` for one that cannot be read."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise SpecError("--model-defaults", "is not a folder", str(folder))
    definitions = {path.stem: _definition(path) for path in sorted(folder.glob("*.json"))}
    models = {name: data["model"] for name, data in definitions.items()}
    return {name: _defaults(data, models=models, name=name) for name, data in definitions.items()}


def _definition(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError("--model-defaults", f"{path.name} is not a model definition: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("model", {}), dict):
        raise SpecError("--model-defaults", f"{path.name} is not a model definition: it holds no model")
    return {"model": {}, **data}


def _defaults(data: Mapping[str, Any], *, models: Mapping[str, Mapping[str, Any]], name: str) -> ModelDefaults:
    loras, multipliers, weights = (_followed(models, name, key) for key in ("loras", "loras_multipliers", "URLs"))
    two = _followed(models, name, "URLs2") is not None
    return ModelDefaults(
        settings={key: value for key, value in data.items() if key != "model"},
        loras=tuple(str(lora) for lora in loras or ()),
        multipliers=tuple(str(text) for text in multipliers or ()),
        experts=TWO_EXPERTS if two else None if weights is None else 1,
    )


def _followed(models: Mapping[str, Mapping[str, Any]], name: str, key: str) -> list[Any] | None:
    """A list of a definition; a text in its place names the model whose list it is, as in WanGP's files."""
    seen: set[str] = set()
    while name in models and name not in seen:
        seen.add(name)
        value = models[name].get(key)
        if not isinstance(value, str):
            return value if isinstance(value, list) else None
        name = value
    return None
