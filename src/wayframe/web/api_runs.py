"""Reading runs: the list, one run, its record, log and metrics."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from wayframe.errors import StoreMissingError
from wayframe.files import redact_text
from wayframe.store.runs import DEBUG_LOG
from wayframe.web.answers import json_answer
from wayframe.web.listing import ListQuery, RunId, RunItem, RunPage
from wayframe.web.openings import ReadSpec, draft_of
from wayframe.web.site import Here

router = APIRouter(prefix="/runs", tags=["runs"])
LINES = 1000


class RunDetail(BaseModel):
    """One run, and the run that it is a redo of with all its redos, the oldest first."""

    run: RunItem
    revisions: list[RunItem]


class LogPage(BaseModel):
    """Lines of a run's debug log; `next` is the number to go on with."""

    lines: list[str]
    next: int


@router.get("", response_model=RunPage)
def list_runs(request: Request, site: Here, query: Annotated[ListQuery, Query()]) -> Response:
    """All runs, newest first, a page at a time."""
    return json_answer(request, site.library.listed(query))


@router.get("/{run_id}", response_model=RunDetail)
def get_run(request: Request, site: Here, run_id: RunId) -> Response:
    """One run."""
    item = site.library.get(run_id).item
    return json_answer(request, RunDetail(run=item, revisions=site.library.revisions(item)))


@router.get("/{run_id}/record", response_model=dict[str, Any])
def get_record(request: Request, site: Here, run_id: RunId) -> Response:
    """The record of a run with all its levels, as far as it has come."""
    return json_answer(request, site.library.get(run_id).record())


@router.get("/{run_id}/draft", response_model=ReadSpec)
def get_draft(request: Request, site: Here, run_id: RunId) -> Response:
    """The spec of a run to be changed and run again; its pictures become uploads where they are still to be had."""
    return json_answer(request, draft_of(site.library.get(run_id), site=site))


@router.get("/{run_id}/metrics", response_model=dict[str, Any])
def get_metrics(request: Request, site: Here, run_id: RunId) -> Response:
    """What was measured of the finished video: its joins, its keyframes, and findings."""
    run = site.library.get(run_id)
    metrics = (run.record().get("outcome") or {}).get("metrics")
    if metrics is None:
        raise StoreMissingError(f"run {run_id} is {run.item.state}: nothing was measured")
    return json_answer(request, metrics)


@router.get("/{run_id}/log", response_model=LogPage)
def get_log(
    request: Request,
    site: Here,
    run_id: RunId,
    after: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """Lines of the debug log behind line `after`, at most a thousand; a queued run has one when it has ended."""
    run = site.library.get(run_id)
    try:
        path = run.file(DEBUG_LOG)
    except StoreMissingError:
        return json_answer(request, LogPage(lines=[], next=0))
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = [redact_text(line.rstrip("\n")) for line in islice(stream, after, after + LINES)]
    return json_answer(request, LogPage(lines=lines, next=after + len(lines)))
