"""Runs held against each other: the report as data, and as Markdown."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wayframe.core.diff import Filters
from wayframe.core.dossier import Dossier
from wayframe.core.subject import Subject
from wayframe.errors import SpecError
from wayframe.report.as_json import comparison_data
from wayframe.report.build import build_document
from wayframe.report.markdown import markdown
from wayframe.store.runs import VIDEO
from wayframe.web.answers import json_answer
from wayframe.web.library import FoundRun
from wayframe.web.listing import NAME
from wayframe.web.site import Here, Site
from wayframe.workflow.compare import CompareOptions, Selection, gather
from wayframe.workflow.subjects import Reader, subject_of

router = APIRouter(tags=["compare"])
FEWEST, MOST = 2, 8
_NAME = re.compile(NAME)
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class CompareQuery(BaseModel):
    """Which runs, by ids with commas between; and what is shown, as in `wayframe compare`.

    With `videos` their frames are compared too, which takes a while.
    """

    model_config = ConfigDict(extra="forbid")

    runs: str = Field(max_length=600, description="two to eight ids, with commas between")
    everything: bool = Field(False, alias="all")
    ignore: list[Pattern] = Field(default=[], max_length=20)
    only: list[Pattern] = Field(default=[], max_length=20)
    videos: bool = False
    thumbnails: bool = False

    def names(self) -> list[str]:
        """The ids. Raises `SpecError` for too few, too many, and what is no id."""
        names = [name.strip() for name in self.runs.split(",") if name.strip()]
        if not FEWEST <= len(names) <= MOST:
            raise SpecError("runs", f"expected {FEWEST} to {MOST} ids, with commas between", self.runs)
        if wrong := next((name for name in names if not _NAME.fullmatch(name)), None):
            raise SpecError("runs", "is no id of a run", wrong)
        return names


Asked = Annotated[CompareQuery, Query()]


@router.get("/compare", response_model=dict[str, Any])
def compare_runs(request: Request, site: Here, query: Asked) -> Response:
    """What differs between the first run and each of the others, ranked by what it does to the video."""
    return json_answer(request, comparison_data(dossier_of(site, query)))


@router.get(
    "/compare.md",
    response_class=PlainTextResponse,
    responses={200: {"description": "The report", "content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
def compare_as_markdown(site: Here, query: Asked) -> Response:
    """The same as a report in Markdown."""
    text = markdown(build_document(dossier_of(site, query)))
    return Response(text, media_type="text/markdown; charset=utf-8")


def dossier_of(site: Site, query: CompareQuery) -> Dossier:
    """Everything that a report of the runs says. Raises `InputError` or `StoreError`."""
    subjects = tuple(_subject(site.library.get(name)) for name in query.names())
    filters = Filters(everything=query.everything, ignore=tuple(query.ignore), only=tuple(query.only))
    options = CompareOptions(
        filters=filters, arguments=tuple(query.names()), videos=query.videos, thumbnails=query.thumbnails
    )
    return gather(Selection(subjects=subjects), home=site.home, options=options)


def _subject(run: FoundRun) -> Subject:
    record = run.record()
    if "logged" in record:
        return Reader(home=run.library.place.home, defaults={}).run(run.folder)
    video = run.folder.path / VIDEO
    shown = str(video) if video.is_file() and not run.is_open else None
    return subject_of(record, name=run.item.id, kind="run", source=run.item.id, video=shown)
