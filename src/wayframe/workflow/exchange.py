"""Imports of upstream payloads as spec files, and exports of specs and runs as payloads or WanGP settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from wayframe.core.documents import parse_plan
from wayframe.core.payload import is_payload
from wayframe.core.payload_export import export_payload
from wayframe.core.payload_spec import Imported
from wayframe.core.payload_values import Exportable, read_values
from wayframe.core.payload_wangp import export_wangp
from wayframe.core.plan import EngineFacts, KeyframeFacts, Plan, make_plan
from wayframe.core.recipe import lora_files
from wayframe.core.resolve import resolve
from wayframe.core.spec import TravelSpec, parse_spec, spec_json
from wayframe.errors import InputError, PayloadError, SpecError
from wayframe.files import redact, redact_text
from wayframe.store.catalogue import load_catalogue
from wayframe.store.home import Home, open_home
from wayframe.store.specs import read_data
from wayframe.workflow.prompts import Prompts
from wayframe.workflow.sources import FLAGS, REDONE, Reading, SpecSource, payload_source, spec_source, trip_of_spec

JSON_SUFFIX, YAML_SUFFIXES = ".json", (".yaml", ".yml")
FIRST, LAST = ("image", "at", "mode", "model", "resolution", "fps", "seed", "chaining"), ("carried",)


def import_file(path: Path, *, reading: Reading) -> Imported:
    """The payload of a file as a spec that can be planned.

    Raises `PayloadError` when the file holds something else, or makes a spec that `wayframe plan` would refuse.
    """
    data = read_data(path)
    if not is_payload(data):
        ours = isinstance(data, Mapping) and "keyframes" in data
        fix = f"it holds keyframes, as our specs do: wayframe plan {path}" if ours else "it holds no key that makes one"
        raise PayloadError(str(path), "is no upstream payload", fix=fix)
    source = payload_source(data, base=path.absolute().parent, words={}, reading=reading)
    if source.imported is None:
        raise PayloadError(str(path), "is no upstream payload")
    _check_plan(source.imported.spec, name=path.name, home=reading.home or open_home(make=False))
    return source.imported


def _check_plan(spec: TravelSpec, *, name: str, home: Home) -> None:
    """Plan a spec without looking for any file; a travel's payload always has a resolution, a join needs its clips."""
    if spec.join is not None:
        return
    width, height = (int(side) for side in str(spec.resolution).split("x"))
    facts = [KeyframeFacts(digest="", width=width, height=height) for _ in spec.stops]
    try:
        resolved = resolve(spec, catalogue=load_catalogue(home), first_size=(width, height))
        digests = dict.fromkeys(lora_files([segment.recipe for segment in resolved.segments]), "")
        engine = EngineFacts(name=resolved.engine, identity=resolved.engine, denoises=True)
        make_plan(resolved, keyframes=facts, lora_digests=digests, engine=engine)
    except InputError as error:
        problem = f"the spec that it makes could not be planned: {error}"
        raise PayloadError(name, problem, fix="mend the payload, and import it again") from error


def spec_text(imported: Imported, *, name: str, suffix: str) -> str:
    """An imported spec as the text of a file; in YAML the findings stand above it as comments.

    Raises `SpecError` for a suffix that is not .yaml, .yml or .json.
    """
    said = [f"{item.severity.value}: {' '.join(item.message.split())} [{item.code}]" for item in imported.findings]
    return spec_file(imported.spec, head=[f"Imported from {name}. What was found on the way:", *said], suffix=suffix)


def spec_file(spec: TravelSpec, *, head: Sequence[str], suffix: str) -> str:
    """A spec as the text of a file; in YAML the lines of `head` stand above it as comments.

    Raises `SpecError` for a suffix that is not .yaml, .yml or .json.
    """
    data = _ordered(redact(spec_json(spec)))
    if suffix == JSON_SUFFIX:
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if suffix not in YAML_SUFFIXES:
        raise SpecError("--out", "a spec is written as .yaml or .json", suffix)
    comments = "\n".join(f"# {line}" for line in head)
    body = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    return f"{redact_text(comments)}\n{body}"


def filled_spec(spec: TravelSpec, prompts: Prompts) -> TravelSpec:
    """The spec with the prompts that a model wrote as its own, so that they can be edited, and that edits win."""
    data: dict[str, Any] = spec_json(spec)
    keyframes = data["keyframes"]
    for index, written in prompts.written.items():
        keyframes[index]["prompt"] = written.text
    return parse_spec({**data, "prompts": {**data["prompts"], "write": "missing"}})


def _ordered(data: JsonValue) -> JsonValue:
    """A spec's words in the order in which one reads them."""
    if isinstance(data, list):
        return [_ordered(item) for item in data]
    if not isinstance(data, dict):
        return data
    order = [*(key for key in FIRST if key in data), *(key for key in data if key not in (*FIRST, *LAST))]
    return {key: _ordered(data[key]) for key in (*order, *(key for key in LAST if key in data))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A spec or a run, ready to be exported."""

    source: Exportable
    plan: Plan

    def payload(self) -> dict[str, Any]:
        """The upstream payload; raises `PayloadError` for what upstream cannot be told."""
        exported: dict[str, Any] = redact(export_payload(self.source))
        return exported

    def wangp(self) -> list[dict[str, Any]]:
        """WanGP settings for each segment; raises `PayloadError` for what these cannot say."""
        settings: list[dict[str, Any]] = redact(export_wangp(self.plan, values=self.source.values))
        return settings


def export_of_spec(path: Path, *, reading: Reading, home: Home, pictures: Path | None = None) -> Export:
    """What a spec (or a payload) exports to, with every value filled in."""
    source = spec_source([path], words={}, reading=reading)
    trip = trip_of_spec(source, home=home, pictures=pictures)
    return _export(source.spec, resolved=trip.resolved, plan=trip.plan)


def export_of_record(record: Mapping[str, Any], *, home: Home) -> Export:
    """What a run exports to, by its own record. Raises `SpecError` for a record without its spec or resolved level."""
    requested, resolved = record.get("requested"), record.get("resolved")
    if "logged" in record:
        fix = "export what `wayframe logs show FILE RUN --json` calls requested, as a file of its own"
        raise SpecError("requested", "is known from a log only", fix=fix)
    if not isinstance(requested, Mapping):
        raise SpecError("requested", "the record does not hold it", fix="only runs of a spec can be exported")
    return _export(_spec_of(requested, home=home).spec, resolved=resolved, plan=parse_plan(record.get("planned")))


def _spec_of(requested: Mapping[str, Any], *, home: Home) -> SpecSource:
    if is_payload(requested):
        payload = {key: value for key, value in requested.items() if key not in (FLAGS, REDONE)}
        return payload_source(payload, base=Path(), words=requested.get(FLAGS) or {}, reading=Reading(home=home))
    return SpecSource(spec=parse_spec(requested), base=Path())


def _export(spec: TravelSpec, *, resolved: Mapping[str, Any] | None, plan: Plan) -> Export:
    if resolved is None:
        raise SpecError("resolved", "is not known for this run", fix="export the spec that it was made from")
    source = Exportable(spec=spec, values=read_values(resolved["values"]), origins=resolved["origins"])
    return Export(source=source, plan=plan)
