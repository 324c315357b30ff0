"""Specs: planned, written as YAML, read from text, and taken out of a video of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict

from wayframe.core.documents import findings_json, parse_plan
from wayframe.core.spec import parse_spec, spec_json
from wayframe.errors import InputError, SpecError, StoreUnavailableError
from wayframe.web.answers import json_answer
from wayframe.web.drafts import Draft, media_places
from wayframe.web.estimates import Estimate, estimate
from wayframe.web.openings import KnownMedia, KnownPicture, ReadSpec, opened
from wayframe.web.plain_data import check_plain, check_size, check_yaml
from wayframe.web.problems import Problem, RefusalError, answer
from wayframe.web.site import Here, Site
from wayframe.web.views_compose import charts
from wayframe.workflow.exchange import spec_file
from wayframe.workflow.sources import Reading, spec_source

router = APIRouter(tags=["specs"])
LONGEST_YAML, LONGEST_JSON = 256 * 2**10, 2 * 2**20
PLANS_AT_ONCE, WAIT_SECONDS = 2, 30.0
_plans = threading.BoundedSemaphore(PLANS_AT_ONCE)


class Form(StrEnum):
    """How a spec is written."""

    YAML = "yaml"
    JSON = "json"
    TOML = "toml"


class SpecOnly(BaseModel):
    """A spec as data; pictures may have any names."""

    model_config = ConfigDict(extra="forbid")

    spec: dict[str, Any]


class Planned(BaseModel):
    """What would be done: the plan with every step of every segment, what was found, and what it costs."""

    plan: dict[str, Any]
    findings: list[dict[str, Any]]
    forwards: int
    frames: int
    estimate: Estimate
    resolved: dict[str, Any] | None
    charts: list[dict[str, Any]]
    """Drawings of the steps, one for each way in which segments are denoised."""


class Checked(BaseModel):
    """The plan of a spec, or what is wrong with the spec."""

    planned: Planned | None = None
    refused: Problem | None = None


@router.post("/plan", response_model=Planned)
def plan_spec(request: Request, site: Here, draft: Draft) -> Response:
    """Plan a spec, down to every step; nothing is rendered and nothing is kept."""
    return json_answer(request, _planned(site, draft))


@router.post("/plan/check", response_model=Checked)
def check_draft(request: Request, site: Here, draft: Draft) -> Response:
    """Plan a spec that is still being written: what is wrong with it is the answer, and no error."""
    try:
        return json_answer(request, Checked(planned=_planned(site, draft)))
    except InputError as error:
        refused = answer(error, home=str(site.home.root))
        return json_answer(request, Checked(refused=Problem.model_validate_json(bytes(refused.body))))


def _planned(site: Site, draft: Draft) -> Planned:
    with _turn(), site.workroom.maker(draft) as make:
        trip = make()
        planned = trip.planned()
        return Planned(
            plan=planned,
            findings=planned["findings"],
            forwards=sum(step.forwards for part in trip.plan.segments for step in part.steps),
            frames=trip.plan.frames,
            estimate=estimate(trip.plan, known=site.library.known(), home=site.home),
            resolved=dict(trip.resolved) if trip.resolved else None,
            charts=charts(planned),
        )


@router.post(
    "/specs/yaml",
    response_class=PlainTextResponse,
    responses={200: {"description": "The spec as YAML", "content": {"text/yaml": {"schema": {"type": "string"}}}}},
)
def write_yaml(body: SpecOnly) -> Response:
    """A spec as the text of a YAML file; reading it again gives the same spec."""
    check_plain(body.spec)
    text = spec_file(parse_spec(body.spec), head=(), suffix=".yaml").lstrip("\n")
    return Response(text, media_type="text/yaml; charset=utf-8")


_TEXT = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post("/specs/read", response_model=ReadSpec, openapi_extra=_TEXT)
async def read_spec(request: Request, site: Here, form: Annotated[Form, Query()] = Form.YAML) -> Response:
    """A spec from the text of a file (YAML, JSON or TOML), or from an upstream payload."""
    limit = LONGEST_JSON if form is Form.JSON else LONGEST_YAML
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the text has more than {limit} bytes")
    return json_answer(request, await to_thread.run_sync(_read, site, bytes(body), form))


_VIDEO = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/specs/from-video", response_model=ReadSpec, openapi_extra=_VIDEO)
async def spec_from_video(request: Request, site: Here) -> Response:
    """The spec that a video of ours carries, and which of its keyframes are here; the video is not kept."""
    received = await site.uploads.receive(request.stream())
    try:
        found = await to_thread.run_sync(_carried, site, received.path)
    finally:
        site.uploads.discard(received)
    return json_answer(request, found)


def _read(site: Site, body: bytes, form: Form) -> ReadSpec:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError("spec", f"is not UTF-8 text (byte {error.start})") from error
    if form is Form.YAML:
        check_yaml(text)
    with _turn(), TemporaryDirectory() as folder:
        path = Path(folder) / f"spec.{form.value}"
        path.write_text(text, encoding="utf-8")
        with _without(folder):
            source = spec_source([path], words={}, reading=Reading(home=site.home))
    spec = spec_json(source.spec)
    check_plain(spec)
    findings = findings_json(source.imported.findings) if source.imported else []
    pictures = [KnownPicture(name=keyframe.image) for keyframe in source.spec.keyframes]
    files = [KnownMedia(name=place.name) for place in media_places(spec)]
    return ReadSpec(spec=spec, findings=findings, keyframes=pictures, files=files)


def _carried(site: Site, path: Path) -> ReadSpec:
    with _without(str(path.parent)):
        carried = site.decoding.capsule(path)
    check_plain(carried)
    requested = carried.get("spec")
    if not isinstance(requested, Mapping):
        raise SpecError("video", "carries a plan and no spec", fix="run it with `wayframe run --video`")
    check_size(requested)
    return opened(requested, plan=parse_plan(carried.get("plan")), site=site)


@contextmanager
def _turn() -> Iterator[None]:
    """Plans are made a few at a time: they are work for a processor."""
    if not _plans.acquire(timeout=WAIT_SECONDS):
        raise StoreUnavailableError("too many plans are being made; try again")
    try:
        yield
    finally:
        _plans.release()


@contextmanager
def _without(folder: str) -> Iterator[None]:
    """Errors without the name of a temporary folder."""
    try:
        yield
    except InputError as error:
        field = error.field.replace(f"{folder}/", "")
        raise type(error)(field, error.problem, error.value, fix=error.fix) from error
