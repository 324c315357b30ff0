"""The queue: what runs where, and who works; pause, and drain."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from wayframe.web.answers import json_answer
from wayframe.web.site import Here
from wayframe.workflow.queue.overview import overview

router = APIRouter(tags=["queue"])
WorkerName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.:@-]+$")]


class Draining(BaseModel):
    """Whether a worker finishes its work and takes no more."""

    model_config = ConfigDict(extra="forbid")

    draining: bool = True


@router.get("/queue", response_model=dict[str, Any])
def get_queue(request: Request, site: Here) -> Response:
    """Open runs in the order in which they are taken up, what waits for whom, and every living process."""
    return json_answer(request, overview(site.place).as_json())


@router.post("/queue/pause", response_model=dict[str, Any])
def pause(request: Request, site: Here) -> Response:
    """Have all workers finish what they do and take no more."""
    site.client.pause(paused=True)
    return get_queue(request, site)


@router.post("/queue/unpause", response_model=dict[str, Any])
def unpause(request: Request, site: Here) -> Response:
    """Have all workers go on."""
    site.client.pause(paused=False)
    return get_queue(request, site)


@router.post("/workers/{worker_id}/drain", response_model=dict[str, Any])
def drain(request: Request, site: Here, worker_id: WorkerName, body: Draining | None = None) -> Response:
    """Have one worker finish what it does and take no more, or take work again."""
    site.client.drain(worker_id, draining=body.draining if body else True)
    return get_queue(request, site)
