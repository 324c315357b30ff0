"""What a submitted run is, as one document in the store: its plan, its files by content, and its first record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wayframe.core.documents import parse_plan, plan_json
from wayframe.core.plan import Plan, SegmentPlan
from wayframe.errors import StoreError, StoreMissingError
from wayframe.files import redact
from wayframe.store.home import Home
from wayframe.workflow.depth import found_depth
from wayframe.workflow.lora_files import used_loras
from wayframe.workflow.queue.place import Place
from wayframe.workflow.render import OnDifference
from wayframe.workflow.trip import Trip

REQUEST_SCHEMA = "wayframe.request/1"
RUNS, REQUEST = "runs", "request.json"
"""A run's folder in the store is `RUNS`/ID; its request is the first thing in it."""
LIMIT = 256 * 2**20
"""Bytes of the largest request: the plan of ten thousand segments takes some tens of millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file that a run needs: its name, without folder, and the sha256 of its bytes."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A submitted run. `record` is the one that the run begins with; `options` are the engine's."""

    plan: Plan
    record: Mapping[str, Any]
    requested: Mapping[str, Any] | None
    resolved: Mapping[str, Any] | None
    keyframes: tuple[InputFile, ...]
    loras: Mapping[str, InputFile] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    on_difference: OnDifference = OnDifference.STOP
    clips: tuple[InputFile, ...] = ()
    guides: tuple[InputFile, ...] = ()
    after: tuple[InputFile, ...] = ()

    @property
    def capability(self) -> str:
        """What a worker must hold to render it: an engine, and the model where it has one."""
        return capability_of(self.plan)

    @property
    def blobs(self) -> set[str]:
        """Digests of all files that it needs."""
        files = (*self.keyframes, *self.loras.values(), *self.clips, *self.guides, *self.after)
        return {item.digest for item in files}

    def trip(self, place: Place, *, segments: Collection[int] | None = None) -> Trip:
        """The trip with its files on this machine, downloaded where they are not. Raises `StoreError`.

        Where `segments` are named only their keyframes are: nothing need lie where the others' paths lead.
        """
        folder = inputs_folder(place.home)
        needed = {end for segment in self._named(segments) for end in self.plan.ends(segment)}
        return Trip(
            plan=self.plan,
            images=tuple(
                _fetched(item, place=place, folder=folder) if number in needed else _path_of(item, folder=folder)
                for number, item in enumerate(self.keyframes)
            ),
            requested=self.requested,
            resolved=self.resolved,
            loras={name: _fetched(item, place=place, folder=folder) for name, item in self.loras.items()},
            options=self.options,
            clips=tuple(_fetched(item, place=place, folder=folder) for item in self.clips),
            guides=tuple(_fetched(item, place=place, folder=folder) for item in self.guides),
            after_files={item.digest: _fetched(item, place=place, folder=folder) for item in self.after},
            depth=found_depth(self.plan, home=place.home),
        )

    def _named(self, segments: Collection[int] | None) -> Iterable[SegmentPlan]:
        return self.plan.segments if segments is None else (self.plan.segments[number] for number in segments)


def capability_of(plan: Plan) -> str:
    """What a worker must hold to render a plan: ``preview``, or ``wan:MODEL``."""
    return plan.engine if plan.model is None or plan.engine in ("preview", "null") else f"{plan.engine}:{plan.model}"


def put_request(trip: Trip, *, place: Place, run_id: str, record: Mapping[str, Any], on: OnDifference) -> Request:
    """Publish the files that a trip needs, then its request; gives the request. Raises `StoreError`."""
    used = used_loras(trip.plan)
    request = Request(
        plan=trip.plan,
        record=record,
        requested=trip.requested,
        resolved=trip.resolved,
        keyframes=tuple(_published(path, place=place) for path in trip.images),
        loras={name: _published(path, place=place) for name, path in trip.loras.items() if name in used},
        options=trip.options,
        on_difference=on,
        clips=tuple(_published(path, place=place) for path in trip.clips),
        guides=tuple(_published(path, place=place) for path in trip.guides),
        after=tuple(_published(path, place=place) for path in trip.after_files.values()),
    )
    publish_request(request, place=place, run_id=run_id)
    return request


def publish_request(request: Request, *, place: Place, run_id: str) -> None:
    """Publish a request whose files the store has. The first one of a run stays: its tasks' ids are in the events."""
    document = {
        "schema": REQUEST_SCHEMA,
        "plan": plan_json(request.plan),
        "record": redact(request.record),
        "requested": redact(request.requested),
        "resolved": request.resolved,
        "keyframes": [{"name": item.name, "digest": item.digest} for item in request.keyframes],
        "loras": {name: {"name": item.name, "digest": item.digest} for name, item in request.loras.items()},
        "options": dict(request.options),
        "on_difference": request.on_difference.value,
        **{
            word: [{"name": item.name, "digest": item.digest} for item in items]
            for word, items in (("clips", request.clips), ("guides", request.guides), ("after", request.after))
            if items
        },
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "request.json"
        path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        place.objects.put_new(request_key(run_id), path)


def get_request(place: Place, run_id: str) -> Request:
    """The request of a run. Raises `StoreMissingError` when it was not published, `StoreError` for one that is none."""
    try:
        data = json.loads(place.objects.read(request_key(run_id), limit=LIMIT))
    except ValueError as error:
        raise StoreError(f"the request of run {run_id} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != REQUEST_SCHEMA:
        raise StoreError(f"the request of run {run_id} is of another version of wayframe; expected {REQUEST_SCHEMA}")
    return Request(
        plan=parse_plan(data["plan"]),
        record=data["record"],
        requested=data["requested"],
        resolved=data["resolved"],
        keyframes=tuple(InputFile(**item) for item in data["keyframes"]),
        loras={name: InputFile(**item) for name, item in data["loras"].items()},
        options=data["options"],
        on_difference=OnDifference(data["on_difference"]),
        clips=tuple(InputFile(**item) for item in data.get("clips", ())),
        guides=tuple(InputFile(**item) for item in data.get("guides", ())),
        after=tuple(InputFile(**item) for item in data.get("after", ())),
    )


def files_of(document: Mapping[str, Any]) -> set[str]:
    """Digests of all files that a request as it is stored needs, whatever version its plan is of.

    Raises `KeyError` or `TypeError` for a document that is none.
    """
    lists = [
        document["keyframes"],
        document["loras"].values(),
        *(document.get(word, ()) for word in ("clips", "guides", "after")),
    ]
    return {str(item["digest"]) for items in lists for item in items}


def has_request(place: Place, run_id: str) -> bool:
    """Whether everything about a run was published."""
    try:
        return bool(place.objects.exists(request_key(run_id)))
    except StoreMissingError:
        return False


def request_key(run_id: str) -> str:
    """The name of a run's request in the store."""
    return f"{RUNS}/{run_id}/{REQUEST}"


def inputs_folder(home: Home) -> Path:
    """Where keyframes and LoRAs of queued runs lie on this machine."""
    return home.root / "inputs"


def _published(path: Path, *, place: Place) -> InputFile:
    return InputFile(name=path.name, digest=place.blobs.put_blob(path))


def _fetched(item: InputFile, *, place: Place, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return place.blobs.get_blob(item.digest, _path_of(item, folder=folder))


def _path_of(item: InputFile, *, folder: Path) -> Path:
    """A name that begins with the digest, so that two of one name do not meet."""
    safe = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in item.name)[-100:]
    return folder / f"{item.digest[:16]}-{safe}"
