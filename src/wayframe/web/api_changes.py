"""What changes runs: submit, cancel, resume, retry, redo, priority, delete. The queue carries it out."""

from __future__ import annotations

import hashlib
import shutil
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wayframe.core.spec_recipe import MAX_SEED
from wayframe.errors import StoreError
from wayframe.store.runs import LOCK, RECORD, RunFolder
from wayframe.web.drafts import Draft
from wayframe.web.listing import NAME, RunId, RunItem
from wayframe.web.preparing import Work
from wayframe.web.site import Here, Site
from wayframe.workflow.lora_files import Fetch
from wayframe.workflow.queue.adapter import HIGHEST_PRIORITY
from wayframe.workflow.queue.client import SubmitOptions
from wayframe.workflow.queue.redo import Redo
from wayframe.workflow.queue.rows import RunRow
from wayframe.workflow.queue.supplies import trip_to_submit

router = APIRouter(prefix="/runs", tags=["runs"])
PriorityNumber = Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)]
Words = Annotated[str, StringConstraints(max_length=20_000)]


class Submission(Draft):
    """A draft to be rendered; the same draft under the same `id` is the same run."""

    id: Annotated[str, StringConstraints(pattern=NAME)] | None = None
    priority: PriorityNumber = 0
    batch: int = Field(0, ge=0, le=10_000, description="segments that a worker gets at a time; 0: any")
    keep_going: bool = False


class RedoAsked(BaseModel):
    """What is to be another way in a segment; nothing at all means another seed."""

    model_config = ConfigDict(extra="forbid")

    segment: int = Field(ge=0, le=10**6)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    prompt: Words | None = None
    negative_prompt: Words | None = None
    amount_of_motion: float | None = Field(None, ge=0, le=1)


class Redone(BaseModel):
    """The new revision, and the segments that are made again."""

    run: RunItem
    again: list[int]


class PriorityAsked(BaseModel):
    """Higher is earlier; equal ones in their order."""

    model_config = ConfigDict(extra="forbid")

    priority: PriorityNumber


@router.post("", response_model=RunItem, status_code=201)
def submit(site: Here, body: Submission) -> Response:
    """Submit a trip; the run is queued when this answers 201, and goes on whatever becomes of this server.

    While LoRAs are fetched, prompts written, or files put into the store for longer than some seconds, the answer is
    503 of kind `preparing` that says how far it is: send the same again. What nobody asks for in a minute is given up.
    """
    key = hashlib.sha256(body.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()
    row = site.preparing.answer(key, lambda work: _submitted(site, body, work=work))
    return _created(_item(site, row.run_id))


def _submitted(site: Site, body: Submission, *, work: Work[RunRow]) -> RunRow:
    fetch = Fetch(listen=work.listen, cancelled=work.cancelled, private=site.settings.is_own_host)
    with site.workroom.maker(body) as make:
        trip = trip_to_submit(make, home=site.home, fetch=fetch)
        work.check()
        options = SubmitOptions(run_id=body.id, priority=body.priority, batch=body.batch, keep_going=body.keep_going)
        return site.client.submit(trip, options=options)


@router.post("/{run_id}/cancel", response_model=RunItem)
def cancel(site: Here, run_id: RunId) -> RunItem:
    """Stop a run; what is rendered is kept."""
    site.client.cancel(_queued(site, run_id))
    return _item(site, run_id)


@router.post("/{run_id}/resume", response_model=RunItem)
def resume(site: Here, run_id: RunId) -> RunItem:
    """Go on with a run that was cancelled."""
    site.client.resume(_queued(site, run_id))
    return _item(site, run_id)


@router.post("/{run_id}/retry", response_model=RunItem)
def retry(site: Here, run_id: RunId) -> RunItem:
    """Try what is missing of a run that failed once more."""
    site.client.retry(_queued(site, run_id))
    return _item(site, run_id)


@router.post("/{run_id}/redo", response_model=Redone, status_code=201)
def redo(site: Here, run_id: RunId, body: RedoAsked) -> Response:
    """Make one segment again in another way: a new run, which finds all that stays as it was."""
    row, again = site.client.redo(_queued(site, run_id), change=Redo(**body.model_dump()))
    item = _item(site, row.run_id)
    headers = {"Location": f"/api/v1/runs/{item.id}"}
    return JSONResponse(Redone(run=item, again=again).model_dump(), status_code=201, headers=headers)


@router.post("/{run_id}/priority", response_model=RunItem)
def prioritise(site: Here, run_id: RunId, body: PriorityAsked) -> RunItem:
    """Give an open run another priority, and with it what waits of it."""
    site.client.prioritise(_queued(site, run_id), priority=body.priority)
    return _item(site, run_id)


@router.delete("/{run_id}", status_code=204)
def delete(site: Here, run_id: RunId) -> Response:
    """Forget a run that has ended, with its folder; its segments stay until `wayframe gc`."""
    run = site.library.get(run_id)
    if run.row is not None:
        site.client.remove(run_id)
    else:
        _remove(run.folder)
    site.library.stale()
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _remove(folder: RunFolder) -> None:
    """Remove a folder that nobody holds: its record first, its lock last."""
    with folder.hold():
        for path in sorted(folder.path.iterdir(), key=lambda path: path.name != RECORD):
            if path.name != LOCK:
                path.unlink()
    shutil.rmtree(folder.path, ignore_errors=True)


def _queued(site: Site, run_id: str) -> str:
    """The id of a run that was submitted. Raises `StoreError` for another: nobody but its own process stops it."""
    if site.library.get(run_id).row is None:
        raise StoreError(f"run {run_id} was not submitted to the queue, so that it cannot be changed from here")
    return run_id


def _item(site: Site, run_id: str) -> RunItem:
    site.library.stale()
    return site.library.get(run_id).item


def _created(item: RunItem) -> Response:
    return JSONResponse(item.model_dump(), status_code=201, headers={"Location": f"/api/v1/runs/{item.id}"})
