"""The HTML pages: one route each, which renders a template with the data of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from wayframe import __version__
from wayframe.web.listing import ListQuery
from wayframe.web.security import check_guesses, cookie_name
from wayframe.web.sessions import SESSION_SECONDS
from wayframe.web.site import Here
from wayframe.workflow.queue.overview import overview

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_templates = Environment(
    loader=PackageLoader("wayframe.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["version"] = __version__


def render(request: Request, name: str, *, status: int = HTTPStatus.OK, **data: Any) -> HTMLResponse:
    """A template as an answer; `path` is the page's own, `guarded` whether there is a session to leave."""
    guarded = request.app.state.site.settings.token is not None
    page = _templates.get_template(name).render(path=request.url.path, guarded=guarded, **data)
    return HTMLResponse(page, status_code=status)


@router.get("/")
def runs_page(request: Request, site: Here, query: Annotated[ListQuery, Depends()]) -> Response:
    """The list of runs."""
    return render(request, "runs.html", page=site.library.listed(query), query=query)


@router.get("/runs/{run_id}")
def run_page(request: Request, site: Here, run_id: str) -> Response:
    """One run."""
    run = site.library.get(run_id)
    return render(request, "run.html", run=run.item, record=run.record(), revisions=site.library.revisions(run.item))


@router.get("/compose")
def compose_page(request: Request, site: Here) -> Response:
    """Where a trip is made."""
    return render(request, "compose.html", limits=site.settings.limits)


@router.get("/compare")
def compare_page(request: Request, site: Here, runs: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """Two or more runs held against each other."""
    names = [name for name in runs.split(",") if name]
    return render(request, "compare.html", runs=[site.library.get(name).item for name in names])


@router.get("/queue")
def queue_page(request: Request, site: Here) -> Response:
    """What runs where."""
    return render(request, "queue.html", queue=overview(site.place))


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where the token is asked for."""
    return render(request, "login.html", wrong=False, next=_own(request.query_params.get("next", "/")))


@router.post("/login")
async def login(request: Request) -> Response:
    """Take the token of a form, and give a session for it."""
    site, keeper, guesses = request.app.state.site, request.app.state.keeper, request.app.state.guesses
    client = request.client.host if request.client else "unknown"
    check_guesses(guesses, client=client)
    form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    target = _own(form.get("next", ["/"])[0])
    if not keeper.knows(form.get("token", [""])[0]):
        guesses.wrong(client)
        return render(request, "login.html", status=HTTPStatus.FORBIDDEN, wrong=True, next=target)
    answer = RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        cookie_name(site.settings),
        keeper.session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(site: Here) -> Response:
    """Forget the session in this browser."""
    answer = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    answer.delete_cookie(cookie_name(site.settings), httponly=True, samesite="strict")
    return answer


def _own(target: str) -> str:
    """A path of this server, whatever was asked for."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return parts.path if ours and "\\" not in target and target.isprintable() else "/"
