"""Files of runs, and pictures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse

from wayframe.core.plan import Plan
from wayframe.errors import StoreError, StoreMissingError
from wayframe.store.runs import DEBUG_LOG, EVENTS, FINAL, RECORD, SHEET, VIDEO
from wayframe.web.answers import file_answer
from wayframe.web.decoding import NARROWEST, WIDEST
from wayframe.web.keyframes import keyframe_picture
from wayframe.web.library import FoundRun
from wayframe.web.listing import RunId
from wayframe.web.site import Here, Site

router = APIRouter(prefix="/runs", tags=["files"])
LARGEST = 10**7
Answers: TypeAlias = dict[int | str, dict[str, Any]]


class FileName(StrEnum):
    """The files that a run has."""

    VIDEO = VIDEO
    SHEET = SHEET
    RECORD = RECORD
    EVENTS = EVENTS
    LOG = DEBUG_LOG
    FINAL_MP4 = f"{FINAL}.mp4"
    FINAL_MOV = f"{FINAL}.mov"


_TYPES = {
    FileName.VIDEO: "video/mp4",
    FileName.SHEET: "image/jpeg",
    FileName.RECORD: "application/json",
    FileName.EVENTS: "application/x-ndjson",
    FileName.LOG: "text/plain; charset=utf-8",
    FileName.FINAL_MP4: "video/mp4",
    FileName.FINAL_MOV: "video/quicktime",
}
_PARTS: Answers = {
    206: {"description": "The range that was asked for"},
    304: {"description": "It is as the client has it"},
}
_ANY: Answers = {
    200: {"description": "The file", "content": {kind.partition(";")[0]: {} for kind in _TYPES.values()}},
    **_PARTS,
}
_JPEG: Answers = {200: {"description": "A picture", "content": {"image/jpeg": {}}}, **_PARTS}
_MP4: Answers = {200: {"description": "A video", "content": {"video/mp4": {}}}, **_PARTS}
_CURVES = {200: {"description": "A list of numbers for each measure", "content": {"application/json": {}}}, **_PARTS}
Width = Annotated[int, Query(ge=NARROWEST, le=WIDEST)]
Number = Annotated[int, Path(ge=0, le=LARGEST)]


@dataclass(frozen=True, slots=True)
class SegmentFrame:
    """A segment, and a frame in it."""

    index: Number
    number: Number


Segment = Annotated[SegmentFrame, Depends()]


@router.get("/{run_id}/files/{name}", response_class=FileResponse, responses=_ANY)
def get_file(request: Request, site: Here, run_id: RunId, name: FileName, download: bool = False) -> Response:
    """A file of a run; ranges are possible."""
    run = site.library.get(run_id)
    saved = f"{run_id}-{name.value}" if download else None
    return file_answer(request, run.file(name.value), media_type=_TYPES[name], download=saved)


@router.get("/{run_id}/frames/{number}.jpg", response_class=FileResponse, responses=_JPEG)
def get_frame(request: Request, site: Here, run_id: RunId, number: Number, width: Width = 640) -> Response:
    """A frame of the video, counted from 0; while there is no video, of the segment that it lies in."""
    run = site.library.get(run_id)
    return file_answer(request, _frame(site, run, number=number, width=width), media_type="image/jpeg")


@router.get("/{run_id}/segments/{index}/frames/{number}.jpg", response_class=FileResponse, responses=_JPEG)
def get_segment_frame(request: Request, site: Here, run_id: RunId, place: Segment, width: Width = 640) -> Response:
    """A frame of a segment, counted from the segment's own first one."""
    plan = site.library.get(run_id).plan()
    video = _segment(site, plan, index=place.index)
    if place.number >= plan.segments[place.index].frames:
        raise StoreMissingError(f"segment {place.index} has frames 0 to {plan.segments[place.index].frames - 1}")
    path = site.decoding.frame(video, index=place.number, width=width)
    return file_answer(request, path, media_type="image/jpeg")


@router.get("/{run_id}/segments/{index}/video.mp4", response_class=FileResponse, responses=_MP4)
def get_segment(request: Request, site: Here, run_id: RunId, index: Number) -> Response:
    """The video of a segment, as soon as it is rendered; ranges are possible."""
    run = site.library.get(run_id)
    return file_answer(request, _segment(site, run.plan(), index=index), media_type="video/mp4")


@router.get("/{run_id}/keyframes/{index}.jpg", response_class=FileResponse, responses=_JPEG)
def get_keyframe(request: Request, site: Here, run_id: RunId, index: Number, width: Width = 640) -> Response:
    """A keyframe: the picture that was given where it is to be had, else the frame of the video that shows it."""
    run = site.library.get(run_id)
    keyframes = run.plan().keyframes
    if index >= len(keyframes):
        raise StoreMissingError(f"run {run_id} has keyframes 0 to {len(keyframes) - 1}")
    try:
        path = keyframe_picture(site, run, digest=keyframes[index].digest)
    except StoreMissingError:
        path = _frame(site, run, number=keyframes[index].at, width=width)
    return file_answer(request, path, media_type="image/jpeg")


@router.get("/{run_id}/curves", response_class=FileResponse, responses=_CURVES)
def get_curves(request: Request, site: Here, run_id: RunId) -> Response:
    """What is measured of every frame of the finished video: motion, change, sharpness, luma, repeats.

    503 of kind `preparing` while a long one is being measured: ask again.
    """
    run = site.library.get(run_id)
    video, frames = run.file(VIDEO), run.plan().frames
    path = site.measuring.answer(str(video), lambda _work: site.decoding.curves(video, frames=frames))
    return file_answer(request, path, media_type="application/json")


def _frame(site: Site, run: FoundRun, *, number: int, width: int) -> FilePath:
    """A frame as JPEG: of the finished video, else of a segment that holds it and is rendered."""
    plan = run.plan()
    if number >= plan.frames:
        raise StoreMissingError(f"run {run.item.id} has frames 0 to {plan.frames - 1}")
    try:
        video, index = run.file(VIDEO), number
    except StoreMissingError:
        video, index = _rendered(site, plan, number=number)
    return site.decoding.frame(video, index=index, width=width)


def _rendered(site: Site, plan: Plan, *, number: int) -> tuple[FilePath, int]:
    for part in plan.segments:
        if part.start <= number < part.start + part.frames:
            try:
                return _segment(site, plan, index=part.index), number - part.start
            except StoreMissingError:
                continue
    raise StoreMissingError(f"frame {number} is not rendered yet")


def _segment(site: Site, plan: Plan, *, index: int) -> FilePath:
    """The video of a published segment. Raises `StoreMissingError`."""
    if index >= len(plan.segments):
        raise StoreMissingError(f"the run has segments 0 to {len(plan.segments) - 1}")
    key = plan.segments[index].key
    try:
        found = site.place.artifacts().find(key)
    except StoreError as error:
        if error.retryable:
            raise
        found = None
    if found is None:
        raise StoreMissingError(f"segment {index} is not rendered yet")
    return found.video
