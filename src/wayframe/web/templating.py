"""Jinja for the pages: templates, the report's blocks among them, and the filters that both use."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from wayframe import __version__
from wayframe.core.wording import counted, duration
from wayframe.report.chart import draw
from wayframe.report.document import Block
from wayframe.web.views_run import ENDED, actions, exact


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _moment(text: str | None) -> str:
    """A time as a page shows it before its script puts it into the reader's zone."""
    if not text:
        return ""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
    except ValueError:
        return text


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("wayframe.web"), PrefixLoader({"report": PackageLoader("wayframe.report")})]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(version=__version__, ENDED=ENDED, actions=actions)
    environment.filters.update(draw=draw, kind=_kind, moment=_moment, duration=duration, exact=exact, counted=counted)
    return environment


TEMPLATES = _environment()


def render(request: Request, name: str, *, status: int = HTTPStatus.OK, **data: object) -> HTMLResponse:
    """A template as an answer; `path` is the page's own, `guarded` whether there is a session to leave."""
    guarded = request.app.state.site.settings.token is not None
    page = TEMPLATES.get_template(name).render(path=request.url.path, guarded=guarded, **data)
    return HTMLResponse(page, status_code=status)
